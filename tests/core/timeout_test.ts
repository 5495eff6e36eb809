import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
  assertLess,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_PERSIST, EV_READ, EV_TIMEOUT, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { clockMs, os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

/** Lets time pass without the loop. */
function spend(ms: number): void {
  const untilMs = clockMs(os.constants.CLOCK_MONOTONIC) + ms;
  while (clockMs(os.constants.CLOCK_MONOTONIC) < untilMs);
}

describe("a timeout", () => {
  it("never fires early, and tells how long it has left", () => {
    using base = new EventBase();
    for (const ms of [0.3, 1, 2.5, 7]) {
      const startedMs = base.now();
      let passedMs = -1;
      const timer = base.timer(() => passedMs = clockMs(os.constants.CLOCK_MONOTONIC) - startedMs).add(ms);
      assertLess(timer.remainingMs!, ms + 0.001);
      assertFalse(base.dispatch());
      assertGreaterOrEqual(passedMs, ms);
      assertStrictEquals(timer.remainingMs, undefined);
    }
  });

  it("fires in the order of deadlines, and of addition where they are equal", () => {
    using base = new EventBase();
    const log: string[] = [];
    // Inside a callback the clock stands still, so that equal times are equal deadlines.
    base.once(-1, EV_TIMEOUT, () => {
      for (const [name, ms] of [["d", 3], ["a", 1], ["e", 3], ["b", 2], ["f", 3], ["c", 2]] as const) {
        base.timer(() => log.push(name)).add(ms);
      }
    });
    assertFalse(base.dispatch());
    assertEquals(log.join(""), "abcdef");
  });

  it("counts from the start of the turn when it is added in a callback that took long", () => {
    using base = new EventBase();
    let leftMs = -1, freshLeftMs = -1;
    base.once(-1, EV_TIMEOUT, () => {
      spend(5);
      const timer = base.timer(() => {}).add(3);
      leftMs = timer.remainingMs!;
      base.updateCacheTime();
      freshLeftMs = timer.remainingMs!;
      timer.delete();
    });
    assertFalse(base.dispatch());
    assertEquals(leftMs, 3);
    assertEquals(freshLeftMs, 0);
  });

  it("is replaced by a later addition with a time, and kept by one without", () => {
    using base = new EventBase();
    const log: number[] = [];
    const event = base.event(-1, EV_READ, (what) => log.push(what)).add(60_000);
    event.add();
    assertGreaterOrEqual(event.remainingMs!, 1000);
    event.add(1);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_TIMEOUT]);
  });

  it("can be removed while the event goes on waiting, for good even where it repeats", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    const event = base.event(near, EV_READ | EV_PERSIST, (what) => {
      log.push(what);
      readText(near);
      assertStrictEquals(event.remainingMs, undefined);
      if (log.length === 2) event.delete();
      else writeText(far, "y");
    }).add(5);
    event.removeTimer();
    assertEquals(event.pending(), EV_READ);
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(log, [EV_READ, EV_READ]);
  });

  it("does not come back after a delete when the event is added without one", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const event = base.event(near, EV_READ | EV_PERSIST, () => void readText(near)).add(5);
    event.delete();
    event.add();
    writeText(far, "x");
    base.loop(EVLOOP_ONCE);
    assertEquals(event.pending(), EV_READ);
    event.delete();
  });

  it("without descriptor and time is no wait at all", () => {
    using base = new EventBase();
    const timer = base.timer(() => {}).add();
    assertEquals(timer.pending(), 0);
    assertFalse(base.dispatch());
  });

  it("refuses times that are none", () => {
    using base = new EventBase();
    const timer = base.timer(() => {});
    assertThrows(() => timer.add(-1), RangeError, "-1");
    assertThrows(() => timer.add(NaN), RangeError, "NaN");
    assertEquals(timer.pending(), 0);
  });

  it("that is infinite keeps the loop waiting and never fires", () => {
    using base = new EventBase();
    let fired = false;
    const timer = base.timer(() => fired = true).add(Infinity);
    base.timer(() => timer.delete()).add(1);
    assertFalse(base.dispatch());
    assertFalse(fired);
  });

  it("that is served late takes nothing from what was readable in the same turn", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    for (const flags of [EV_READ, EV_READ | EV_PERSIST]) {
      const event = base.event(near, flags, (what) => {
        log.push(what);
        event.delete();
      }).add(1);
      writeText(far, "x");
      spend(2);
      assertFalse(base.dispatch());
    }
    assertEquals(log, [EV_READ | EV_TIMEOUT, EV_READ | EV_TIMEOUT]);
  });

  it("that has fired but not run is taken back by a new one, and the descriptor is still watched", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    const late = base.event(near, EV_READ, (what) => log.push(what));
    base.timer(() => {
      assertEquals(late.pending(), EV_TIMEOUT);
      late.add(60_000);
      assertEquals(late.pending(), EV_READ | EV_TIMEOUT);
      writeText(far, "x");
    }).add(0);
    late.add(1);
    spend(2);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_READ]);
  });
});

