import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { type FetchHandler, serve } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { serverContext } from "../tls/tls_support.ts";
import { withHandler } from "./serve_support.ts";
import { eventually, get, post, signal } from "./server_support.ts";

const LARGE = "0123456789abcdef".repeat(64 * 1024);

const describing: FetchHandler = async (request, { remoteAddress }) => {
  const { method, url, headers } = request;
  return Response.json([method, url, headers.get("x-field"), remoteAddress?.family, await request.text()]);
};

describe("serve", () => {
  forEachBackend((backend) => {
    it("hands standard requests to a standard handler, and sends its responses", () =>
      withHandler(
        describing,
        async ({ connect }) => {
          const client = await connect();
          for (let round = 0; round < 3; round++) {
            client.send(get("/a%20b?c=d", "X-Field: 1\r\nX-Field: 2\r\n") + post("/p", "body"));
            const first = await client.reply();
            assertEquals(JSON.parse(first.body), ["GET", "http://test/a%20b?c=d", "1, 2", "ipv4", ""]);
            assertStringIncludes(first.headers["content-type"]!, "application/json");
            assertEquals(first.headers["content-length"], String(first.body.length));
            assertEquals(JSON.parse((await client.reply()).body), ["POST", "http://test/p", null, "ipv4", "body"]);
          }
        },
        {},
        backend.newBase(),
      ));

    it("streams bodies both ways", () =>
      withHandler(
        (request) => new Response(request.body),
        async ({ connect }) => {
          const client = await connect();
          for (const body of [LARGE, "small", ""]) {
            assertEquals((await client.send(post("/", body)).reply()).body === body, true, `${body.length}`);
          }
        },
        {},
        backend.newBase(),
      ));
  });

  it("works over TLS, and for requests of every form", async () => {
    using context = serverContext();
    await withHandler(describing, async ({ connect }) => {
      const client = await connect();
      const url = async (request: string): Promise<string> => JSON.parse((await client.send(request).reply()).body)[1];
      assertEquals(await url(get("/x")), "https://test/x");
      assertEquals(await url("GET https://test/y HTTP/1.1\r\nHost: test\r\n\r\n"), "https://test/y");
      assertEquals(await url("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n"), "https://test/*");
      assert((await url("GET /z HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).startsWith("https://127.0.0.1:"));
    }, { tls: context });
  });

  it("sends what the handler says about its response", () =>
    withHandler(() => {
      const headers = new Headers([["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-Own", "\u00e9"], [
        "Content-Type",
        "text/own",
      ]]);
      return new Response("body", { status: 202, headers });
    }, async ({ connect }) => {
      const client = await connect();
      const { status, headers, headerLines } = await client.send(get("/")).reply();
      assertEquals([status, headers["set-cookie"], headers["x-own"], headers["content-type"]], [
        202,
        "a=1, b=2",
        "\u00e9",
        "text/own",
      ]);
      assertEquals(headerLines.filter((line) => /^set-cookie/i.test(line)).length, 2);
    }));

  it("answers HEAD without a body, and says nothing of a length it does not know", () =>
    withHandler((request) => {
      const headers = { "Content-Length": "7" };
      return request.url.endsWith("known") ? new Response(null, { headers }) : new Response("unknown");
    }, async ({ connect }) => {
      const client = await connect();
      client.send(get("/known").replace("GET", "HEAD") + get("/other").replace("GET", "HEAD") + get("/x"));
      assertEquals((await client.reply("HEAD")).headers["content-length"], "7");
      assertEquals((await client.reply("HEAD")).headers["content-length"], undefined);
      assertEquals((await client.reply()).body, "unknown");
    }));

  it("tells HEAD the type that it tells GET", () => {
    const make: Record<string, () => Response> = {
      "/text": () => new Response("text"),
      "/bytes": () => new Response(new Uint8Array([0xff, 0xfe])),
      "/json": () => Response.json({ a: 1 }),
      "/own": () => new Response("text", { headers: { "Content-Type": "text/own" } }),
      "/blob": () => new Response(new Blob(["text"], { type: "text/blob" })),
      "/none": () => new Response(null),
      "/stream": () => new Response(new Blob(["text"]).stream()),
    };
    return withHandler((request) => make[new URL(request.url).pathname]!(), async ({ connect, errors }) => {
      const client = await connect();
      for (const path of Object.keys(make)) {
        const type = (await client.send(get(path)).reply()).headers["content-type"];
        const { headers } = await client.send(get(path).replace("GET", "HEAD")).reply("HEAD");
        assertEquals(headers["content-type"], type, path);
        if (path === "/text") assert(type?.startsWith("text/plain"));
      }
      assertEquals(errors, []);
    });
  });

  it("answers 500 to what a handler throws or returns instead of a response, and tells of it", () =>
    withHandler((request) => {
      if (request.url.endsWith("throws")) throw new Error("thrown");
      if (request.url.endsWith("rejects")) return Promise.reject(new Error("rejected"));
      return "text" as unknown as Response;
    }, async ({ connect, errors }) => {
      const client = await connect();
      client.send(get("/throws") + get("/rejects") + get("/text"));
      for (let count = 0; count < 3; count++) assertEquals((await client.reply()).status, 500);
      assertEquals(errors.map((error) => (error as Error).message.slice(0, 12)), [
        "thrown",
        "rejected",
        "Cannot reply",
      ]);
    }));

  it("aborts the signal and cancels the body when the client goes", async () => {
    for (const pieces of [0, 1, 3]) {
      const aborted = signal();
      const cancelled = signal<{ code: string }>();
      await withHandler((request) => {
        request.signal.addEventListener("abort", () => aborted.resolve());
        let count = 0;
        return new Response(
          new ReadableStream({
            pull: async (controller) => {
              if (count++ < pieces) controller.enqueue(new TextEncoder().encode("piece"));
              else await new Promise(() => {});
            },
            cancel: (reason) => cancelled.resolve(reason),
          }),
        );
      }, async ({ connect, errors, server }) => {
        const client = await connect();
        client.send(get("/"));
        if (pieces > 0) await client.until("piece");
        else await eventually("it is there", () => server.connectionCount === 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        client.reset();
        await aborted.promise;
        assertEquals((await cancelled.promise)?.code, "CLOSED");
        assertEquals(errors, []);
      });
    }
  });

  it("cancels the body when the handler gives up, or the client goes, and leaves callbacks of the handler alone", async () => {
    for (const pieces of [0, 1, 3]) {
      for (const who of ["handler", "client"]) {
        const told = signal();
        const cancelled = signal<{ code: string }>();
        let giveUp = (): void => {};
        await withHandler((_request, { request }) => {
          request.onClose = () => told.resolve();
          giveUp = () => request.abort();
          let count = 0;
          return new Response(
            new ReadableStream({
              pull: async (controller) => {
                if (count++ < pieces) controller.enqueue(new TextEncoder().encode("piece"));
                else await new Promise(() => {});
              },
              cancel: (reason) => cancelled.resolve(reason),
            }),
          );
        }, async ({ connect, server }) => {
          const client = await connect();
          client.send(get("/"));
          if (pieces > 0) await client.until("piece");
          else await eventually("it is there", () => server.connectionCount === 1);
          await new Promise((resolve) => setTimeout(resolve, 20));
          if (who === "handler") giveUp();
          else client.reset();
          assertEquals((await cancelled.promise)?.code, "CLOSED");
          if (who === "client") await told.promise;
        });
      }
    }
  });

  it("makes a handler wait for its client", () => {
    let pulled = 0;
    return withHandler(() =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            pulled++;
            controller.enqueue(new Uint8Array(64 * 1024));
          },
        }, { highWaterMark: 0 }),
      ), async ({ connect }) => {
      const client = await connect();
      client.send(get("/"));
      await client.until("\r\n\r\n");
      client.pause();
      let before = -1;
      for (; before !== pulled;) {
        before = pulled;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert(pulled < 2000, `${pulled} pieces were made for nobody`);
    }, { writeTimeoutMs: 60_000 });
  });

  it("lets the rest of a body that nobody reads go by", () =>
    withHandler(() => new Response("read nothing"), async ({ connect }) => {
      const client = await connect();
      for (let round = 0; round < 3; round++) {
        assertEquals((await client.send(post("/", "x".repeat(20_000))).reply()).body, "read nothing");
      }
    }));

  it("has its own defaults also where an option is named and undefined", () =>
    withHandler(() => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(1));
          controller.close();
        },
      });
      return new Response(body);
    }, async ({ connect }) => {
      const client = await connect();
      const { status, headers } = await client.send(get("/").replace("GET", "PATCH")).reply();
      assertEquals([status, headers["content-type"]], [200, undefined]);
    }, { allowedMethods: undefined, defaultContentType: undefined }));

  it("refuses what has no URL", () =>
    withHandler(describing, async ({ connect }) => {
      const client = await connect();
      const text = await client.send("GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n").untilGone();
      assertStringIncludes(text, "HTTP/1.1 400 ");
    }));

  it("goes by its own address where a client names no host and may do so", () =>
    withHandler((request) => new Response(request.url), async ({ connect, port }) => {
      const client = await connect();
      for (const host of ["", "Host:\r\n"]) {
        for (const target of ["/", "//other/a", "/other/a|b"]) {
          const { body } = await client.send(`GET ${target} HTTP/1.1\r\n${host}\r\n`).reply();
          assertEquals(body, `http://127.0.0.1:${port}${target}`);
        }
      }
    }, { leniency: { allowMissingHost: true } }));

  it("leaves nothing behind when it cannot listen", () => {
    using base = new EventBase();
    assertThrows(() => serve(base, { port: 0, host: "no address" }, describing), TypeError);
    base.dispatch();
  });
});
