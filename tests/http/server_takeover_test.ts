import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BEV_EVENT_EOF, type BufferEvent, EV_READ } from "../../src/core/mod.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET, type HttpHandler, type HttpRequest } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { echo, eventually, get, signal, withServer } from "./server_support.ts";

const UPGRADE = get("/chat", "Connection: keep-alive, Upgrade\r\nUpgrade: echo/2, echo/1\r\n");
const CONNECT = "CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n";

/** Sends back what comes, and what has come already. */
function echoBytes(stream: BufferEvent): void {
  stream.setCallbacks({
    read: () => stream.writeBuffer(stream.input),
    event: (what) => (what & BEV_EVENT_EOF) === 0 ? stream.close() : stream.closeAfterFlush(),
  });
  stream.enable(EV_READ);
  stream.writeBuffer(stream.input);
}

describe("a connection that a handler takes over", () => {
  forEachBackend((backend) => {
    it("speaks another protocol from the byte behind the request on", () =>
      withServer({}, (request) => echoBytes(request.takeOver(101)), async ({ connect, server }) => {
        for (const behind of ["", "early", "e".repeat(50_000)]) {
          const client = await connect();
          client.send(UPGRADE + behind);
          const head = await client.until("\r\n\r\n");
          assertStringIncludes(head, "HTTP/1.1 101 Switching Protocols\r\n");
          assertStringIncludes(head, "\r\nUpgrade: echo/2\r\nConnection: Upgrade\r\n");
          assertEquals(/content-|transfer-/i.test(head), false);
          assertEquals(await client.bytes(behind.length), behind);
          for (const text of ["GET / HTTP/1.1\r\n\r\n", "x".repeat(100_000)]) {
            assertEquals(await client.send(text).bytes(text.length), text);
          }
          assertEquals(server.connectionCount, 1);
          assertEquals(await client.end().untilClose(), "");
          await eventually("it no longer counts", () => server.connectionCount === 0);
        }
      }, backend.newBase()));

    it("is a tunnel after CONNECT, if the server allows that", () =>
      withServer({ allowedMethods: EVHTTP_REQ_CONNECT }, (request) => {
        echoBytes(request.takeOver(200, { "X-Via": "tunnel" }));
      }, async ({ connect }) => {
        const client = await connect();
        const head = await client.send(`${CONNECT}early`).until("\r\n\r\n");
        assertStringIncludes(head, "HTTP/1.1 200 OK\r\n");
        assertStringIncludes(head, "\r\nX-Via: tunnel\r\n");
        assertEquals(/content-|transfer-|connection/i.test(head), false);
        assertEquals(await client.send(" and late").bytes(14), "early and late");
      }, backend.newBase()));

    it("may be taken over later, and then has all that has come meanwhile", () => {
      const asked = signal<HttpRequest>();
      return withServer({}, (request) => asked.resolve(request), async ({ connect }) => {
        const client = await connect();
        await client.sendAndWait(`${UPGRADE}one `);
        const request = await asked.promise;
        await client.sendAndWait("two ");
        await client.sendAndWait("three ");
        await new Promise((resolve) => setTimeout(resolve, 5));
        echoBytes(request.takeOver(101, { Upgrade: "echo/1" }));
        assertStringIncludes(await client.until("\r\n\r\n"), "\r\nUpgrade: echo/1\r\n");
        assertEquals(await client.send("four").bytes(18), "one two three four");
      }, backend.newBase());
    });
  });

  it("is not one whose offer is declined: what follows is the next request", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      client.send(UPGRADE + UPGRADE + get("/next"));
      const bodies = [await client.reply(), await client.reply(), await client.reply()].map(({ body }) => body);
      assertEquals(bodies, ["GET /chat ", "GET /chat ", "GET /next "]);
    }));

  it("has neither timeouts nor callbacks of the server", () => {
    const taken = signal<BufferEvent>();
    const times = { keepAliveTimeoutMs: 1, headerTimeoutMs: 1, bodyTimeoutMs: 1, writeTimeoutMs: 1 };
    return withServer(times, (request) => taken.resolve(request.takeOver(101)), async ({ connect, server }) => {
      const client = await connect();
      client.send(UPGRADE);
      const stream = await taken.promise;
      assertEquals([stream.enabled & EV_READ, stream.getCallbacks()], [0, {}]);
      await new Promise((resolve) => setTimeout(resolve, 30));
      assertEquals([stream.closed, server.connectionCount], [false, 1]);
      echoBytes(stream);
      await client.until("\r\n\r\n");
      assertEquals(await client.send("alive").bytes(5), "alive");
    });
  });

  it("counts against the most there may be until it is closed, and is closed with the server", async () => {
    const before = openDescriptorCount();
    const streams: BufferEvent[] = [];
    const handler: HttpHandler = (request) => {
      streams.push(request.takeOver(101));
      echoBytes(streams.at(-1)!);
    };
    await withServer({ maxConnections: 2 }, handler, async ({ connect, exchange, server }) => {
      const clients = [await connect(), await connect()];
      for (const client of clients) await client.send(UPGRADE).until("\r\n\r\n");
      assertStringIncludes(await exchange(""), "HTTP/1.1 503 ");
      streams[0]!.close();
      const third = await connect();
      await third.send(UPGRADE).until("\r\n\r\n");
      assertEquals(server.connectionCount, 2);
      server.close();
      assertEquals([await clients[1]!.untilGone(), await third.untilGone()], ["", ""]);
      assertEquals(streams.map((stream) => stream.closed), [true, true, true]);
    });
    await eventually("all descriptors are closed", () => openDescriptorCount() <= before);
  });

  it("is one whose request allows it, and is taken once", () => {
    const results: string[] = [];
    const attempt = (what: () => unknown, error: new (...args: never[]) => Error): void => {
      results.push(assertThrows(what, error as new (...args: unknown[]) => Error).message);
    };
    const handler: HttpHandler = (request) => {
      if (request.path === "/plain") attempt(() => request.takeOver(101), TypeError);
      attempt(() => request.takeOver(200), TypeError);
      attempt(() => request.takeOver(204 as 200), RangeError);
      attempt(() => request.takeOver(101, { X: "a\nb" }), TypeError);
      if (request.path === "/plain") return request.reply(200, "still here");
      const stream = request.takeOver(101);
      attempt(() => request.takeOver(101), Error);
      attempt(() => request.reply(200), Error);
      assert(request.finished);
      stream.closeAfterFlush();
    };
    return withServer({}, handler, async ({ connect, errors }) => {
      const client = await connect();
      assertEquals((await client.send(get("/plain")).reply()).body, "still here");
      assertStringIncludes(await client.send(UPGRADE).untilClose(), "HTTP/1.1 101 ");
      assertEquals([results.length, errors], [9, []]);
    });
  });

  it("goes on with the first protocol that is one, and with none where none is", () =>
    withServer({}, (request) => {
      if (request.path === "/none") assertThrows(() => request.takeOver(101), TypeError, "offers no other protocol");
      if (request.path === "/none") return request.reply(200, "still here");
      request.takeOver(101).closeAfterFlush();
    }, async ({ exchange }) => {
      const offer = (path: string, protocols: string): Promise<string> =>
        exchange(get(path, `Connection: Upgrade, close\r\nUpgrade: ${protocols}\r\n`));
      assertStringIncludes(await offer("/", " , echo, other"), "\r\nUpgrade: echo\r\n");
      for (const protocols of ["", ",", " ,\t,"]) assertStringIncludes(await offer("/none", protocols), "still here");
    }));

  it("cannot be taken over any more when the client has gone", () => {
    const asked = signal<HttpRequest>();
    return withServer({}, (request) => asked.resolve(request), async ({ connect, server }) => {
      const client = await connect();
      client.send(UPGRADE);
      const request = await asked.promise;
      client.reset();
      await eventually("the server knows", () => server.connectionCount === 0);
      const error = assertThrows(() => request.takeOver(101), Error, "the client has gone") as Error & { code: string };
      assertEquals(error.code, "CLOSED");
    });
  });

  it("never is one of CONNECT that was answered by a reply, of which a client has no more than the head", () => {
    const allowedMethods = EVHTTP_REQ_CONNECT | EVHTTP_REQ_GET;
    const handler: HttpHandler = (request) => {
      const way = request.headers.get("way");
      if (way === "407") return request.reply(407, "who are you?");
      if (way === "whole") return request.reply(200, "hello");
      if (way === "fields") return request.reply(202, "hello", { "X-Way": way, "Content-Length": "5" });
      if (way === "error") return request.replyError(299, "hello");
      request.replyStart(200, way === "declared" ? { "Content-Length": "5" } : {});
      request.replyChunk("hello");
      request.replyEnd();
    };
    return withServer({ allowedMethods }, handler, async ({ connect, errors }) => {
      for (const way of ["whole", "fields", "error", "chunks", "declared"]) {
        const client = await connect();
        // Others leave the connection as it is.
        client.send(CONNECT.replace("\r\n\r\n", "\r\nWay: 407\r\n\r\n"));
        assertEquals((await client.reply()).body, "who are you?");
        client.send(CONNECT.replace("\r\n\r\n", `\r\nWay: ${way}\r\n\r\n`) + get("/for-the-tunnel"));
        const all = await client.untilClose();
        assert(/^HTTP\/1\.1 2\d\d [^]*\r\nConnection: close\r\n\r\n$/.test(all), `${way}: ${all}`);
        assertEquals(
          /content-|transfer-/i.test(all.replace(/content-type: text\/html.*/i, "")),
          false,
          `${way}: ${all}`,
        );
      }
      assertEquals(errors, []);
    });
  });

  it("never is one of CONNECT where that method is not allowed", () =>
    withServer({ allowedMethods: EVHTTP_REQ_GET }, echo, async ({ exchange }) => {
      assertStringIncludes(await exchange(CONNECT), "HTTP/1.1 405 Method Not Allowed\r\n");
    }));
});