describe("a persistent timeout", () => {
  it("is set again before its callback, in step with the last deadline", () => {
    using base = new EventBase();
    let calls = 0;
    const timer = base.timer(() => {
      assertEquals(timer.pending(), EV_TIMEOUT);
      // Only a machine that slept through a whole period starts afresh from its own time.
      const inStepMs = deadlineMs + 10;
      assertEquals(timer.deadlineMs, inStepMs < base.now() ? base.now() + 10 : inStepMs);
      deadlineMs = timer.deadlineMs;
      if (++calls === 4) timer.delete();
    }, { repeat: true }).add(10);
    let deadlineMs = timer.deadlineMs;
    assertFalse(base.dispatch());
    assertEquals(calls, 4);
  });

  it("makes up for lost periods by no burst", () => {
    using base = new EventBase();
    let calls = 0;
    const timer = base.timer(() => {
      calls++;
      assertEquals(timer.deadlineMs, base.now() + 5);
    }, { repeat: true }).add(5);
    spend(20);
    assertEquals(base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
    assertEquals(calls, 1);
  });

  it("is inactivity: every other activation starts it anew", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let calls = 0;
    const event: LoopEvent = base.event(near, EV_READ | EV_PERSIST, (what) => {
      calls++;
      assertEquals(what, EV_READ);
      readText(near);
      assertEquals(event.deadlineMs, base.now() + 60_000);
    }).add(60_000);
    for (let round = 1; round <= 2; round++) {
      spend(1);
      writeText(far, "x");
      base.loop(EVLOOP_ONCE);
      assertEquals(calls, round);
    }
  });

  it("keeps its descriptor registered when it fires", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    const event = base.event(near, EV_READ | EV_PERSIST, (what) => {
      log.push(what);
      if (what === EV_TIMEOUT) writeText(far, "x");
      else event.delete();
    }).add(1);
    assertFalse(base.dispatch());
    assertEquals(log.at(-1)! & EV_READ, EV_READ);
    assertEquals(log[0], EV_TIMEOUT);
  });
});

