import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpHandler, HttpRequest } from "../../src/http/mod.ts";
import { eventually, get, post, signal, withServer } from "./server_support.ts";

const PIECES = ["Hello", ", ", "World"];

/** Streams three pieces, with a declared length for /declared. */
const stream: HttpHandler = (request) => {
  if (request.path === "/declared") request.replyHeaders.set("Content-Length", "13");
  request.replyStart(200);
  for (const piece of PIECES) request.replyChunk(piece);
  if (request.path === "/declared") request.replyChunk("!");
  request.replyEnd();
};

const streamOf = (pieces: unknown[], cancel: (reason: unknown) => void): ReadableStream<Uint8Array> =>
  new ReadableStream({
    cancel,
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece as Uint8Array);
      }
      controller.close();
    },
  });

describe("replies of an HttpServer", () => {
  it("stream in chunks over a connection that stays open", () =>
    withServer({}, stream, async ({ connect }) => {
      const client = await connect();
      client.send(get("/a") + get("/declared") + get("/b"));
      assertEquals((await client.reply()).body, "Hello, World");
      const declared = await client.reply();
      assertEquals([declared.body, declared.headers["content-length"]], ["Hello, World!", "13"]);
      assertEquals((await client.reply()).headers["transfer-encoding"], "chunked");
    }));

  it("stream up to the end of the connection for HTTP/1.0", () =>
    withServer({}, stream, async ({ exchange, server }) => {
      const text = await exchange("GET / HTTP/1.0\r\n\r\n");
      assertEquals(text.slice(text.indexOf("\r\n\r\n") + 4), "Hello, World");
      assertStringIncludes(text, "\r\nConnection: close\r\n");
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
    }));

  it("stream piece by piece, each sent when it is there", () => {
    const started = signal<HttpRequest>();
    const handler: HttpHandler = (request) => {
      request.replyStart(200);
      started.resolve(request);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      client.send(get("/"));
      await client.until("\r\n\r\n");
      const request = await started.promise;
      for (const piece of PIECES) {
        request.replyChunk(piece);
        assertEquals(await client.until(`${piece}\r\n`), `${piece.length}\r\n${piece}\r\n`);
      }
      request.replyEnd();
      assertEquals(await client.until("0\r\n\r\n"), "0\r\n\r\n");
    });
  });

  it("are copies: what a handler does with its bytes afterwards changes nothing, also for a client that reads late", () => {
    const large = new Uint8Array(new ArrayBuffer(3_000_000));
    const handler: HttpHandler = (request) => {
      large.fill(request.path.charCodeAt(1));
      request.reply(200, large);
      large.fill(0x2a);
    };
    return withServer({ maxOutputBytes: 1e9 }, handler, async ({ connect }) => {
      const client = await connect();
      const paths = ["/a", "/b", "/c"];
      client.send(paths.map((path) => get(path)).join(""));
      for (const path of paths) {
        const { body } = await client.reply();
        assertEquals(body.length, large.length);
        assert(body === path[1]!.repeat(large.length));
      }
    });
  });

  it("keep an HTTP/1.0 connection open when it asked for that and the length is known", () =>
    withServer({}, (request) => request.reply(200, "x"), async ({ connect, exchange, server }) => {
      const client = await connect();
      for (let count = 0; count < 3; count++) {
        const reply = await client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").reply();
        assertEquals([reply.body, reply.headers["connection"]], ["x", "keep-alive"]);
      }
      assertStringIncludes(await exchange("GET / HTTP/1.0\r\n\r\n"), "\r\nConnection: close\r\n");
      await eventually("only the first is left", () => server.connectionCount === 1);
    }));

  it("end the connection when the client asks for that", () =>
    withServer({}, (request) => request.reply(200, "bye"), async ({ exchange, server }) => {
      const text = await exchange(get("/", "Connection: close\r\n"));
      assertStringIncludes(text, "\r\nConnection: close\r\n");
      assertEquals(text.endsWith("\r\n\r\nbye"), true);
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
    }));

  it("end the connection when the handler asks for that, and nothing after it is served", () => {
    const served: string[] = [];
    const handler: HttpHandler = (request) => {
      served.push(request.path);
      if (request.path === "/last") request.closeAfterReply();
      if (request.path === "/later") setTimeout(() => request.reply(200, "later", { Connection: "close" }), 1);
      else if (request.path === "/option") request.reply(200, "", { Connection: decodeURIComponent(request.query!) });
      else request.reply(200, request.path);
    };
    return withServer({}, handler, async ({ exchange, server }) => {
      const text = await exchange(get("/first") + get("/last") + get("/never"));
      assertEquals(text.match(/\r\n\r\n\/[a-z]+/g)?.map((each) => each.trim()), ["/first", "/last"]);
      assertEquals((await exchange(get("/later") + get("/never"))).endsWith("later"), true);
      for (const options of ["Close", "close, foo", "foo ,CLOSE"]) {
        assertStringIncludes(
          await exchange(get(`/option?${encodeURIComponent(options)}`)),
          "\r\nConnection: close\r\n",
        );
      }
      assertEquals(served, ["/first", "/last", "/later", "/option", "/option", "/option"]);
      await eventually("the connections are forgotten", () => server.connectionCount === 0);
    });
  });

  it("to HEAD have no body, so that the next reply follows their head", () => {
    const handler: HttpHandler = (request) => {
      if (request.path === "/streamed") stream(request);
      else if (request.path === "/error") request.replyError(404);
      else request.reply(200, "12345");
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      const head = (path: string): string => get(path).replace("GET", "HEAD");
      client.send(head("/") + head("/streamed") + head("/error") + get("/"));
      const replies = [await client.reply("HEAD"), await client.reply("HEAD"), await client.reply("HEAD")];
      assertEquals(replies.map((reply) => reply.status), [200, 200, 404]);
      assertEquals(replies[0]!.headers["content-length"], "5");
      assertEquals((await client.reply()).body, "12345");
    });
  });

  it("with 204 and 304 have no body, so that the next reply follows their head", () =>
    withServer({}, (request) => request.reply(Number(request.path.slice(1)), "text"), async ({ connect }) => {
      const client = await connect();
      client.send(get("/204") + get("/304") + get("/200"));
      for (const status of [204, 304]) {
        const reply = await client.reply();
        assertEquals([reply.status, reply.headers["content-length"], reply.headers["transfer-encoding"]], [
          status,
          undefined,
          undefined,
        ]);
      }
      assertEquals((await client.reply()).body, "text");
    }));

  it("may come later, while requests behind them wait for their turn", () => {
    const handler: HttpHandler = async (request) => {
      if (request.path.startsWith("/slow")) await new Promise((resolve) => setTimeout(resolve, 10));
      request.reply(200, `${request.path} ${request.body.takeText()}`);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      client.send(get("/slow1") + get("/fast2") + post("/slow3", "body") + get("/fast4"));
      const bodies: string[] = [];
      for (let count = 0; count < 4; count++) bodies.push((await client.reply()).body);
      assertEquals(bodies, ["/slow1 ", "/fast2 ", "/slow3 body", "/fast4 "]);
    });
  });

  it("may come later, while requests behind them come in many small pieces", () => {
    const first = signal<HttpRequest>();
    const handler: HttpHandler = (request) => {
      if (request.path === "/0") first.resolve(request);
      else request.reply(200, request.path);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      const paths = Array.from({ length: 40 }, (_, index) => `/${index}`);
      for (const path of paths) await client.sendAndWait(get(path));
      (await first.promise).reply(200, "/0");
      for (const path of paths) assertEquals((await client.reply()).body, path);
    });
  });

  it("keep the request's strings for as long as the handler needs them", () => {
    const kept = signal<HttpRequest>();
    const handler: HttpHandler = (request) => {
      if (request.path === "/kept") kept.resolve(request);
      else request.reply(200);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      client.send(get("/kept?a=b", "X-Field: value\r\n"));
      const request = await kept.promise;
      // Enough traffic to go through several read buffers.
      const other = await connect();
      for (let count = 0; count < 8; count++) await other.send(post("/", "y".repeat(60_000))).reply();
      assertEquals([request.target, request.query, request.headers.get("x-field")], ["/kept?a=b", "a=b", "value"]);
      request.reply(200, "done");
      assertEquals((await client.reply()).body, "done");
    });
  });

  it("become 500 when the handler throws or rejects, without the fields it had set", () => {
    const handler: HttpHandler = async (request) => {
      request.replyHeaders.set("Content-Encoding", "gzip");
      if (request.path === "/rejects") await Promise.resolve();
      throw new Error(request.path);
    };
    const throws: HttpHandler = (request) => {
      if (request.path === "/rejects") return handler(request);
      request.replyHeaders.set("Content-Encoding", "gzip");
      throw new Error(request.path);
    };
    return withServer({}, throws, async ({ connect, errors }) => {
      const client = await connect();
      for (const path of ["/throws", "/rejects"]) {
        const reply = await client.send(get(path)).reply();
        assertEquals([reply.status, reply.headers["content-encoding"]], [500, undefined]);
      }
      assertEquals(errors.map((error) => (error as Error).message), ["/throws", "/rejects"]);
    });
  });

  it("end with the connection when the handler throws after they began", () => {
    const handler: HttpHandler = (request) => {
      request.replyStart(200);
      request.replyChunk("half");
      throw new Error("broken");
    };
    return withServer({}, handler, async ({ connect, errors, server }) => {
      const text = await (await connect()).send(get("/")).untilGone();
      assertEquals(text.includes("0\r\n\r\n"), false);
      assertEquals(errors.length, 1);
      assertEquals(server.connectionCount, 0);
    });
  });

  it("are complete when the handler throws after their end", () => {
    const handler: HttpHandler = (request) => {
      request.reply(200, "complete");
      request.reply(200, "twice");
    };
    return withServer({}, handler, async ({ connect, errors }) => {
      const client = await connect();
      client.send(get("/") + get("/"));
      assertEquals([(await client.reply()).body, (await client.reply()).body], ["complete", "complete"]);
      assertEquals(
        errors.map((error) => (error as Error).message),
        Array(2).fill("Cannot reply: a reply has begun already"),
      );
    });
  });

  it("end short of their declared length with the connection", () => {
    const handler: HttpHandler = (request) => {
      request.replyStart(200, { "Content-Length": "100" });
      request.replyChunk("half");
      request.replyEnd();
    };
    return withServer({}, handler, async ({ connect, server }) => {
      await (await connect()).send(get("/")).untilGone();
      assertEquals(server.connectionCount, 0);
    });
  });

  it("are refused when they are neither text nor bytes, and cut when only a piece of them is not", async () => {
    const wrong: readonly unknown[] = [null, 5, new ArrayBuffer(4), new Uint16Array([1, 2])];
    for (const body of wrong) {
      const piece = body as Uint8Array;
      const reasons: unknown[] = [];
      await withServer({}, (request) => {
        if (request.path === "/whole") return request.reply(200, piece);
        const pieces = ["one", piece, "two"];
        const source = request.path === "/list" ? pieces : streamOf(pieces, (reason) => reasons.push(reason));
        return request.replyFrom(200, source);
      }, async ({ exchange, errors }) => {
        assertStringIncludes(await exchange(get("/whole", "Connection: close\r\n")), "HTTP/1.1 500 ");
        for (const path of ["/list", "/stream"]) {
          const text = await exchange(get(path));
          assertEquals([text.includes("one"), text.includes("two"), text.includes("\r\n0\r\n\r\n")], [
            true,
            false,
            false,
          ]);
        }
        assertEquals(errors.map((error) => error instanceof TypeError), [true, true, true]);
        assertEquals(reasons, [errors[2]]);
      });
    }
  });

  it("name their server by the same bytes, whatever else their head says", () =>
    withServer({ serverName: "caf\xe9" }, (request) => {
      if (request.path !== "/plain") request.replyHeaders.set(request.path.slice(1), "own");
      request.reply(200, "x");
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/plain", "/X-Own", "/Date"]) {
        assertEquals((await client.send(get(path)).reply()).headers["server"], "caf\xe9");
      }
    }));

  it("do not depend on what a handler returns", () => {
    // What `return` hands out here is a number, although a handler is typed to return nothing.
    const handler = ((request: HttpRequest) => {
      if (request.path === "/null") return request.reply(200, "null"), null;
      request.replyStart(200);
      setTimeout(() => request.replyEnd(), 1);
      return request.replyChunk("number");
    }) as unknown as HttpHandler;
    return withServer({}, handler, async ({ connect, errors }) => {
      const client = await connect();
      client.send(get("/number") + get("/null"));
      assertEquals([(await client.reply()).body, (await client.reply()).body], ["number", "null"]);
      assertEquals(errors, []);
    });
  });
});
