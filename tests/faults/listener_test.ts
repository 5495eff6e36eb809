/** Opening a listener and accepting fail: no connection is lost, nothing spins, no descriptor is left behind. */
import { assert, assertEquals, assertFalse, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { Listener } from "../../src/core/listener.ts";
import type { ListenerOptions } from "../../src/core/listener_options.ts";
import { setLogCallback } from "../../src/core/log.ts";
import { close, os, type SystemError, systemError } from "../../src/ffi/mod.ts";
import { clientSocket, runFor, settle, until, untilReadable } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { canFail, type Fault, withFault, withFaults } from "../support/faults.ts";
import { assertNoneLeft, everyError, faultyBase } from "./waiting.ts";

const acceptCall = canFail("accept4") ? "accept4" : "accept";

/** A listener that closes what it accepts, counts it, and keeps the codes of the errors it is told of. */
class Greeter implements Disposable {
  readonly codes: string[] = [];
  readonly listener: Listener;
  accepted = 0;

  constructor(base: EventBase, options: ListenerOptions = {}) {
    const onError = (error: SystemError): void => void this.codes.push(error.code);
    this.listener = new Listener(base, { port: 0, onError, ...options }, (fd) => {
      this.accepted++;
      close(fd);
    });
  }

  [Symbol.dispose](): void {
    this.listener.close();
  }
}

forEachBackend((backend) => {
  for (const error of everyError) {
    const isQuiet = error === "EINTR" || error === "EAGAIN";

    it(`a connection is accepted after accepting has failed with ${error}, which is ${isQuiet ? "not " : ""}reported`, () => {
      using base = backend.newBase();
      using fds = new Descriptors();
      using greeter = new Greeter(base);
      const descriptors = openDescriptorCount();
      clientSocket(fds, greeter.listener.port);
      untilReadable(greeter.listener.fd);
      withFault({ call: acceptCall, error, times: 2 }, (count) => {
        until(base, () => greeter.accepted === 1, "the connection is accepted");
        settle(base);
        assertEquals(greeter.codes, isQuiet ? [] : [error, error]);
        assertLessOrEqual(count.calls, 5);
      });
      assertNoneLeft(descriptors + 1);
    });
  }

  for (const error of ["ENOMEM", "EMFILE", "EBADF"]) {
    it(`accepting is tried a few times a second while it fails with ${error}`, () => {
      using base = backend.newBase();
      using fds = new Descriptors();
      using greeter = new Greeter(base);
      clientSocket(fds, greeter.listener.port);
      untilReadable(greeter.listener.fd);
      withFault({ call: acceptCall, error }, (count) => {
        runFor(base, 70);
        assertLessOrEqual(count.calls, 2);
        assertEquals(greeter.codes.length, count.calls);
        assert(greeter.listener.enabled);
      });
      until(base, () => greeter.accepted === 1, "the connection is accepted");
    });
  }

  it("interruptions without end let the other events have their turn", () => {
    using base = backend.newBase();
    using fds = new Descriptors();
    using greeter = new Greeter(base);
    clientSocket(fds, greeter.listener.port);
    untilReadable(greeter.listener.fd);
    let ticks = 0;
    base.timer(() => ticks++).add(0);
    withFault({ call: acceptCall, error: "EINTR" }, () => {
      until(base, () => ticks === 1, "the timer");
    });
    until(base, () => greeter.accepted === 1, "the connection is accepted");
  });

  it("a listener that cannot be watched again after its pause goes on pausing, reports it, and then accepts", () => {
    const { base, watchFault } = faultyBase(backend);
    using _base = base;
    if (watchFault === undefined || backend.name === "epoll (with changelist)") return;
    using fds = new Descriptors();
    using greeter = new Greeter(base);
    clientSocket(fds, greeter.listener.port);
    untilReadable(greeter.listener.fd);
    const faults: Fault[] = [{ call: acceptCall, error: "ENFILE", times: 1 }];
    withFaults(faults, () => settle(base));
    assertEquals(greeter.codes, ["ENFILE"]);
    withFault(watchFault({ error: "ENOMEM", times: 2 }), () => {
      until(base, () => greeter.accepted === 1, "the connection is accepted");
    });
    // kqueue's rollback takes one of the faults.
    assertEquals([...new Set(greeter.codes)], ["ENFILE", "ENOMEM"]);
  });
});

/** Collects what is logged while `body` runs, the numbers of descriptors left out. */
function loggedDuring(body: () => void): string[] {
  const logged: string[] = [];
  setLogCallback((level, message) => logged.push(`${level} ${message.replace(/descriptor \d+/, "descriptor N")}`));
  try {
    body();
  } finally {
    setLogCallback(null);
  }
  return logged;
}

const EMFILE_LOGGED = `2 ${
  systemError(-os.errno["EMFILE"]!, "accept", "accept a connection").message
}; the listener on descriptor N goes on`;

forEachBackend((backend) => {
  it("what nobody wants to hear of is logged, once a second at most", () => {
    const logged = loggedDuring(() =>
      withVirtualTime(backend, (base) => {
        using fds = new Descriptors();
        using greeter = new Greeter(base, { onError: undefined });
        clientSocket(fds, greeter.listener.port);
        untilReadable(greeter.listener.fd);
        withFault({ call: acceptCall, error: "EMFILE" }, () => runFor(base, 2030));
        until(base, () => greeter.accepted === 1, "the connection is accepted");
      })
    );
    assertEquals(logged, [
      EMFILE_LOGGED,
      `${EMFILE_LOGGED} (19 more since the last such line)`,
      `${EMFILE_LOGGED} (19 more since the last such line)`,
    ]);
  });

  it("failures that alternate with success are logged as seldom", () => {
    const logged = loggedDuring(() =>
      withVirtualTime(backend, (base) => {
        using fds = new Descriptors();
        using greeter = new Greeter(base, { onError: undefined });
        for (let count = 1; count <= 5; count++) {
          clientSocket(fds, greeter.listener.port);
          untilReadable(greeter.listener.fd);
          withFault({ call: acceptCall, error: "EMFILE", times: 1 }, () => {
            until(base, () => greeter.accepted === count, "the connection is accepted");
          });
        }
      })
    );
    assertEquals(logged, [EMFILE_LOGGED]);
  });

  it("whoever uses a listener has errors of connections told the same way", () => {
    const failure = systemError(-os.errno["ENOSPC"]!, "epoll_ctl", "watch a connection");
    using base = backend.newBase();
    const told: string[] = [];
    const logged = loggedDuring(() => {
      using listener = new Listener(base, { port: 0 });
      listener.reportError(failure);
      listener.reportError(failure);
      listener.setErrorCallback((error, from) => told.push(`${error.code} ${from === listener}`));
      listener.reportError(failure);
    });
    assertEquals(told, ["ENOSPC true"]);
    assertEquals(logged, [`2 ${failure.message}; the listener on descriptor N goes on`]);
  });
});

describe("a listener whose system lacks what only saves time", () => {
  const options = { deferAccept: true, fastOpen: true };
  const { IPPROTO_TCP, TCP_DEFER_ACCEPT, TCP_FASTOPEN } = os.constants;
  const isExtra = (...[, level, option]: number[]): boolean =>
    level === IPPROTO_TCP && (option === TCP_DEFER_ACCEPT || option === TCP_FASTOPEN);

  it("serves without it and says so", { ignore: TCP_DEFER_ACCEPT === 0 }, () => {
    for (const error of ["ENOPROTOOPT", "EOPNOTSUPP", "ENOENT"]) {
      using base = new EventBase();
      const logged: string[] = [];
      setLogCallback((level, message) => logged.push(`${level} ${message}`));
      try {
        withFault({ call: "setsockopt", error, when: isExtra }, () => {
          using greeter = new Greeter(base, options);
          using fds = new Descriptors();
          clientSocket(fds, greeter.listener.port);
          until(base, () => greeter.accepted === 1, "the connection is accepted");
        });
      } finally {
        setLogCallback(null);
      }
      assertEquals(logged.map((line) => line.slice(0, line.indexOf(","))), [
        "2 Cannot use deferred accept",
        "2 Cannot use TCP fast open",
      ]);
    }
  });

  it("is not opened when it fails otherwise", { ignore: TCP_DEFER_ACCEPT === 0 }, () => {
    using base = new EventBase();
    const descriptors = openDescriptorCount();
    withFault({ call: "setsockopt", error: "EINVAL", when: isExtra }, () => {
      const thrown = assertThrows(() => new Greeter(base, options)) as SystemError;
      assertEquals([thrown.code, thrown.syscall], ["EINVAL", "setsockopt"]);
    });
    assertNoneLeft(descriptors);
  });
});

describe("a listener that cannot be opened", () => {
  for (const call of ["socket", "setsockopt", "bind", "listen", "getsockname", "epoll_ctl"]) {
    it(
      `because of ${call} throws what the system said and leaves no descriptor behind`,
      { ignore: !canFail(call) },
      () => {
        using base = new EventBase({ avoid: ["epoll (with changelist)"], ignoreEnvironment: true });
        const descriptors = openDescriptorCount();
        for (const error of everyError) {
          withFault({ call, error, times: 1 }, () => {
            const thrown = assertThrows(() => new Greeter(base)) as SystemError;
            assertEquals([thrown.name, thrown.code], ["SystemError", error]);
          });
          assertNoneLeft(descriptors);
        }
        using greeter = new Greeter(base);
        using fds = new Descriptors();
        clientSocket(fds, greeter.listener.port);
        until(base, () => greeter.accepted === 1, "the connection is accepted");
      },
    );
  }

  it("leaves no Unix socket's file behind", () => {
    using base = new EventBase();
    const folder = mkdtempSync(join(tmpdir(), "evbase-faults-"));
    try {
      const path = join(folder, "socket");
      const descriptors = openDescriptorCount();
      for (const call of ["chmod", "listen", "getsockname"]) {
        const options = { path, port: undefined, mode: 0o600 };
        withFault({ call, error: "EPERM" }, () => assertThrows(() => new Greeter(base, options)));
        assertFalse(existsSync(path), call);
      }
      assertNoneLeft(descriptors);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is the caller's to close when it was adopted", () => {
    using base = new EventBase();
    using owner = new Greeter(base, { disabled: true });
    const descriptors = openDescriptorCount();
    for (const call of ["fcntl", "getsockname"]) {
      withFault({ call, error: "EBADF" }, () => {
        assertThrows(() => new Greeter(base, { port: undefined, fd: owner.listener.fd }));
      });
    }
    assertNoneLeft(descriptors);
    base.loop(EVLOOP_NONBLOCK);
  });

  it("has its descriptor closed once even when close is interrupted", () => {
    using base = new EventBase();
    const descriptors = openDescriptorCount();
    withFault({ call: "close", error: "EINTR", after: true }, (count) => {
      new Greeter(base).listener.close();
      assertEquals(count.calls, 1);
    });
    assertNoneLeft(descriptors);
  });
});
