/** Calls of a connection fail: what is transient loses no byte, what is not is told to its event callback once. */
import { assert, assertEquals, assertInstanceOf, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EV_READ, EV_WRITE, EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { SocketBufferEvent } from "../../src/core/bufferevent_socket.ts";
import { open, os, SystemError } from "../../src/ffi/mod.ts";
import { inputText, journal, listeningSocket, pattern, runFor, settle, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { type Fault, type FaultCount, withFault, withFaults } from "../support/faults.ts";
import { assertNoneLeft, callsToFail, everyError, faultyBase, never, total } from "./waiting.ts";

const transient = ["EINTR", "EAGAIN"];
const lasting = everyError.filter((error) => !transient.includes(error));

function codeOf(connection: SocketBufferEvent): string {
  assertInstanceOf(connection.error, SystemError);
  return connection.error.code;
}

forEachBackend((backend) => {
  for (const error of transient) {
    it(`receiving that fails with ${error} loses nothing and tells nobody`, () => {
      using base = backend.newBase();
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      const log = journal(connection);
      connection.enable(EV_READ);
      writeText(far, "hello");
      withFault({ call: "recv", error, times: 3 }, (count) => {
        until(base, () => connection.input.length === 5, "the data");
        assertEquals(count.calls, 4);
      });
      assertEquals([inputText(connection), log], ["hello", ["read"]]);
    });

    // A lone small piece goes by send, several by writev, part of a file by sendfile.
    for (const call of ["send", "writev", "sendfile"]) {
      it(`sending by ${call} that fails with ${error} delivers every byte in order`, () => {
        using base = backend.newBase();
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        using connection = new SocketBufferEvent(base, near, { keepOpen: true });
        using other = new SocketBufferEvent(base, far, { keepOpen: true });
        other.enable(EV_READ);
        const log = journal(connection);
        withFault({ call, error, when: (fd) => fd === near, times: 3 }, (count) => {
          const expected = queue(connection, call);
          until(base, () => other.input.length === expected.length, "the data");
          assertEquals(new TextDecoder().decode(other.input.take()), expected);
          assertEquals(count.injected, 3);
          assertLessOrEqual(count.calls, 8);
        });
        settle(base);
        assert(!log.some((entry) => entry.includes("ERROR")));
        assertLessOrEqual(log.length, 4);
      });
    }
  }

  it("sending that is interrupted without end lets other events have their turn", () => {
    using base = backend.newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    using connection = new SocketBufferEvent(base, near, { keepOpen: true });
    connection.enable(EV_WRITE);
    let turns = 0;
    base.timer(() => turns++).add(1);
    withFault({ call: "send", error: "EINTR", times: 100_000 }, () => {
      connection.write("x");
      until(base, () => turns === 1, "the timer");
    });
    until(base, () => connection.output.length === 0, "the data is sent");
    assertEquals(readText(far), "x");
  });

  for (const error of lasting) {
    it(`receiving that fails with ${error} is told once, and reading on delivers`, () => {
      using base = backend.newBase();
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      const log = journal(connection);
      connection.enable(EV_READ);
      writeText(far, "hello");
      withFault({ call: "recv", error }, (count) => {
        runFor(base, 10);
        assertEquals([log, codeOf(connection), count.calls], [["ERROR|READING"], error, 1]);
      });
      connection.enable(EV_READ);
      settle(base);
      assertEquals(inputText(connection), "hello");
    });

    for (const call of ["send", "writev", "sendfile"]) {
      it(`sending by ${call} that fails with ${error} is told once, and writing on delivers`, () => {
        using base = backend.newBase();
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        using connection = new SocketBufferEvent(base, near, { keepOpen: true });
        const log = journal(connection);
        withFault({ call, error, when: (fd) => fd === near }, (count) => {
          queue(connection, call);
          runFor(base, 10);
          assertEquals([log, codeOf(connection), count.injected], [["ERROR|WRITING"], error, 1]);
        });
        connection.enable(EV_WRITE);
        connection.write("again");
        settle(base);
        assertEquals(readText(far), "again");
      });
    }
  }

  it("a connect that is interrupted goes on, and is told when it is through", () => {
    using base = backend.newBase();
    using fds = new Descriptors();
    const { port } = listeningSocket(fds);
    using connection = new SocketBufferEvent(base);
    const log = journal(connection);
    withFault({ call: "connect", error: "EINTR", after: true }, () => connection.connect(local(port)));
    withFault({ call: "getsockopt", error: "EINTR", times: 2 }, (count) => {
      until(base, () => log.length > 0, "the connection");
      assertEquals([log, count.calls], [["CONNECTED"], 3]);
    });
  });

  it("a connect that has begun when errno says EAGAIN goes on, and is told when it is through", () => {
    using base = backend.newBase();
    using fds = new Descriptors();
    const { port } = listeningSocket(fds);
    for (const connect of ["connect", "connectHostname"] as const) {
      using connection = new SocketBufferEvent(base);
      const log = journal(connection);
      withFault({ call: "connect", error: "EAGAIN", after: true, times: 1 }, (count) => {
        if (connect === "connect") connection.connect(local(port));
        else connection.connectHostname("127.0.0.1", port);
        assertEquals(count.calls, 2);
      });
      until(base, () => log.length > 0, "the connection");
      assertEquals(log, ["CONNECTED"]);
    }
  });

  const connectFaults: readonly [call: string, errors: readonly string[]][] = [
    ["connect", everyError.filter((error) => error !== "EINTR")],
    ["getsockopt", lasting],
  ];
  for (const [call, errors] of connectFaults) {
    for (const error of errors) {
      it(`a connect whose ${call} fails with ${error} is told from the loop, and the next one succeeds`, () => {
        using base = backend.newBase();
        using fds = new Descriptors();
        const { port } = listeningSocket(fds);
        const descriptors = openDescriptorCount();
        using connection = new SocketBufferEvent(base);
        const log = journal(connection);
        withFault({ call, error, times: callsToFail(error) }, () => {
          connection.connect(local(port));
          assertEquals(log, []);
          until(base, () => log.length > 0, "the failure");
        });
        assertEquals([log, codeOf(connection)], [["ERROR"], error]);
        assertNoneLeft(descriptors);
        connection.connect(local(port));
        until(base, () => log.length > 1, "the connection");
        assertEquals(log, ["ERROR", "CONNECTED"]);
      });
    }
  }

  for (const error of everyError) {
    it(`connect throws when no socket is to be had (${error}), and the next one succeeds`, () => {
      using base = backend.newBase();
      using fds = new Descriptors();
      const { port } = listeningSocket(fds);
      const descriptors = openDescriptorCount();
      using connection = new SocketBufferEvent(base);
      const log = journal(connection);
      withFault({ call: "socket", error }, () => {
        assertEquals(assertThrows(() => connection.connect(local(port)), SystemError).code, error);
      });
      assertEquals(connection.fd, -1);
      assertNoneLeft(descriptors);
      // Our own sockets are made non-blocking as they are opened: fcntl has no say.
      withFault({ call: "fcntl", error }, () => connection.connect(local(port)));
      until(base, () => log.length > 0, "the connection");
      assertEquals(log, ["CONNECTED"]);
    });
  }

  describe("where the descriptor cannot be watched", () => {
    const refuse = (base: ReturnType<typeof faultyBase>, body: (count: FaultCount) => void): boolean => {
      if (base.watchFault === undefined || backend.name === "epoll (with changelist)") return false;
      withFault(base.watchFault({ error: "ENOMEM", times: 1 }), body);
      return true;
    };

    it("reading is disabled, the failure told once from the loop, and reading on delivers", () => {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      const log = journal(connection);
      const isTold = refuse(faulty, () => {
        connection.enable(EV_READ);
        assertEquals([log, connection.enabled & EV_READ], [[], 0]);
        settle(base);
      });
      if (!isTold) return;
      assertEquals([log, codeOf(connection)], [["ERROR|READING"], "ENOMEM"]);
      writeText(far, "x");
      connection.enable(EV_READ);
      settle(base);
      assertEquals(inputText(connection), "x");
    });

    it("writing is disabled, the failure told, and what is queued leaves once writing is enabled again", () => {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      using other = new SocketBufferEvent(base, far, { keepOpen: true });
      const log = journal(connection);
      const sent = pattern(1_000_000);
      const isTold = refuse(faulty, () => {
        connection.enable(EV_WRITE);
        connection.write(sent);
        settle(base);
      });
      if (!isTold) return;
      assertEquals([log.at(-1), codeOf(connection)], ["ERROR|WRITING", "ENOMEM"]);
      other.enable(EV_READ);
      settle(base);
      connection.enable(EV_WRITE);
      until(base, () => other.input.length === sent.length, "the rest");
    });

    it("a connection that is to close after its output tells the failure and closes", () => {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      using fds = new Descriptors();
      const [near] = fds.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      const log = journal(connection);
      const isTold = refuse(faulty, () => {
        connection.enable(EV_WRITE);
        connection.write(pattern(1_000_000));
        connection.closeAfterFlush();
        settle(base);
      });
      if (!isTold) return;
      assertEquals([log, connection.closed], [["ERROR|WRITING"], true]);
    });

    it("a connect fails like any other, and the next one succeeds", () => {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      using fds = new Descriptors();
      const { port } = listeningSocket(fds);
      const descriptors = openDescriptorCount();
      using connection = new SocketBufferEvent(base);
      const log = journal(connection);
      const isTold = refuse(faulty, () => {
        connection.connect(local(port));
        connection.enable(EV_READ);
        settle(base);
      });
      if (!isTold) return;
      assertEquals([log, codeOf(connection)], [["ERROR"], "ENOMEM"]);
      assertNoneLeft(descriptors);
      connection.connect(local(port));
      until(base, () => log.length > 1, "the connection");
      assertEquals(log, ["ERROR", "CONNECTED"]);
    });

    it("a connection that is through says so before it tells that it cannot read", () => {
      const faulty = faultyBase(backend);
      using base = faulty.base;
      using fds = new Descriptors();
      const { port } = listeningSocket(fds);
      using connection = new SocketBufferEvent(base);
      const log = journal(connection);
      connection.enable(EV_READ);
      connection.connect(local(port));
      // Connecting has been told to the kernel by now; the next thing it hears is the interest in reading.
      const isTold = refuse(faulty, () => {
        until(base, () => log.length > 0, "the connection");
        settle(base);
      });
      if (isTold) assertEquals(log[0], "CONNECTED");
      if (isTold && log.length > 1) assertEquals(log, ["CONNECTED", "ERROR|READING"]);
    });
  });

  it("an idle connection leaves the loop asleep after everything has failed once", () => {
    const { base, waitFaults } = faultyBase(backend);
    using _base = base;
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    using connection = new SocketBufferEvent(base, near, { keepOpen: true });
    const faults: Fault[] = ["recv", "send"].map((call) => ({ call, error: "ENOMEM", times: 1 }));
    withFaults(faults, () => {
      connection.enable(EV_READ | EV_WRITE);
      connection.write("x");
      writeText(far, "y");
      settle(base);
    });
    withFaults(waitFaults({ error: "EINTR", when: never }), (...counts) => {
      runFor(base, 20);
      assertLessOrEqual(total(counts), 6);
    });
  });
});

describe("a connection over a socket that was handed to it", () => {
  for (const error of everyError) {
    it(`is not made when fcntl answers ${error}, and the socket stays the caller's`, () => {
      using base = new EventBase();
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const descriptors = openDescriptorCount();
      withFault({ call: "fcntl", error }, () => {
        assertEquals(assertThrows(() => new SocketBufferEvent(base, near), SystemError).code, error);
      });
      assertNoneLeft(descriptors);
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      connection.write("x");
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(readText(far), "x");
    });

    it(`has no address to tell when getsockname and getpeername answer ${error}`, () => {
      using base = new EventBase();
      using fds = new Descriptors();
      using connection = new SocketBufferEvent(base, fds.socketpair()[0], { keepOpen: true });
      withFaults([{ call: "getsockname", error }, { call: "getpeername", error }], () => {
        assertEquals([connection.localAddress, connection.remoteAddress], [undefined, undefined]);
      });
      assertEquals(connection.localAddress?.family, "unix");
    });
  }
});

function local(port: number): { family: "ipv4"; host: string; port: number } {
  return { family: "ipv4", host: "127.0.0.1", port };
}

/** Queues something that leaves by `call`, and returns it. */
function queue(connection: SocketBufferEvent, call: string): string {
  connection.enable(EV_WRITE);
  if (call === "sendfile") {
    const path = fileURLToPath(import.meta.url);
    connection.output.addFile(open(path, os.constants.O_RDONLY), 0, -1, { closeOnFree: true });
    return readFileSync(path, "utf8");
  }
  if (call === "send") {
    connection.write("hello");
    return "hello";
  }
  const text = "0123456789".repeat(300);
  for (let piece = 0; piece < 3; piece++) connection.output.addReference(new TextEncoder().encode(text));
  return text.repeat(3);
}
