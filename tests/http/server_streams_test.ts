import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import {
  EVHTTP_REQ_CONNECT,
  EVHTTP_REQ_GET,
  EVHTTP_REQ_TRACE,
  type HttpConnection,
  type HttpRequest,
  HttpServer,
} from "../../src/http/mod.ts";
import { HttpClient } from "../support/http_client.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { serverContext } from "../tls/tls_support.ts";
import { echo, eventually, get, post, signal, withServer } from "./server_support.ts";

describe("a reply that is streamed", () => {
  it("goes no faster than its client, and says when it has been sent", () => {
    const told: string[] = [];
    return withServer({ writeTimeoutMs: 60_000 }, async (request) => {
      request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
      request.replyStart(200);
      request.replyChunk("first", (isSent) => void told.push(`first ${isSent}`));
      let most = 0;
      for (let count = 0; count < 200; count++) {
        most = Math.max(most, request.connection.stream.output.length);
        await request.replyWrite("x".repeat(64 * 1024));
      }
      request.replyEnd();
      assert(most < 256 * 1024, `${most} bytes waited`);
    }, async ({ connect, errors }) => {
      const client = await connect();
      assertEquals((await client.send(get("/")).reply()).body.length, 5 + 200 * 64 * 1024);
      await eventually("both were told", () => told.length === 2);
      assertEquals(told, ["first true", "complete true"]);
      assertEquals(errors, []);
    });
  });

  it("comes from a stream or an iteration", () =>
    withServer({}, (request) => {
      if (request.path === "/array") return request.replyFrom(200, ["a", "b"]);
      if (request.path === "/stream") return request.replyFrom(200, new Blob(["from a blob"]).stream());
      return request.replyFrom(200, generate(), { "Content-Type": "text/x" });
    }, async ({ connect }) => {
      const client = await connect();
      client.send(
        get("/array") + get("/stream") + get("/generator") + get("/array").replace("GET", "HEAD") + get("/array"),
      );
      assertEquals((await client.reply()).body, "ab");
      assertEquals((await client.reply()).body, "from a blob");
      const third = await client.reply();
      assertEquals([third.body, third.headers["content-type"]], ["012", "text/x"]);
      assertEquals((await client.reply("HEAD")).body, "");
      assertEquals((await client.reply()).body, "ab");
    }));

  it("cancels its source when the client goes, and is cut when the source fails", () => {
    const cancelled = signal<string>();
    return withServer({}, (request) => {
      const pull = request.path === "/fails"
        ? () => Promise.reject(new Error("no more"))
        : () => new Promise<void>(() => {});
      return request.replyFrom(
        200,
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
          pull,
          cancel: (reason: Error & { code: string }) => cancelled.resolve(reason.code),
        }),
      );
    }, async ({ connect, errors, server }) => {
      const client = await connect();
      client.send(get("/waits"));
      await client.until("begun\r\n");
      client.reset();
      assertEquals(await cancelled.promise, "CLOSED");
      const second = await connect();
      second.send(get("/fails"));
      assertEquals((await second.untilGone()).includes("\r\n0\r\n"), false);
      assertEquals(errors.map(String), ["Error: no more"]);
      await eventually("both are forgotten", () => server.connectionCount === 0);
    });
  });

  it("tells whoever waits for it that the client has gone", () => {
    const results = signal<string>();
    return withServer({}, async (request) => {
      const told: string[] = [];
      request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
      request.replyStart(200);
      const piece = "x".repeat(1024 * 1024);
      request.replyChunk(piece, (isSent) => void told.push(`chunk ${isSent}`));
      const error = await assertRejects(async () => {
        for (;;) await request.replyWrite(piece);
      }, Error) as Error & { code: string };
      results.resolve([...told, error.code].join());
    }, async ({ connect }) => {
      const client = await connect();
      client.send(get("/"));
      await client.until("xxx");
      client.reset();
      assertStringIncludes(await results.promise, "CLOSED");
    });
  });
});

async function* generate(): AsyncGenerator<string> {
  for (let count = 0; count < 3; count++) {
    yield String(count);
    await Promise.resolve();
  }
}

