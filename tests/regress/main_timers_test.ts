/**
 * Counterparts of the cases of libevent's group "main" that are about time, and of its groups "event_timer" and "heap";
 * `docs/parity.md` says which is which. The verdicts go by counts, order and the loop's own clock.
 */
import { assert, assertEquals, assertFalse, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_PERSIST, EV_READ, EV_TIMEOUT, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase, type EventConfig } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { TimerHeap } from "../../src/core/timer_heap.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

/** Keeps the thread busy until `ms` have passed by the wall clock and by the monotonic one. */
function passTime(ms: number): void {
  const wall = Date.now(), monotonic = performance.now();
  while (Date.now() - wall <= ms || performance.now() - monotonic <= ms);
}

forEachBackend(({ newBase }) => {
  it("an event that was activated by hand still gets the timeout that has passed meanwhile", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const log: number[] = [];
    const event = base.event(near, EV_TIMEOUT | EV_READ, (what) => log.push(what)).add(0.1);
    event.activate(EV_READ);
    passTime(2);
    base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals(log, [EV_READ | EV_TIMEOUT]);
  });

  it("timeouts that are removed do not fire, and a persistent one does not come back with the next reading", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const reader = base.event(near, EV_READ | EV_PERSIST, (what) => {
      log.push(`read ${what === EV_READ} ${readText(near)}`);
      if (log.length === 2) reader.delete();
    }).add(30);
    const timer = base.timer(() => log.push("timer")).add(30);
    base.timer(() => {
      reader.removeTimer();
      timer.removeTimer();
      writeText(far, "A");
    }).add(0);
    base.timer(() => writeText(far, "B")).add(60);
    assertFalse(base.dispatch());
    assertEquals(log, ["read true A", "read true B"]);
  });

  it("a hundred persistent events on common and plain timeouts are called four times each, never early", () => {
    using base = newBase();
    const short = base.commonTimeout(10), long = base.commonTimeout(20);
    const counts = new Array<number>(100).fill(0);
    const events = counts.map((_, index) => {
      const isShort = index % 2 === 1;
      const event = base.event(-1, EV_TIMEOUT | EV_PERSIST, (_what, own) => {
        // It was set anew just now: from the deadline that has passed, or from now where that is further in the past.
        assertLessOrEqual(own.deadlineMs - (isShort ? 10 : 20), base.now() + 1e-6);
        if (++counts[index]! >= 4) own.delete();
      });
      if (!isShort) return event.add(long);
      // From a common to a plain timeout, the other way, and from one common timeout to another.
      if (index % 20 === 1) return event.add(long).add(10);
      if (index % 20 === 3) return event.add(20).add(short);
      if (index % 20 === 5) return event.add(long).add(short);
      return event.add(short);
    });
    assertFalse(base.dispatch());
    assertEquals(counts, counts.map(() => 4));
    // Closing the base takes those that are left.
    events.forEach((event, index) => event.add(index % 2 === 1 ? short : long));
  });

  it("a timer whose period was missed several times is called once, and not to make up for them", () => {
    using base = newBase();
    const calledAtMs: number[] = [];
    const timer = base.timer(() => calledAtMs.push(base.now()), { repeat: true }).add(5);
    passTime(30);
    base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals(calledAtMs.map((ms) => ms + 5), [timer.deadlineMs]);
    timer.delete();
  });
});

/** The wall clock in three callbacks of one pass, each of which then lets time pass and asks for the time anew if told so. */
function threeReadings(config: EventConfig, sleepMs: number, reset: boolean): number[] {
  using base = new EventBase(config);
  const readings: number[] = [];
  const events = [1, 2, 3].map(() =>
    base.event(-1, 0, () => {
      readings.push(base.wallClockMs());
      if (sleepMs > 0) passTime(sleepMs);
      if (reset) base.updateCacheTime();
    })
  );
  for (const event of events) event.activate(EV_TIMEOUT);
  assertFalse(base.dispatch());
  return readings;
}

describe("EventBase.wallClockMs", () => {
  it("is the host's wall clock outside the loop", () => {
    using base = new EventBase();
    const before = Date.now();
    const now = base.wallClockMs();
    assertGreaterOrEqual(now, before - 1);
    assertLessOrEqual(now, Date.now() + 1);
  });

  it("stands still during a pass, to the last digit, whether time passes or not", () => {
    for (const sleepMs of [0, 5]) {
      const [first, second, third] = threeReadings({}, sleepMs, false);
      assertEquals([second, third], [first, first]);
    }
  });

  it("moves on when the cached time is updated", () => {
    const [first = 0, second = 0, third = 0] = threeReadings({}, 5, true);
    assertGreaterOrEqual(second - first, 4.5);
    assertGreaterOrEqual(third - second, 4.5);
  });

  it("runs on where nothing is cached", () => {
    const [first = 0, second = 0, third = 0] = threeReadings({ noCacheTime: true }, 5, false);
    assertGreaterOrEqual(second - first, 4.5);
    assertGreaterOrEqual(third - second, 4.5);
    const quick = threeReadings({ noCacheTime: true }, 0, false);
    assertGreaterOrEqual(quick[2]!, quick[0]! - 1);
  });
});

describe("LoopEvent.remainingMs", () => {
  it("is never more than was asked for, with the usual clock and with a precise one", () => {
    for (const preciseTimer of [false, true]) {
      using base = new EventBase({ preciseTimer });
      const timer: LoopEvent = base.timer(() => {});
      for (let count = 0; count < 1000; count++) {
        timer.add(0.1);
        // A millisecond's fractions are not exact beside days of them.
        assertLessOrEqual(timer.remainingMs ?? Infinity, 0.1 + 1e-6);
      }
    }
  });
});

describe("TimerHeap", () => {
  it("keeps a thousand random deadlines in order while half of them are removed", () => {
    const heap = new TimerHeap();
    let seed = 1;
    const random = (): number => seed = (seed * 48271) % 2147483647;
    const slots = Array.from({ length: 1024 }, () => heap.add(random()));
    for (const slot of slots.slice(0, 512)) heap.remove(slot);
    let last = -Infinity, popped = 0;
    for (let slot = heap.peekSlot(); slot >= 0; slot = heap.peekSlot()) {
      assert(heap.peekDeadline() >= last);
      last = heap.peekDeadline();
      heap.remove(slot);
      popped++;
    }
    assertEquals(popped, 512);
  });
});
