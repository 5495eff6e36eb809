import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { type HttpHandler, type HttpRequest, HttpServer } from "../../src/http/mod.ts";
import { HttpClient } from "../support/http_client.ts";
import { echo, eventually, get, post, type RunningServer, signal, withServer } from "./server_support.ts";

/** Answers /now at once and everything else a little later. */
const late: HttpHandler = async (request) => {
  if (request.path !== "/now") await new Promise((resolve) => setTimeout(resolve, 5));
  request.reply(200, `${request.path}.`);
};

describe("an HttpServer whose client ends its side of the connection", () => {
  it("closes an idle connection", () =>
    withServer({}, echo, async ({ connect, server }) => {
      const client = await connect();
      await client.send(get("/")).reply();
      assertEquals(await client.end().untilClose(), "");
      assertEquals(server.connectionCount, 0);
    }));

  it("still answers what is complete", () =>
    withServer({}, late, async ({ connect, server }) => {
      for (const paths of [["/now"], ["/now", "/now"], ["/a"], ["/a", "/b", "/now", "/c"]]) {
        const client = await connect();
        const text = await client.send(paths.map((path) => get(path)).join("")).end().untilClose();
        assertEquals(text.match(/\/[a-z]+\./g), paths.map((path) => `${path}.`));
      }
      await eventually("the connections are forgotten", () => server.connectionCount === 0);
    }));

  it("still answers what is complete when the end comes while the first is served", () => {
    const first = signal<HttpRequest>();
    const handler: HttpHandler = (request) => {
      if (request.path === "/first") first.resolve(request);
      else request.reply(200, `${request.path}.`);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      client.send(get("/first") + get("/second") + get("/third"));
      const request = await first.promise;
      client.end();
      // Gives the end of the stream time to be noticed, should the server look for it.
      await new Promise((resolve) => setTimeout(resolve, 5));
      request.reply(200, "/first.");
      assertEquals((await client.untilClose()).match(/\/[a-z]+\./g), ["/first.", "/second.", "/third."]);
    });
  });

  it("says with the last reply that the connection ends", () => {
    const first = signal<HttpRequest>();
    return withServer({}, (request) => first.resolve(request), async ({ connect }) => {
      const client = await connect();
      client.send(get("/")).end();
      const request = await first.promise;
      await new Promise((resolve) => setTimeout(resolve, 5));
      request.reply(200, "x");
      assertStringIncludes(await client.untilClose(), "\r\nConnection: close\r\n");
    });
  });

  it("answers 400 to half a request", () => {
    const halves = ["GET", "GET / HTTP/1.1\r\n", get("/").slice(0, -1), post("/", "body").slice(0, -1)];
    const chunked = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    halves.push(chunked, `${chunked}1`, `${chunked}1\r\nx\r\n0\r\n`);
    return withServer({}, late, async ({ connect }) => {
      for (const half of halves) {
        assertStringIncludes(await (await connect()).send(half).end().untilClose(), "HTTP/1.1 400 Bad Request\r\n");
        const text = await (await connect()).send(get("/a") + half).end().untilClose();
        assertEquals(text.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 400"], half);
      }
    });
  });
});

