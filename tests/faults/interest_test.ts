/** Telling the kernel about a descriptor fails: whoever asked learns of it, and what the kernel did not hear lets nobody spin. */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_CLOSED, EV_PERSIST, EV_READ, EV_WRITE, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { accept, allocate, close, os, setSocketOptionBytes, SystemError } from "../../src/ffi/mod.ts";
import { clientSocket, listeningSocket, runFor, settle, untilReadable } from "../core/bufferevent_support.ts";
import { backendsUnderTest, forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { withFault, withFaults } from "../support/faults.ts";
import { assertNoneLeft, everyError, faultyBase, never, total } from "./waiting.ts";

const { EPOLL_CTL_DEL, SOL_SOCKET, SO_LINGER } = os.constants;
const { EAGAIN } = os.errno as Record<"EAGAIN", number>;

forEachBackend((backend) => {
  const { watchFault: canWatchFail, base: probe } = faultyBase(backend);
  probe.close();
  if (canWatchFail === undefined) return;
  const hasChangelist = backend.name === "epoll (with changelist)";

  /** Turns the loop for a while in which nothing happens, and expects that it sleeps. */
  function assertSleeps({ base, waitFaults }: ReturnType<typeof faultyBase>): void {
    withFaults(waitFaults({ error: "EINTR", when: never }), (...counts) => {
      runFor(base, 20);
      assertLessOrEqual(total(counts), 8);
    });
  }

  for (const error of everyError) {
    // An interrupted change is made again by the kqueue backend.
    if (!hasChangelist && !(backend.isDouble && error === "EINTR")) {
      it(`add throws when the kernel answers ${error}, and changes nothing; adding again delivers`, () => {
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        const faulty = faultyBase(backend);
        using base = faulty.base;
        const descriptors = openDescriptorCount();
        const log: unknown[] = [];
        const event = base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near)));
        withFault(faulty.watchFault!({ error, times: 1 }), (count) => {
          assertEquals(assertThrows(() => event.add(1000), SystemError, `watch descriptor ${near}`).code, error);
          assertEquals(event.pending(), 0);
          assertEquals(base.loop(), 1);
          assertEquals(count.injected, 1);
          event.add();
        });
        writeText(far, "x");
        settle(base);
        assertEquals(log, ["x"]);
        assertSleeps(faulty);
        event.delete();
        assertNoneLeft(descriptors);
      });

      it(`an event goes on when a second one on its descriptor is refused with ${error}`, () => {
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        const faulty = faultyBase(backend);
        using base = faulty.base;
        const log: unknown[] = [];
        base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
        const writer = base.event(near, EV_WRITE, () => log.push("writable"));
        withFault(faulty.watchFault!({ error, times: 1 }), () => {
          assertThrows(() => writer.add(), SystemError, error);
        });
        writeText(far, "x");
        settle(base);
        assertEquals(log, ["x"]);
        assertSleeps(faulty);
        writer.add();
        settle(base);
        assertEquals(log, ["x", "writable"]);
      });
    }

    it(`deleting one of two events on a descriptor does not make the loop spin when the kernel answers ${error}`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const faulty = faultyBase(backend);
      using base = faulty.base;
      const log: unknown[] = [];
      base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
      const writer = base.event(near, EV_WRITE | EV_PERSIST, () => {}).add();
      base.loop(EVLOOP_ONCE);
      withFault(faulty.watchFault!({ error, times: 1 }), () => {
        writer.delete();
        assertSleeps(faulty);
      });
      writeText(far, "x");
      settle(base);
      // Where the change was put off, the descriptor may have been reported without need.
      assertEquals(log.filter((entry) => entry !== -EAGAIN), ["x"]);
    });

    it(`deleting an event does not make the loop spin when the kernel answers ${error}, and adding it again works`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const faulty = faultyBase(backend);
      using base = faulty.base;
      const log: unknown[] = [];
      const event = base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
      settle(base);
      writeText(far, "x");
      withFault(faulty.watchFault!({ error, times: 1 }), () => {
        event.delete();
        assertSleeps(faulty);
      });
      assertEquals(log, []);
      event.add();
      settle(base);
      assertEquals(log, ["x"]);
      withFault(faulty.watchFault!({ error, times: 1 }), () => {
        event.delete();
        event.add();
      });
      writeText(far, "y");
      settle(base);
      assertEquals(log, ["x", "y"]);
      assertSleeps(faulty);
    });

    it(`an event without EV_PERSIST that cannot be withdrawn with ${error} fires once`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const faulty = faultyBase(backend);
      using base = faulty.base;
      let fired = 0;
      base.event(near, EV_READ, () => fired++).add();
      writeText(far, "x");
      // The first call adds it.
      settle(base);
      assertEquals(fired, 1);
      base.event(near, EV_READ, () => fired++).add();
      const fault = faulty.watchFault!({ error, times: 1 }, [EPOLL_CTL_DEL]);
      withFault(fault, () => assertSleeps(faulty));
      assertEquals(fired, 2);
    });
  }

  if (backend.isDouble) {
    it("a change that is interrupted is made again", () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const faulty = faultyBase(backend);
      using base = faulty.base;
      const log: unknown[] = [];
      const event = base.event(near, EV_READ | EV_WRITE | EV_PERSIST, () => {
        log.push(readText(near));
        event.delete();
      });
      writeText(far, "x");
      withFault(faulty.watchFault!({ error: "EINTR", times: 3 }), () => event.add());
      base.dispatch();
      assertEquals(log, ["x"]);
    });
  }

  it("a persistent event that is refused while its timeout is renewed fires all the same, and is watched from the next time on", () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const faulty = faultyBase(backend);
    using base = faulty.base;
    const log: number[] = [];
    const event = base.event(near, EV_READ | EV_PERSIST, (what) => {
      log.push(what);
      readText(near);
    });
    // Added while it is queued it is not registered, see add(); its first call makes up for that.
    event.activate(EV_WRITE);
    event.add(5);
    withFault(faulty.watchFault!({ error: "ENOMEM", times: 1 }), () => {
      if (hasChangelist) settle(base);
      else assertThrows(() => settle(base), SystemError, "ENOMEM");
      assertEquals(log.slice(0, 1), [EV_WRITE]);
    });
    runFor(base, 20);
    log.length = 0;
    writeText(far, "x");
    settle(base);
    assert(log.some((what) => (what & EV_READ) !== 0));
  });

  if (hasChangelist) {
    for (const error of ["ENOMEM", "EINTR", "EAGAIN", "EMFILE"]) {
      it(`a change that the kernel puts off with ${error} is made later, at a leisurely pace`, () => {
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        const faulty = faultyBase(backend);
        using base = faulty.base;
        const log: unknown[] = [];
        base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
        const limit = base.timer(() => base.loopBreak()).add(60);
        withFault(faulty.watchFault!({ error }), (count) => {
          base.dispatch();
          assertGreaterOrEqual(count.calls, 2);
          assertLessOrEqual(count.calls, 10);
        });
        assertEquals(limit.pending(), 0);
        log.length = 0;
        writeText(far, "x");
        settle(base);
        assertEquals(log, ["x"]);
        assertSleeps(faulty);
      });
    }
  }
});

