import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type BufferEventCallbacks, EV_READ, EV_WRITE, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, type Pair, readText, writeText } from "../support/descriptors.ts";
import { inputText, journal, resetAndClose, settle, tcpPair, until } from "./bufferevent_support.ts";

const { SHUT_WR } = os.constants;

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

  /** A connection whose descriptor the test closes. */
  function open(fd: number): SocketBufferEvent {
    const connection = new SocketBufferEvent(base, fd, { keepOpen: true });
    connections.push(connection);
    return connection;
  }

  /** A connection that reads, and the bare descriptor of its other side. */
  function openPair(
    callbacks: BufferEventCallbacks<SocketBufferEvent> = {},
    [near, far]: Pair = descriptors.socketpair(),
  ): { connection: SocketBufferEvent; far: number } {
    const connection = open(near);
    connection.setCallbacks(callbacks);
    connection.enable(EV_READ);
    return { connection, far };
  }

  describe("the end of a stream", () => {
    it("is told after the data that came before it, and disables reading", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      writeText(far, "last words");
      descriptors.close(far);
      settle(base);
      assertEquals(told, ["read", "EOF|READING"]);
      assertEquals(connection.enabled, EV_WRITE);
      assertEquals(inputText(connection), "last words");
    });

    it("leaves the other direction open when the peer shuts down its own", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      shutdown(far, SHUT_WR);
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      connection.write("still talking");
      settle(base);
      assertEquals(readText(far), "still talking");
    });

    it("leaves reading open after endWriting()", () => {
      const { connection, far } = openPair();
      connection.write("that is all");
      settle(base);
      connection.endWriting();
      assertEquals(readText(far), "that is all");
      assertEquals(readText(far), "");
      writeText(far, "noted");
      settle(base);
      assertEquals(inputText(connection), "noted");
    });

    it("is an error with ECONNRESET when the peer resets the connection", () => {
      const [near, far] = tcpPair(descriptors);
      const { connection } = openPair({}, [near, far]);
      const told = journal(connection);
      resetAndClose(descriptors, far);
      until(base, () => told.length > 0, "the reset");
      assertEquals(told, ["ERROR|READING"]);
      assertEquals(connection.error?.code, "ECONNRESET");
      assertEquals(connection.error?.syscall, "recv");
      assertEquals(connection.enabled, EV_WRITE);
    });

    it("is an error on writing when the peer has gone, and disables writing", () => {
      const { connection, far } = openPair();
      connection.disable(EV_READ);
      const told = journal(connection);
      descriptors.close(far);
      connection.write("anybody there?");
      settle(base);
      assertEquals(told, ["ERROR|WRITING"]);
      assertEquals(connection.error?.code, "EPIPE");
      assertEquals(connection.enabled, 0);
      settle(base);
      assertEquals(told.length, 1);
    });

    it("is an error on writing to a TCP peer that has gone, however often one writes", () => {
      const [near, far] = tcpPair(descriptors);
      const { connection } = openPair({}, [near, far]);
      connection.disable(EV_READ);
      const told = journal(connection);
      descriptors.close(far);
      for (let count = 0; count < 5; count++) {
        connection.write("again");
        settle(base);
      }
      assertEquals(told.at(-1), "ERROR|WRITING");
      assertEquals(told.filter((entry) => entry.startsWith("ERROR")).length, 1);
      assert(["EPIPE", "ECONNRESET"].includes(connection.error!.code));
    });
  });
});
