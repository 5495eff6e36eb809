/** Callbacks right before and right after the loop waits. */
import { assert, assertEquals, assertFalse, assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EVLOOP_NO_EXIT_ON_EMPTY,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { CheckWatcher, PrepareWatcher } from "../../src/core/watcher.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";

forEachBackend(({ newBase }) => {
  it("watchers are called around each wait, in the order in which they were made, before what is due", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    new CheckWatcher(base, () => log.push("check 1"));
    new PrepareWatcher(base, () => log.push("prepare 1"));
    const prepare = new PrepareWatcher(base, () => log.push("prepare 2"));
    const check = new CheckWatcher(base, () => log.push("check 2"));
    base.event(near, EV_READ, () => log.push("read")).add();
    base.timer(() => log.push("timer")).add(0);
    writeText(far, "x");
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["prepare 1", "prepare 2", "check 1", "check 2", "read", "timer"]);
    prepare.close();
    check.close();
    check.close();
    log.length = 0;
    base.timer(() => log.push("timer")).add(0);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["prepare 1", "check 1", "timer"]);
  });

  it("a prepare watcher is told how long the loop is going to wait", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const told: (number | undefined)[] = [];
    new PrepareWatcher(base, (timeoutMs) => told.push(timeoutMs));
    const timer = base.timer(() => {}).add(30);
    base.loop(EVLOOP_ONCE);
    const [first = -1] = told.splice(0);
    assertGreater(first, 0);
    assertLessOrEqual(first, 30);
    // Without timers nothing limits the wait.
    base.event(near, EV_READ, () => {}).add();
    writeText(far, "x");
    base.loop(EVLOOP_ONCE);
    assertEquals(told.splice(0), [undefined]);
    // What is active already, and a loop that only looks, are no wait at all.
    timer.activate(EV_TIMEOUT);
    base.loop(EVLOOP_ONCE);
    timer.add(60_000);
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(told, [0, 0]);
  });

  it("a prepare watcher may bring something forward that the wait would have slept over", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const log: string[] = [];
    base.event(near, EV_READ, () => log.push("read")).add();
    const timer = base.timer(() => log.push("timer"));
    const added = new PrepareWatcher(base, () => timer.add(1));
    base.loop(EVLOOP_ONCE);
    added.close();
    const event = base.event(-1, 0, () => log.push("activated"));
    const activated = new PrepareWatcher(base, () => event.activate(EV_READ));
    base.loop(EVLOOP_ONCE);
    activated.close();
    assertEquals(log, ["timer", "activated"]);
  });

  it("a prepare watcher may end the loop without a wait, by asking for it or by deleting the last event", () => {
    using base = newBase();
    const log: string[] = [];
    const event = base.event(-1, EV_READ, () => log.push("event")).add();
    const breaking = new PrepareWatcher(base, () => base.loopBreak());
    assert(base.dispatch());
    assert(base.gotBreak);
    breaking.close();
    const exiting = new PrepareWatcher(base, () => base.loopExit());
    assert(base.dispatch());
    assert(base.gotExit);
    exiting.close();
    new PrepareWatcher(base, () => event.delete());
    assertFalse(base.dispatch());
    assertEquals(log, []);
  });

  it("a check watcher that asks for a break ends the loop, and what is active stays so", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    base.event(near, EV_READ, () => log.push("read")).add();
    writeText(far, "x");
    const check = new CheckWatcher(base, () => base.loopBreak());
    assert(base.dispatch());
    assertEquals(log, []);
    check.close();
    assertFalse(base.dispatch());
    assertEquals(log, ["read"]);
  });
});

describe("watchers", () => {
  it("do not keep the loop alive, and are not called when nothing is pending", () => {
    using base = new EventBase();
    const log: string[] = [];
    new PrepareWatcher(base, () => log.push("prepare"));
    new CheckWatcher(base, () => log.push("check"));
    assertFalse(base.dispatch());
    assertEquals(log, []);
    base.loop(EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_NONBLOCK);
    assertEquals(log, ["prepare", "check"]);
  });

  it("may close themselves and each other while they are called, and may make new ones for the next turn", () => {
    using base = new EventBase();
    const log: string[] = [];
    const watchers: PrepareWatcher[] = [];
    watchers.push(
      new PrepareWatcher(base, () => {
        log.push("first");
        watchers[0]!.close();
        third.close();
        new PrepareWatcher(base, () => log.push("fourth"));
      }),
    );
    new PrepareWatcher(base, () => log.push("second"));
    const third = new PrepareWatcher(base, () => log.push("third"));
    const timer = base.timer(() => {}, { repeat: true }).add(0);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["first", "second"]);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["first", "second", "second", "fourth"]);
    timer.delete();
  });

  it("are let go with their base, and cannot be made on one that is closed", () => {
    const base = new EventBase();
    const watcher = new CheckWatcher(base, () => {});
    base.close();
    watcher.close();
    assertThrows(() => new PrepareWatcher(base, () => {}), Error, "closed");
    assertThrows(() => new CheckWatcher(base, () => {}), Error, "closed");
  });

  it("that throw end the loop, which goes on from there", () => {
    using base = new EventBase();
    const log: string[] = [];
    using prepare = new PrepareWatcher(base, () => {
      throw new Error("thrown before waiting");
    });
    base.timer(() => log.push("timer")).add(0);
    assertThrows(() => base.dispatch(), Error, "thrown before waiting");
    prepare.close();
    using check = new CheckWatcher(base, () => {
      throw new Error("thrown after waiting");
    });
    assertThrows(() => base.dispatch(), Error, "thrown after waiting");
    check.close();
    assertEquals(log, []);
    assertFalse(base.dispatch());
    assertEquals(log, ["timer"]);
  });

  it("that throw keep the others from nothing where the base has an onError", () => {
    using base = new EventBase();
    const log: unknown[] = [];
    base.onError = (error) => log.push((error as Error).message);
    new PrepareWatcher(base, () => {
      throw new Error("prepare");
    });
    new PrepareWatcher(base, () => log.push("second prepare"));
    new CheckWatcher(base, () => {
      throw new Error("check");
    });
    new CheckWatcher(base, () => log.push("second check"));
    base.timer(() => log.push("timer")).add(0);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, ["prepare", "second prepare", "check", "second check", "timer"]);
  });

  it("see the time that the wait has taken", () => {
    using base = new EventBase();
    let before = 0, after = 0;
    new PrepareWatcher(base, () => before = base.now());
    new CheckWatcher(base, () => after = base.now());
    let called = 0;
    base.timer(() => called = base.now()).add(5);
    base.dispatch();
    // The clock stands still from the check to the end of the turn.
    assertEquals(after, called);
    assertGreater(after, before);
  });

  it("are called beside the host's loop too, where a turn never waits itself", async () => {
    using base = new EventBase();
    const told = new Set<number | undefined>();
    let checks = 0;
    new PrepareWatcher(base, (timeoutMs) => told.add(timeoutMs));
    new CheckWatcher(base, () => checks++);
    let ticks = 0;
    const tick = base.event(-1, EV_PERSIST, () => {
      if (++ticks === 3) tick.delete();
    }).add(1);
    assertFalse(await base.run());
    assertEquals([...told], [0]);
    assertGreater(checks, 2);
  });
});
