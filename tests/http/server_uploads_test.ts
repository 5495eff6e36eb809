import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FEATURE_EARLY_CLOSE } from "../../src/backends/mod.ts";
import type { HttpHandler, HttpRequest, HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { echo, eventually, get, post, signal, withServer } from "./server_support.ts";

const LARGE = "0123456789abcdef".repeat(64 * 1024);

const streamed = (server: HttpServer, handler: HttpHandler): void => server.setHandler(handler, { streamBody: true });

describe("a body that a handler takes while it comes", () => {
  forEachBackend((backend) => {
    it("can be iterated over, and echoed by the way", () =>
      withServer({}, undefined, async ({ connect, server }) => {
        streamed(server, async (request) => {
          request.replyStart(200);
          for await (const piece of request) await request.replyWrite(piece);
          request.replyEnd();
        });
        const client = await connect();
        for (let round = 0; round < 3; round++) {
          client.send(post("/", LARGE) + post("/", "small") + post("/", "") + get("/"));
          const bodies = [await client.reply(), await client.reply(), await client.reply(), await client.reply()];
          assertEquals(bodies.map(({ body }) => body.length), [LARGE.length, 5, 0, 0]);
          assert(bodies[0]!.body === LARGE);
        }
        assertEquals(server.connectionCount, 1);
      }, backend.newBase()));

    it("makes the client wait while nobody takes it", () => {
      const asked = signal<HttpRequest>();
      return withServer({ limits: { maxBodyBytes: Infinity } }, undefined, async ({ connect, server }) => {
        streamed(server, (request) => asked.resolve(request));
        const client = await connect();
        const total = 40 * 1024 * 1024;
        client.send(`POST / HTTP/1.1\r\nHost: t\r\nContent-Length: ${total}\r\n\r\n`);
        let sent = 0;
        const sending = (async () => {
          for (const piece = "x".repeat(1024 * 1024); sent < total; sent += piece.length) {
            await client.sendAndWait(piece);
          }
        })();
        const request = await asked.promise;
        // What the sockets hold is all that has come once nothing moves any more.
        for (let before = -1; before !== sent || request.body.length === 0;) {
          before = sent;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        assert(sent < total, "the client has to wait");
        assert(request.body.length < 256 * 1024, `${request.body.length} bytes are held`);
        let received = 0;
        for (let piece = await request.readBody(); piece !== null; piece = await request.readBody()) {
          received += piece.length;
        }
        await sending;
        request.reply(200, String(received));
        assertEquals((await client.reply()).body, String(total));
      }, backend.newBase());
    });
  });

  it("goes to a callback piece by piece, which may stop it", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      streamed(server, (request) => {
        let count = 0;
        request.onBody = (piece) => {
          count += piece.length;
          request.pauseBody();
          setTimeout(() => request.resumeBody(), 1);
        };
        request.onBodyEnd = () => request.reply(200, `${count} ${request.trailers?.get("x")} ${request.bodyComplete}`);
      });
      const client = await connect();
      client.send(post("/", LARGE));
      assertEquals((await client.reply()).body, `${LARGE.length} undefined true`);
      client.send(
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
      );
      assertEquals((await client.reply()).body, "5 y true");
    }));

  it("that is stopped where its reply ends does not hold up the next request", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      let mayCome = false;
      let ended = false;
      server.route("/stopped", (request) => {
        request.replyStart(200, { "Content-Length": "2" });
        request.onBody = () => {
          request.pauseBody();
          request.replyEnd();
          ended = true;
        };
        // All of the reply has left before the body comes, so that its end brings nothing more to be sent.
        request.replyChunk("ok", () => mayCome = true);
      }, { streamBody: true });
      server.setHandler(echo);
      const client = await connect();
      client.send("POST /stopped HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n");
      assertEquals((await client.reply()).body, "ok");
      await eventually("the server knows that", () => mayCome);
      await client.sendAndWait("body");
      await eventually("the reply has ended", () => ended);
      assertEquals((await client.send(get("/next")).reply()).body, "GET /next ");
    }));

  it("can be had as text, bytes and a stream, also when it has come already", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      const handler: HttpHandler = async (request) => {
        const { path } = request;
        if (path.endsWith("text")) return request.reply(200, await request.text());
        if (path.endsWith("bytes")) return request.reply(200, await request.bytes());
        let text = "";
        for await (const piece of request.bodyStream) text += new TextDecoder().decode(piece);
        request.reply(200, text);
      };
      for (const how of ["text", "bytes", "stream"]) {
        server.route(`/s/${how}`, handler, { streamBody: true });
        server.route(`/w/${how}`, handler);
      }
      const client = await connect();
      for (const path of ["/s/text", "/w/text", "/s/bytes", "/w/bytes", "/s/stream", "/w/stream"]) {
        assertEquals((await client.send(post(path, LARGE)).reply()).body === LARGE, true, path);
        assertEquals((await client.send(post(path, "")).reply()).body, "", path);
      }
    }));

  it("keeps the connection when little of it is left unread, and ends it when much is", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      streamed(server, (request) => request.reply(200, `answered ${request.path}`));
      const client = await connect();
      client.send("POST /1 HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n01234");
      assertEquals((await client.reply()).body, "answered /1");
      client.send(`56789${get("/2")}`);
      assertEquals((await client.reply()).body, "answered /2");
      client.send("POST /3 HTTP/1.1\r\nHost: t\r\nContent-Length: 10000000\r\n\r\n01234");
      const reply = await client.reply();
      assertEquals([reply.body, reply.headers["connection"]], ["answered /3", "close"]);
      client.send("more that nobody reads");
      assertEquals(await client.untilClose(), "");
      await eventually("it is forgotten", () => server.connectionCount === 0);
    }));

  it("cannot be read after the reply, unless there was nothing left of it", async () => {
    const later: Promise<HttpRequest>[] = [];
    const reply = (request: HttpRequest): void => {
      later.push(Promise.resolve(request));
      if (request.path === "/taken") request.body.takeText();
      request.reply(200, "before it is read");
    };
    const onNewRequest = (request: HttpRequest): void => {
      if (request.path === "/early") reply(request);
    };
    await withServer({ onNewRequest }, undefined, async ({ connect, server }) => {
      server.route("/sync", reply, { streamBody: true });
      server.route("/complete", async (request) => {
        while (!request.bodyComplete) await new Promise((resolve) => setTimeout(resolve, 1));
        reply(request);
      }, { streamBody: true });
      server.route("/read", async (request) => {
        await request.text();
        reply(request);
      }, { streamBody: true });
      server.setHandler(reply);
      const client = await connect();
      for (const path of ["/early", "/sync", "/complete", "/whole"]) {
        assertEquals((await client.send(post(path, "body")).reply()).body, "before it is read");
        const request = await later.pop()!;
        for (
          const read of [() => request.text(), () => request.readBody(), () => request.bodyStream.getReader().read()]
        ) {
          const error = await assertRejects(read, Error, undefined, path) as Error & { code: string };
          assertEquals(error.code, "CLOSED", path);
        }
        assertEquals(request.bodyComplete, path === "/complete" || path === "/whole", path);
      }
      for (const path of ["/read", "/taken", "/none"]) {
        assertEquals((await client.send(post(path, path === "/none" ? "" : "body")).reply()).status, 200);
        const request = await later.pop()!;
        assertEquals([await request.text(), await request.readBody(), request.bodyComplete], ["", null, true], path);
      }
    });
  });

  it("is lost with its client, in the middle of it", () => {
    const lost = signal<string>();
    return withServer({}, undefined, async ({ connect, server, errors }) => {
      streamed(server, async (request) => {
        const told: string[] = [];
        request.onClose = () => void told.push("closed");
        request.signal.addEventListener("abort", () => told.push("aborted"));
        const error = await assertRejects(() => request.text(), Error) as Error & { code: string };
        lost.resolve([...told, error.code].join());
      });
      const client = await connect();
      await client.sendAndWait("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n01234");
      client.reset();
      assertEquals(await lost.promise, "closed,aborted,CLOSED");
      assertEquals(errors, []);
    });
  });

  it("that breaks a limit or the rules is refused, and its handler told", async () => {
    for (const rest of ["ffffff\r\n", "zz\r\n"]) {
      const lost = signal<string>();
      await withServer({ limits: { maxBodyBytes: 100 } }, undefined, async ({ connect, server }) => {
        streamed(server, async (request) => {
          const error = await assertRejects(() => request.text(), Error) as Error & { code: string };
          lost.resolve(error.code);
        });
        const client = await connect();
        client.send(`POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n${rest}`);
        assertEquals((await client.reply()).status, rest.startsWith("f") ? 413 : 400);
        assertEquals(await lost.promise, "CLOSED");
      });
    }
  });

  it("that does not go on in time is given up, unless it is we who keep it waiting", () =>
    withServer({ bodyTimeoutMs: 30 }, undefined, async ({ connect, server }) => {
      streamed(server, async (request) => {
        if (request.path === "/slow") return void request.text().catch(() => {});
        request.pauseBody();
        await new Promise((resolve) => setTimeout(resolve, 120));
        request.resumeBody();
        request.reply(200, await request.text());
      });
      const client = await connect();
      client.send(post("/paused", "body"));
      client.send("POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbo");
      client.send("dy");
      assertEquals((await client.reply()).body, "body");
      assertEquals((await client.reply()).body, "body");
      client.send("POST /slow HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbo");
      assertEquals((await client.reply()).status, 408);
    }));

  it("is not given up while nothing is read since the client has much of its reply still to take", () =>
    withServer({ bodyTimeoutMs: 30, maxOutputBytes: 64 * 1024 }, undefined, async ({ connect, server }) => {
      streamed(server, async (request) => {
        request.pauseBody();
        request.replyStart(200);
        request.replyChunk("x".repeat(20_000_000));
        await new Promise((resolve) => setTimeout(resolve, 20));
        request.resumeBody();
        request.replyChunk(`got ${await request.text()}.`);
        request.replyEnd();
      });
      const client = await connect();
      client.pause();
      await client.sendAndWait("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbo");
      await new Promise((resolve) => setTimeout(resolve, 20));
      await client.sendAndWait("dy");
      await new Promise((resolve) => setTimeout(resolve, 150));
      client.resume();
      await client.until("got body.");
    }));

  it("whose callback throws costs its own request only", () =>
    withServer({}, undefined, async ({ connect, exchange, errors, server }) => {
      streamed(server, (request) => {
        request.onBody = () => {
          throw new Error("in the callback");
        };
      });
      assertStringIncludes(await exchange(post("/", "body", "Connection: close\r\n")), "HTTP/1.1 500 ");
      const client = await connect();
      client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\n\r\nbody");
      assertEquals((await client.reply()).status, 500);
      client.send(`more${post("/", "x")}`);
      assertEquals((await client.reply()).status, 500);
      assertEquals(errors.map(String), Array(3).fill("Error: in the callback"));
    }));

  it("has one reader at a time", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      streamed(server, async (request) => {
        const first = request.readBody();
        await assertRejects(() => request.readBody(), TypeError, "somebody waits for it already");
        request.reply(200, String((await first)?.length));
      });
      const client = await connect();
      client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n");
      await new Promise((resolve) => setTimeout(resolve, 5));
      client.send("body");
      assertEquals((await client.reply()).body, "4");
    }));
});

