import { assert, assertEquals, assertFalse, assertGreaterOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  EVLOOP_NO_EXIT_ON_EMPTY,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

/** An event that can only be activated, which says its name when it runs. */
function named(base: EventBase, log: string[], name: string, then: () => void = () => {}): LoopEvent {
  return base.event(-1, 0, () => {
    log.push(name);
    then();
  });
}

describe("EventBase.loop", () => {
  it("returns 1 at once when nothing is pending, and dispatch then returns false", () => {
    using base = new EventBase();
    assertEquals(base.loop(), 1);
    assertEquals(base.loop(EVLOOP_ONCE), 1);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
    assertFalse(base.dispatch());
  });

  it("runs what was activated in the order of activation", () => {
    using base = new EventBase();
    const log: string[] = [];
    for (const name of ["a", "b", "c"]) named(base, log, name).activate(EV_TIMEOUT);
    assertFalse(base.dispatch());
    assertEquals(log, ["a", "b", "c"]);
  });

  it("serves a ready descriptor before a due timer, and both in one turn", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    base.timer(() => log.push("timer")).add(0);
    base.event(near, EV_READ, () => log.push("read")).add();
    writeText(far, "x");
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertEquals(log, ["read", "timer"]);
  });

  it("ends with EVLOOP_ONCE after the turn in which something ran, though more is pending", () => {
    using base = new EventBase();
    let calls = 0;
    base.timer(() => calls++, { repeat: true }).add(1);
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertEquals(calls, 1);
  });

  it("goes on with EVLOOP_ONCE while a callback has left something active", () => {
    using base = new EventBase({ priorities: 2 });
    const log: string[] = [];
    const low = named(base, log, "low");
    const high = named(base, log, "high", () => low.activate(EV_TIMEOUT));
    high.priority = 0;
    low.priority = 1;
    high.activate(EV_TIMEOUT);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["high", "low"]);
  });

  it("does not wait with EVLOOP_NONBLOCK", () => {
    using base = new EventBase();
    let called = false;
    base.timer(() => called = true).add(60_000);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    assertFalse(called);
  });

  it("repeats with EVLOOP_NONBLOCK alone until a turn has nothing to run", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let text = "";
    base.event(near, EV_READ | EV_PERSIST, () => text += readText(near, 1)).add();
    writeText(far, "abc");
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    assertEquals(text, "abc");
  });

  it("makes one pass with EVLOOP_ONCE and EVLOOP_NONBLOCK together", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let text = "";
    base.event(near, EV_READ | EV_PERSIST, () => text += readText(near, 1)).add();
    writeText(far, "abc");
    assertEquals(base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
    assertEquals(text, "a");
  });

  it("waits with EVLOOP_NO_EXIT_ON_EMPTY although nothing is pending, and does not with EVLOOP_NONBLOCK added", () => {
    using base = new EventBase();
    assertEquals(base.loop(EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_NONBLOCK), 0);
    let calls = 0;
    const event = named(base, [], "", () => {
      calls++;
      base.once(-1, EV_TIMEOUT, () => base.loopBreak(), 5);
    });
    event.activate(EV_TIMEOUT);
    assertEquals(base.loop(EVLOOP_NO_EXIT_ON_EMPTY), 0);
    assertEquals(calls, 1);
    assert(base.gotBreak);
  });

  it("throws when it is entered again from a callback, and goes on", () => {
    using base = new EventBase();
    const errors: unknown[] = [];
    named(base, [], "", () => {
      errors.push(assertThrows(() => base.dispatch(), Error, "running already"));
      errors.push(assertThrows(() => base.loop(EVLOOP_NONBLOCK), Error, "running already"));
    }).activate(EV_TIMEOUT);
    assertFalse(base.dispatch());
    assertEquals(errors.length, 2);
    assertFalse(base.dispatch());
  });

  it("ends when the last event is deleted from a callback", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const event = base.event(near, EV_READ | EV_PERSIST, () => {});
    event.add();
    base.timer(() => event.delete()).add(1);
    assertFalse(base.dispatch());
  });
});

describe("EventBase.loopExit", () => {
  it("lets everything that is active run, and then ends the loop", () => {
    using base = new EventBase();
    const log: string[] = [];
    named(base, log, "a", () => base.loopExit()).activate(EV_TIMEOUT);
    named(base, log, "b").activate(EV_TIMEOUT);
    base.timer(() => log.push("late"), { repeat: true }).add(60_000);
    assert(base.dispatch());
    assertEquals(log, ["a", "b"]);
    assert(base.gotExit);
    assertFalse(base.gotBreak);
  });

  it("takes effect when it was asked for before the loop", () => {
    using base = new EventBase();
    base.timer(() => {}).add(60_000);
    base.loopExit();
    assert(base.dispatch());
    assert(base.gotExit);
  });

  it("ends the loop after the given time", () => {
    using base = new EventBase();
    base.timer(() => {}).add(60_000);
    const startedMs = base.now();
    base.loopExit(20);
    assert(base.dispatch());
    assertGreaterOrEqual(base.now() - startedMs, 20);
  });

  it("ends one loop when it was asked for several times, and the next runs on", () => {
    using base = new EventBase();
    for (let count = 0; count < 3; count++) base.loopExit();
    assert(base.dispatch());
    let calls = 0;
    base.timer(() => calls++).add(1);
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
    assertFalse(base.gotExit);
  });

  it("refuses a negative time", () => {
    using base = new EventBase();
    assertThrows(() => base.loopExit(-1), RangeError);
  });
});

