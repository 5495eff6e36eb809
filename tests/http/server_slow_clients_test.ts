import { assert, assertEquals, assertLess, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { BEV_EVENT_EOF, EV_READ, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import type { HttpHandler } from "../../src/http/mod.ts";
import { echo, eventually, get, post, signal, withServer } from "./server_support.ts";

const MIB = 1024 * 1024;
/** What the kernel may hold of a connection on both sides together; Linux grows its buffers up to about 10 MiB. */
const KERNEL_BYTES_MAX = 16 * MIB;

/** A client on the server's own loop. It reads nothing until it is told to, so that nobody reads ahead in its place. */
function unreadingClient(base: EventBase, port: number): SocketBufferEvent {
  const client = new SocketBufferEvent(base);
  client.connect({ family: "ipv4", host: "127.0.0.1", port });
  return client;
}

/** Waits until `read` gives the same number for a while. What it is used for can only come out too small, not too large. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1, same = 0;; last = read()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    same = read() === last ? same + 1 : 0;
    if (same === 10) return last;
  }
}

describe("an HttpServer whose client does not read", () => {
  it("takes up no more requests than it may keep replies for, and later answers the others in order", () => {
    const count = 3000;
    const filler = "x".repeat(20_000);
    let handled = 0;
    const handler: HttpHandler = (request) => {
      handled++;
      request.reply(200, `[${request.path.slice(1)}]${filler}`);
    };
    return withServer({ maxOutputBytes: 64 * 1024 }, handler, async ({ base, port }) => {
      const client = unreadingClient(base, port);
      const before = process.memoryUsage().rss;
      for (let index = 0; index < count; index++) client.write(get(`/${index}`));
      const served = await settled(() => handled);
      assertLess(served * filler.length, KERNEL_BYTES_MAX);
      assertLess(process.memoryUsage().rss - before, 48 * MIB);
      const done = signal();
      let expected = 0;
      client.setCallbacks({
        read: () => {
          const text = client.input.takeText();
          for (const [, number] of text.matchAll(/\[(\d+)\]/g)) {
            if (Number(number) !== expected) throw new Error(`Reply ${number} came where ${expected} was due`);
            if (++expected === count) done.resolve();
          }
        },
      });
      // A number must not be cut in two by a read: they come at least a line at a time.
      client.setWatermark(EV_READ, 1, 0);
      client.enable(EV_READ);
      await Promise.race([done.promise, eventually("all replies are there", () => expected === count)]);
      assertEquals(handled, count);
      client.close();
    });
  });

  it("lets a producer know when to stop and when to go on", () => {
    const total = 50 * MIB;
    const piece = new Uint8Array(new ArrayBuffer(64 * 1024));
    const highest = 256 * 1024;
    let produced = 0;
    let waitingMax = 0;
    let drains = 0;
    const handler: HttpHandler = (request) => {
      request.replyStart(200, { "Content-Length": String(total) });
      const produce = (): void => {
        for (let waiting = 0; waiting < highest && produced < total;) {
          // Every piece has its number in it, so that a lost or doubled one shows.
          piece.fill(produced / piece.length % 251);
          waiting = request.replyChunk(piece);
          produced += piece.length;
          waitingMax = Math.max(waitingMax, waiting);
        }
        if (produced === total) request.replyEnd();
      };
      request.onDrain = () => {
        drains++;
        produce();
      };
      produce();
    };
    return withServer({}, handler, async ({ base, port }) => {
      const client = unreadingClient(base, port);
      client.write(get("/"));
      const before = process.memoryUsage().rss;
      assertLess(await settled(() => produced), KERNEL_BYTES_MAX);
      assertLess(process.memoryUsage().rss - before, 48 * MIB);
      let received = 0;
      let wrong = 0;
      client.setCallbacks({
        read: () => {
          if (received === 0) client.input.drain(client.input.search("\r\n\r\n") + 4);
          for (const view of client.input.peek()) {
            for (let at = 0; at < view.length; at += 1021) {
              if (view[at] !== Math.floor((received + at) / piece.length) % 251) wrong++;
            }
            received += view.length;
          }
          client.input.drain(Infinity);
        },
      });
      client.enable(EV_READ);
      await eventually("all of it is there", () => received === total);
      assertEquals(wrong, 0);
      assertLessOrEqual(waitingMax, highest + piece.length + 1024);
      assert(drains > 0);
      client.close();
    });
  });

  it("cuts the connection when nothing is taken for the write timeout", () => {
    const body = "x".repeat(32 * MIB);
    let handled = 0;
    const handler: HttpHandler = (request) => {
      handled++;
      if (request.path === "/last") request.closeAfterReply();
      request.reply(200, body);
    };
    return withServer({ writeTimeoutMs: 30 }, handler, async ({ base, port, server }) => {
      for (const path of ["/", "/last"]) {
        const client = unreadingClient(base, port);
        client.write(get(path));
        await eventually("it is cut", () => handled > 0 && server.connectionCount === 0);
        handled = 0;
        client.close();
      }
    });
  });

  it("tells a handler that streams to it of the write timeout", () => {
    const closed = signal();
    const handler: HttpHandler = (request) => {
      request.onClose = () => closed.resolve();
      request.replyStart(200);
      request.replyChunk("x".repeat(32 * MIB));
    };
    return withServer({ writeTimeoutMs: 30 }, handler, async ({ base, port, server }) => {
      const client = unreadingClient(base, port);
      client.write(get("/"));
      await closed.promise;
      assertEquals(server.connectionCount, 0);
      client.close();
    });
  });

  it("does not take a client for idle that is still taking its reply", () => {
    const body = "x".repeat(24 * MIB);
    return withServer(
      { keepAliveTimeoutMs: 15 },
      (request) => request.reply(200, body),
      async ({ base, port, server }) => {
        const client = unreadingClient(base, port);
        client.write(get("/"));
        await eventually("it is served", () => server.connectionCount === 1);
        // Several times what an idle connection is given.
        await new Promise((resolve) => setTimeout(resolve, 60));
        const ended = signal<number>();
        let received = 0;
        client.setCallbacks({
          read: () => received += client.input.drain(Infinity),
          event: (what) => ended.resolve(what),
        });
        client.enable(EV_READ);
        assertEquals(await ended.promise & BEV_EVENT_EOF, BEV_EVENT_EOF);
        assertLess(body.length, received);
        client.close();
      },
    );
  });

  it("keeps requests in order that come while others wait for room", () => {
    // The first send takes 256 KiB of the first reply: there is room again although requests still wait.
    const filler = "x".repeat(300_000);
    const handler: HttpHandler = (request) => request.reply(200, `${request.path}${filler}`);
    return withServer({ maxOutputBytes: filler.length }, handler, async ({ connect }) => {
      const client = await connect();
      const paths = Array.from({ length: 20 }, (_, index) => `/${index}`);
      // Large heads, so that it takes the server several reads to get them all.
      client.send(paths.map((path) => get(path, `X: ${"y".repeat(20_000)}\r\n`)).join(""));
      for (const path of paths) {
        const { status, body } = await client.reply();
        assertEquals([status, body.slice(0, body.indexOf("x"))], [200, path]);
      }
    });
  });

  it("works with room for hardly any reply", () =>
    withServer({ maxOutputBytes: 1 }, echo, async ({ connect }) => {
      const client = await connect();
      client.send(get("/a") + post("/b", "body", "Expect: 100-continue\r\n") + get("/c"));
      assertEquals((await client.reply()).body, "GET /a ");
      assertEquals((await client.reply()).status, 100);
      assertEquals([(await client.reply()).body, (await client.reply()).body], ["POST /b body", "GET /c "]);
    }));
});

describe("the last reply on a connection", () => {
  it("reaches a client that is still sending a large body", () =>
    withServer({ limits: { maxBodyBytes: 1000 } }, echo, async ({ connect, server }) => {
      const client = await connect();
      const size = 24 * MIB;
      const piece = "x".repeat(256 * 1024);
      await client.sendAndWait(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${size}\r\n\r\n`);
      for (let sent = 0; sent < size && client.error === undefined; sent += piece.length) {
        await client.sendAndWait(piece);
      }
      const reply = await client.reply("POST");
      assertEquals([reply.status, reply.headers["connection"], client.error], [413, "close", undefined]);
      assertEquals(await client.end().untilClose(), "");
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
    }));

  it("is followed by the end of the connection although the client does not end its side", () =>
    withServer({}, echo, async ({ connect, server }) => {
      const client = await connect();
      client.send("BAD\r\n\r\n");
      assertStringIncludes(await client.untilClose(), "HTTP/1.1 400 ");
      client.send("more that nobody reads");
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
    }));

  it("arrives in full although the client has ended its side meanwhile", () => {
    const body = "x".repeat(24 * MIB);
    const handler: HttpHandler = (request) => request.reply(200, body);
    return withServer({ maxOutputBytes: 4 * body.length }, handler, async ({ base, port }) => {
      for (const behind of ["", "BAD\r\n\r\n", get("/", "Connection: close\r\n")]) {
        const client = unreadingClient(base, port);
        client.write(get("/", behind === "" ? "Connection: close\r\n" : "") + behind);
        await eventually("the request is out", () => client.output.length === 0);
        client.endWriting();
        const ended = signal<number>();
        let received = 0;
        let last = "";
        client.setCallbacks({
          read: () => {
            received += client.input.length;
            if (behind.startsWith("BAD")) last = (last + client.input.takeText()).slice(-1000);
            else client.input.drain(Infinity);
          },
          event: (what) => ended.resolve(what),
        });
        // The end of the stream is before the server by now, and most of its reply behind it.
        await settled(() => received);
        client.enable(EV_READ);
        assertEquals(await ended.promise & BEV_EVENT_EOF, BEV_EVENT_EOF, behind);
        assertLess(body.length * (behind.startsWith("GET") ? 2 : 1), received);
        if (behind.startsWith("BAD")) assertStringIncludes(last, "HTTP/1.1 400 Bad Request");
        client.close();
      }
    });
  });

  it("arrives in full although the server drains and the client has asked for more", () => {
    const body = "x".repeat(24 * MIB);
    return withServer({}, (request) => request.reply(200, body), async ({ base, port, server }) => {
      const client = unreadingClient(base, port);
      client.write(get("/"));
      await eventually("it is answered", () => server.connectionCount === 1 && client.output.length === 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const drained = server.drain();
      client.write(get("/next"));
      const ended = signal<number>();
      let received = 0;
      client.setCallbacks({
        read: () => {
          received += client.input.drain(Infinity);
          // So slowly that much of it is still in the kernel when the server has sent all.
          client.disable(EV_READ);
          setTimeout(() => client.enable(EV_READ), 1);
        },
        event: (what) => ended.resolve(what),
      });
      client.enable(EV_READ);
      assertEquals(await ended.promise & BEV_EVENT_EOF, BEV_EVENT_EOF);
      assertLess(body.length, received);
      client.close();
      assertEquals(await drained, true);
    });
  });

  it("is not awaited from a client that resets the connection", () =>
    withServer({}, (request) => request.reply(200, "x".repeat(24 * MIB)), async ({ connect, server }) => {
      const client = await connect();
      await client.send(get("/", "Connection: close\r\n")).until("xxx");
      client.reset();
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
    }));
});

describe("HttpRequest.onDrain", () => {
  it("that throws ends the reply with the connection, and is reported", () => {
    const handler: HttpHandler = (request) => {
      if (request.path === "/ok") return request.reply(200, "ok");
      request.onDrain = () => {
        throw new Error("onDrain");
      };
      request.replyStart(200);
    };
    return withServer({}, handler, async ({ connect, errors, server }) => {
      await (await connect()).send(get("/")).untilGone();
      assertEquals([errors.length, server.connectionCount], [1, 0]);
      assertEquals((await (await connect()).send(get("/ok")).reply()).body, "ok");
    });
  });

  it("may end the reply, whereupon the next request is served", () => {
    const handler: HttpHandler = (request) => {
      request.onDrain = () => request.replyEnd();
      request.replyStart(200);
      request.replyChunk(request.path);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      client.send(get("/a") + get("/b") + get("/c"));
      for (const path of ["/a", "/b", "/c"]) assertEquals((await client.reply()).body, path);
    });
  });
});
