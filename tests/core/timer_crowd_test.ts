import { assertEquals, assertLess, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { TimerHeap } from "../../src/core/timer_heap.ts";
import { TimerRows } from "../../src/core/timer_rows.ts";

/** A thousand timers in front instead of sixteen: the sooner the rest is reached. */
const NEAR_MAX = 1024;

/** What a timer is known by, beside the heap. */
interface Timer {
  readonly slot: number;
  readonly deadlineMs: number;
  readonly order: number;
}

/** The same timers in a plain heap of pairs: what is due first has the lowest deadline and then the lowest order. */
class Model {
  readonly #bySlot = new Map<number, Timer>();
  #order = 0;

  put(slot: number, deadlineMs: number): void {
    this.#bySlot.set(slot, { slot, deadlineMs, order: this.#order++ });
  }

  drop(slot: number): void {
    this.#bySlot.delete(slot);
  }

  get size(): number {
    return this.#bySlot.size;
  }

  deadlineOf(slot: number): number | undefined {
    return this.#bySlot.get(slot)?.deadlineMs;
  }

  /** All slots, what is due first first. */
  inOrder(): number[] {
    const timers = [...this.#bySlot.values()];
    // Not by difference, which is no number between infinities.
    timers.sort((a, b) => a.deadlineMs === b.deadlineMs ? a.order - b.order : a.deadlineMs < b.deadlineMs ? -1 : 1);
    return timers.map((timer) => timer.slot);
  }
}

/** A heap and the model of it, which are told the same. */
class Pair {
  readonly heap: TimerHeap = new TimerHeap(NEAR_MAX);
  readonly model: Model = new Model();
  readonly slots: number[] = [];
  readonly random: (below: number) => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  add(deadlineMs: number): void {
    const slot = this.heap.add(deadlineMs);
    assertStrictEquals(this.model.deadlineOf(slot), undefined);
    this.model.put(slot, deadlineMs);
    this.slots.push(slot);
  }

  /** Any timer, which leaves the list. */
  #pick(): number {
    const index = this.random(this.slots.length);
    const slot = this.slots[index]!;
    this.slots[index] = this.slots.at(-1)!;
    this.slots.pop();
    return slot;
  }

  remove(): void {
    const slot = this.#pick();
    assertStrictEquals(this.heap.deadlineOf(slot), this.model.deadlineOf(slot)!);
    this.heap.remove(slot);
    this.model.drop(slot);
  }

  update(deadlineMs: number): void {
    const slot = this.slots[this.random(this.slots.length)]!;
    this.heap.update(slot, deadlineMs);
    this.model.put(slot, deadlineMs);
    assertStrictEquals(this.heap.deadlineOf(slot), deadlineMs);
  }

  /** Takes the first `count` away, which must be the model's, and answers the deadline of the last of them. */
  pop(count: number): number {
    const expected = this.model.inOrder().slice(0, count);
    const gone = new Set(expected);
    let last = -Infinity;
    const popped: number[] = [];
    for (const slot of expected) {
      last = this.model.deadlineOf(slot)!;
      assertStrictEquals(this.heap.peekDeadline(), last);
      popped.push(this.heap.pop());
      this.model.drop(slot);
    }
    // Joined, since arrays of thousands make a comparison that takes longer than all the rest.
    assertStrictEquals(popped.join(), expected.join());
    const kept = this.slots.filter((slot) => !gone.has(slot));
    this.slots.length = 0;
    for (const slot of kept) this.slots.push(slot);
    return last;
  }

  /** Takes all away that are due at `nowMs`, up to 32 at once, which must be the model's, with their deadlines. */
  popDue(nowMs: number): void {
    const expected = this.model.inOrder().filter((slot) => this.model.deadlineOf(slot)! <= nowMs);
    const popped: number[] = [];
    const rows = new TimerRows(32);
    for (let count = -1; count !== 0;) {
      const max = 1 + this.random(rows.length);
      count = this.heap.popAllDue(nowMs, rows, max);
      assertLessOrEqual(count, max);
      for (let row = 0; row < count; row++) {
        const slot = rows.slots[row]!;
        assertStrictEquals(rows.deadlines[row], this.model.deadlineOf(slot));
        popped.push(slot);
        this.model.drop(slot);
      }
      assertStrictEquals(this.heap.size, this.model.size);
    }
    assertStrictEquals(popped.join(), expected.join());
    const gone = new Set(expected);
    this.slots.splice(0, Infinity, ...this.slots.filter((slot) => !gone.has(slot)));
  }

  drain(): void {
    this.pop(this.model.size);
    assertStrictEquals(this.heap.size, 0);
    assertStrictEquals(this.heap.peekDeadline(), Infinity);
    assertStrictEquals(this.heap.farCapacity, 0);
  }
}

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    return (state >>> 8) % below;
  };
}