describe("a reply whose client has gone before", () => {
  const none = new Uint8Array(0);
  const inVain: Record<string, (request: HttpRequest) => void | Promise<void>> = {
    whole: (request) => request.reply(200, "x"),
    file: (request) => request.replyFile(200, { fd: 0, offset: 0, length: 0 }),
    error: (request) => request.replyError(503),
    pieces: (request) => {
      request.replyStart(200);
      request.replyChunk("x");
      request.replyEnd();
    },
    iteration: (request) => request.replyFrom(200, ["x"]),
    begun: (request) => {
      request.replyChunk("x");
      request.replyEnd();
    },
    write: (request) => request.replyFrom(200, [none]),
  };

  it("counts as one that is not sent, once", async () => {
    for (const way of Object.keys(inVain)) {
      for (const isAborted of [false, true]) {
        const asked = signal<HttpRequest>();
        await withServer({}, (request) => asked.resolve(request), async ({ connect, errors }) => {
          const told: boolean[] = [];
          const client = await connect();
          client.send(get("/"));
          const request = await asked.promise;
          request.onComplete = (isSent) => void told.push(isSent);
          if (way === "begun") request.replyStart(200);
          if (isAborted) request.abort();
          else client.reset();
          await eventually("it is noticed", () => request.finished);
          assertEquals(told, [false]);
          await inVain[way]!(request);
          assertEquals(told, [false], way);
          if (!request.replyStarted) request.reply(200, "once more");
          assertEquals([told, errors], [[false], []], way);
        });
      }
    }
  });

  it("counts as one that is not sent also when the client has gone in the middle, or was refused", async () => {
    const asked = signal<HttpRequest>();
    const told: boolean[] = [];
    await withServer({}, undefined, async ({ connect, server }) => {
      server.setHandler((request) => asked.resolve(request), { streamBody: true });
      const client = await connect();
      client.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
      const request = await asked.promise;
      request.onComplete = (isSent) => void told.push(isSent);
      client.send("zz\r\n");
      await eventually("it is refused", () => request.finished);
      request.reply(200, "too late");
      assertEquals((await client.reply()).status, 400);
      await eventually("it is told", () => told.length === 1);
      assertEquals(told, [false]);
    });
    const pulled = signal();
    await withServer({}, (request) => {
      request.onComplete = (isSent) => void told.push(isSent);
      return request.replyFrom(200, new ReadableStream({ pull: () => (pulled.resolve(), new Promise(() => {})) }));
    }, async ({ connect }) => {
      const client = await connect();
      client.send(get("/"));
      await pulled.promise;
      client.reset();
      await eventually("it is told", () => told.length === 2);
      assertEquals(told, [false, false]);
    });
  });
});

