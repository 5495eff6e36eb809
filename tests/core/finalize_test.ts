/** The place to release what an event's callback uses: called when that callback is certain never to run again. */
import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { chooseBackend } from "../../src/backends/mod.ts";
import {
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EVENT_BASE_COUNT_ADDED,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { disableDebugMode, enableDebugMode } from "../../src/core/debug_mode.ts";
import { EventBase } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { countEvents, dumpEvents, serialOf } from "../../src/core/introspection.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";

const { SIGUSR1 } = os.constants;

forEachBackend(({ newBase }) => {
  it("a finalizer runs from the loop, whether its event was idle, pending or active, and the callback does not", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const event = (name: string, fd: number, events: number): [LoopEvent, () => void] => [
      base.event(fd, events, () => log.push(`${name} called`)),
      () => log.push(`${name} finalized`),
    ];
    const [idle, idleDone] = event("idle", -1, 0);
    const [timer, timerDone] = event("timer", -1, EV_PERSIST);
    const [reader, readerDone] = event("reader", near, EV_READ | EV_PERSIST);
    const [active, activeDone] = event("active", -1, 0);
    const [signal, signalDone] = event("signal", SIGUSR1, EV_SIGNAL | EV_PERSIST);
    timer.add(10_000);
    reader.add();
    writeText(far, "x");
    signal.add();
    signal.activate(EV_SIGNAL, 3);
    active.activate(EV_TIMEOUT);
    idle.finalize(idleDone);
    timer.finalize(timerDone);
    reader.finalize(readerDone);
    active.finalize(activeDone);
    signal.finalize(signalDone);
    assertEquals(log, []);
    assertFalse(base.dispatch());
    assertEquals(log, ["idle", "timer", "reader", "active", "signal"].map((name) => `${name} finalized`));
  });
});

describe("LoopEvent.finalize", () => {
  it("leaves an event that can be deleted and closed in vain, but neither added, activated nor finalized again", () => {
    using base = new EventBase();
    let finalized = 0;
    const event = base.event(-1, EV_PERSIST, () => {}).add(1000);
    event.activate(EV_READ);
    event.finalize(() => finalized++);
    assertEquals(event.pending(), 0);
    event.delete();
    event.close();
    assertThrows(() => event.add(10), Error, "it was closed");
    assertThrows(() => event.activate(EV_READ), Error, "it was closed");
    assertThrows(() => event.finalize(() => finalized++), Error, "it was closed");
    assertFalse(base.dispatch());
    assertEquals(finalized, 1);
    assertFalse(base.dispatch());
    assertEquals(finalized, 1);
  });

  it("keeps the loop alive, and shows as active with nothing that has happened", () => {
    using base = new EventBase();
    const event = base.timer(() => {});
    event.activate(EV_READ | EV_TIMEOUT);
    event.finalize(() => {});
    const id = serialOf(event).toString(16);
    assertEquals(dumpEvents(base), `Inserted events:\nActive events:\n  0x${id} [fd  -1, priority=0] active\n`);
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertEquals(base.loop(EVLOOP_ONCE), 1);
  });

  it("from a callback spares another event that was active too, and its own event", () => {
    for (const flags of [0, EV_PERSIST]) {
      using base = new EventBase();
      const log: string[] = [];
      const both: LoopEvent[] = [];
      const start = (name: string): LoopEvent =>
        base.event(-1, flags, () => {
          log.push(`${name} called`);
          both.forEach((event, index) => event.finalize(() => log.push(`${index} finalized`)));
        });
      both.push(start("0"), start("1"));
      for (const event of both) event.activate(EV_TIMEOUT);
      assertFalse(base.dispatch());
      assertEquals(log, ["0 called", "0 finalized", "1 finalized"]);
    }
  });

  it("runs in the event's own priority, and interrupts a worse one", () => {
    using base = new EventBase({ priorities: 3 });
    const log: string[] = [];
    const better = base.timer(() => {});
    better.priority = 0;
    const worse = base.timer(() => {});
    worse.priority = 2;
    base.once(-1, EV_TIMEOUT, () => {
      log.push("first");
      worse.finalize(() => log.push("worse"));
      better.finalize(() => log.push("better"));
    });
    base.once(-1, EV_TIMEOUT, () => log.push("second"));
    base.dispatch();
    assertEquals(log, ["first", "better", "second", "worse"]);
  });

  it("hands on what the finalizer throws, once, and the loop is usable afterwards", () => {
    using base = new EventBase();
    let others = 0;
    base.timer(() => {}).finalize(() => {
      throw new Error("thrown by a finalizer");
    });
    base.once(-1, EV_TIMEOUT, () => others++);
    assertThrows(() => base.dispatch(), Error, "thrown by a finalizer");
    assertFalse(base.dispatch());
    assertEquals(others, 1);
  });

  it("cannot be used after the base is closed", () => {
    const base = new EventBase();
    const event = base.timer(() => {});
    base.close();
    assertThrows(() => event.finalize(() => {}), Error, "closed");
  });

  it("lets a finalizer make the event anew in debug mode", () => {
    enableDebugMode();
    try {
      using base = new EventBase();
      let renewed: LoopEvent | null = null;
      base.timer(() => {}).finalize(() => renewed = base.timer(() => {}).add(0));
      assertFalse(base.dispatch());
      assert(renewed !== null);
    } finally {
      disableDebugMode();
    }
  });
});