describe("EventBase.commonTimeout", () => {
  it("gives the same object for the same duration, and refuses a 257th one", () => {
    using base = new EventBase();
    const first = base.commonTimeout(1);
    assertEquals(first.durationMs, 1);
    for (let ms = 2; ms <= 256; ms++) base.commonTimeout(ms);
    assertStrictEquals(base.commonTimeout(1), first);
    assertThrows(() => base.commonTimeout(257), RangeError, "256");
    assertThrows(() => base.commonTimeout(-1), RangeError);
    assertThrows(() => base.commonTimeout(NaN), RangeError);
  });

  it("refuses one of another base", () => {
    using base = new EventBase();
    using other = new EventBase();
    assertThrows(() => base.timer(() => {}).add(other.commonTimeout(5)), TypeError, "another base");
  });

  it("fires in the order of addition, between plain timeouts by deadline", () => {
    using base = new EventBase();
    const log: string[] = [];
    base.once(-1, EV_TIMEOUT, () => {
      const common = base.commonTimeout(4);
      base.timer(() => log.push("after")).add(5);
      for (let index = 0; index < 5; index++) base.timer(() => log.push(`${index}`)).add(common);
      base.timer(() => log.push("before")).add(3);
    });
    assertFalse(base.dispatch());
    assertEquals(log, ["before", "0", "1", "2", "3", "4", "after"]);
  });

  it("lets any of its events be deleted, replaced or moved to a time of its own", () => {
    using base = new EventBase();
    const log: number[] = [];
    base.once(-1, EV_TIMEOUT, () => {
      const common = base.commonTimeout(3);
      const timers = Array.from({ length: 7 }, (_, index) => base.timer(() => log.push(index)).add(common));
      timers[0]!.delete();
      timers[3]!.delete();
      timers[6]!.delete();
      timers[1]!.add(common);
      timers[4]!.add(1000);
      timers[4]!.add(1);
    });
    assertFalse(base.dispatch());
    assertEquals(log, [4, 2, 5, 1]);
  });

  it("keeps to the deadlines when one is set again in step with an old one, behind younger ones", () => {
    using base = new EventBase();
    const firedMs: number[] = [];
    const common = base.commonTimeout(20);
    base.timer(() => {
      const younger = base.timer(() => firedMs.push(deadlineMs)).add(common);
      const deadlineMs = younger.deadlineMs;
    }).add(19);
    let deadlineMs = 0;
    const repeating = base.timer(() => {
      if (deadlineMs !== 0) {
        firedMs.push(deadlineMs);
        repeating.delete();
      }
      deadlineMs = repeating.deadlineMs;
    }, { repeat: true }).add(common);
    spend(25);
    assertFalse(base.dispatch());
    assertEquals(firedMs.length, 2);
    assertLess(firedMs[0]!, firedMs[1]! + 0.001);
  });

  it("repeats with persistent events", () => {
    using base = new EventBase();
    const log: string[] = [];
    const common = base.commonTimeout(2);
    for (const name of ["a", "b"]) {
      const timer = base.timer(() => {
        log.push(name);
        if (log.length >= 5) timer.delete();
      }, { repeat: true }).add(common);
    }
    assertFalse(base.dispatch());
    assertEquals(log.slice(0, 4), ["a", "b", "a", "b"]);
  });
});

describe("the clock", () => {
  it("stands still while callbacks run, and runs on outside", () => {
    using base = new EventBase();
    let before = 0, after = 0, wall = 0;
    base.once(-1, EV_TIMEOUT, () => {
      before = base.now();
      spend(2);
      after = base.now();
      wall = base.wallClockMs();
    });
    base.dispatch();
    assertEquals(before, after);
    assert(Math.abs(wall - Date.now()) < 60_000);
    assertGreaterOrEqual(base.now(), before + 2);
  });

  it("runs in callbacks too with noCacheTime", () => {
    using base = new EventBase({ noCacheTime: true });
    let passedMs = 0;
    base.once(-1, EV_TIMEOUT, () => {
      const before = base.now();
      spend(2);
      passedMs = base.now() - before;
    });
    base.dispatch();
    assertGreaterOrEqual(passedMs, 2);
  });
});

forEachBackend(({ newBase }) => {
  it("a timeout of two milliseconds and a half fires on every backend, not early", () => {
    using base = newBase();
    const startedMs = base.now();
    let firedMs = 0;
    base.timer(() => firedMs = base.now()).add(2.5);
    assertFalse(base.dispatch());
    assertGreaterOrEqual(firedMs - startedMs, 2.5);
  });

  it("a thousand timeouts in random order fire in the order of their deadlines", () => {
    using base = newBase();
    const log: number[] = [];
    base.once(-1, EV_TIMEOUT, () => {
      for (let index = 0; index < 1000; index++) {
        const ms = (index * 7919) % 1000 / 100;
        const timer = base.timer(() => log.push(ms)).add(ms);
        if (index % 10 === 0) timer.delete();
      }
    });
    assertFalse(base.dispatch());
    assertEquals(log.length, 900);
    assertEquals(log, [...log].sort((a, b) => a - b));
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
  });
});
