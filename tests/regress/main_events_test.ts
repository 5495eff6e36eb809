/** Counterparts of the cases of libevent's group "main" that are about events and the loop; `docs/parity.md` says which is which. */
import { assert, assertEquals, assertFalse, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import { countEvents } from "../../src/core/introspection.ts";
import { os, shutdown, SystemError } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

const { SHUT_WR } = os.constants;

forEachBackend(({ newBase }) => {
  it("a base can be closed while events wait and are active, and calls none of them", () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const calls: number[] = [];
    const first = newBase();
    const waiting = first.event(far, EV_READ, (what) => calls.push(what)).add();
    first.close();
    const second = newBase();
    const active = second.event(near, 0, (what) => calls.push(what));
    active.activate(EV_READ);
    second.close();
    assertEquals([waiting.pending(), active.pending(), calls.length], [0, 0, 0]);
  });

  it("numbers that can be neither descriptor nor signal are refused, and the base goes on", () => {
    using base = newBase();
    for (const signo of [-1, 65, 1000]) {
      const error = assertThrows(() => base.event(signo, EV_SIGNAL, () => {}).add());
      assertInstanceOf(error, SystemError);
    }
    for (const fd of [2 ** 31 - 1, 2 ** 30 - 1]) {
      const event = base.event(fd, EV_READ, () => {});
      assertThrows(() => event.add(1000), RangeError, `descriptor ${fd}`);
      assertEquals(event.pending(), 0);
    }
    assertFalse(base.dispatch());
  });

  it("calls once for what becomes ready, once for a time and at once for no time, and refuses to wait for nothing", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    base.once(near, EV_READ, (what) => log.push(`read ${what === EV_READ}`));
    base.once(-1, EV_TIMEOUT, (what) => log.push(`time ${what === EV_TIMEOUT}`), 20);
    assertThrows(() => base.once(-1, 0, () => {}), TypeError, "for nothing");
    base.once(-1, EV_TIMEOUT, (what) => log.push(`at once ${what === EV_TIMEOUT}`));
    base.once(-1, EV_TIMEOUT, (what) => log.push(`at once too ${what === EV_TIMEOUT}`), 0);
    writeText(far, "Hello");
    shutdown(far, SHUT_WR);
    assertFalse(base.dispatch());
    assertEquals(log, ["at once true", "at once too true", "read true", "time true"]);
  });
});

describe("LoopEvent", () => {
  it("is pending with what it was activated with, all of it", () => {
    using base = new EventBase();
    const event = base.event(-1, EV_TIMEOUT, () => {});
    event.activate(EV_READ);
    assertEquals(event.pending(EV_READ | EV_TIMEOUT | EV_WRITE), EV_READ);
    event.activate(EV_WRITE);
    assertEquals(event.pending(EV_READ | EV_TIMEOUT | EV_WRITE), EV_READ | EV_WRITE);
    event.delete();
    assertEquals(event.pending(), 0);
  });

  it("hands itself to its callback, and is the running event meanwhile", () => {
    using base = new EventBase();
    let calls = 0;
    const event = new LoopEvent(base, -1, EV_READ, (_what, own) => {
      calls++;
      assertStrictEquals(own, event);
      assertStrictEquals(own.base, base);
      assertStrictEquals(base.runningEvent, event);
      base.loopExit();
    });
    event.activate(EV_READ);
    assert(base.dispatch());
    assertEquals(calls, 1);
  });

  it("is asked for each thing it may wait for, and for how long", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const reader = base.event(near, EV_READ, () => {}).add();
    const writer = base.event(far, EV_WRITE, () => {});
    const timer = base.timer(() => {}).add(500);
    assertEquals(reader.pending(EV_READ), EV_READ);
    assertEquals(writer.pending(EV_WRITE), 0);
    assertEquals(reader.pending(EV_WRITE), 0);
    assertEquals(reader.pending(EV_READ | EV_WRITE), EV_READ);
    assertEquals(reader.pending(EV_TIMEOUT), 0);
    assertEquals(timer.pending(EV_TIMEOUT), EV_TIMEOUT);
    const remaining = timer.remainingMs ?? -1;
    assert(remaining > 0 && remaining <= 500, `${remaining} ms`);
    assertEquals(reader.remainingMs, undefined);
  });
});

describe("priorities", () => {
  it("one, two and three of them give two busy events their turns in so far as the last is not starved", () => {
    for (const [count, expected] of [[1, [3, 3]], [2, [3, 1]], [3, [3, 0]]] as const) {
      using base = new EventBase({ priorities: count });
      const calls = [0, 0];
      const start = (index: number, priority: number): void => {
        const event = base.timer(() => {
          // Stopping is an event of the middle queue.
          if (calls[index] === 3) return base.loopExit();
          calls[index]!++;
          event.add(0);
        });
        event.priority = priority;
        event.add(0);
      };
      start(0, 0);
      start(1, count - 1);
      assert(base.dispatch());
      assertEquals(calls, [...expected], `${count} queues`);
    }
  });

  it("run a better event that was activated second before one of the same queue that was activated first", () => {
    using base = new EventBase({ priorities: 8 });
    const log: string[] = [];
    const event = (name: string, priority: number): LoopEvent => {
      const made = base.event(-1, 0, () => {
        log.push(name);
        if (log.length > 1) return;
        same.activate(EV_READ);
        better.activate(EV_TIMEOUT);
      });
      made.priority = priority;
      return made;
    };
    const first = event("first", 4), same = event("same", 4), better = event("better", 0);
    first.activate(EV_WRITE);
    assertFalse(base.dispatch());
    assertEquals(log, ["first", "better", "same"]);
  });
});

describe("EventBase", () => {
  it("forgets a time that would be waited for only once when its loop was ended before", () => {
    const base = new EventBase();
    let calls = 0;
    base.once(-1, EV_TIMEOUT, () => calls++, 10_000);
    base.loopExit(5);
    assert(base.dispatch());
    assertEquals([calls, countEvents(base, 4)], [0, 1]);
    base.close();
    assertEquals([calls, countEvents(base, 4)], [0, 0]);
  });

  it("stops at the first of several exits, however late the others are", () => {
    using base = new EventBase();
    base.loopExit(5);
    base.loopExit(60_000);
    assert(base.dispatch());
    assertEquals([base.gotExit, base.gotBreak], [true, false]);
  });

  it("ends beside the host when the last event is deleted while it sleeps", async () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    for (const event of [base.event(near, EV_READ | EV_PERSIST, () => {}), base.event(-1, EV_PERSIST, () => {})]) {
      event.add(60_000);
      setTimeout(() => event.delete(), 5);
      assertFalse(await base.run());
    }
  });

  it("runs again after it was told to stop between two events of one pass, and then runs the second", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    base.timer(() => {
      log.push("break");
      base.loopBreak();
    }).add(0);
    base.timer(() => log.push("second")).add(0);
    base.event(near, EV_READ, () => log.push(`read ${readText(near)}`)).add();
    assert(base.dispatch());
    assertEquals([base.gotExit, base.gotBreak], [false, true]);
    assertEquals(log, ["break"]);
    writeText(far, "x");
    base.loop(EVLOOP_ONCE);
    assertEquals(log.slice(1).sort(), ["read x", "second"]);
  });
});
