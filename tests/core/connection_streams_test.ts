import { assert, assertEquals, assertInstanceOf, assertLess, assertStrictEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, readText, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { alongside, assertRejectsWith, eventually, isPending, rejection, text } from "./async_support.ts";
import { assertSameBytes, deadPort, listeningSocket, pattern, resetAndClose, tcpPair } from "./bufferevent_support.ts";
import { forEachKind, freshEnds } from "./connection_kinds.ts";

/** What the kernel may hold between two sockets of this machine, and our own buffers with it. */
const SWALLOWED_MAX = 16 * 1024 * 1024;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    freshEnds(() => kind.open(base, descriptors), (fresh) => [near, far] = fresh);

    it("streams carry everything, and the end of it, both ways", () =>
      alongside(base, async () => {
        const sent = pattern(500_000);
        const writer = near.writable.getWriter();
        const writing = (async () => {
          for (let at = 0; at < sent.length; at += 70_000) await writer.write(sent.subarray(at, at + 70_000));
          await writer.close();
        })();
        const got: number[] = [];
        for await (const chunk of far.readable) for (const byte of chunk) got.push(byte);
        assertSameBytes(Uint8Array.from(got), sent);
        await writing;
        // The other direction is open still.
        // Not awaited: over a pair it is sent once somebody reads.
        void far.send("answer");
        const reader = near.readable.getReader();
        assertEquals(text((await reader.read()).value ?? null), "answer");
        assertEquals(near.closed, false);
        await far.writable.close();
        assertEquals((await reader.read()).done, true);
        assertEquals(near.closed, true);
        assertEquals(far.closed, true);
      }));

    it("a reader may bring memory of its own", () =>
      alongside(base, async () => {
        const reader = near.readable.getReader({ mode: "byob" });
        void far.send("abcdef");
        const first = await reader.read(new Uint8Array(4));
        assertEquals(text(first.value ?? null), "abcd");
        const second = await reader.read(new Uint8Array(4));
        assertEquals(text(second.value ?? null), "ef");
        const third = reader.read(new Uint8Array(4));
        await far.flushed();
        far.endWriting();
        assertEquals((await third).done, true);
      }));

    it("nothing is read that nobody pulls, beyond a bound; writes wait meanwhile", () =>
      alongside(base, async () => {
        const { readable } = near;
        const writer = far.writable.getWriter();
        const chunk = pattern(64 * 1024);
        let written = 0;
        let isStuck = false;
        while (!isStuck) {
          const write = writer.write(chunk);
          isStuck = await isPending(write) && await isPending(write) && await isPending(write);
          if (!isStuck) written += chunk.length;
          assertLess(written, SWALLOWED_MAX);
          if (isStuck) write.catch(() => {});
        }
        assertLess(near.input.length, 2 * 64 * 1024);
        assertLess(far.queuedBytes, 2 * chunk.length);
        // Each pull lets a bounded amount in.
        const reader = readable.getReader();
        for (let got = 0; got < written;) {
          const { length } = (await reader.read()).value!;
          assert(length <= 64 * 1024);
          got += length;
          await isPending(new Promise(() => {}));
          assertLess(near.input.length, 3 * 64 * 1024);
        }
      }));

    it("cancelling and aborting close the connection when nothing else is left of it", () =>
      alongside(base, async () => {
        const { writable } = near;
        const pending = near.readable.getReader();
        const read = pending.read();
        await pending.cancel();
        assertEquals((await read).done, true);
        assertEquals(near.closed, false);
        void far.send("ignored");
        await writable.abort(new Error("enough"));
        assertEquals(near.closed, true);
        await far.readable.cancel();
        assertEquals(far.closed, true);
      }));

    it("aborting does not wait for a peer that takes nothing, in the middle of a write", () =>
      alongside(base, async () => {
        const reason = new Error("enough");
        const writer = near.writable.getWriter();
        const writing = writer.write(new Uint8Array(SWALLOWED_MAX));
        assert(await isPending(writing));
        await writer.abort(reason);
        assertEquals(near.closed, true);
        assertStrictEquals(await rejection(writer.closed), reason);
        await assertRejectsWith(writing, "CLOSED");
      }));

    it("aborting does not wait for a close under way", () =>
      alongside(base, async () => {
        const writer = near.writable.getWriter();
        near.write(new Uint8Array(SWALLOWED_MAX));
        const closing = writer.close();
        await isPending(closing);
        // What was queued is lost, so the close has failed, and by the standard the abort fails with it.
        await rejection(writer.abort(new Error("enough")));
        assertEquals(near.closed, true);
        await assertRejectsWith(closing, "CLOSED");
      }));

    it("errors that end both streams close the connection as well", () =>
      alongside(base, async () => {
        near.setTimeouts(1, -1);
        const { writable } = near;
        await assertRejectsWith(near.readable.getReader().read(), "TIMEOUT");
        assertEquals(near.closed, false);
        const writer = writable.getWriter();
        assertInstanceOf(await rejection(writer.write(1 as unknown as Uint8Array)), TypeError);
        await eventually(() => near.closed, "the close");
      }));

    it("closing on this side errors both streams", () =>
      alongside(base, async () => {
        const writer = near.writable.getWriter();
        const reader = near.readable.getReader();
        const read = reader.read();
        near.close();
        await assertRejectsWith(read, "CLOSED");
        await assertRejectsWith(writer.closed, "CLOSED");
        await assertRejectsWith(writer.write(new Uint8Array(1)), "CLOSED");
      }));

    it("send waits until the output has been taken, and so do drained and flushed", () =>
      alongside(base, async () => {
        const small = near.send("small");
        assertEquals(text(await far.readExactly(5)), "small");
        await small;
        assertEquals(near.queuedBytes, 0);
        await near.drained();
        far.disable(EV_READ);
        const large = near.send(pattern(SWALLOWED_MAX));
        assert(await isPending(large));
        near.setWatermark(EV_WRITE, 1_000_000, 0);
        const flushed = near.flushed();
        const controller = new AbortController();
        const aborted = near.drained({ signal: controller.signal });
        const reason = new Error("enough");
        controller.abort(reason);
        assertStrictEquals(await rejection(aborted), reason);
        let got = 0;
        while (got < SWALLOWED_MAX) got += (await far.readSome(1_000_000))!.length;
        await large;
        await flushed;
        assertEquals(near.queuedBytes, 0);
      }));
  });

  it("what a filter has passed on is not sent before the connection underneath has sent it", () =>
    alongside(base, async () => {
      const [near, far] = PairBufferEvent.create(base);
      const lost = new FilterBufferEvent(near).send("never read");
      near.close();
      await assertRejectsWith(lost, "CLOSED");
      far.close();
      const [one, other] = descriptors.socketpair();
      using socket = new SocketBufferEvent(base, one, { keepOpen: true });
      using filter = new FilterBufferEvent(socket);
      const sent = filter.send("all of it");
      filter.closeAfterFlush();
      await sent;
      assertEquals(readText(other), "all of it");
    }));

  it("a reset errors the writable stream, also while nobody writes", () =>
    alongside(base, async () => {
      const [one, other] = tcpPair(descriptors);
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      const writer = near.writable.getWriter();
      const closed = rejection(writer.closed);
      resetAndClose(descriptors, other);
      // The kernel tells whoever sends next.
      await rejection((async () => {
        for (;;) await near.send("x");
      })());
      assert(["EPIPE", "ECONNRESET"].includes((await closed as unknown as { code: string }).code));
      await rejection(writer.write(new Uint8Array(1)));
      await rejection(near.send("x"));
    }));

  it("a peer that reads no more ends an echo by streams, and with it the connection", () =>
    alongside(base, async () => {
      const [one, other] = descriptors.socketpair();
      const connection = new SocketBufferEvent(base, one, { keepOpen: true });
      const echo = connection.readable.pipeTo(connection.writable);
      shutdown(other, os.constants.SHUT_RD);
      writeText(other, "anything");
      await assertRejectsWith(echo, "EPIPE");
      await eventually(() => connection.closed, "the close");
    }));

  it("a write that makes no progress is told by TIMEOUT, and may be waited for again", () =>
    alongside(base, async () => {
      const [one, other] = descriptors.socketpair();
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      using far = new SocketBufferEvent(base, other, { keepOpen: true });
      near.setTimeouts(-1, 20);
      await assertRejectsWith(near.send(pattern(SWALLOWED_MAX)), "TIMEOUT");
      near.setTimeouts(-1, -1);
      const again = near.send("!");
      let got = 0;
      while (got < SWALLOWED_MAX + 1) got += (await far.readSome())!.length;
      await again;
    }));

  it("what an end of a pair has queued is given up when the other end is closed", () =>
    alongside(base, async () => {
      for (const layers of [0, 1, 2]) {
        const [end, far] = PairBufferEvent.create(base);
        let near: BufferEvent = end;
        for (let layer = 0; layer < layers; layer++) near = new FilterBufferEvent(near);
        const writes = [near.send("waits"), near.flushed()];
        assert(await isPending(writes[0]!));
        far.close();
        for (const write of [...writes, near.send("later"), near.flushed()]) await assertRejectsWith(write, "FAILED");
        assertEquals(await near.readSome(), null);
        if (layers === 0) {
          near = new FilterBufferEvent(end);
          await assertRejectsWith(near.send("through a filter that came later"), "FAILED");
        }
        near.close();
      }
    }));

  it("a filter goes on when the socket underneath is connected after all", () =>
    alongside(base, async () => {
      const socket = new SocketBufferEvent(base);
      using filter = new FilterBufferEvent(socket);
      socket.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
      await assertRejectsWith(filter.send("x"), "ECONNREFUSED");
      socket.connect({ family: "ipv4", host: "127.0.0.1", port: listeningSocket(descriptors).port });
      await socket.connected();
      await filter.connected();
      await filter.send("y");
    }));

  it("what has failed before anybody waited is known", () =>
    alongside(base, async () => {
      const [one, other] = tcpPair(descriptors);
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      resetAndClose(descriptors, other);
      for (let count = 0; count < 3; count++) {
        near.write("x");
        await isPending(new Promise(() => {}));
      }
      await eventually(() => near.error !== null, "the error");
      assert(["EPIPE", "ECONNRESET"].includes((await rejection(near.send("x")) as unknown as { code: string }).code));
    }));
});
