import { assert, assertEquals, assertFalse } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BufferEvent, EV_READ, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, fill, readText, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { countWrites, deadPort, journal, listeningSocket, settle, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  function open(): { connection: SocketBufferEvent; far: number; told: string[] } {
    const [near, far] = descriptors.socketpair();
    const connection = new SocketBufferEvent(base, near, { keepOpen: true, deferCallbacks: true });
    connection.enable(EV_READ);
    return { connection, far, told: journal(connection) };
  }

  describe("a connection that defers its callbacks", () => {
    it("delivers data before the end that came with it", () => {
      const { connection, far, told } = open();
      writeText(far, "last words");
      descriptors.close(far);
      until(base, () => told.length === 2, "both");
      assertEquals(told, ["read", "EOF|READING"]);
      connection.close();
    });

    it("tells of a connect before the data, and of a refusal with its error", () => {
      const { port } = listeningSocket(descriptors);
      using connection = new SocketBufferEvent(base, -1, { deferCallbacks: true });
      const told = journal(connection);
      connection.connect({ family: "ipv4", host: "127.0.0.1", port });
      until(base, () => told.length > 0, "the connect");
      assertEquals(told, ["CONNECTED"]);
      using refused = new SocketBufferEvent(base, -1, { deferCallbacks: true });
      let code = "";
      const events = journal(refused, { event: (_what, connection: BufferEvent) => code = connection.error!.code });
      refused.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
      until(base, () => events.length > 0, "the refusal");
      assertEquals([events, code], [["ERROR"], "ECONNREFUSED"]);
    });

    it("sends what its callbacks queue in one call, when they have ended", () => {
      const { connection, far } = open();
      const results = countWrites(connection);
      connection.setCallbacks({
        read: (connection) => {
          connection.write("one ");
          connection.write("two");
        },
      });
      writeText(far, "x");
      settle(base);
      assertEquals(readText(far), "one two");
      assertEquals(results, [7]);
      connection.close();
    });

    it("closes after flushing, once everything was told", () => {
      const { connection, far, told } = open();
      descriptors.close(far);
      connection.write("anybody there?");
      connection.closeAfterFlush();
      settle(base);
      assertEquals(told, ["ERROR|WRITING"]);
      assert(connection.closed);
    });

    it("keeps waiting for a peer that takes nothing while it has callbacks to run", () => {
      const { connection, told } = open();
      fill(connection.fd);
      connection.write("x");
      connection.trigger(EV_READ);
      connection.closeAfterFlush();
      settle(base);
      assertEquals(told, ["read"]);
      assertFalse(connection.closed);
      connection.close();
    });

    it("has each event's error as it was when that happened", () => {
      const { connection, far } = open();
      let code = "none";
      connection.setCallbacks({ event: (_what, connection) => code = connection.error!.code });
      descriptors.close(far);
      connection.write("x");
      connection.flush();
      connection.error = null;
      settle(base);
      assertEquals(code, "EPIPE");
      connection.close();
    });
  });

  it("an event that comes while a callback is due waits for it", () => {
    const [near, far] = descriptors.socketpair();
    using connection = new SocketBufferEvent(base, near, { keepOpen: true });
    const told = journal(connection);
    connection.trigger(EV_READ, { defer: true });
    connection.triggerEvent(0x10);
    assertEquals(told, []);
    settle(base);
    assertEquals(told, ["read", "EOF"]);
    assertEquals(readText(far), -os.errno.EAGAIN!);
  });
});
