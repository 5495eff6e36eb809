/** What becomes of the other direction when the connection underneath can send no more. */
import { assert, assertEquals } from "@std/assert";
import { beforeEach, describe } from "@std/testing/bdd";
import { type BufferEvent, EV_READ, EV_WRITE, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { os, shutdown, write } from "../../src/ffi/mod.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { assertRejectsWith } from "../core/async_support.ts";
import { inputText, journal, pattern, settle, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { breakEncryption, clientContext, serverContext, shakeHands } from "./tls_support.ts";
import { TlsWorkbench } from "./workbench.ts";

/** RFC 8446 section 6: a fatal handshake_failure. */
const ALERT = new Uint8Array([21, 3, 3, 0, 2, 2, 40]);

function it(title: string, fn: () => void | Promise<void>): void {
  itNeeds("openssl", "openssl", title, fn);
}

forEachBackend((backend) => {
  const workbench = new TlsWorkbench(() => backend.newBase());
  let base: EventBase;
  let descriptors: Descriptors;
  let open: BufferEvent[];

  beforeEach(() => void ({ base, descriptors, open } = workbench));

  /** The server has sent `text` and is gone, of which the client has read nothing yet. */
  function left(text: string, announced: boolean): TlsBufferEvent {
    const { client, server } = workbench.connected();
    settle(base);
    client.disable(EV_READ);
    server.write(text);
    const { fd } = server;
    until(base, () => server.queuedBytes === 0, "the text has left");
    if (announced) server.close();
    else (server.underlying as SocketBufferEvent).takeFd();
    descriptors.close(fd);
    return client;
  }

  describe("TLS over a connection whose writing has failed", () => {
    it("reads what has come, up to the end", async () => {
      const client = left("too large", true);
      const told = journal(client);
      client.write("more of it");
      const flushed = client.flushed();
      until(base, () => told.length > 0, "the failure");
      assertEquals([told, client.error?.code, client.queuedBytes], [["ERROR|WRITING"], "EPIPE", 0]);
      assertEquals([client.enabled, client.closed], [0, false]);
      await assertRejectsWith(flushed, "EPIPE");

      client.enable(EV_READ);
      until(base, () => told.includes("EOF|READING"), "the end");
      assertEquals([told, inputText(client)], [["ERROR|WRITING", "read", "EOF|READING"], "too large"]);
    });

    it("tells of an end that was not announced", () => {
      const client = left("cut o", false);
      const told = journal(client);
      client.write("more of it");
      until(base, () => told.length > 0, "the failure");
      client.enable(EV_READ);
      until(base, () => told.length > 2, "the end");
      assertEquals([told, inputText(client)], [["ERROR|WRITING", "read", "ERROR|READING"], "cut o"]);
      assertEquals(client.error?.code, "TLS_TRUNCATED");
    });

    it("sends nothing again, whatever is enabled", async () => {
      const client = left("", true);
      const told = journal(client);
      client.write("lost");
      until(base, () => told.length > 0, "the failure");
      client.enable(EV_WRITE);
      client.write("lost as well");
      await assertRejectsWith(client.flushed(), "EPIPE");
      settle(base);
      assertEquals([told, client.underlying.output.length], [["ERROR|WRITING"], 0]);
    });

    it("is closed when it was to be closed, before that or after it", () => {
      for (const isBefore of [true, false]) {
        const client = left("unread", true);
        const told = journal(client);
        client.write("never sent");
        if (isBefore) client.closeAfterFlush();
        until(base, () => told.length > 0, "the failure");
        if (!isBefore) client.closeAfterFlush();
        until(base, () => client.closed, "closed");
        assertEquals(told, ["ERROR|WRITING"]);
      }
    });

    it("tells of it also when the end came in the same call", async () => {
      const [near, far] = descriptors.socketpair();
      using clients = clientContext();
      using servers = serverContext();
      const below = new SocketBufferEvent(base, near, { keepOpen: true, deferCallbacks: true });
      const client = new TlsBufferEvent(below, clients, { hostname: "localhost", allowDirtyShutdown: true });
      const server = TlsBufferEvent.overSocket(base, far, servers, { keepOpen: true });
      open.push(client, server);
      client.enable(EV_READ);
      server.enable(EV_READ);
      shakeHands(base, { client, server });
      settle(base);
      server.disable(EV_READ);
      const told = journal(client);
      // More than there is room for: the loop hears of the failure together with the end.
      client.write(pattern(4_000_000));
      const flushed = client.flushed();
      settle(base);
      assert(below.output.length > 0);
      shutdown(far, os.constants["SHUT_RDWR"]!);
      until(base, () => told.includes("EOF|READING"), "the end");
      settle(base);
      assertEquals(told.toSorted(), ["EOF|READING", "ERROR|WRITING"]);
      assertEquals([client.error?.code, client.queuedBytes], ["EPIPE", 0]);
      await assertRejectsWith(flushed, "EPIPE");
    });

    it("hears of the alert that says why", () => {
      const [near, far] = descriptors.socketpair();
      assertEquals(write(far, ALERT, ALERT.length), ALERT.length);
      descriptors.close(far);
      using clients = clientContext();
      const socket = new SocketBufferEvent(base, near, { keepOpen: true });
      const client = new TlsBufferEvent(socket, clients, { hostname: "localhost" });
      open.push(client);
      const told = journal(client);
      client.enable(EV_READ);
      // Or it might come before there is a hello to be sent.
      socket.disable(EV_READ);
      until(base, () => told.length > 0, "the failure");
      assertEquals([told, client.error?.code], [["ERROR|WRITING"], "EPIPE"]);
      socket.enable(EV_READ);
      until(base, () => told.length > 1, "the alert");
      assertEquals(told, ["ERROR|WRITING", "ERROR|READING"]);
      assertEquals(client.error?.code, "TLS_ALERT_HANDSHAKE_FAILURE");
      assert(!client.isSecure);
    });
  });

  describe("TLS that cannot encrypt what is to be sent", () => {
    it("has failed in both directions, which is told at once", async () => {
      const { client, server } = workbench.connected();
      settle(base);
      const told = journal(client);
      breakEncryption(client);
      client.write("never sent");
      const flushed = client.flushed();
      until(base, () => told.length > 0, "the failure");
      assertEquals([told, client.error?.code, client.enabled], [["ERROR|READING|WRITING"], "TLS_PROTOCOL_ERROR", 0]);
      await assertRejectsWith(flushed, "TLS_PROTOCOL_ERROR");
      // RFC 8446 section 6.2: nothing is received any more.
      server.write("never read");
      client.enable(EV_READ | EV_WRITE);
      settle(base);
      assertEquals([told.length, client.input.length], [1, 0]);
    });
  });
});
