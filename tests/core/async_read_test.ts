import { assert, assertEquals, assertInstanceOf, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  type BufferEvent,
  ConnectionError,
  EV_READ,
  EV_WRITE,
  EVBUFFER_EOL_LF,
  type EventBase,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { backendsUnderTest, forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { alongside, assertRejectsWith, eventually, isPending, rejection, text } from "./async_support.ts";
import { assertSameBytes, journal, pattern, resetAndClose, runFor, settle, tcpPair } from "./bufferevent_support.ts";
import { forEachKind, freshEnds } from "./connection_kinds.ts";

/** Sends everything and ends the stream. */
async function finish(connection: BufferEvent): Promise<void> {
  await connection.flushed();
  connection.endWriting();
}

const newBase = backendsUnderTest[0]!.newBase;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    freshEnds(() => kind.open(base, descriptors), (fresh) => [near, far] = fresh);

    it("awaited reads get what they ask for, in the order in which they ask", () =>
      alongside(base, async () => {
        const asked = [near.readExactly(3), near.readLine(), near.readUntil("--"), near.readSome()] as const;
        far.write("abcline\r\n");
        assertEquals(text(await asked[0]), "abc");
        assertEquals(await asked[1], "line");
        far.write("un");
        far.write("til--rest");
        assertEquals(text(await asked[2]), "until");
        assertEquals(text(await asked[3]), "rest");
        far.write("12345");
        assertEquals(text(await near.readSome(2)), "12");
        assertEquals(text(await near.readSome(2)), "34");
        const target = new Uint8Array(8);
        assertEquals(await near.readInto(target), 1);
        assertEquals(target[0], 0x35);
        assertEquals((await near.readExactly(0)).length, 0);
      }));

    it("the end of the stream is null for what begins there, and an error within", () =>
      alongside(base, async () => {
        far.write("one\ntwo");
        void finish(far);
        assertEquals(await near.readLine(), "one");
        for (const read of [near.readLine(), near.readUntil("x"), near.readExactly(4)]) {
          const error = await assertRejectsWith(read, "END_OF_STREAM");
          assertInstanceOf(error, ConnectionError);
          assertEquals(error.bytes, 3);
        }
        assertEquals(text(await near.readSome()), "two");
        assertEquals(await near.readSome(), null);
        assertEquals(await near.readInto(new Uint8Array(1)), 0);
        assertEquals(await near.readLine(), null);
        assertEquals(await near.readUntil("x"), null);
        assertEquals((await assertRejectsWith(near.readExactly(1), "END_OF_STREAM")).bytes, 0);
      }));

    it("what has ended before anybody asked is known", () =>
      alongside(base, async () => {
        const told = journal(near);
        near.enable(EV_READ);
        far.write("last");
        void finish(far);
        await eventually(() => told.includes("EOF|READING"), "the end");
        assertEquals(text(await near.readExactly(4)), "last");
        assertEquals(await near.readSome(), null);
      }));

    it("an event that is only called for by hand has not happened to those who wait", () =>
      alongside(base, async () => {
        const told: number[] = [];
        far.enable(EV_READ);
        near.setCallbacks({ event: (what) => void told.push(what) });
        const [asked, sent] = [near.readExactly(3), near.send("x")];
        const events = [BEV_EVENT_EOF, BEV_EVENT_ERROR, BEV_EVENT_TIMEOUT].map((what) => what | BEV_EVENT_READING);
        events.push(BEV_EVENT_ERROR | BEV_EVENT_WRITING);
        for (const what of events) near.triggerEvent(what);
        far.write("abc");
        assertEquals(text(await asked), "abc");
        await sent;
        far.write("more");
        assertEquals(text(await near.readSome()), "more");
        await near.send("y");
        const union = (all: number, what: number): number => all | what;
        // What waits for the loop is told as one event.
        await eventually(() => told.reduce(union, 0) === events.reduce(union, 0), "the callback");
      }));

    it("closing settles everybody who waits, and refuses who comes later", () =>
      alongside(base, async () => {
        const waiting = [near.readSome(), near.readLine(), near.readExactly(1)];
        near.close();
        for (const read of [...waiting, near.readSome(), near.readLine()]) await assertRejectsWith(read, "CLOSED");
      }));

    it("iteration gives chunks until the end", () =>
      alongside(base, async () => {
        const sent = pattern(300_000);
        far.write(sent);
        void finish(far);
        const got: number[] = [];
        for await (const chunk of near) {
          assert(chunk.length > 0);
          for (const byte of chunk) got.push(byte);
        }
        assertSameBytes(Uint8Array.from(got), sent);
      }));

    it("iteration that asks ahead is told of an error when it looks", () =>
      alongside(base, async () => {
        near.setTimeouts(5, -1);
        const chunks = near[Symbol.asyncIterator]();
        const ahead = chunks.next();
        await eventually(() => near.error !== null || (near.enabled & EV_READ) === 0, "the timeout");
        await new Promise((resolve) => setTimeout(resolve, 10));
        await assertRejectsWith(ahead, "TIMEOUT");
        assertEquals(await chunks.next(), { done: true, value: undefined });
      }));

    it("iteration that is left early leaves the connection as it is; closing on this side ends it", () =>
      alongside(base, async () => {
        far.write("first\nsecond\n");
        for await (const chunk of near) {
          assertEquals(text(chunk), "first\nsecond\n");
          break;
        }
        far.write("third\n");
        assertEquals(await near.readLine(), "third");
        far.write("x");
        let rounds = 0;
        for await (const _ of near) {
          rounds++;
          near.close();
        }
        assertEquals(rounds, 1);
        assertEquals(await near[Symbol.asyncIterator]().next(), { done: true, value: undefined });
      }));

    it("aborting leaves the data where it is, and the others in their order", () =>
      alongside(base, async () => {
        const controller = new AbortController();
        const reason = new Error("enough");
        const { signal } = controller;
        const line = near.readLine(EVBUFFER_EOL_LF, { signal });
        const next = near.readSome();
        far.write("no end");
        await eventually(() => near.input.length === 6, "the data");
        controller.abort(reason);
        assertStrictEquals(await rejection(line), reason);
        assertEquals(text(await next), "no end");
        for (
          const read of [
            near.readSome(1, { signal }),
            near.readExactly(0, { signal }),
            near.readLine(EVBUFFER_EOL_LF, { signal }),
            near.readUntil("x", { signal }),
            near.readInto(new Uint8Array(1), { signal }),
          ]
        ) {
          assertStrictEquals(await rejection(read), reason);
        }
      }));

    it("who awaits data gets it before the read callback, which is called for what is left", () =>
      alongside(base, async () => {
        const told = journal(near);
        const first = near.readExactly(4);
        far.write("abcd");
        assertEquals(text(await first), "abcd");
        await isPending(first);
        assertEquals(told, []);
        const second = near.readExactly(4);
        far.write("efghij");
        assertEquals(text(await second), "efgh");
        await eventually(() => told.length > 0, "the callback");
        assertEquals(told, ["read"]);
        assertEquals(text(near.input.take()), "ij");
        void finish(far);
        assertEquals(await near.readSome(), null);
        await eventually(() => told.length > 1, "the end");
        assertEquals(told, ["read", "EOF|READING"]);
      }));

    it("nobody who does not ask has more than a bounded amount read for them", () =>
      alongside(base, async () => {
        const bytes = pattern(2_000_000);
        far.write(bytes);
        let at = 0;
        while (at < bytes.length) {
          const chunk = await near.readSome(100_000);
          assertSameBytes(chunk!, bytes.subarray(at, at + chunk!.length));
          at += chunk!.length;
          await isPending(new Promise(() => {}));
          if (!kind.name.includes("pair")) assertLess(near.input.length, 2 * 65_536);
        }
      }));

    it("a read timeout is told to who waits; who asks again waits anew", () =>
      alongside(base, async () => {
        near.setTimeouts(20, -1);
        const told = journal(near);
        await assertRejectsWith(near.readSome(), "TIMEOUT");
        assertEquals(told, ["TIMEOUT|READING"]);
        near.setTimeouts(-1, -1);
        const again = near.readSome();
        far.write("late");
        assertEquals(text(await again), "late");
      }));
  });

  it("a reset is an error, after the data that came before it", () =>
    alongside(base, async () => {
      const [one, other] = tcpPair(descriptors);
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      using far = new SocketBufferEvent(base, other, { keepOpen: true });
      await far.send("abc\n");
      assertEquals(await near.readLine(), "abc");
      const waiting = [near.readExactly(2), near.readLine()];
      far.close();
      resetAndClose(descriptors, other);
      for (const read of waiting) await assertRejectsWith(read, "ECONNRESET");
      await assertRejectsWith(near.readSome(), "ECONNRESET");
      await assertRejectsWith(near.readExactly(1), "ECONNRESET");
      const iterator = near[Symbol.asyncIterator]();
      await assertRejectsWith(iterator.next(), "ECONNRESET");
    }));

  it("iteration throws what has ended it, also where an event callback closes the connection because of that", () =>
    alongside(base, async () => {
      const [one, other] = tcpPair(descriptors);
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      near.setCallbacks({ event: () => near.close() });
      writeText(other, "first half");
      const iterator = near[Symbol.asyncIterator]();
      assertEquals(text((await iterator.next()).value ?? null), "first half");
      const next = iterator.next();
      resetAndClose(descriptors, other);
      await assertRejectsWith(next, "ECONNRESET");
      assert(near.closed);
    }));

  it("half-close: one direction goes on when the other has ended", () =>
    alongside(base, async () => {
      const [one, other] = tcpPair(descriptors);
      using near = new SocketBufferEvent(base, one, { keepOpen: true });
      using far = new SocketBufferEvent(base, other, { keepOpen: true });
      await near.send("question");
      near.endWriting();
      assertEquals(text(await far.readExactly(8)), "question");
      assertEquals(await far.readSome(), null);
      await far.send("answer");
      far.close();
      descriptors.close(other);
      assertEquals(text(await near.readExactly(6)), "answer");
      assertEquals(await near.readSome(), null);
    }));

  it("promises are served inside dispatch() too, where the runtime runs them there", () => {
    const [near, far] = PairBufferEvent.create(base);
    const lines: (string | null)[] = [];
    const serve = async (): Promise<void> => {
      for (let line = await near.readLine(); line !== null; line = await near.readLine()) lines.push(line);
    };
    void serve();
    far.write("a\nb\n");
    far.closeAfterFlush();
    base.loopExit(50);
    // Without a way to run promises it ends all the same; then they go on after it.
    base.dispatch();
    return alongside(base, () => eventually(() => lines.length === 2, "both lines"));
  });
});

