/** What becomes of queued plaintext that is never encrypted, and of those who wait for it to leave. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  forEachEvent,
  setSendBufferBytes,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { engineCount } from "../../src/tls/tls_engine.ts";
import { TlsBufferEvent, type TlsContext } from "../../src/tls/mod.ts";
import { assertRejectsWith, eventually, isPending } from "../core/async_support.ts";
import {
  assertSameBytes,
  deadPort,
  inputText,
  journal,
  listeningSocket,
  passTime,
  pattern,
  settle,
  twoEnds,
  until,
} from "../core/bufferevent_support.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, openDescriptorCount } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { acceptOne, clientContext, type Ends, openEnds, serverContext, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void | Promise<void>): void {
  itNeeds("openssl", "openssl", title, fn);
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let clients: TlsContext;
  let servers: TlsContext;
  let open: BufferEvent[];
  let descriptorsBefore: number;
  let enginesBefore: number;

  beforeEach(() => {
    clients = clientContext();
    servers = serverContext();
    descriptorsBefore = openDescriptorCount();
    enginesBefore = engineCount();
    base = backend.newBase();
    descriptors = new Descriptors();
    open = [];
  });
  afterEach(() => {
    for (const connection of open) connection.close();
    clients.close();
    servers.close();
    descriptors[Symbol.dispose]();
    base.close();
    assertNoneLeft(descriptorsBefore);
    assertEquals(engineCount(), enginesBefore);
  });

  function ends(over: "sockets" | "pair"): Ends {
    const ends = openEnds(base, over === "sockets" ? descriptors : null);
    open.push(ends.client, ends.server);
    return ends;
  }

  function drainByHand(connection: BufferEvent): void {
    connection.output.unfreezeFront();
    connection.output.drain(Infinity);
    connection.output.freezeFront();
  }

  function lastDeadlineMs(): number {
    let last = -Infinity;
    forEachEvent(base, (event) => {
      last = Math.max(last, event.deadlineMs);
    });
    return last;
  }

  describe("plaintext that is dropped by hand", () => {
    it("is told to those who wait for it to leave", async () => {
      const { client } = ends("pair");
      client.write("never sent");
      const flushed = client.flushed();
      assert(await isPending(flushed));
      drainByHand(client);
      await flushed;
    });

    it("holds up neither the end that was asked for behind it nor closing", () => {
      const { client, server } = ends("pair");
      shakeHands(base, { client, server });
      const told = journal(server);
      client.disable(EV_WRITE);
      client.write("never sent");
      client.endWriting();
      settle(base);
      assertEquals(told, []);
      drainByHand(client);
      until(base, () => told.length > 0, "the end");
      assertEquals(told, ["EOF|READING"]);

      server.disable(EV_WRITE);
      server.write("never sent");
      server.closeAfterFlush();
      settle(base);
      assert(!server.closed);
      drainByHand(server);
      until(base, () => server.closed, "closed");
    });
  });

  describe("what has been encrypted", () => {
    it("is heard of as it leaves, also in parts of one piece", async () => {
      const low = 30_000;
      // How it leaves, and in how many pieces it lies, is the kernel's affair and that of memory: none of these lengths is special.
      for (const length of [115_000, 120_000, 125_000]) {
        const { client, server } = ends("sockets");
        const [near, far] = [client.underlying.fd, server.underlying.fd];
        shakeHands(base, { client, server });
        server.disable(EV_READ);
        client.setWatermark(EV_WRITE, low, 0);
        setSendBufferBytes(near, 30_000);
        client.write(pattern(length));
        settle(base);
        setSendBufferBytes(near, 9000);
        let isDrained = false;
        client.drained().then(() => isDrained = true);
        while (client.queuedBytes > 0) {
          assert(empty(far) > 0);
          settle(base);
          await eventually(() => isDrained || client.queuedBytes > low, "those who wait are told");
        }
      }
    });

    it("puts the write timeout off whenever any of it leaves, though no more is encrypted yet", () => {
      const { client, server } = ends("sockets");
      shakeHands(base, { client, server });
      server.disable(EV_READ);
      setSendBufferBytes(client.underlying.fd, 9000);
      client.setTimeouts(-1, 60_000);
      client.write(pattern(400_000));
      settle(base);
      const before = lastDeadlineMs();
      const queued = client.output.length;
      passTime(base, 2);
      assert(empty(server.underlying.fd) > 0);
      settle(base);
      assertEquals(client.output.length, queued);
      assertLess(before, lastDeadlineMs());
    });
  });

  describe("memory that plaintext was encrypted from", () => {
    it("serves a socket that sends in the clear afterwards", () => {
      const { client, server } = ends("pair");
      shakeHands(base, { client, server });
      const [near, far] = twoEnds(base, descriptors);
      open.push(near, far);
      const told = journal(near);
      // In every size that memory is lent in, or nearly.
      for (const size of [900, 4000, 5000, 16_000, 17_000, 60_000]) {
        client.write(pattern(size));
        until(base, () => server.input.length === size, "all of it, encrypted");
        server.input.drain(size);
        near.write(pattern(size));
        until(base, () => far.input.length === size || near.error !== null, "all of it, in the clear");
        assertEquals(near.error, null);
        assertSameBytes(far.input.take(), pattern(size));
      }
      assertEquals(new Set(told), new Set(["write"]));
    });
  });

  for (const over of ["sockets", "pair"] as const) {
    describe(`plaintext whose memory is transferred away, over ${over}`, () => {
      let client: TlsBufferEvent;
      let server: TlsBufferEvent;

      beforeEach(() => {
        ({ client, server } = ends(over));
        shakeHands(base, { client, server });
      });

      function addDetached(size: number): void {
        const bytes = new Uint8Array(new ArrayBuffer(size));
        client.output.addReference(bytes);
        bytes.buffer.transfer();
      }

      for (const size of [100, 100_000]) {
        it(`fails the connection after what was queued before ${size} bytes of it has been sent`, async () => {
          const told = journal(client);
          client.write("before");
          addDetached(size);
          client.write("behind");
          const flushed = client.flushed();
          until(base, () => server.input.length > 0 && told.length > 0, "both");
          assertEquals([inputText(server), told.filter((what) => what !== "write")], ["before", ["ERROR|WRITING"]]);
          assertEquals([client.error?.code, client.output.length], ["DETACHED", 0]);
          await assertRejectsWith(flushed, "DETACHED");
          // The other direction goes on.
          server.write("still there");
          until(base, () => client.input.length > 0, "an answer");
          assertEquals([inputText(client), server.input.length], ["still there", 0]);
        });
      }

      it("keeps nobody from closing the connection", () => {
        addDetached(10);
        client.closeAfterFlush();
        until(base, () => client.closed, "closed");
      });
    });
  }

  describe("a connect after one that has failed", () => {
    for (const below of ["a socket", "a filter"]) {
      it(`begins anew over ${below} for those who wait`, async () => {
        const socket = new SocketBufferEvent(base, -1);
        const client = new TlsBufferEvent(
          below === "a socket" ? socket : new FilterBufferEvent(socket),
          clients,
          { hostname: "localhost", closeTimeoutMs: 0 },
        );
        open.push(client);
        const told = journal(client);
        client.enable(EV_READ);
        socket.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
        client.write("hello");
        const failed = [client.connected(), client.flushed()];
        until(base, () => told.length > 0, "the refusal");
        for (const promise of failed) await assertRejectsWith(promise, "ECONNREFUSED");

        const { fd, port } = listeningSocket(descriptors);
        socket.connect({ family: "ipv4", host: "127.0.0.1", port });
        const waiting = [client.connected(), client.flushed()];
        let over = 0;
        for (const promise of waiting) promise.then(() => over++);
        assert(await isPending(Promise.race(waiting)));
        const server = TlsBufferEvent.overSocket(base, acceptOne(base, fd), servers);
        open.push(server);
        server.enable(EV_READ);
        client.write("hello");
        until(base, () => server.input.length > 0, "hello");
        await eventually(() => over === 2, "both are told");
        await Promise.all(waiting);
      });
    }
  });
});
