import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PollBackend } from "../../src/backends/mod.ts";
import { EV_PERSIST, EV_READ, EV_TIMEOUT, EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { Deferred } from "../../src/core/deferred.ts";
import { EventBase, type EventConfig } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { clockMs, os } from "../../src/ffi/mod.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

/** Writes "|" to the log where the loop looks at the descriptors, which is where one pass ends and the next begins. */
class LoggingBackend extends PollBackend {
  readonly #log: string[];

  constructor(log: string[]) {
    super();
    this.#log = log;
  }

  override wait(timeoutMs: number): number {
    this.#log.push("|");
    return super.wait(timeoutMs);
  }
}

function loggingBase(log: string[], config: EventConfig): EventBase {
  return new EventBase({ ...config, openBackend: () => new LoggingBackend(log) });
}

/** An event of the given priority that is active already. */
function active(base: EventBase, priority: number, callback: () => void): LoopEvent {
  const event = base.event(-1, 0, callback);
  event.priority = priority;
  event.activate(EV_TIMEOUT);
  return event;
}

describe("priorities", () => {
  it("are 1 to 255, and cannot change while something is active", () => {
    assertThrows(() => new EventBase({ priorities: 0 }), RangeError, "1 to 255");
    assertThrows(() => new EventBase({ priorities: 256 }), RangeError, "256");
    using base = new EventBase({ priorities: 255 });
    assertEquals(base.priorities, 255);
    const event = active(base, 0, () => {});
    assertThrows(() => base.initPriorities(3), Error, "active");
    event.delete();
    base.initPriorities(3);
    assertEquals(base.priorities, 3);
  });

  it("start in the middle, as it was when the event was made", () => {
    using base = new EventBase();
    const first = base.event(-1, 0, () => {});
    base.initPriorities(8);
    assertEquals(first.priority, 0);
    assertEquals(base.event(-1, 0, () => {}).priority, 4);
  });

  it("are taken from events only within the base's range and while they are not active", () => {
    using base = new EventBase({ priorities: 2 });
    const event = base.event(-1, 0, () => {});
    assertThrows(() => event.priority = 2, RangeError);
    assertThrows(() => event.priority = -1, RangeError);
    event.activate(EV_TIMEOUT);
    assertThrows(() => event.priority = 0, Error, "active");
    base.dispatch();
    event.priority = 0;
    assertEquals(event.priority, 0);
  });

  it("put events into the last queue that is left when there are fewer queues than before", () => {
    using base = new EventBase({ priorities: 10 });
    const log: string[] = [];
    const event = base.event(-1, 0, () => log.push("old"));
    event.priority = 9;
    base.initPriorities(2);
    event.activate(EV_TIMEOUT);
    active(base, 0, () => log.push("new"));
    assertFalse(base.dispatch());
    assertEquals(log, ["new", "old"]);
  });

  it("let one queue run per pass, the best first", () => {
    const log: string[] = [];
    using base = loggingBase(log, { priorities: 3 });
    for (const priority of [2, 1, 0, 2, 0, 1]) active(base, priority, () => log.push(`${priority}`));
    assertFalse(base.dispatch());
    assertEquals(log.join(""), "|00|11|22");
  });

  it("let a better queue interrupt a worse one as soon as it has something", () => {
    using base = new EventBase({ priorities: 2 });
    const log: string[] = [];
    active(base, 1, () => {
      log.push("worse");
      active(base, 0, () => log.push("better"));
    });
    active(base, 1, () => log.push("worse again"));
    base.dispatch();
    assertEquals(log, ["worse", "better", "worse again"]);
  });

  it("do not let an equal or worse queue interrupt", () => {
    using base = new EventBase({ priorities: 3 });
    const log: string[] = [];
    active(base, 1, () => {
      log.push("a");
      active(base, 2, () => log.push("worse"));
      active(base, 1, () => log.push("equal"));
    });
    active(base, 1, () => log.push("b"));
    base.dispatch();
    assertEquals(log, ["a", "b", "equal", "worse"]);
  });

  it("starve worse queues while a better one always has something", () => {
    using base = new EventBase({ priorities: 2 });
    let better = 0, worse = 0;
    const event = base.event(-1, 0, () => {
      if (++better === 50) base.loopBreak();
      else event.activate(EV_TIMEOUT);
    });
    event.priority = 0;
    event.activate(EV_TIMEOUT);
    active(base, 1, () => worse++);
    base.dispatch();
    assertEquals([better, worse], [50, 0]);
    base.dispatch();
    assertEquals(worse, 1);
  });
});

describe("dispatch limits", () => {
  it("leave a queue after so many callbacks, the rest being served in later passes", () => {
    using base = new EventBase({ priorities: 2, dispatchLimits: { callbacksMax: 3 } });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const urgent = base.event(near, EV_READ | EV_PERSIST, () => {
      readText(near);
      log.push("urgent");
    });
    urgent.priority = 0;
    urgent.add();
    for (let index = 0; index < 7; index++) active(base, 1, () => log.push(`${index}`));
    writeText(far, "x");
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(log, ["urgent", "0", "1", "2", "3", "4", "5", "6"]);
    log.length = 0;
    for (let index = 0; index < 7; index++) {
      active(base, 1, () => {
        log.push(`${index}`);
        if (index === 1) writeText(far, "x");
      });
    }
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(log, ["0", "1", "2", "urgent", "3", "4", "5", "6"]);
  });

  it("never limit queues better than the one they begin with, which is the second by default", () => {
    const log: string[] = [];
    for (
      const limits of [{ callbacksMax: 2 }, { callbacksMax: 2, fromPriority: 0 }, { callbacksMax: 2, fromPriority: -1 }]
    ) {
      using base = loggingBase(log, { dispatchLimits: limits });
      for (let index = 0; index < 5; index++) active(base, 0, () => log.push("x"));
      base.dispatch();
      log.push(" ");
    }
    assertEquals(log.join(""), "|xxxxx |xx|xx|x |xx|xx|x ");
  });

  it("leave a queue after so much time", () => {
    const log: string[] = [];
    using base = loggingBase(log, { dispatchLimits: { intervalMs: 5, fromPriority: 0 } });
    for (const ms of [0, 6, 6, 0, 6]) {
      active(base, 0, () => {
        log.push(ms === 0 ? "short" : "long");
        const untilMs = clockMs(os.constants.CLOCK_MONOTONIC) + ms;
        while (clockMs(os.constants.CLOCK_MONOTONIC) < untilMs);
      });
    }
    base.dispatch();
    // A machine that stalls may cut passes shorter still; after a long callback there must be a cut.
    assertEquals(log.filter((entry) => entry !== "|").length, 5);
    assertFalse(/long(long|short)/.test(log.join("")), log.join(""));
  });
});

describe("Deferred", () => {
  it("runs 33 of those that one callback schedules in the same turn, and the rest in the next", () => {
    const log: string[] = [];
    using base = loggingBase(log, {});
    active(base, 0, () => {
      for (let index = 0; index < 50; index++) new Deferred(base, 0, () => log.push("x")).schedule();
    });
    assertFalse(base.dispatch());
    assertEquals(log.join(""), `|${"x".repeat(33)}|${"x".repeat(17)}`);
  });

  it("counts those that were put off against the quota of the next turn", () => {
    const log: string[] = [];
    using base = loggingBase(log, {});
    const more = (count: number, callback: () => void): void => {
      for (let index = 0; index < count; index++) new Deferred(base, 0, callback).schedule();
    };
    let ran = 0;
    active(base, 0, () =>
      more(50, () => {
        log.push("x");
        if (++ran === 34) more(30, () => log.push("y"));
      }));
    assertFalse(base.dispatch());
    assertEquals(log.join(""), `|${"x".repeat(33)}|${"x".repeat(17)}${"y".repeat(16)}|${"y".repeat(14)}`);
  });

  it("keeps its place among what else is active", () => {
    const log: string[] = [];
    using base = loggingBase(log, {});
    active(base, 0, () => log.push("a"));
    new Deferred(base, 0, () => log.push("b")).schedule();
    active(base, 0, () => log.push("c"));
    assertFalse(base.dispatch());
    assertEquals(log.join(""), "|abc");
  });

  it("runs once however often it was scheduled, and not at all when it was taken back", () => {
    using base = new EventBase();
    let calls = 0;
    const deferred = new Deferred(base, 0, () => calls++);
    deferred.schedule();
    deferred.schedule();
    base.dispatch();
    assertEquals(calls, 1);
    deferred.schedule();
    deferred.cancel();
    deferred.cancel();
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });

  it("is inert once its base is closed", () => {
    const base = new EventBase();
    let calls = 0;
    const deferred = new Deferred(base, 0, () => calls++);
    deferred.schedule();
    base.close();
    deferred.schedule();
    deferred.cancel();
    assertEquals(calls, 0);
  });
});
