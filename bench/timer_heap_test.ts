/**
 * What do adding, cancelling and taking out a timer cost, beside the host's setTimeout and clearTimeout?
 *
 * Tiny by default: it then only says that timers come out in order. `EVBASE_BENCH=full` measures on the runtime that runs it.
 */
import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase, type LoopEvent } from "../mod.ts";
import { TimerHeap } from "../src/core/timer_heap.ts";
import { runtime } from "../src/ffi/mod.ts";
import { isFull, rounds } from "./support/settings.ts";
import { timeMs } from "./support/stopwatch.ts";
import { figure, markdownTable, median } from "./support/table.ts";

const count = isFull ? 200_000 : 500;

/** Delays in no order, none of which passes while the bench runs; the same ones on every run. */
const delays: number[] = [];
for (let seed = 12_345, i = 0; i < count; i++) {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  delays.push(60_000 + seed % 1_000_000);
}

/** Nanoseconds per timer of each step, one figure per round. */
type Steps = Record<string, number[]>;

const subjects = new Map<string, Steps>();

function note(subject: string, step: string, ms: number): void {
  const steps = subjects.get(subject) ?? {};
  (steps[step] ??= []).push(ms * 1e6 / count);
  subjects.set(subject, steps);
}

function heapRound(): void {
  const name = "timer heap of evbase";
  const heap = new TimerHeap();
  const slots = new Int32Array(new ArrayBuffer(count * 4));
  note(name, "add", timeMs(() => delays.forEach((delay, i) => slots[i] = heap.add(delay))));
  assertEquals(heap.size, count);
  note(name, "cancel", timeMs(() => slots.forEach((slot) => heap.remove(slot))));
  assertEquals(heap.size, 0);
  for (const delay of delays) heap.add(delay);
  let [last, popped] = [0, 0];
  const pop = timeMs(() => {
    for (let next = heap.peekDeadline(); next !== Infinity; next = heap.peekDeadline()) {
      if (next < last) throw new Error(`A timer of ${next} ms came out after one of ${last} ms`);
      last = next;
      heap.pop();
      popped++;
    }
  });
  note(name, "pop", pop);
  assertEquals(popped, count);
}

function eventRound(): void {
  const name = "LoopEvent of evbase";
  using base = new EventBase();
  let fired = 0;
  const timers: LoopEvent[] = delays.map(() => base.timer(() => fired++));
  note(name, "add", timeMs(() => timers.forEach((timer, i) => timer.add(delays[i]!))));
  note(name, "cancel", timeMs(() => timers.forEach((timer) => timer.delete())));
  for (const timer of timers) timer.add(0);
  note(name, "fire, all at once", timeMs(() => base.dispatch()));
  assertEquals(fired, count);
}

function hostRound(): void {
  const name = "setTimeout of the host";
  const timers: ReturnType<typeof setTimeout>[] = [];
  const nothing = (): void => {};
  note(name, "add", timeMs(() => delays.forEach((delay) => timers.push(setTimeout(nothing, delay)))));
  note(name, "cancel", timeMs(() => timers.forEach((timer) => clearTimeout(timer))));
  assertEquals(timers.length, count);
}

describe("timers", () => {
  for (let round = 1; round <= rounds; round++) {
    it(`come out in order and can all be cancelled, round ${round} of ${rounds}`, () => {
      heapRound();
      eventRound();
      hostRound();
    });
  }

  it("have figures for every way to keep them", () => {
    assertGreaterOrEqual(subjects.size, 3);
    if (!isFull) return;
    const steps = ["add", "cancel", "pop", "fire, all at once"];
    const rows = [...subjects].map((
      [name, found],
    ) => [name, ...steps.map((step) => figure(median(found[step] ?? []), 0))]);
    console.log(`\n${markdownTable([`${count} timers on ${runtime.name}, ns each`, ...steps], rows)}\n`);
  });
});