describe("whoever is asked about new requests", () => {
  it("sees their head before their body comes, and can have that", () => {
    const seen: string[] = [];
    const onNewRequest = (request: HttpRequest): void => {
      seen.push(request.path);
      if (request.path === "/pieces") request.onBody = (piece) => void seen.push(`piece of ${piece.length}`);
    };
    const handler: HttpHandler = (request) => {
      seen.push(`handler ${request.path}`);
      request.reply(200, `${request.body.length}`);
    };
    return withServer({ onNewRequest }, handler, async ({ connect }) => {
      const client = await connect();
      client.send(post("/pieces", "body") + post("/whole", "body") + get("/none"));
      const bodies = [await client.reply(), await client.reply(), await client.reply()].map(({ body }) => body);
      assertEquals(bodies, ["0", "4", "0"]);
      assertEquals(seen, [
        "/pieces",
        "piece of 4",
        "handler /pieces",
        "/whole",
        "handler /whole",
        "/none",
        "handler /none",
      ]);
    });
  });

  it("can wait for the body in every way, whoever gets it else", () => {
    const got: string[] = [];
    const take: Record<string, (request: HttpRequest) => Promise<unknown>> = {
      text: (request) => request.text(),
      read: async (request) => new TextDecoder().decode((await request.readBody())!) + await request.readBody(),
      stream: (request) => new Response(request.bodyStream as ReadableStream<Uint8Array<ArrayBuffer>>).text(),
      iteration: async (request) => {
        let text = "";
        for await (const piece of request) text += new TextDecoder().decode(piece);
        return text;
      },
    };
    const onNewRequest = async (request: HttpRequest): Promise<void> => {
      const how = request.path.slice(1);
      got.push(`complete ${request.bodyComplete}`);
      got.push(`${how} ${await take[how]!(request)}`);
    };
    return withServer({ onNewRequest: (request) => void onNewRequest(request) }, undefined, async (running) => {
      const { connect, server, errors } = running;
      const client = await connect();
      for (const streamBody of [false, true]) {
        server.setHandler(async (request) => {
          await eventually("all is read", () => got.length === 2);
          request.reply(200, `left ${request.body.length} ${request.bodyComplete}`);
        }, { streamBody });
        for (const how of Object.keys(take)) {
          for (const isSplit of [false, true]) {
            client.send(`POST /${how} HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n${isSplit ? "" : "body"}`);
            if (isSplit) {
              await eventually("it is asked", () => got.length === 1);
              client.send("body");
            }
            assertEquals((await client.reply()).body, "left 0 true", how);
            assertEquals(got.splice(0), ["complete false", `${how} body${how === "read" ? "null" : ""}`]);
          }
        }
      }
      assertEquals((await client.send(get("/text")).reply()).body, "left 0 true");
      assertEquals(got, ["complete true", "text "]);
      assertEquals(errors, []);
    });
  });

  it("can have the body wait, whatever of it has come with the head", async () => {
    for (const streamBody of [false, true]) {
      const told: string[] = [];
      const asked = signal<HttpRequest>();
      const onNewRequest = (request: HttpRequest): void => {
        request.onBody = (piece) => void told.push(`piece of ${piece.length}`);
        request.pauseBody();
        asked.resolve(request);
      };
      const handler: HttpHandler = async (request) => {
        while (!request.bodyComplete) await new Promise((resolve) => setTimeout(resolve, 1));
        request.reply(200, told.join());
      };
      await withServer({ onNewRequest }, undefined, async ({ connect, server }) => {
        server.setHandler(handler, { streamBody });
        const client = await connect();
        client.send(post("/", "body"));
        const request = await asked.promise;
        // Servers that drain close the connections that are idle: this one is not.
        const drained = server.drain();
        await new Promise((resolve) => setTimeout(resolve, 10));
        told.push("goes on");
        request.resumeBody();
        assertEquals((await client.reply()).body, "goes on,piece of 4");
        assertEquals(await drained, true);
      });
    }
  });

  it("can answer at once, or drop the connection", () => {
    const onNewRequest = (request: HttpRequest): boolean | void => {
      if (request.path === "/drop") return false;
      if (request.path === "/throw") throw new Error("in the hook");
      if (request.path === "/answer") request.reply(403, "answered by the hook");
    };
    return withServer({ onNewRequest }, echo, async ({ connect, exchange, errors }) => {
      const client = await connect();
      client.send(get("/answer") + post("/answer", "body") + get("/x") + get("/throw") + get("/y"));
      const replies = [];
      for (let count = 0; count < 5; count++) replies.push(await client.reply());
      assertEquals(replies.map(({ status }) => status), [403, 403, 200, 500, 200]);
      assertEquals(errors.map(String), ["Error: in the hook"]);
      assertEquals(await exchange(get("/drop")), "");
    });
  });
});

