import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { DIGEST_FIELDS } from "../../src/http/digest_fields.ts";
import { HttpClient } from "../../src/http/mod.ts";
import { insideOf } from "../../src/http/response_inside.ts";
import { isBodyInMemory } from "../../src/http/response_memory.ts";
import { withHandler } from "./serve_support.ts";
import { get, signal, withServer } from "./server_support.ts";

const BYTES = new Uint8Array([0, 255, 128, 65]);
const LONG = "long text, ".repeat(20_000);
const UTF8 = "text \u00e9 \u{1f600}";
const FORM = "application/x-www-form-urlencoded;charset=utf-8";

const streamOf = (...pieces: string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });

/** What a handler may return: the body as characters for bytes and the content type that come of it, "" for none. */
const RESPONSES: readonly (readonly [name: string, make: () => Response, body: string, type: string])[] = [
  ["nothing", () => new Response(), "", ""],
  ["no text", () => new Response(""), "", ""],
  ["text", () => new Response("text"), "text", "text/plain;charset=utf-8"],
  ["text beyond ASCII", () => new Response(UTF8), latin1(UTF8), "text/plain;charset=utf-8"],
  ["long text", () => new Response(LONG), LONG, "text/plain;charset=utf-8"],
  ["text with a status text", () => new Response("text", { statusText: "Fine" }), "text", "text/plain;charset=utf-8"],
  ["text with a type", () => new Response("a", { headers: { "content-type": "a/b" } }), "a", "a/b"],
  ["JSON", () => Response.json({ a: 1 }), '{"a":1}', "application/json"],
  ["bytes", () => new Response(BYTES), "\0\xff\x80A", ""],
  ["a part of bytes", () => new Response(BYTES.subarray(1, 3)), "\xff\x80", ""],
  ["a buffer", () => new Response(BYTES.buffer), "\0\xff\x80A", ""],
  ["a blob", () => new Response(new Blob(["blob"], { type: "c/d" })), "blob", "c/d"],
  ["parameters", () => new Response(new URLSearchParams("a=b")), "a=b", FORM],
  ["a stream of one piece", () => new Response(streamOf("piece")), "piece", ""],
  ["a stream", () => new Response(streamOf("one", "two")), "onetwo", ""],
  ["bytes with a status text", () => new Response(BYTES, { statusText: "Fine" }), "\0\xff\x80A", ""],
  ["a stream with a status text", () => new Response(streamOf("one", "two"), { statusText: "Long" }), "onetwo", ""],
  ["a copy", () => new Response(new Response("copy").body), "copy", ""],
  ["a clone", () => new Response("clone").clone(), "clone", "text/plain;charset=utf-8"],
  ["something looked at", () => looked(new Response("seen")), "seen", "text/plain;charset=utf-8"],
];