describe("an HttpServer whose client is gone", () => {
  it("lives on after resets in the middle of a head, a body and a reply", () => {
    const closed: string[] = [];
    const handler: HttpHandler = (request) => {
      request.onClose = () => void closed.push(request.path);
      if (request.path === "/ok") request.reply(200, "ok");
      else if (request.path !== "/never") request.replyStart(200);
    };
    return withServer({}, handler, async ({ connect, server, errors }) => {
      for (const sent of ["", "GET / HT", post("/x", "body").slice(0, -2), get("/never"), get("/streaming")]) {
        const client = await connect();
        await client.sendAndWait(sent);
        if (sent === get("/streaming")) await client.until("\r\n\r\n");
        await eventually("the connection is there", () => server.connectionCount === 1);
        client.reset();
        await eventually("the connection is forgotten", () => server.connectionCount === 0);
      }
      assertEquals(closed, ["/never", "/streaming"]);
      assertEquals((await (await connect()).send(get("/ok")).reply()).body, "ok");
      assertEquals(errors, []);
    });
  });

  it("tells the handler that streams to it, whose calls have no effect from then on", () => {
    const closed = signal<HttpRequest>();
    const handler: HttpHandler = (request) => {
      request.onClose = () => closed.resolve(request);
      request.replyStart(200);
      const produce = (): void => {
        if (request.finished) return;
        request.replyChunk("x".repeat(1000));
        setTimeout(produce, 1);
      };
      produce();
    };
    return withServer({}, handler, async ({ connect, server, errors }) => {
      const client = await connect();
      await client.send(get("/")).until("xxx");
      client.close();
      const request = await closed.promise;
      assertEquals([request.finished, request.replyChunk("more"), request.remoteAddress], [true, 0, undefined]);
      request.replyEnd();
      assertEquals([server.connectionCount, errors.length], [0, 0]);
    });
  });

  it("tells who has the client wait with its body, before there is a handler", () => {
    let isPaused = false;
    const closed = signal<void>();
    const onNewRequest = (request: HttpRequest): void => {
      request.onClose = () => closed.resolve();
      request.pauseBody();
      isPaused = true;
    };
    return withServer({ onNewRequest }, late, async ({ connect, server }) => {
      const client = await connect();
      client.send(post("/", "body").slice(0, -2));
      await eventually("the request has come", () => isPaused);
      client.reset();
      await closed.promise;
      assertEquals(server.connectionCount, 0);
    });
  });

  it("does not tell the handler whose reply was complete", () => {
    let calls = 0;
    const handler: HttpHandler = (request) => {
      request.onClose = () => void calls++;
      request.reply(200, "x");
    };
    return withServer({}, handler, async ({ connect, server }) => {
      const client = await connect();
      await client.send(get("/")).reply();
      client.reset();
      await eventually("the connection is forgotten", () => server.connectionCount === 0);
      assertEquals(calls, 0);
    });
  });

  it("reports what onClose throws and serves the others", () => {
    const asked: HttpRequest[] = [];
    const handler: HttpHandler = (request) => {
      if (request.path === "/ok") return request.reply(200, "ok");
      asked.push(request);
      request.onClose = () => {
        throw new Error(`onClose of ${request.path}`);
      };
    };
    return withServer({}, handler, async ({ connect, errors, server }) => {
      const clients = [await connect(), await connect(), await connect()];
      for (const client of clients) client.send(get("/pending"));
      await eventually("all have asked", () => asked.length === 3);
      clients[0]!.reset();
      await eventually("it is noticed", () => errors.length === 1);
      assertEquals((await (await connect()).send(get("/ok")).reply()).body, "ok");
      server.close();
      assertEquals(errors.length, 3);
      assertEquals(server.connectionCount, 0);
    });
  });
});

describe("HttpServer.close", () => {
  it("ends every connection, and tells those who have not answered yet", () => {
    const asked = signal();
    let closed = 0;
    const handler: HttpHandler = (request) => {
      if (request.path === "/idle") return request.reply(200);
      request.onClose = () => void closed++;
      asked.resolve();
    };
    return withServer({}, handler, async ({ connect, server, port }) => {
      const [idle, half, pending] = [await connect(), await connect(), await connect()];
      await idle.send(get("/idle")).reply();
      await half.sendAndWait("GET / HT");
      pending.send(get("/pending"));
      await asked.promise;
      server.close();
      server.close();
      assertEquals([server.connectionCount, closed], [0, 1]);
      for (const client of [idle, half, pending]) assertEquals(await client.untilGone(), "");
      await HttpClient.connect(port).then(
        () => assert(false, "Somebody still listens"),
        (error: { code?: string }) => assertEquals(error.code, "ECONNREFUSED"),
      );
    });
  });

  it("may be called by a handler, before and after its reply, with requests behind it", () => {
    let handled = 0;
    return withServer({}, undefined, async ({ base, connect, server }) => {
      for (const when of ["before", "after"]) {
        const other = new HttpServer(base, {}, (request) => {
          handled++;
          if (when === "before") other.close();
          request.reply(200, "x");
          if (when === "after") other.close();
        });
        const { port } = other.listen({ port: 0 });
        using client = await HttpClient.connect(port);
        await client.send(get("/") + get("/")).untilGone();
        assertEquals(other.connectionCount, 0);
      }
      assertEquals(handled, 2);
      // The first server has nothing to do with it.
      server.setHandler(echo);
      assertEquals((await (await connect()).send(get("/")).reply()).status, 200);
    });
  });

  it("is for good", () => {
    using base = new EventBase();
    const server = new HttpServer(base);
    server.close();
    assertThrows(() => server.listen({ port: 0 }), Error, "the server is closed");
  });

  it("is called at the end of a using block", () => {
    using base = new EventBase();
    let listener;
    {
      using server = new HttpServer(base);
      listener = server.listen({ port: 0 });
      assert(listener.enabled);
    }
    assertEquals(listener.enabled, false);
  });
});

describe("an HttpServer whose onError throws", () => {
  it("closes that connection and hands the error to the loop, which serves the others", () => {
    const seen: unknown[] = [];
    const base = new EventBase({ onError: (error) => void seen.push(error) });
    const rethrow = (error: unknown): void => {
      throw error;
    };
    const handler: HttpHandler = (request) => {
      if (request.path === "/ok") return request.reply(200, "ok");
      throw new Error("from the handler");
    };
    const body = async ({ connect, server }: RunningServer): Promise<void> => {
      await (await connect()).send(get("/bad") + get("/ok")).untilGone();
      assertEquals([server.connectionCount, seen.length], [0, 1]);
      assertEquals((await (await connect()).send(get("/ok")).reply()).body, "ok");
    };
    return withServer({ onError: rethrow }, handler, body, base);
  });
});
