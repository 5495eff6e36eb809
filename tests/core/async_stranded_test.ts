/** Awaited operations that nothing would settle any more if nobody thought of them. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type BufferEvent, Datagram, EV_READ, EV_WRITE, type EventBase, PairBufferEvent } from "../../src/core/mod.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { alongside, assertRejectsWith, eventually, isPending, rejection, text } from "./async_support.ts";
import { settle } from "./bufferevent_support.ts";
import { forEachKind, freshEnds } from "./connection_kinds.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    freshEnds(() => kind.open(base, descriptors), (fresh) => [near, far] = fresh);

    it("a high watermark below what a read waits for refuses it, however much is there already", () =>
      alongside(base, async () => {
        const exact = near.readExactly(100);
        const line = near.readLine();
        far.write(new Uint8Array(60).fill(97));
        await eventually(() => near.input.length === 60, "the data");
        near.setWatermark(EV_READ, 0, 50);
        assertInstanceOf(await rejection(exact), RangeError);
        await assertRejectsWith(line, "LINE_TOO_LONG");
        assertEquals(near.input.length, 60);
      }));

    it("what is put back into the input is for whoever waits", () =>
      alongside(base, async () => {
        const line = near.readLine();
        const next = near.readSome();
        far.write("rest\n");
        assertEquals(await line, "rest");
        near.input.prepend("put back");
        assertEquals(text(await next), "put back");
        const searched = near.readLine();
        far.write("no ending");
        await eventually(() => near.input.length === 9, "the data");
        near.input.prepend("first\n");
        assertEquals(await searched, "first");
        assertEquals(near.input.takeText(), "no ending");
      }));

    it("memory that is transferred away while it is to be read into is no end of the stream", () =>
      alongside(base, async () => {
        const target = new Uint8Array(10);
        const into = near.readInto(target);
        target.buffer.transfer();
        far.write("abc");
        assertInstanceOf(await rejection(into), TypeError);
        assertEquals(text(await near.readSome()), "abc");
      }));

    it("whoever waits until all is sent learns that the rest was dropped by hand", async () => {
      // What TLS has is on its way through OpenSSL.
      if (near instanceof TlsBufferEvent) return;
      near.disable(EV_WRITE);
      near.write("unwanted");
      const flushed = near.flushed();
      assert(await isPending(flushed));
      near.output.unfreezeFront();
      near.output.drain(8);
      near.output.freezeFront();
      await flushed;
    });

    it("an iteration that is ended while it waits ends at once, and takes nothing", () =>
      alongside(base, async () => {
        const iterator = near[Symbol.asyncIterator]();
        const waiting = [iterator.next(), iterator.next()];
        assert(await isPending(waiting[0]!));
        assertEquals(await iterator.return(), { done: true, value: undefined });
        for (const promise of waiting) assertEquals((await promise).done, true);
        assertEquals((await iterator.next()).done, true);
        far.write("for others");
        assertEquals(text(await near.readSome()), "for others");
        const thrown = near[Symbol.asyncIterator]();
        const next = thrown.next();
        assertEquals((await rejection(thrown.throw(new Error("enough")))).message, "enough");
        assertEquals((await next).done, true);
      }));

    it("an iteration serves those who ask at the same time in their order", () =>
      alongside(base, async () => {
        const iterator = near[Symbol.asyncIterator]();
        const both = [iterator.next(), iterator.next()];
        far.write("a");
        assertEquals(text((await both[0]!).value!), "a");
        far.write("b");
        assertEquals(text((await both[1]!).value!), "b");
        const last = [iterator.next(), iterator.next()];
        far.endWriting();
        for (const promise of last) assertEquals(await promise, { done: true, value: undefined });
      }));
  });

  it("an iteration over datagrams that is ended while it waits ends at once, and the loop with it", async () => {
    using server = new Datagram(base, { port: 0 });
    using client = new Datagram(base, {});
    const iterator = server[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next()];
    await Promise.resolve();
    assertEquals(await iterator.return(), { done: true, value: undefined });
    for (const promise of waiting) assertEquals((await promise).done, true);
    // Nothing is left to wait for.
    assertEquals(await base.run(), false);
    client.send("for others", server.address);
    await alongside(base, async () => assertEquals((await server.receive()).text(), "for others"));
  });

  it("an iteration over datagrams keeps the loop alive from when it is first asked, also between two datagrams", async () => {
    using server = new Datagram(base, { port: 0 });
    using client = new Datagram(base, {});
    const iterator = server[Symbol.asyncIterator]();
    assertEquals(base.dispatch(), false);
    const next = iterator.next();
    client.send("one", server.address);
    await alongside(base, async () => assertEquals((await next).value!.text(), "one"));
    let ran = false;
    const running = base.run().then(() => ran = true);
    assert(await isPending(running));
    assertEquals(ran, false);
    await iterator.return();
    await running;
  });

  it("a pair's iteration ends with the other end, while its body is at work as well", async () => {
    const [one, other] = PairBufferEvent.create(base);
    const iterator = one[Symbol.asyncIterator]();
    const next = iterator.next();
    other.write("x");
    settle(base);
    assertEquals(text((await next).value!), "x");
    other.close();
    settle(base);
    assertEquals((await iterator.next()).done, true);
    one.close();
  });
});