describe("an awaited read", () => {
  it("refuses what makes no sense", async () => {
    using base = newBase();
    const [near, far] = PairBufferEvent.create(base);
    using _near = near;
    using _far = far;
    for (
      const read of [
        near.readSome(0),
        near.readSome(NaN),
        near.readExactly(-1),
        near.readExactly(0.5),
        near.readLine(9 as 0),
        near.readLine(EVBUFFER_EOL_LF, { maxBytes: -1 }),
        near.readUntil(""),
        near.readUntil("x", { maxBytes: NaN }),
        near.readInto(new Uint8Array(0)),
      ]
    ) {
      assertInstanceOf(await rejection(read), RangeError);
    }
    near.setSink({ receive: () => {} });
    assertThrows(() => void near.readSome(), Error, "a sink takes the bytes");
  });

  it("lets nothing in when the connection is not read from for other reasons", () => {
    using base = newBase();
    const [near, far] = PairBufferEvent.create(base);
    using _near = near;
    using _far = far;
    far.write("x");
    settle(base);
    assertEquals(near.enabled, EV_WRITE);
    assertEquals(near.input.length, 0);
    void near.readExactly(2);
    settle(base);
    assertEquals(near.enabled, EV_READ | EV_WRITE);
    assertEquals(near.input.length, 1);
  });

  it("goes on with a read callback that takes as much as it likes", async () => {
    using base = newBase();
    using descriptors = new Descriptors();
    const [one, other] = descriptors.socketpair();
    using near = new SocketBufferEvent(base, one, { keepOpen: true });
    using far = new SocketBufferEvent(base, other, { keepOpen: true });
    await alongside(base, async () => {
      const line = near.readLine();
      far.write("head\n");
      assertEquals(await line, "head");
      // More than what is read ahead for those who await: the callback waits for all of it.
      near.setWatermark(EV_READ, 500_000, 0);
      const told = journal(near);
      far.write(pattern(500_000));
      await eventually(() => told.length > 0, "the callback");
      assertEquals(near.input.length, 500_000);
    });
  });

  it("does not leave a rejection unhandled that nobody looks at", async () => {
    // The runtimes end the process for one, and the tests with it.
    using base = newBase();
    const [near, far] = PairBufferEvent.create(base);
    void near.readSome();
    void near.readLine();
    void near.connected();
    void near.flushed();
    near.close();
    void near.readSome();
    void near.send("x");
    void far.readExactly(5);
    far.triggerEvent(BEV_EVENT_EOF);
    runFor(base, 5);
    far.close();
    await isPending(new Promise(() => {}));
  });
});