const kinds: Record<string, (random: (below: number) => number) => number> = {
  "spread evenly": (random) => random(1_000_000) / 1000,
  "whole milliseconds": (random) => random(50),
  "all the same": () => 60_000,
  "of all orders of magnitude": (random) => 2 ** (random(2000) - 1000),
  "some at infinity": (random) => random(3) === 0 ? Infinity : random(10_000),
  "only at either infinity": (random) => random(2) === 0 ? Infinity : -Infinity,
  "negative and positive": (random) => random(20_000) - 10_000,
  "of the extremes of numbers": (random) =>
    [-Infinity, -Number.MAX_VALUE, -5e-324, 0, 5e-324, 1e-310, 1, Number.MAX_VALUE, Infinity][random(9)]!,
  "as near to each other as numbers can be": (random) => 1e6 + random(100) * 2 ** -33,
};

describe("TimerHeap with thousands of timers", () => {
  for (const [kind, deadline] of Object.entries(kinds)) {
    it(`pops them in order: ${kind}`, () => {
      const pair = new Pair(1);
      for (let i = 0; i < 20_000; i++) pair.add(deadline(pair.random));
      pair.drain();
    });

    it(`agrees with a sorted array through additions, removals, updates and pops: ${kind}`, () => {
      const pair = new Pair(2);
      for (let phase = 0; phase < 12; phase++) {
        for (let step = 0; step < 3000; step++) {
          // Phases in which additions or removals prevail.
          const action = pair.random(10);
          if (pair.slots.length === 0 || action < (phase % 4 < 2 ? 7 : 2)) pair.add(deadline(pair.random));
          else if (action < 8) pair.remove();
          else pair.update(deadline(pair.random));
        }
        pair.pop(Math.min(500 * (phase % 3), pair.model.size));
        assertStrictEquals(pair.heap.size, pair.model.size);
      }
      pair.drain();
    });
  }

  for (const [kind, deadline] of Object.entries(kinds)) {
    it(`pops what is due together, and no more: ${kind}`, () => {
      const pair = new Pair(7);
      for (let round = 0; round < 8; round++) {
        for (let i = 0; i < 3000; i++) pair.add(deadline(pair.random));
        for (let i = 0; i < 300; i++) pair.remove();
        // Some that come later, and go to the heap in front of a run that is sorted already.
        pair.popDue(deadline(pair.random));
        for (let i = 0; i < 200; i++) pair.add(deadline(pair.random));
        pair.popDue(deadline(pair.random));
      }
      pair.popDue(Infinity);
      assertStrictEquals(pair.heap.size, 0);
      assertStrictEquals(pair.heap.peekDeadline(), Infinity);
    });
  }

  it("pops tens of thousands in order with as many in front as usual", () => {
    const heap = new TimerHeap();
    const random = randomFrom(6);
    const deadlines = new Map<number, number>();
    for (let i = 0; i < 60_000; i++) {
      const deadlineMs = random(1_000_000);
      deadlines.set(heap.add(deadlineMs), deadlineMs);
    }
    for (const deadlineMs of [...deadlines.values()].sort((a, b) => a - b)) {
      assertStrictEquals(deadlines.get(heap.pop()), deadlineMs);
    }
    assertStrictEquals(heap.size, 0);
  });

  it("takes ever earlier deadlines", () => {
    const pair = new Pair(3);
    for (let i = 0; i < 20_000; i++) pair.add(20_000 - i);
    pair.drain();
  });

  it("takes earlier deadlines while a sorted run is being popped", () => {
    const pair = new Pair(4);
    for (let i = 0; i < 10_000; i++) pair.add(1000 + pair.random(100_000));
    for (let round = 0; round < 10; round++) {
      const nowMs = pair.pop(100);
      // More than the heap in front holds, among what is sorted already and before it.
      for (let i = 0; i < 2500; i++) pair.add(nowMs + pair.random(300));
    }
    pair.drain();
  });

  it("serves timers that go on by the clock, as a loop has them", () => {
    const pair = new Pair(5);
    for (let i = 0; i < 5000; i++) pair.add(pair.random(30_000));
    for (let round = 0; round < 50; round++) {
      const nowMs = pair.pop(40);
      for (let i = 0; i < 40; i++) pair.add(nowMs + 1 + pair.random(30_000));
      for (let i = 0; i < 100; i++) pair.update(nowMs + 30_000);
    }
    pair.drain();
  });

  it("keeps what was added last behind its equals, wherever those are by now", () => {
    const heap = new TimerHeap(NEAR_MAX);
    const expected: number[] = [];
    for (let i = 0; i < 3000; i++) expected.push(heap.add(100));
    for (let i = 0; i < 3000; i++) heap.add(200 + i);
    const popped: number[] = [];
    for (let i = 0; i < 700; i++) popped.push(heap.pop());
    // Slots are handed out again, so from here on the two lists go their own ways.
    assertEquals(popped, expected.splice(0, 700));
    for (let i = 0; i < 3000; i++) expected.push(heap.add(100));
    for (const slot of expected) assertStrictEquals(heap.pop(), slot);
    assertStrictEquals(heap.peekDeadline(), 200);
  });

  describe("memory", () => {
    const touched = (heap: TimerHeap): number => heap.farCapacity;

    it("has none for far timers as long as those in front have room", () => {
      const heap = new TimerHeap(NEAR_MAX);
      for (let i = 0; i < 1024; i++) heap.add(i);
      assertStrictEquals(touched(heap), 0);
    });

    it("follows a crowd down, cancelled in any order or expired", () => {
      for (const end of ["first to last", "last to first", "at random", "expired"]) {
        const heap = new TimerHeap(NEAR_MAX);
        const slots = Array.from({ length: 100_000 }, (_, index) => heap.add(index * 7919 % 100_000));
        if (end === "last to first") slots.reverse();
        if (end === "at random") slots.sort((a, b) => a * 7919 % 100_003 - b * 7919 % 100_003);
        for (const slot of slots) {
          if (end === "expired") heap.pop();
          else heap.remove(slot);
          assertLessOrEqual(touched(heap), Math.max(4 * heap.size, 8 * 1024));
        }
        assertStrictEquals(touched(heap), 0);
      }
    });

    it("does not grow while timers are cancelled and added again for ever", () => {
      const heap = new TimerHeap(NEAR_MAX);
      const slots = Array.from({ length: 10_000 }, (_, index) => heap.add(30_000 + index));
      let most = 0;
      for (let turn = 0; turn < 200_000; turn++) {
        const index = turn * 7919 % slots.length;
        heap.remove(slots[index]!);
        slots[index] = heap.add(30_000 + turn / 10);
        if (turn % 100 === 0) heap.peekDeadline();
        most = Math.max(most, touched(heap));
      }
      assertLess(most, 4 * 10_000);
    });

    it("wastes little on few that are left of many that were sorted already", () => {
      const heap = new TimerHeap(NEAR_MAX);
      const slots = Array.from({ length: 200_000 }, (_, index) => heap.add(index * 7919 % 200_000));
      heap.peekSlot();
      const kept = slots.filter((_, index) => index % 100 === 0);
      for (const [index, slot] of slots.entries()) if (index % 100 !== 0) heap.remove(slot);
      assertStrictEquals(heap.size, kept.length);
      assertLess(touched(heap), 8 * 1024);
    });
  });
});