describe("EventBase.close", () => {
  it("runs the finalizers that are left, in order of priority, and no callback", () => {
    const base = new EventBase({ priorities: 2 });
    const log: string[] = [];
    const [better, worse] = [0, 1].map((priority) => {
      const event = base.timer(() => log.push("called"));
      event.priority = priority;
      return event;
    }) as [LoopEvent, LoopEvent];
    worse.finalize(() => log.push("worse"));
    better.finalize(() => log.push("better"));
    base.timer(() => log.push("called")).activate(EV_TIMEOUT);
    base.close();
    assertEquals(log, ["better", "worse"]);
    base.close();
    assertEquals(log.length, 2);
  });

  it("runs those that finalizers ask for meanwhile, in whatever queue", () => {
    const base = new EventBase({ priorities: 2 });
    const log: string[] = [];
    const other = base.timer(() => {});
    other.priority = 0;
    const first = base.timer(() => {});
    first.priority = 1;
    first.finalize(() => {
      log.push("first");
      other.finalize(() => log.push("other"));
    });
    base.close();
    assertEquals(log, ["first", "other"]);
  });

  it("deletes what finalizers add meanwhile, and runs the finalizers of that", () => {
    const base = new EventBase();
    const log: string[] = [];
    const added: LoopEvent[] = [];
    base.timer(() => {}).finalize(() => {
      added.push(
        base.timer(() => log.push("called")).add(1000),
        base.timer(() => log.push("called")).add(base.commonTimeout(1000)),
        base.signal("SIGUSR2", () => log.push("called")).add(),
      );
      base.timer(() => {}).finalize(() => log.push("finalized"));
    });
    base.close();
    assertEquals(log, ["finalized"]);
    assertEquals(added.map((event) => event.pending()), [0, 0, 0]);
    assertStrictEquals(countEvents(base, EVENT_BASE_COUNT_ADDED), 0);
  });

  it("gives the backend back once, though a finalizer closes the base again", () => {
    const backend = chooseBackend({});
    const close = backend.close.bind(backend);
    let closes = 0;
    backend.close = () => {
      // A second time the number might be somebody else's already.
      if (++closes === 1) close();
    };
    const base = new EventBase({ openBackend: () => backend });
    base.timer(() => {}).finalize(() => base.close());
    base.close();
    base.close();
    assertEquals(closes, 1);
  });

  it("runs them all and gives everything back though one throws, and then hands that on", () => {
    const base = new EventBase();
    const log: string[] = [];
    for (const name of ["first", "second"]) {
      base.timer(() => {}).finalize(() => {
        log.push(name);
        throw new Error(name);
      });
    }
    assertThrows(() => base.close(), Error, "first");
    assertEquals(log, ["first", "second"]);
    base.close();
    assertThrows(() => base.dispatch(), Error, "closed");
  });
});
