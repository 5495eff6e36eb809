import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PollBackend } from "../../src/backends/mod.ts";
import { EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { Deferred } from "../../src/core/deferred.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { os, SystemError } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

const { EBADF } = os.errno as Record<"EBADF", number>;

/** Three events that are active; the middle one throws. */
function throwing(base: EventBase, log: string[], error: unknown): void {
  for (const name of ["a", "b", "c"]) {
    base.event(-1, 0, () => {
      log.push(name);
      if (name === "b") throw error;
    }).activate(EV_TIMEOUT);
  }
}

describe("an error in a callback", () => {
  it("reaches the caller of dispatch unchanged; what else is active runs in the next call", () => {
    using base = new EventBase();
    const log: string[] = [];
    const error = new Error("mine");
    throwing(base, log, error);
    assertStrictEquals(assertThrows(() => base.dispatch()), error);
    assertEquals(log, ["a", "b"]);
    assertStrictEquals(base.runningEvent, null);
    assertFalse(base.dispatch());
    assertEquals(log, ["a", "b", "c"]);
  });

  it("may be anything at all", () => {
    using base = new EventBase();
    base.event(-1, 0, () => {
      throw undefined;
    }).activate(EV_TIMEOUT);
    let thrown = false;
    try {
      base.dispatch();
    } catch (error) {
      thrown = error === undefined;
    }
    assert(thrown);
  });

  it("goes to onError where there is one, and the loop goes on", () => {
    const errors: unknown[] = [];
    using base = new EventBase({ onError: (error) => errors.push(error) });
    const log: string[] = [];
    throwing(base, log, "mine");
    assertFalse(base.dispatch());
    assertEquals(log, ["a", "b", "c"]);
    assertEquals(errors, ["mine"]);
  });

  it("counts as something that ran when EVLOOP_ONCE asks for that", () => {
    using base = new EventBase({ onError: () => {} });
    let late = false;
    base.timer(() => late = true).add(60_000);
    base.event(-1, 0, () => {
      throw new Error("mine");
    }).activate(EV_TIMEOUT);
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertFalse(late);
  });

  it("that onError itself throws reaches the caller of dispatch", () => {
    using base = new EventBase({
      onError: () => {
        throw new Error("from the handler");
      },
    });
    throwing(base, [], "mine");
    assertThrows(() => base.dispatch(), Error, "from the handler");
    assertFalse(base.dispatch());
  });

  it("rejects run, which can be called again", async () => {
    using base = new EventBase();
    const log: string[] = [];
    const error = new Error("mine");
    throwing(base, log, error);
    assertStrictEquals(await assertRejects(() => base.run()), error);
    assertEquals(log, ["a", "b"]);
    assertFalse(await base.run());
    assertEquals(log, ["a", "b", "c"]);
  });

  it("rejects run when it comes after a sleep", async () => {
    using base = new EventBase();
    base.timer(() => {
      throw new Error("mine");
    }).add(5);
    await assertRejects(() => base.run(), Error, "mine");
    base.close();
  });

  it("of a deferred callback is treated alike", () => {
    using base = new EventBase();
    new Deferred(base, 0, () => {
      throw new Error("mine");
    }).schedule();
    assertThrows(() => base.dispatch(), Error, "mine");
    assertFalse(base.dispatch());
  });

  it("leaves a persistent timer and a persistent reader pending, and priorities in order", () => {
    using base = new EventBase({ priorities: 2 });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let calls = 0;
    const timer = base.timer(() => {
      calls++;
      throw new Error("timer");
    }, { repeat: true }).add(1);
    assertThrows(() => base.dispatch(), Error, "timer");
    assertThrows(() => base.dispatch(), Error, "timer");
    assertEquals(calls, 2);
    timer.delete();
    const reader = base.event(near, EV_READ | EV_PERSIST, () => {
      calls++;
      if (readText(near) === "x") throw new Error("reader");
      reader.delete();
    }).add();
    writeText(far, "x");
    assertThrows(() => base.dispatch(), Error, "reader");
    writeText(far, "y");
    assertFalse(base.dispatch());
    assertEquals(calls, 4);
  });

  it("postpones the remaining calls of a signal event to the next pass", () => {
    using base = new EventBase();
    let calls = 0;
    const event = base.event(os.constants.SIGUSR2, EV_SIGNAL | EV_PERSIST, () => {
      if (++calls === 2) throw new Error("mine");
    }).add();
    event.activate(EV_SIGNAL, 5);
    assertThrows(() => base.loop(EVLOOP_ONCE), Error, "mine");
    assertEquals(calls, 2);
    base.loop(EVLOOP_ONCE);
    assertEquals(calls, 5);
  });
});

describe("an error of the backend", () => {
  /** Fails every wait as the kernel would for a descriptor that is gone. */
  class BrokenBackend extends PollBackend {
    waits = 0;

    override wait(): number {
      this.waits++;
      return -EBADF;
    }
  }

  it("ends the loop even where onError takes what callbacks throw", async () => {
    const backend = new BrokenBackend();
    const errors: unknown[] = [];
    using base = new EventBase({ openBackend: () => backend, onError: (error) => errors.push(error) });
    base.timer(() => {}).add(1);
    const error = assertThrows(() => base.dispatch(), SystemError, "wait for events");
    assertEquals(error.code, "EBADF");
    await assertRejects(() => base.run(), SystemError, "EBADF");
    assertEquals(errors, []);
    assertEquals(backend.waits, 2);
  });
});

forEachBackend(({ newBase }) => {
  it("an error in a callback leaves the other ready descriptors to the next call", () => {
    using base = newBase();
    using fds = new Descriptors();
    let calls = 0;
    for (let index = 0; index < 3; index++) {
      const [near, far] = fds.socketpair();
      writeText(far, "x");
      base.event(near, EV_READ, () => {
        calls++;
        throw new Error("mine");
      }).add();
    }
    for (let round = 1; round <= 3; round++) {
      assertThrows(() => base.dispatch(), Error, "mine");
      assertEquals(calls, round);
    }
    assertFalse(base.dispatch());
  });
});
