/**
 * The timer bench on whichever runtime runs it, in step with `bench/peers/timer_bench.c`. Per line on standard input, `COUNT SPREAD_MS`, it
 * answers with the microseconds of processor time that COUNT timers took: `ADD CANCEL EXPIRE`. All objects exist before the clock starts,
 * except those of `setTimeout`, which makes them itself.
 *
 * ```sh
 * echo 1000000 1000 | bun bench/support/timer_program.ts (events | heap | host)
 * ```
 */
import process from "node:process";
import { EV_TIMEOUT, EventBase, EVLOOP_ONCE } from "../../mod.ts";
import { TimerHeap } from "../../src/core/timer_heap.ts";
import { nextRequest } from "./requests.ts";
import { cpuUs } from "./stopwatch.ts";

/** The three steps, each doing all timers; returns how many expired. */
interface Subject extends Disposable {
  add(delays: Float64Array): void;
  cancel(): void;
  expire(): number | Promise<number>;
}

function nothing(): void {}

function events(count: number): Subject {
  const base = new EventBase();
  let fired = 0;
  const fire = (): void => void fired++;
  const timers = Array.from({ length: count }, () => base.timer(fire));
  // From a callback, where most programs add their timers and the clock has been read already.
  const inLoop = (work: () => void): void => {
    base.timer(work).activate(EV_TIMEOUT);
    base.loop(EVLOOP_ONCE);
  };
  return {
    add: (delays) =>
      inLoop(() => {
        for (let i = 0; i < count; i++) timers[i]!.add(delays[i]);
      }),
    cancel: () =>
      inLoop(() => {
        for (let i = 0; i < count; i++) timers[i]!.delete();
      }),
    expire: () => {
      base.dispatch();
      return fired;
    },
    [Symbol.dispose]: () => base.close(),
  };
}

function heap(count: number): Subject {
  const heap = new TimerHeap();
  const slots = new Int32Array(count);
  return {
    add: (delays) => {
      for (let i = 0; i < count; i++) slots[i] = heap.add(delays[i]!);
    },
    cancel: () => {
      for (let i = 0; i < count; i++) heap.remove(slots[i]!);
    },
    expire: () => {
      let popped = 0;
      while (heap.pop() >= 0) popped++;
      return popped;
    },
    [Symbol.dispose]: nothing,
  };
}

function host(count: number): Subject {
  const timers = new Array<ReturnType<typeof setTimeout>>(count);
  const { promise, resolve } = Promise.withResolvers<number>();
  let fired = 0;
  const fire = (): void => {
    if (++fired === count) resolve(fired);
  };
  return {
    add: (delays) => {
      for (let i = 0; i < count; i++) timers[i] = setTimeout(fire, delays[i]);
    },
    cancel: () => {
      for (let i = 0; i < count; i++) clearTimeout(timers[i]);
    },
    expire: () => promise,
    [Symbol.dispose]: nothing,
  };
}

/** Delays in no order, from `fromMs` to `spreadMs` later. */
function delaysFrom(fromMs: number, spreadMs: number, count: number): Float64Array {
  let seed = 12_345;
  return new Float64Array(count).map(() => {
    seed = Math.imul(seed, 1_103_515_245) + 12_345;
    return fromMs + (seed >>> 8) % (spreadMs * 1000) / 1000;
  });
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Gets the garbage of making the objects, and of the round before, out of the way, where the runtime offers that (Deno by a flag of
 * V8). `sweepMs` more let the threads finish that go on sweeping behind it.
 */
function collectGarbage(sweepMs: number): void {
  const { gc, Bun: bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc: (force: boolean) => void } };
  gc?.();
  bun?.gc(true);
  Atomics.wait(pause, 0, 0, sweepMs);
}

const make = { events, heap, host }[process.argv[2]!];
if (make === undefined) throw new TypeError("Cannot measure timers without one of: events, heap, host");
for (let request = nextRequest(); request !== undefined; request = nextRequest()) {
  const [count = 0, spreadMs = 0] = request;
  using subject = make(count);
  const [late, soon] = [delaysFrom(60_000, spreadMs, count), delaysFrom(0, spreadMs, count)];
  collectGarbage(spreadMs / 2);
  const marks = [cpuUs()];
  subject.add(late);
  marks.push(cpuUs());
  subject.cancel();
  marks.push(cpuUs());
  subject.add(soon);
  // All were within that time, which now passes.
  Atomics.wait(pause, 0, 0, spreadMs);
  marks.push(cpuUs());
  const expired = await subject.expire();
  marks.push(cpuUs());
  if (expired !== count) throw new Error(`Of ${count} timers ${expired} have expired`);
  console.log([marks[1]! - marks[0]!, marks[2]! - marks[1]!, marks[4]! - marks[3]!].join(" "));
}
