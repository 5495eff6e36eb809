import { assert, assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type BufferEventCallbacks, EV_READ, EV_WRITE, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, fill, readText, writeText } from "../support/descriptors.ts";
import {
  clientSocket,
  countWrites,
  deadPort,
  inputText,
  journal,
  listeningSocket,
  settle,
  until,
} from "./bufferevent_support.ts";

const { EAGAIN } = os.errno as Record<"EAGAIN", number>;

function explode(): never {
  throw new Error("thrown on purpose");
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let connections: SocketBufferEvent[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    connections = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  function open(callbacks: BufferEventCallbacks<SocketBufferEvent> = {}, fd: number = -1): SocketBufferEvent {
    const connection = new SocketBufferEvent(base, fd, { keepOpen: fd >= 0 });
    connections.push(connection);
    connection.setCallbacks(callbacks);
    return connection;
  }

  /** A connection that reads, and the bare descriptor of its other side. */
  function openPair(
    callbacks: BufferEventCallbacks<SocketBufferEvent> = {},
  ): { connection: SocketBufferEvent; far: number } {
    const [near, far] = descriptors.socketpair();
    const connection = open(callbacks, near);
    connection.enable(EV_READ);
    return { connection, far };
  }

  describe("closeAfterFlush()", () => {
    it("closes at once when nothing is queued", () => {
      const { connection } = openPair();
      connection.closeAfterFlush();
      assert(connection.closed);
    });

    it("sends what is queued first", () => {
      const { connection, far } = openPair();
      connection.write("goodbye");
      connection.closeAfterFlush();
      assertFalse(connection.closed);
      settle(base);
      assert(connection.closed);
      assertEquals(readText(far), "goodbye");
    });

    it("sends what the running callback queues, before and after it", () => {
      const { connection, far } = openPair({
        read: (connection) => {
          connection.write("good");
          connection.closeAfterFlush();
          connection.write("bye");
        },
      });
      const results = countWrites(connection);
      writeText(far, "x");
      settle(base);
      assert(connection.closed);
      assertEquals(readText(far), "goodbye");
      assertEquals(results, [7]);
    });

    it("waits for a peer that takes nothing for a while", () => {
      const { connection, far } = openPair();
      fill(connection.fd);
      connection.write("goodbye");
      connection.closeAfterFlush();
      settle(base);
      assertFalse(connection.closed);
      empty(far);
      settle(base);
      assert(connection.closed);
      assertEquals(readText(far), "goodbye");
    });

    it("reads no more, and does not tell of the last write", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      writeText(far, "unread");
      connection.write("goodbye");
      connection.closeAfterFlush();
      settle(base);
      assertEquals(told, []);
      assert(connection.closed);
    });

    it("closes when the peer has gone, after telling of it", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      descriptors.close(far);
      connection.write("anybody there?");
      connection.closeAfterFlush();
      settle(base);
      assertEquals(told, ["ERROR|WRITING"]);
      assert(connection.closed);
    });

    it("closes when the peer goes while it waits", () => {
      const { connection, far } = openPair();
      fill(connection.fd);
      connection.write("x");
      connection.closeAfterFlush();
      settle(base);
      descriptors.close(far);
      until(base, () => connection.closed, "the close");
    });

    it("closes when flush() finds the peer gone while it waits", () => {
      const { connection, far } = openPair();
      fill(connection.fd);
      connection.write("x");
      connection.closeAfterFlush();
      settle(base);
      descriptors.close(far);
      connection.flush();
      assert(connection.closed);
    });

    it("closes when what it waits for is drained by hand", () => {
      for (const full of [true, false]) {
        const { connection } = openPair();
        if (full) fill(connection.fd);
        connection.write("x");
        connection.closeAfterFlush();
        if (full) settle(base);
        connection.output.unfreezeFront();
        connection.output.drain(Infinity);
        settle(base);
        assert(connection.closed);
      }
    });

    it("closes when it follows a second connect that fails at once, both in a callback", () => {
      const connection = open();
      const told = journal(connection, {
        event: () => {
          if (told.length > 1) return;
          connection.connect({ family: "unix", path: "/nonexistent/socket" });
          connection.write("never sent");
          connection.closeAfterFlush();
        },
      });
      connection.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
      until(base, () => connection.closed, "the close");
      assertEquals(told, ["ERROR", "ERROR"]);
    });

    it("closes when the peer takes nothing within the write timeout", () => {
      const { connection } = openPair();
      const told = journal(connection);
      fill(connection.fd);
      connection.setTimeouts(-1, 5);
      connection.write("x");
      connection.closeAfterFlush();
      until(base, () => told.length > 0, "the timeout");
      assertEquals(told, ["TIMEOUT|WRITING"]);
      assert(connection.closed);
    });

    it("closes at once after sending has failed, although something is still queued", () => {
      for (const fromCallback of [true, false]) {
        const { connection } = openPair();
        const told = journal(connection, {
          event: (_what, connection) => fromCallback && connection.closeAfterFlush(),
        });
        fill(connection.fd);
        connection.setTimeouts(-1, 5);
        connection.write("x");
        until(base, () => told.length > 0, "the timeout");
        if (!fromCallback) connection.closeAfterFlush();
        assert(connection.closed);
      }
    });

    it("waits again when writing was enabled anew after a timeout", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      fill(connection.fd);
      connection.setTimeouts(-1, 5);
      connection.write("x");
      until(base, () => told.length > 0, "the timeout");
      connection.setTimeouts(-1, -1);
      connection.enable(EV_WRITE);
      connection.closeAfterFlush();
      settle(base);
      assertFalse(connection.closed);
      empty(far);
      settle(base);
      assert(connection.closed);
      assertEquals(readText(far), "x");
    });

    it("waits for a connect, and sends what was queued", () => {
      const { port } = listeningSocket(descriptors);
      for (const text of ["", "hello and goodbye"]) {
        const connection = open();
        const told = journal(connection);
        connection.connect({ family: "ipv4", host: "127.0.0.1", port });
        connection.write(text);
        connection.closeAfterFlush();
        assertFalse(connection.closed);
        until(base, () => connection.closed, "the close");
        assertEquals(told, ["CONNECTED"]);
      }
    });

    it("closes when the connect fails", () => {
      const port = deadPort(descriptors);
      for (const path of ["", "/nonexistent/socket"]) {
        const connection = open();
        const told = journal(connection);
        connection.connect(path === "" ? { family: "ipv4", host: "127.0.0.1", port } : { family: "unix", path });
        connection.write("never sent");
        connection.closeAfterFlush();
        until(base, () => connection.closed, "the close");
        assertEquals(told, ["ERROR"]);
      }
    });

    it("closes although a callback throws, whatever that is told", () => {
      const { port } = listeningSocket(descriptors);
      const connecting = open({ event: explode });
      connecting.connect({ family: "ipv4", host: "127.0.0.1", port });
      connecting.closeAfterFlush();
      const failing = open({ event: explode });
      failing.connect({ family: "unix", path: "/nonexistent/socket" });
      failing.closeAfterFlush();
      const gone = openPair({ event: explode });
      descriptors.close(gone.far);
      gone.connection.write("x");
      gone.connection.closeAfterFlush();
      const stuck = openPair({ event: explode });
      fill(stuck.connection.fd);
      stuck.connection.setTimeouts(-1, 5);
      stuck.connection.write("x");
      stuck.connection.closeAfterFlush();
      const thrown: unknown[] = [];
      base.onError = (error) => thrown.push(error);
      until(
        base,
        () => [connecting, failing, gone.connection, stuck.connection].every(({ closed }) => closed),
        "four closes",
      );
      assertEquals(thrown.length, 4);
    });
  });

  describe("a callback that throws", () => {
    it("reaches the caller of the loop, and connection and loop go on afterwards", () => {
      let explosive = true;
      const { connection, far } = openPair({
        read: (connection) => {
          connection.write(`got ${inputText(connection)}`);
          if (explosive) explode();
        },
      });
      writeText(far, "one");
      assertThrows(() => settle(base), Error, "thrown on purpose");
      assertEquals(readText(far), "got one");
      explosive = false;
      writeText(far, "two");
      settle(base);
      assertEquals(readText(far), "got two");
      assertFalse(connection.closed);
    });

    it("reaches the base's error handler, and the loop runs on", () => {
      const thrown: unknown[] = [];
      base.onError = (error) => thrown.push(error);
      const one = openPair({ read: explode });
      const other = openPair({ read: (connection) => connection.writeBuffer(connection.input) });
      writeText(one.far, "x");
      writeText(other.far, "echo");
      settle(base);
      assertEquals(readText(other.far), "echo");
      assertEquals(thrown.length, 1);
      assertInstanceOf(thrown[0], Error);
    });

    it("from a write callback leaves the rest of the queue to be sent", () => {
      let explosions = 0;
      const { connection, far } = openPair({
        write: (connection) => {
          if (explosions++ > 0) return;
          connection.write(" second");
          explode();
        },
      });
      connection.write("first");
      assertThrows(() => settle(base), Error, "thrown on purpose");
      settle(base);
      assertEquals(readText(far), "first second");
    });

    it("from an event callback does not bring the same event again", () => {
      const { connection, far } = openPair();
      const told = journal(connection, { event: explode });
      descriptors.close(far);
      assertThrows(() => settle(base), Error, "thrown on purpose");
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      connection.write("x");
      assertThrows(() => settle(base), Error, "thrown on purpose");
      settle(base);
      assertEquals(told, ["EOF|READING", "ERROR|WRITING"]);
    });

    it("from a sink leaves later data to be received", () => {
      const { connection, far } = openPair();
      connection.setSink({ receive: explode });
      writeText(far, "lost");
      assertThrows(() => settle(base), Error, "thrown on purpose");
      connection.setSink(null);
      writeText(far, "kept");
      settle(base);
      assertEquals(inputText(connection), "kept");
    });
  });

  describe("a connection that was closed", () => {
    it("refuses to connect again", () => {
      const connection = open();
      connection.close();
      assertThrows(() => connection.connect({ family: "unix", path: "/x" }), Error, "closed");
    });

    it("takes writes, switches and timeouts without effect", () => {
      const { connection, far } = openPair();
      connection.close();
      connection.write("x");
      connection.enable(EV_READ | EV_WRITE);
      connection.setTimeouts(1, 1);
      connection.setWatermark(EV_READ, 1, 2);
      connection.flush();
      connection.closeAfterFlush();
      connection.endWriting();
      settle(base);
      assertEquals(readText(far), -EAGAIN);
    });
  });

  it("2,000 connects, refused or broken off, leave no descriptor behind", () => {
    const { port } = listeningSocket(descriptors);
    const dead = deadPort(descriptors);
    const before = clientSocket(descriptors, port);
    descriptors.close(before);
    for (let round = 0; round < 1000; round++) {
      const refused = open();
      refused.connect({ family: "ipv4", host: "127.0.0.1", port: dead });
      const brokenOff = open();
      brokenOff.connect({ family: "ipv4", host: "127.0.0.1", port: round % 2 === 0 ? port : dead });
      if (round % 4 === 0) settle(base);
      brokenOff.close();
      refused.close();
    }
    connections = [];
    const after = clientSocket(descriptors, port);
    assertEquals(after, before);
  });
});