describe("whoever is asked about bodies that clients want to send", () => {
  const expecting = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n`;

  it("lets them, refuses them, or answers in its own way", () => {
    const onContinue = (request: HttpRequest): boolean | void => {
      if (request.path === "/refuse") return false;
      if (request.path === "/large") request.replyError(413, "Too large for my taste");
    };
    return withServer({ onContinue }, echo, async ({ connect, exchange }) => {
      const client = await connect();
      client.send(expecting("/ok"));
      assertEquals(await client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      assertEquals((await client.send("body").reply()).body, "POST /ok body");
      assertStringIncludes(await exchange(expecting("/refuse")), "HTTP/1.1 417 Expectation Failed\r\n");
      const large = await connect();
      const reply = await large.send(expecting("/large")).reply();
      assertEquals([reply.status, reply.body.includes("my taste")], [413, true]);
    });
  });
});

describe("a body that there is none of", () => {
  it("has an end all the same for a handler that takes bodies as they come, once", async () => {
    const told: string[] = [];
    const onNewRequest = (request: HttpRequest): void => {
      if (request.path === "/asked") request.onBodyEnd = () => void told.push("end /asked");
    };
    await withServer({ onNewRequest }, undefined, async ({ connect, server, errors }) => {
      streamed(server, (request) => {
        told.push(`begin ${request.path}`);
        request.onBody = () => void told.push("piece");
        const end = (): void => {
          told.push(`end ${request.path}`);
          if (request.path === "/fails") throw new Error("in the callback");
          request.reply(200, request.path);
        };
        if (request.path === "/asked") request.reply(200, request.path);
        else request.onBodyEnd = end;
      });
      const client = await connect();
      client.send(get("/get") + post("/empty", "") + get("/asked") + get("/fails") + get("/last"));
      const bodies: string[] = [];
      for (let count = 0; count < 5; count++) bodies.push((await client.reply()).body);
      assertEquals(bodies.map((body) => body.startsWith("/") ? body : "page"), [
        "/get",
        "/empty",
        "/asked",
        "page",
        "/last",
      ]);
      assertEquals(told, [
        ...["begin /get", "end /get"],
        ...["begin /empty", "end /empty"],
        ...["end /asked", "begin /asked"],
        ...["begin /fails", "end /fails"],
        ...["begin /last", "end /last"],
      ]);
      assertEquals(errors.map(String), ["Error: in the callback"]);
    });
  });

  it("has none to tell for other handlers, who are called with all of it", async () => {
    let ends = 0;
    await withServer({}, (request) => {
      request.onBodyEnd = () => void ends++;
      queueMicrotask(() => request.reply(200, "x"));
    }, async ({ connect }) => {
      const client = await connect();
      client.send(get("/") + post("/", "body"));
      assertEquals([(await client.reply()).body, (await client.reply()).body, ends], ["x", "x", 0]);
    });
  });
});

describe("a body that its handler has paused", () => {
  forEachBackend((backend) => {
    for (const allowHalfClose of [true, false]) {
      it(`when its client ends its side, ${allowHalfClose ? "still comes, to its end" : "never comes"}`, () => {
        const asked = signal<HttpRequest>();
        const closed = signal();
        const base = backend.newBase();
        const hearsEarly = (base.features & FEATURE_EARLY_CLOSE) !== 0;
        return withServer({ allowHalfClose }, undefined, async ({ connect, server }) => {
          let received = "";
          streamed(server, (request) => {
            request.onBody = (piece) => void (received += new TextDecoder().decode(piece));
            request.onClose = closed.resolve;
            request.pauseBody();
            asked.resolve(request);
          });
          const client = await connect();
          client.send(post("/", "body").slice(0, -2));
          const request = await asked.promise;
          await client.sendAndWait("dy");
          client.end();
          if (!allowHalfClose && hearsEarly) {
            await closed.promise;
            return assertEquals([request.finished, received], [true, ""]);
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
          assertEquals([request.finished, received], [false, ""]);
          request.resumeBody();
          await eventually("the rest has come", () => received === "body" || request.finished);
          if (!allowHalfClose) return await closed.promise;
          assertEquals(request.finished, false);
          request.reply(200, received);
          assertEquals((await client.reply()).body, "body");
        }, base);
      });
    }
  });
});