describe("epoll_create1", { ignore: os.name !== "linux" }, () => {
  for (const error of everyError) {
    it(`that fails with ${error} is reported by the constructor of the base, which leaves nothing behind`, () => {
      const descriptors = openDescriptorCount();
      withFault({ call: "epoll_create1", error }, () => {
        const thrown = assertThrows(() => new EventBase({ ignoreEnvironment: true }), SystemError, "epoll instance");
        assertEquals([thrown.code, thrown.syscall], [error, "epoll_create1"]);
      });
      assertNoneLeft(descriptors);
    });
  }
});

describe("close", () => {
  for (const error of ["EINTR", "EBADF"]) {
    it(`that answers ${error} loses no descriptor`, () => {
      const descriptors = openDescriptorCount();
      withFault({ call: "close", error, after: true }, () => {
        for (const { newBase } of backendsUnderTest) {
          using base = newBase();
          base.timer(() => {}).add(0);
          base.loop(EVLOOP_NONBLOCK);
        }
        using _fds = new Descriptors();
        _fds.socketpair();
      });
      assertNoneLeft(descriptors);
    });
  }
});

forEachBackend((backend) => {
  it("an event for EV_CLOSED alone hears of a connection that was reset, and the loop sleeps afterwards", () => {
    const faulty = faultyBase(backend);
    using base = faulty.base;
    if ((base.features & 0x08) === 0) return;
    using fds = new Descriptors();
    const { fd: listening, port } = listeningSocket(fds);
    const client = clientSocket(fds, port);
    untilReadable(listening);
    const served = accept(listening, allocate(128), allocate(4));
    let closed = 0;
    const event = base.event(client, EV_CLOSED | EV_PERSIST, () => {
      closed++;
      event.delete();
    }).add();
    const linger = allocate(8);
    linger[0] = 1;
    assertEquals(setSocketOptionBytes(served, SOL_SOCKET, SO_LINGER, linger), 0);
    close(served);
    withFaults(faulty.waitFaults({ error: "EINTR", when: never }), (...counts) => {
      runFor(base, 20);
      assertLessOrEqual(total(counts), 8);
    });
    assertEquals(closed, 1);
  });

  it("an event for EV_CLOSED alone hears that the other end of a pipe is gone, and the loop sleeps afterwards", () => {
    for (const isReader of [true, false]) {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      if ((base.features & 0x08) === 0) return;
      using fds = new Descriptors();
      const [reader, writer] = fds.pipe();
      const [watched, other] = isReader ? [reader, writer] : [writer, reader];
      const log: number[] = [];
      base.event(watched, EV_CLOSED, (what) => log.push(what)).add();
      base.timer(() => {}).add(20);
      settle(base);
      assertEquals(log, []);
      fds.close(other);
      withFaults(faulty.waitFaults({ error: "EINTR", when: never }), (...counts) => {
        base.dispatch();
        assertLessOrEqual(total(counts), 8);
      });
      assertEquals(log, [EV_CLOSED]);
    }
  });
});
