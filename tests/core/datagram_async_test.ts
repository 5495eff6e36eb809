import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type EventBase, SystemError } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { settle } from "./bufferevent_support.ts";
import { freshSockets, numbered, type Sockets } from "./datagram_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  freshSockets(backend, (fresh) => ({ base, sockets } = fresh));

  /** Runs the loop beside `work`, and ends it afterwards. */
  async function beside<T>(work: () => Promise<T>): Promise<T> {
    const guard = base.timer(() => base.loopBreak());
    guard.add(15_000);
    const running = base.run();
    try {
      return await work();
    } finally {
      base.loopBreak();
      await running;
      guard.close();
    }
  }

  describe("a datagram socket without a callback", () => {
    it("gives one datagram per call, in order, each in memory of its own", async () => {
      const server = sockets.open({ port: 0 });
      const client = sockets.open({});
      for (const text of numbered(3)) client.send(text, server.address);
      await beside(async () => {
        const first = await server.receive();
        const both = await Promise.all([server.receive(), server.receive()]);
        assertEquals([first, ...both].map((datagram) => datagram.text()), numbered(3));
        assert(first.reply("late answer"));
        const waiting = server.receive();
        client.send("last", server.address);
        assertEquals((await waiting).text(), "last");
        assertEquals((await client.receive()).text(), "late answer");
      });
    });

    it("leaves in the kernel what nobody asks for, beyond one batch", async () => {
      const server = sockets.open({ port: 0, batch: 4 });
      const client = sockets.open({});
      const sent = numbered(20);
      for (const text of sent) client.send(text, server.address);
      assertFalse(server.isReceiving);
      settle(base);
      assertEquals(server.counts.received, 0);
      await beside(async () => {
        assertEquals((await server.receive()).text(), sent[0]);
        assertEquals(server.counts.received, 4);
        assertFalse(server.isReceiving);
        const texts = [];
        for (let count = 1; count < 20; count++) texts.push((await server.receive()).text());
        assertEquals(texts, sent.slice(1));
      });
    });

    it("is iterated until it is closed; leaving the iteration loses nothing", async () => {
      const server = sockets.open({ port: 0 });
      const client = sockets.open({});
      const sent = numbered(10);
      for (const text of sent) client.send(text, server.address);
      await beside(async () => {
        const texts: string[] = [];
        for await (const datagram of server) {
          texts.push(datagram.text());
          if (texts.length === 5) break;
        }
        for await (const datagram of server) {
          texts.push(datagram.text());
          if (texts.length === 10) server.close();
        }
        assertEquals(texts, sent);
        for await (const _ of server) throw new Error("a closed socket has no datagrams");
      });
    });

    it("stops waiting when told to by a signal, and the next one gets what comes", async () => {
      const server = sockets.open({ port: 0 });
      const client = sockets.open({});
      await beside(async () => {
        const control = new AbortController();
        const given = server.receive({ signal: control.signal });
        const patient = server.receive();
        control.abort(new Error("enough"));
        await assertRejects(() => given, Error, "enough");
        await assertRejects(() => server.receive({ signal: control.signal }), Error, "enough");
        assert(server.isReceiving);
        client.send("x", server.address);
        assertEquals((await patient).text(), "x");
        const late = new AbortController();
        const alone = server.receive({ signal: late.signal });
        late.abort();
        await assertRejects(() => alone);
        assertFalse(server.isReceiving);
      });
    });

    it("tells those who wait that it was closed", async () => {
      const server = sockets.open({ port: 0 });
      await beside(async () => {
        const waiting = [server.receive(), server.receive()];
        server.close();
        for (const one of waiting) await assertRejects(() => one, Error, "closed");
        await assertRejects(() => server.receive(), Error, "closed");
      });
    });

    it("tells a waiting one of a refusal, and goes on", async () => {
      const gone = sockets.open({ port: 0 });
      const { address, port } = gone;
      gone.close();
      const client = sockets.open({});
      client.connect(address);
      await beside(async () => {
        const waiting = client.receive();
        client.send("anybody?");
        const error = await assertRejects(() => waiting, SystemError);
        assertEquals(error.code, "ECONNREFUSED");
        const server = sockets.open({ port });
        client.send("and now?");
        const question = await server.receive();
        question.reply("here");
        assertEquals((await client.receive()).text(), "here");
      });
    });

    it("cannot be paused, nor one with a callback be asked", async () => {
      const without = sockets.open({ port: 0 });
      assertThrows(() => without.pause(), Error, "without a callback");
      assertThrows(() => without.resume(), Error, "without a callback");
      const withOne = sockets.open({ port: 0 }, () => {});
      await assertRejects(() => withOne.receive(), Error, "has a callback");
    });

    it("keeps the loop alive as long as it is iterated, also between two datagrams", async () => {
      const server = sockets.open({ port: 0 });
      const client = sockets.open({});
      const texts: string[] = [];
      client.send("one", server.address);
      const iterating = (async () => {
        for await (const datagram of server) {
          texts.push(datagram.text());
          // Of the host's time, which the loop does not see.
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (texts.length === 2) break;
          client.send("two", server.address);
        }
      })();
      assertFalse(await base.run());
      await iterating;
      assertEquals(texts, ["one", "two"]);
      const abandoned = server[Symbol.asyncIterator]();
      const next = abandoned.next();
      server.close();
      assertEquals(await next, { done: true, value: undefined });
      assertFalse(base.dispatch());
    });

    it("does not keep the loop alive while nobody waits", () => {
      sockets.open({ port: 0 });
      assertFalse(base.dispatch());
    });
  });
});
