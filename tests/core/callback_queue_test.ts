import { assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CallbackQueue } from "../../src/core/callback_queue.ts";
import { LoopCallback } from "../../src/core/loop_callback.ts";

class Numbered extends LoopCallback {
  readonly number: number;

  constructor(number: number) {
    super(0, false);
    this.number = number;
  }

  override takeTurn(): void {}
}

function numbersIn(queue: CallbackQueue): number[] {
  return [...queue].map((callback) => (callback as Numbered).number);
}

function filled(count: number): { queue: CallbackQueue; callbacks: Numbered[] } {
  const queue = new CallbackQueue();
  const callbacks = Array.from({ length: count }, (_, number) => new Numbered(number));
  for (const callback of callbacks) queue.push(callback);
  return { queue, callbacks };
}

describe("CallbackQueue", () => {
  it("has no head when it is empty, before and after", () => {
    const queue = new CallbackQueue();
    assertStrictEquals(queue.head, null);
    const only = new Numbered(1);
    queue.push(only);
    assertStrictEquals(queue.head, only);
    queue.remove(only);
    assertStrictEquals(queue.head, null);
  });

  it("goes on in the order of the pushes, whoever is taken out", () => {
    const { queue, callbacks } = filled(10);
    for (const number of [4, 0, 1, 9, 5]) queue.remove(callbacks[number]!);
    assertEquals(numbersIn(queue), [2, 3, 6, 7, 8]);
    const served: number[] = [];
    for (let head = queue.head; head !== null; head = queue.head) {
      served.push((head as Numbered).number);
      queue.remove(head);
    }
    assertEquals(served, [2, 3, 6, 7, 8]);
  });

  it("takes back at the end who was taken out", () => {
    const { queue, callbacks } = filled(3);
    queue.remove(callbacks[0]!);
    queue.push(callbacks[0]!);
    assertEquals(numbersIn(queue), [1, 2, 0]);
    queue.remove(callbacks[2]!);
    queue.push(callbacks[2]!);
    assertEquals(numbersIn(queue), [1, 0, 2]);
  });

  it("is empty when the last ones were taken out from behind", () => {
    const { queue, callbacks } = filled(5000);
    for (const callback of callbacks.toReversed()) queue.remove(callback);
    assertStrictEquals(queue.head, null);
    queue.push(callbacks[7]!);
    assertStrictEquals(queue.head, callbacks[7]);
  });

  it("keeps its order through any number of rounds in which it is never empty", () => {
    const { queue } = filled(100);
    for (let round = 0; round < 20_000; round++) {
      const head = queue.head as Numbered;
      assertStrictEquals(head.number, round % 100);
      queue.remove(head);
      queue.push(head);
    }
    assertStrictEquals(numbersIn(queue).length, 100);
  });

  it("does not grow where the first ones wait for ever, and others come and go behind them", () => {
    const { queue, callbacks } = filled(10);
    let placeMax = 0;
    for (let round = 0; round < 20_000; round++) {
      const callback = callbacks[1 + round % 9]!;
      queue.remove(callback);
      queue.push(callback);
      placeMax = Math.max(placeMax, callback.queuePlace);
    }
    assertLess(placeMax, 2000);
    assertEquals(numbersIn(queue), [0, 3, 4, 5, 6, 7, 8, 9, 1, 2]);
  });

  it("keeps the order of a hundred thousand, and closes gaps at its front", () => {
    const { queue, callbacks } = filled(100_000);
    for (let number = 0; number < 60_000; number++) {
      assertStrictEquals(queue.head, callbacks[number]);
      queue.remove(callbacks[number]!);
    }
    for (let number = 70_000; number < 100_000; number += 2) queue.remove(callbacks[number]!);
    for (let number = 0; number < 20_000; number++) queue.push(callbacks[number]!);
    const expected = callbacks.slice(60_000).filter(({ number }) => number < 70_000 || number % 2 === 1);
    for (const callback of [...expected, ...callbacks.slice(0, 20_000)]) {
      assertStrictEquals(queue.head, callback);
      queue.remove(callback);
    }
    assertStrictEquals(queue.head, null);
  });

  it("can be walked while it changes", () => {
    const { queue, callbacks } = filled(5);
    const walked: number[] = [];
    for (const callback of queue) {
      walked.push((callback as Numbered).number);
      queue.remove(callback);
      if (walked.length === 1) queue.push(callbacks[0]!);
    }
    assertEquals(walked, [0, 1, 2, 3, 4]);
    assertEquals(numbersIn(queue), [0]);
  });
});