describe("a handler that is at work", () => {
  it("learns that its client has gone, whatever lies unread", async () => {
    for (const behind of ["", get("/behind") + get("/further")]) {
      const asked = signal<HttpRequest>();
      await withServer({}, (request) => asked.resolve(request), async ({ connect, server }) => {
        const client = await connect();
        client.send(get("/"));
        const request = await asked.promise;
        const gone = signal<string>();
        request.onClose = () => gone.resolve(`closed ${request.finished}`);
        if (behind !== "") await client.sendAndWait(behind);
        await new Promise((resolve) => setTimeout(resolve, 10));
        client.reset();
        assertEquals(await gone.promise, "closed true");
        assertEquals([request.signal.aborted, server.connectionCount], [true, 0]);
      });
    }
  });

  it("still answers a client that has ended its side, unless that counts as gone", async () => {
    for (const allowHalfClose of [true, false]) {
      for (const behind of ["", get("/behind")]) {
        const asked = signal<HttpRequest>();
        await withServer({ allowHalfClose }, (request) => {
          if (request.path === "/") asked.resolve(request);
          else request.reply(200, "behind");
        }, async ({ connect, server }) => {
          const client = await connect();
          client.send(get("/"));
          const request = await asked.promise;
          if (behind !== "") await client.sendAndWait(behind);
          await new Promise((resolve) => setTimeout(resolve, 10));
          client.end();
          if (!allowHalfClose) {
            await eventually("it has gone", () => request.finished);
            assert(request.signal.aborted);
            await eventually("it is forgotten", () => server.connectionCount === 0);
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
          assertEquals([request.finished, request.signal.aborted], [false, false]);
          request.reply(200, "late");
          const text = await client.untilClose();
          assertStringIncludes(text, "late");
          assertEquals(text.includes("behind"), behind !== "");
        });
      }
    }
  });

  it("knows its connection, also over TLS", () => {
    const connections: HttpConnection[] = [];
    let closed = 0;
    return withServer({}, (request) => {
      const { connection } = request;
      connections.push(connection);
      connection.onClose = () => void closed++;
      const { isSecure, localAddress, remoteAddress } = connection;
      request.reply(200, JSON.stringify([isSecure, localAddress, remoteAddress?.family, connection.closed]));
    }, async ({ connect, port, server }) => {
      const client = await connect();
      const { body } = await client.send(get("/")).reply();
      assertEquals(JSON.parse(body), [false, { family: "ipv4", host: "127.0.0.1", port }, "ipv4", false]);
      assertEquals(connections[0]!.server, server);
      using context = serverContext();
      const secure = server.listen({ port: 0, tls: context });
      using other = await HttpClient.connectTls(secure.port, testCertificates().authority.certificate);
      assertEquals(JSON.parse((await other.send(get("/")).reply()).body)[0], true);
      client.close();
      await eventually("the first one is closed", () => closed === 1);
      assertEquals(connections.map((each) => each.closed), [true, false]);
      connections[1]!.close();
      await eventually("the second one is closed", () => closed === 2);
    });
  });
});

describe("an HttpServer", () => {
  it("sends pages of its own for errors, and the default one where that fails", () => {
    const onErrorPage = (status: number, explanation: string, request: HttpRequest | undefined) => {
      if (status === 404) return `<p>${request?.path}</p>`;
      if (status === 400) return { body: JSON.stringify({ explanation }), contentType: "application/json" };
      if (status === 403) throw new Error("in the hook");
      if (status === 409) return { body: 5 as unknown as string };
      return undefined;
    };
    return withServer(
      { onErrorPage },
      (request) => request.replyError(Number(request.path.slice(1))),
      async (running) => {
        const client = await running.connect();
        const first = await client.send(get("/404")).reply();
        assertEquals([first.status, first.body], [404, "<p>/404</p>"]);
        assertStringIncludes((await client.send(get("/410")).reply()).body, "<h1>410 Gone</h1>");
        assertStringIncludes((await client.send(get("/403")).reply()).body, "<h1>403 Forbidden</h1>");
        assertEquals(running.errors.map(String), ["Error: in the hook"]);
        assertStringIncludes((await client.send(get("/409")).reply()).body, "<h1>409 Conflict</h1>");
        const text = await running.exchange("GARBAGE\r\n\r\n");
        assertStringIncludes(text, "Content-Type: application/json\r\n");
        assertStringIncludes(text, `{"explanation":`);
      },
    );
  });

  it("knows methods that it was told about", () => {
    const customMethods = [{ name: "REPORT", id: 0x10000 }, { name: "PING", id: 0x20000, hasBody: false }, {
      name: "HIDDEN",
      id: 0x40000,
    }];
    const allowedMethods = EVHTTP_REQ_GET | EVHTTP_REQ_TRACE | 0x30000;
    return withServer({ customMethods, allowedMethods }, (request) => {
      request.reply(200, `${request.method} ${request.methodId.toString(16)} ${request.body.length}`);
    }, async ({ connect, exchange }) => {
      const client = await connect();
      assertEquals((await client.send(post("/", "body").replace("POST", "REPORT")).reply()).body, "REPORT 10000 4");
      assertEquals((await client.send(get("/").replace("GET", "PING")).reply()).body, "PING 20000 0");
      assertStringIncludes(await exchange(post("/", "x").replace("POST", "PING")), "HTTP/1.1 400 ");
      assertStringIncludes(await exchange(post("/", "x").replace("POST", "TRACE")), "HTTP/1.1 400 ");
      const hidden = await exchange(get("/").replace("GET", "HIDDEN"));
      assertStringIncludes(hidden, "HTTP/1.1 405 ");
      assertStringIncludes(hidden, "\r\nAllow: GET, TRACE, REPORT, PING\r\n");
      assertStringIncludes(await exchange(get("/").replace("GET", "report")), "HTTP/1.1 501 ");
    });
  });

  it("refuses methods that cannot be told from others", () => {
    using base = new EventBase();
    for (
      const [name, id] of [["GET", 0x10000], ["a b", 0x10000], ["X", EVHTTP_REQ_CONNECT], ["X", 0x30000], [
        "X",
        0,
      ]] as const
    ) {
      assertThrows(() => new HttpServer(base, { customMethods: [{ name, id }] }), Error, "Cannot add method");
    }
    const twice = [{ name: "X", id: 0x10000 }, { name: "Y", id: 0x10000 }];
    assertThrows(() => new HttpServer(base, { customMethods: twice }), RangeError);
  });

  it("changes its times and limits while it runs, also for those who are there", () =>
    withServer({}, echo, async ({ connect, exchange, server }) => {
      const idle = await connect();
      await idle.send(get("/")).reply();
      const reading = await connect();
      await reading.sendAndWait("GET / HT");
      await eventually("both are there", () => server.connectionCount === 2);
      server.maxConnections = 2;
      assertStringIncludes(await exchange(""), "HTTP/1.1 503 ");
      await new Promise((resolve) => setTimeout(resolve, 10));
      server.setTimeouts({ keepAliveTimeoutMs: 10, headerTimeoutMs: 10 });
      assertEquals(server.timeouts.bodyTimeoutMs, 30_000);
      assertEquals(await idle.untilClose(), "");
      assertStringIncludes(await reading.untilClose(), "HTTP/1.1 408 ");
      server.setTimeouts({ keepAliveTimeoutMs: Infinity });
      assertThrows(() => server.setTimeouts({ bodyTimeoutMs: 0 }), RangeError);
      assertThrows(() => server.maxConnections = NaN, RangeError);
    }));
});

describe("an HttpServer that is drained", () => {
  it("answers what has begun, closes what is idle, and lets nobody in", () => {
    const asked = signal<HttpRequest>();
    return withServer({}, (request) => {
      if (request.path === "/slow") asked.resolve(request);
      else echo(request);
    }, async ({ connect, port, server }) => {
      const idle = await connect();
      await idle.send(get("/")).reply();
      const half = await connect();
      await half.sendAndWait("GET /half HTTP/1.1\r\n");
      const slow = await connect();
      slow.send(get("/slow"));
      const request = await asked.promise;
      await eventually("all are there", () => server.connectionCount === 3);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const drained = server.drain();
      assertEquals([await idle.untilClose(), server.listeners], ["", []]);
      await assertRejects(() => HttpClient.connect(port));
      half.send("Host: t\r\n\r\n");
      const reply = await half.reply();
      assertEquals([reply.body, reply.headers["connection"]], ["GET /half ", "close"]);
      half.close();
      request.reply(200, "done");
      assertEquals((await slow.reply()).headers["connection"], "close");
      slow.close();
      assertEquals(await drained, true);
      assertThrows(() => server.listen({ port: 0 }), Error, "closed");
    });
  });

  it("cuts what does not end in time, or when it is told to", async () => {
    for (const how of ["timeout", "signal", "aborted before", "close"]) {
      const asked = signal();
      await withServer({}, () => asked.resolve(), async ({ connect, server }) => {
        const client = await connect();
        client.send(get("/"));
        await asked.promise;
        const controller = new AbortController();
        if (how === "aborted before") controller.abort();
        const drained = server.drain({ timeoutMs: how === "timeout" ? 20 : Infinity, signal: controller.signal });
        if (how === "signal") controller.abort();
        if (how === "close") server.close();
        assertEquals([await drained, how], [how === "close", how]);
        assertEquals(await client.untilGone(), "");
        assertEquals(server.connectionCount, 0);
      });
    }
  });

  it("is done at once when nobody is there", () =>
    withServer({}, echo, async ({ server }) => {
      assertEquals(await server.drain(), true);
      assertEquals(await server.drain(), true);
      await assertRejects(() => server.drain({ timeoutMs: NaN }), RangeError);
    }));
});