function latin1(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function looked(response: Response): Response {
  assert(response.body !== null && !response.bodyUsed);
  return response;
}

describe("a response of a standard handler", () => {
  it("arrives as it was made, at once and later", async () => {
    for (const isLater of [false, true]) {
      let make = RESPONSES[0]![1];
      await withHandler(() => isLater ? Promise.resolve().then(make) : make(), async ({ connect, errors }) => {
        const client = await connect();
        for (const [name, each, body, type] of RESPONSES) {
          make = each;
          // The second comes by what was kept of the first.
          for (let round = 0; round < 2; round++) {
            const { status, headers, body: received } = await client.send(get("/")).reply();
            assertEquals([status, received === body], [200, true], name);
            // Runtimes differ in spelling parameters, and in what they give to no text at all, and to JSON.
            const receivedType = (headers["content-type"] ?? "").toLowerCase().replace(/; /g, ";");
            if (type === "") assert(body === "" || !receivedType.startsWith("text/"), `${name}: ${receivedType}`);
            else assertStringIncludes(receivedType, type, name);
          }
        }
        assertEquals(errors, []);
      });
    }
  });

  it("keeps its status and all of its fields", () =>
    withHandler(() => {
      const headers = new Headers({ "Content-Type": "a/b", "X-Own": "own" });
      headers.append("Set-Cookie", "a=1");
      headers.append("Set-Cookie", "b=2");
      return new Response("text", { status: 404, headers });
    }, async ({ connect }) => {
      const { status, headers, headerLines } = await (await connect()).send(get("/")).reply();
      assertEquals([status, headers["content-type"], headers["x-own"]], [404, "a/b", "own"]);
      assertEquals(headerLines.filter((line) => /^set-cookie/i.test(line)).length, 2);
    }));

  it("may be changed until it is returned", () =>
    withHandler(() => {
      const response = new Response("text");
      response.headers.set("Content-Type", "a/b");
      response.headers.set("X-Own", "own");
      return response;
    }, async ({ connect }) => {
      const { headers, body } = await (await connect()).send(get("/")).reply();
      assertEquals([headers["content-type"], headers["x-own"], body], ["a/b", "own", "text"]);
    }));

  it("counts as read when it was sent, so that a second time is an error", async () => {
    const kept = [new Response("text"), new Response(BYTES), new Response(streamOf("a", "b")), Response.json(1)];
    for (const response of kept) {
      await withHandler(() => response, async ({ connect, errors }) => {
        const client = await connect();
        assertEquals((await client.send(get("/")).reply()).status, 200);
        assertEquals(response.bodyUsed, true);
        assertEquals((await client.send(get("/")).reply()).status, 500);
        assertEquals(errors.length, 1);
      });
    }
  });

  it("of which a part was read is not sent as if the rest were all", async () => {
    for (const pieces of [["a"], ["a", "b"]]) {
      await withHandler(async () => {
        const response = new Response(streamOf(...pieces));
        const reader = response.body!.getReader();
        await reader.read();
        reader.releaseLock();
        return response;
      }, async ({ connect, errors }) => {
        assertEquals((await (await connect()).send(get("/")).reply()).status, 500);
        assertEquals(errors.map((error) => error instanceof TypeError), [true]);
      });
    }
  });

  it("is sent piece by piece, as they come, when it is a stream", () => {
    const second = signal();
    let count = 0;
    return withHandler(() =>
      new Response(
        new ReadableStream({
          pull: async (controller) => {
            if (count++ > 0) await second.promise;
            controller.enqueue(new TextEncoder().encode(`piece ${count} `));
            if (count === 2) controller.close();
          },
        }),
        { headers: { "Content-Type": "text/plain", "X-Own": "own" } },
      ), async ({ connect }) => {
      const client = await connect();
      client.send(get("/"));
      assertStringIncludes(await client.until("piece 1 "), "Transfer-Encoding: chunked");
      second.resolve();
      await client.until("piece 2 ");
    });
  });

  it("has its head sent although the first piece of its stream takes long", () => {
    const first = signal();
    return withHandler(() =>
      new Response(
        new ReadableStream({
          pull: async (controller) => {
            await first.promise;
            controller.enqueue(new TextEncoder().encode("data: event\n\n"));
            controller.close();
          },
        }),
        { headers: { "Content-Type": "text/event-stream" } },
      ), async ({ connect, errors }) => {
      const client = await connect();
      client.send(get("/"));
      assertStringIncludes(await client.until("\r\n\r\n"), "text/event-stream");
      first.resolve();
      await client.until("data: event\n\n\r\n0\r\n\r\n");
      assertEquals(errors, []);
    });
  });

  it("is cut when its stream fails after the head, and has it cancelled when the client goes", () => {
    const cancelled = signal();
    const failing = signal();
    return withHandler((request) =>
      new Response(
        new ReadableStream({
          pull: () =>
            request.url.endsWith("/fails")
              ? failing.promise.then(() => {
                throw new Error("no more");
              })
              : new Promise<void>(() => {}),
          cancel: () => cancelled.resolve(),
        }),
      ), async ({ connect, errors }) => {
      const failed = await connect();
      failed.send(get("/fails"));
      await failed.until("\r\n\r\n");
      failing.resolve();
      await failed.untilGone();
      assertEquals(errors.map(String), ["Error: no more"]);
      const gone = await connect();
      gone.send(get("/waits"));
      await gone.until("\r\n\r\n");
      gone.reset();
      await cancelled.promise;
      assertEquals(errors.length, 1);
    });
  });

  it("has its length also when the only piece of its stream comes some turns later", () =>
    withHandler(() =>
      new Response(
        new ReadableStream({
          pull: async (controller) => {
            for (let turn = 0; turn < 30; turn++) await Promise.resolve();
            controller.enqueue(new TextEncoder().encode("late"));
            controller.close();
          },
        }),
      ), async ({ connect }) => {
      const { headers, body } = await (await connect()).send(get("/")).reply();
      assertEquals([headers["content-length"], body], ["4", "late"]);
    }));

  it("fails when its stream brings something else than bytes", async () => {
    for (const wrong of [null, undefined, new ArrayBuffer(4), new Uint16Array([1, 2]), {}]) {
      for (const pieces of [[wrong], [BYTES, wrong, BYTES]]) {
        const reasons: unknown[] = [];
        const body = new ReadableStream({
          start(controller) {
            for (const piece of pieces) controller.enqueue(piece as Uint8Array);
            controller.close();
          },
          cancel: (reason) => void reasons.push(reason),
        });
        await withHandler(() => new Response(body), async ({ connect, errors }) => {
          const text = await (await connect()).send(get("/", "Connection: close\r\n")).untilClose();
          assertStringIncludes(text, pieces.length === 1 ? "HTTP/1.1 500 " : "HTTP/1.1 200 ");
          assertEquals(text.includes("\r\n0\r\n\r\n"), false);
          assertEquals(errors.map((error) => error instanceof TypeError), [true]);
          assertEquals(reasons, pieces.length === 1 ? [] : errors);
        });
      }
    }
  });

  it("refuses a content type that would split the reply", () =>
    withHandler(() => {
      const response = new Response("text");
      try {
        response.headers.set("Content-Type", "a/b\r\nX-Evil: 1");
      } catch {
        response.headers.set("Content-Type", "a/b\x01c");
      }
      return response;
    }, async ({ connect }) => {
      const { headers } = await (await connect()).send(get("/")).reply();
      assertEquals(headers["x-evil"], undefined);
    }));

  it("is compressed when the server is told to", () =>
    withHandler(() => new Response(LONG), async ({ connect }) => {
      const { headers } = await (await connect()).send(get("/", "Accept-Encoding: gzip\r\n")).reply();
      assertEquals(headers["content-encoding"], "gzip");
    }, { compression: true }));

  it("may be another server's, also a compressed one", () =>
    withServer({}, (request) => {
      if (request.path === "/plain") return request.reply(200, "plain", { "X-Own": "own" });
      for (const name of DIGEST_FIELDS) request.replyHeaders.set(name, "x");
      request.reply(200, gzipSync("compressed"), { "Content-Encoding": "gzip", "Content-Type": "text/plain" });
    }, async (upstream) => {
      await withHandler((request) => {
        return fetch(`http://127.0.0.1:${upstream.port}${new URL(request.url).pathname}`);
      }, async ({ connect, errors }) => {
        const client = await connect();
        const plain = await client.send(get("/plain")).reply();
        assertEquals([plain.body, plain.headers["x-own"]], ["plain", "own"]);
        const compressed = await client.send(get("/gzip")).reply();
        assertEquals([compressed.body, compressed.headers["content-encoding"]], ["compressed", undefined]);
        // Nor are they sums of what is sent.
        for (const name of DIGEST_FIELDS) assertEquals(compressed.headers[name], undefined, name);
        // The head is that of GET, whichever way it was asked for.
        const { headers } = await client.send(get("/gzip").replace("GET", "HEAD")).reply("HEAD");
        assertEquals([headers["content-encoding"], headers["content-type"]], [undefined, "text/plain"]);
        assert(headers["content-length"] === undefined || headers["content-length"] === "10");
        assertEquals(errors, []);
      });
    }));

  it("says of another server's body how it is encoded, whoever has decoded it or not", () => {
    const encoders: Readonly<Record<string, (text: string) => Uint8Array>> = {
      "gzip": gzipSync,
      "BR": brotliCompressSync,
      "deflate": deflateSync,
      "zstd": zstdCompressSync,
      "x-gzip": gzipSync,
      "identity, gzip": gzipSync,
      "gzip, gzip": (text) => gzipSync(gzipSync(text)),
      "rot13": () => new TextEncoder().encode("cynva"),
      "identity": (text) => new TextEncoder().encode(text),
    };
    const names = Object.keys(encoders);
    const at = (path: string): string => names[Number(path.slice(1))]!;
    return withServer({}, (request) => {
      const name = at(request.path);
      request.reply(200, encoders[name]!("plain"), { "Content-Encoding": name, "Content-Type": "a/b" });
    }, async (upstream) => {
      using client = new HttpClient(upstream.base);
      await withHandler((request) => {
        const { pathname, search } = new URL(request.url);
        const url = `http://127.0.0.1:${upstream.port}${pathname}`;
        return search === "" ? fetch(url, { method: request.method }) : client.fetch(url, { method: request.method });
      }, async ({ connect, errors }) => {
        const peer = await connect();
        for (const search of ["", "?ours"]) {
          for (const [index, name] of names.entries()) {
            const { headers, body } = await peer.send(get(`/${index}${search}`)).reply();
            const encoding = headers["content-encoding"];
            const expected = encoding === undefined ? "plain" : encoders[name]!("plain");
            const latin1 = typeof expected === "string" ? expected : String.fromCharCode(...expected);
            assertEquals([encoding ?? name, body === latin1], [name, true], `${name}${search}`);
            const head = await peer.send(get(`/${index}${search}`).replace("GET", "HEAD")).reply("HEAD");
            if (search === "") assertEquals(head.headers["content-encoding"], encoding);
          }
        }
        assertEquals(errors, []);
      });
    });
  });
});

describe("what is known of a response beforehand", () => {
  it("is where text and bytes are, on this runtime", () => {
    const isKnown = (response: Response): boolean => {
      const inside = insideOf(response);
      return inside === undefined ? isBodyInMemory(response) : !(inside.body?.streamOrStatic instanceof ReadableStream);
    };
    for (const response of [new Response("text"), new Response(BYTES), Response.json(1)]) assert(isKnown(response));
    for (const headers of [{}, { "X-Own": "x".repeat(5000) }]) {
      assert(!isKnown(new Response(streamOf("a"), { headers })));
      assert(!isKnown(new Response(streamOf("a"), { headers, statusText: "A long one, longer than a pointer" })));
    }
  });
});