describe("EventBase.loopBreak", () => {
  it("ends the loop after the running callback; the rest is active for the next call", () => {
    using base = new EventBase();
    const log: string[] = [];
    named(base, log, "a", () => base.loopBreak()).activate(EV_TIMEOUT);
    named(base, log, "b").activate(EV_TIMEOUT);
    assert(base.dispatch());
    assertEquals(log, ["a"]);
    assert(base.gotBreak);
    assertFalse(base.gotExit);
    assertFalse(base.dispatch());
    assertEquals(log, ["a", "b"]);
    assertFalse(base.gotBreak);
  });

  it("is lost when it was asked for before the loop", () => {
    using base = new EventBase();
    const log: string[] = [];
    named(base, log, "a").activate(EV_TIMEOUT);
    base.loopBreak();
    assertFalse(base.dispatch());
    assertEquals(log, ["a"]);
    assertFalse(base.gotBreak);
  });
});

describe("EventBase.loopContinue", () => {
  it("looks at the descriptors again before the rest of what is active", () => {
    using base = new EventBase({ priorities: 2 });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const urgent = base.event(near, EV_READ, () => log.push("urgent"));
    urgent.priority = 0;
    urgent.add();
    for (const name of ["a", "b"]) {
      const event = named(base, log, name, () => {
        if (name === "a") writeText(far, "x");
        base.loopContinue();
      });
      event.priority = 1;
      event.activate(EV_TIMEOUT);
    }
    base.dispatch();
    assertEquals(log, ["a", "urgent", "b"]);
  });

  it("has no effect outside a callback", () => {
    using base = new EventBase();
    const log: string[] = [];
    base.loopContinue();
    for (const name of ["a", "b"]) named(base, log, name).activate(EV_TIMEOUT);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["a", "b"]);
  });
});

describe("EventBase", () => {
  it("tells the running event inside its callback and null outside", () => {
    using base = new EventBase();
    let seen: LoopEvent | null = null;
    const event = base.event(-1, 0, () => seen = base.runningEvent);
    event.activate(EV_TIMEOUT);
    assertStrictEquals(base.runningEvent, null);
    base.dispatch();
    assertStrictEquals(seen, event);
    assertStrictEquals(base.runningEvent, null);
  });

  it("cannot be closed from inside its loop, and is usable afterwards", () => {
    using base = new EventBase();
    named(base, [], "", () => void assertThrows(() => base.close(), Error, "while its loop is running")).activate(
      EV_TIMEOUT,
    );
    assertFalse(base.dispatch());
    base.close();
    base.close();
  });

  it("leaves its events inert when it is closed: deleting is harmless, adding throws, and so does the loop", () => {
    const base = new EventBase({ priorities: 3 });
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const common = base.commonTimeout(50);
    const events = [
      base.event(near, EV_READ | EV_WRITE, () => {}).add(1000),
      base.timer(() => {}).add(1000),
      base.timer(() => {}, { repeat: true }).add(common),
      base.signal("SIGUSR2", () => {}).add(),
      base.event(-1, 0, () => {}),
    ];
    events[4]!.activate(EV_TIMEOUT);
    base.close();
    for (const event of events) {
      assertEquals(event.pending(), 0);
      assertThrows(() => event.add(1), Error, "closed");
      assertThrows(() => event.activate(EV_TIMEOUT), Error, "closed");
      event.delete();
      event.removeTimer();
      event.close();
    }
    assertThrows(() => base.loop(), Error, "closed");
    assertThrows(() => base.event(near, EV_READ, () => {}), Error, "closed");
    assertThrows(() => base.once(-1, EV_TIMEOUT, () => {}), Error, "closed");
  });

  it("closes what is active without running it", () => {
    const base = new EventBase();
    const log: string[] = [];
    named(base, log, "a", () => base.loopBreak()).activate(EV_TIMEOUT);
    named(base, log, "b").activate(EV_TIMEOUT);
    base.dispatch();
    base.close();
    assertEquals(log, ["a"]);
  });

  it("looks for readiness without sleeping where a spin is asked for", () => {
    using base = new EventBase({ spinUs: 100 });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    base.event(near, EV_READ, () => log.push("read")).add();
    base.timer(() => writeText(far, "x")).add(2);
    assertFalse(base.dispatch());
    assertEquals(log, ["read"]);
  });
});

forEachBackend(({ newBase, name }) => {
  it("waits for what arrives and for a timer", () => {
    using base = newBase();
    assertEquals(base.backendName, name);
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let text = "";
    const event = base.event(near, EV_READ | EV_PERSIST, (what) => {
      assertEquals(what & EV_READ, EV_READ);
      text += readText(near);
      if (text === "hello") event.delete();
    });
    event.add();
    base.timer(() => writeText(far, "hel")).add(2);
    base.timer(() => writeText(far, "lo")).add(4);
    assertFalse(base.dispatch());
    assertEquals(text, "hello");
  });
});
