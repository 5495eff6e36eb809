import { assert, assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BEV_EVENT_CONNECTED,
  EV_READ,
  EV_WRITE,
  type EventBase,
  Listener,
  type SocketAddress,
  SocketBufferEvent,
  SystemError,
} from "../../src/core/mod.ts";
import { os, socket } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, fill, openDescriptorCount } from "../support/descriptors.ts";
import { countWrites, deadPort, inputText, journal, runFor, settle, until } from "./bufferevent_support.ts";

const { AF_INET, SOCK_STREAM } = os.constants;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let listener: Listener;
  let accepted: SocketBufferEvent[];
  let connections: SocketBufferEvent[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    accepted = [];
    connections = [];
    listener = new Listener(base, { port: 0 }, accept);
  });
  afterEach(() => {
    listener.close();
    for (const connection of [...accepted, ...connections]) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  function accept(fd: number): void {
    const connection = new SocketBufferEvent(base, fd);
    accepted.push(connection);
    connection.enable(EV_READ);
  }

  function open(fd: number = -1): SocketBufferEvent {
    const connection = new SocketBufferEvent(base, fd, { keepOpen: fd >= 0 });
    connections.push(connection);
    return connection;
  }

  function refusing(): SocketAddress {
    return { family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) };
  }

  describe("a connect", () => {
    it("is told by CONNECTED alone, later and from the loop", () => {
      const connection = open();
      const told = journal(connection);
      connection.connect(listener.address);
      assertEquals(told, []);
      until(base, () => told.length > 0 && accepted.length > 0, "the connect");
      settle(base);
      assertEquals(told, ["CONNECTED"]);
      assertEquals(connection.enabled, EV_WRITE);
      assertEquals(connection.remoteAddress, listener.address);
    });

    it("comes from the address and port it is told, which may serve again at once", () => {
      for (let round = 0, port = 0; round < 2; round++) {
        const connection = open();
        connection.connect(listener.address, { localAddress: { family: "ipv4", host: "127.0.0.2", port } });
        until(base, () => accepted.length > round, "the connect");
        const remote = accepted[round]!.remoteAddress!;
        assertEquals(remote, connection.localAddress);
        assert(remote.family === "ipv4" && remote.port > 0);
        assertEquals(remote.host, "127.0.0.2");
        if (port !== 0) assertEquals(remote.port, port);
        port = remote.port;
        // Whoever ends first keeps the port in TIME_WAIT.
        connection.close();
        until(base, () => accepted[round]!.enabled === EV_WRITE, "the end");
        accepted[round]!.close();
      }
    });

    it("refuses a local address it cannot have, at once, and leaves no socket behind", () => {
      const before = openDescriptorCount();
      const taken = assertThrows(
        () => open().connect(listener.address, { localAddress: listener.address }),
        SystemError,
      );
      assertEquals([taken.code, taken.syscall], ["EADDRINUSE", "bind"]);
      const foreign = assertThrows(
        () => open().connect(listener.address, { localAddress: { family: "ipv4", host: "192.0.2.1", port: 0 } }),
        SystemError,
      );
      assertEquals(foreign.code, "EADDRNOTAVAIL");
      assertStringIncludes(foreign.message, "connect from 192.0.2.1:0");
      assertThrows(
        () => open().connect(listener.address, { localAddress: { family: "ipv4", host: "nowhere", port: 0 } }),
        TypeError,
      );
      assertEquals(openDescriptorCount(), before);
    });

    it("binds a socket that it was given", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      const connection = open(fd);
      connection.connect(listener.address, { localAddress: { family: "ipv4", host: "127.0.0.3", port: 0 } });
      until(base, () => accepted.length > 0, "the connect");
      assertEquals(accepted[0]!.remoteAddress, connection.localAddress);
    });

    it("sends what was queued before, after CONNECTED and in one call", () => {
      const connection = open();
      const told = journal(connection, { event: () => connection.write(" and this") });
      const results = countWrites(connection);
      connection.write("before");
      connection.connect(listener.address);
      connection.write(" meanwhile");
      until(base, () => accepted[0]?.input.length === 25, "the data");
      assertEquals(told, ["CONNECTED", "write"]);
      assertEquals(results, [25]);
      assertEquals(inputText(accepted[0]!), "before meanwhile and this");
    });

    it("is followed by the end of writing that was asked for meanwhile, after what was queued", () => {
      for (const early of ["", "early"]) {
        for (const more of ["", " and late"]) {
          const connection = open();
          const before = accepted.length;
          const told = journal(connection, {
            event: (what) => {
              if (what === BEV_EVENT_CONNECTED && more !== "") connection.write(more);
            },
          });
          connection.connect(listener.address);
          if (early !== "") connection.write(early);
          connection.endWriting();
          until(base, () => accepted.length > before, "the connect");
          const heard = journal(accepted[before]!);
          until(base, () => heard.includes("EOF|READING"), "the end");
          assertEquals(inputText(accepted[before]!), early + more);
          assertEquals(told[0], "CONNECTED");
          assert(!told.includes("ERROR"));
        }
      }
    });

    it("reads when reading was enabled before, or is from CONNECTED", () => {
      for (const early of [true, false]) {
        const connection = open();
        const told = journal(connection, { event: () => connection.enable(EV_READ) });
        if (early) connection.enable(EV_READ);
        connection.connect(listener.address);
        until(base, () => told.length > 0 && accepted.length > 0, "the connect");
        accepted.pop()!.write("welcome");
        until(base, () => told.length > 1, "the data");
        assertEquals(told, ["CONNECTED", "read"]);
        assertEquals(inputText(connection), "welcome");
      }
    });

    it("works with a socket that was made before", () => {
      const connection = open(descriptors.own(socket(AF_INET, SOCK_STREAM, 0)));
      const told = journal(connection);
      connection.enable(EV_READ);
      connection.connect(listener.address);
      until(base, () => told.length > 0, "the connect");
      assertEquals(told, ["CONNECTED"]);
    });

    it("works with IPv6", () => {
      using six = new Listener(base, { host: "::1", port: 0 }, accept);
      const connection = open();
      const told = journal(connection);
      connection.connect(six.address);
      until(base, () => told.length > 0 && accepted.length > 0, "the connect");
      assertEquals(told, ["CONNECTED"]);
    });

    it("works with a Unix path, although the kernel is done at once", () => {
      const folder = mkdtempSync(join(tmpdir(), "evbase-connect-"));
      try {
        using unix = new Listener(base, { path: join(folder, "socket") }, accept);
        const connection = open();
        const told = journal(connection);
        connection.connect(unix.address);
        connection.write("hello");
        assertEquals(told, []);
        until(base, () => accepted[0]?.input.length === 5, "the data");
        assertEquals(told, ["CONNECTED", "write"]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it("may be closed while it is in progress", () => {
      const connection = open();
      const told = journal(connection);
      connection.connect(listener.address);
      connection.close();
      const refused = open();
      refused.connect({ family: "unix", path: "/nonexistent/socket" });
      const others = journal(refused);
      refused.close();
      settle(base);
      assertEquals([...told, ...others], []);
    });

    it("may be closed from CONNECTED and from ERROR", () => {
      for (const address of [listener.address, refusing(), { family: "unix", path: "/nonexistent" } as const]) {
        const connection = open();
        const told = journal(connection, { event: (_what, connection) => connection.close() });
        connection.write("x");
        connection.connect(address);
        until(base, () => connection.closed, "the close");
        assertEquals(told, [address === listener.address ? "CONNECTED" : "ERROR"]);
      }
    });

    it("is not disturbed by disabling writing meanwhile; what is queued then waits", () => {
      const connection = open();
      const told = journal(connection);
      connection.write("x");
      connection.connect(listener.address);
      connection.disable(EV_WRITE);
      until(base, () => told.length > 0 && accepted.length > 0, "the connect");
      settle(base);
      assertEquals(told, ["CONNECTED"]);
      assertEquals(connection.output.length, 1);
      connection.enable(EV_WRITE);
      until(base, () => accepted[0]!.input.length === 1, "the byte");
    });

    it("cannot be begun twice", () => {
      const connection = open();
      connection.connect(listener.address);
      assertThrows(() => connection.connect(listener.address), Error, "connecting already");
    });

    it("refuses what is no address without opening a socket", () => {
      const connection = open();
      const before = openDescriptorCount();
      assertThrows(() => connection.connect({ family: "ipv4", host: "nowhere", port: 1 }), TypeError, "nowhere");
      assertThrows(() => connection.connect({ family: "ipv4", host: "127.0.0.1", port: 65_536 }), RangeError, "65536");
      assertEquals(openDescriptorCount(), before);
      const told = journal(connection);
      connection.connect({ family: "ipv6", host: "::1", port: deadPort(descriptors), scope: 0 });
      until(base, () => told.length > 0, "the refusal");
      assertEquals(connection.error?.code, "ECONNREFUSED");
    });
  });

  describe("a connect that fails", () => {
    it("is told by ERROR from the loop, when the peer refuses it", () => {
      const connection = open();
      const told = journal(connection);
      connection.enable(EV_READ);
      connection.connect(refusing());
      connection.write("never sent");
      assertEquals(told, []);
      until(base, () => told.length > 0, "the refusal");
      settle(base);
      assertEquals(told, ["ERROR"]);
      assertEquals(connection.error?.code, "ECONNREFUSED");
      assertEquals(connection.error?.syscall, "connect");
      assertStringIncludes(connection.error!.message, "nobody listens there");
      assertEquals(connection.output.length, 10);
      assertFalse(connection.closed);
    });

    it("is told by ERROR from the loop, also when the kernel refuses it at once", () => {
      const connection = open();
      const told = journal(connection);
      connection.connect({ family: "unix", path: "/nonexistent/socket" });
      connection.write("never sent");
      assertEquals(told, []);
      settle(base);
      assertEquals(told, ["ERROR"]);
      assertEquals(connection.error?.code, "ENOENT");
    });

    it("does not read from the socket that was never connected, whatever is set afterwards", () => {
      for (const address of [refusing(), { family: "unix", path: "/nonexistent" } as const]) {
        const connection = open();
        const told = journal(connection);
        connection.enable(EV_READ);
        connection.connect(address);
        until(base, () => told.length > 0, "the refusal");
        connection.setTimeouts(1000, 1000);
        connection.setWatermark(EV_READ, 0, 100);
        settle(base);
        assertEquals(told, ["ERROR"]);
      }
    });

    it("may be followed by another, also from the event callback", () => {
      const connection = open();
      const told = journal(connection, {
        event: () => told.length === 1 && connection.connect(listener.address),
      });
      connection.enable(EV_READ);
      connection.write("at last");
      connection.connect(refusing());
      until(base, () => accepted[0]?.input.length === 7, "the data");
      assertEquals(told, ["ERROR", "CONNECTED", "write"]);
      accepted[0]!.write("welcome");
      until(base, () => connection.input.length === 7, "the answer");
    });

    it("is told by TIMEOUT|WRITING when it takes longer than the write timeout", () => {
      // Once a Unix listener's backlog is full the kernel answers at once, but TCP lets the connect hang.
      using stuck = new Listener(base, { port: 0, backlog: 1, disabled: true }, accept);
      const all: SocketBufferEvent[] = [];
      const told: string[][] = [];
      for (let count = 0; count < 6; count++) {
        const connection = open();
        told.push(journal(connection));
        connection.setTimeouts(-1, 50);
        connection.enable(EV_READ);
        connection.connect(stuck.address);
        all.push(connection);
      }
      until(base, () => told.every((entries) => entries.length > 0), "six outcomes");
      const last = told.at(-1)!;
      assertEquals(last, ["TIMEOUT|WRITING"]);
      const connection = all.at(-1)!;
      assertEquals(connection.enabled, EV_READ);
      connection.setTimeouts(-1, -1);
      runFor(base, 20);
      assertEquals(last, ["TIMEOUT|WRITING"]);
    });
  });

  it("a connection without a socket keeps what is written until it connects", () => {
    const connection = open();
    connection.write("early");
    settle(base);
    assertEquals(connection.output.length, 5);
    connection.connect(listener.address);
    until(base, () => accepted[0]?.input.length === 5, "the data");
    assert(connection.fd >= 0);
    fill(connection.fd);
  });
});
