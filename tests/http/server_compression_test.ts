import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import { brotliDecompressSync, crc32 as zlibCrc32, gunzipSync, inflateSync } from "node:zlib";
import { EvBuffer, EventBase, OpenFile } from "../../src/core/mod.ts";
import { chooseCoding } from "../../src/http/accept_encoding.ts";
import { adler32, crc32, DeflateEncoder } from "../../src/http/body_encoder.ts";
import { type HttpHandler, HttpServer, StaticFiles } from "../../src/http/mod.ts";
import type { RawReply } from "../support/http_client.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { eventually, get, post, withServer } from "./server_support.ts";
import { Folder } from "./static_support.ts";

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(200);

function decoded({ headers, body }: RawReply): string {
  const bytes = Uint8Array.from(body, (character) => character.charCodeAt(0));
  const decode =
    { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync }[headers["content-encoding"] ?? ""];
  return decode === undefined ? body : decode(bytes).toString();
}

const accepting = (path: string, codings: string): string => get(path, `Accept-Encoding: ${codings}\r\n`);

describe("the choice of a coding", () => {
  const choose = (field: string | undefined): string | null => chooseCoding(field, ["br", "gzip", "deflate"]);

  it("goes by weight, and then by the server's order", () => {
    assertEquals(choose("gzip, deflate, br"), "br");
    assertEquals(choose("gzip;q=1.0, br;q=0.5"), "gzip");
    assertEquals(choose("GZIP"), "gzip");
    assertEquals(choose("x-gzip"), "gzip");
    assertEquals(choose("*"), "br");
    assertEquals(choose("br;q=0, *;q=0.1"), "gzip");
    assertEquals(choose("identity, gzip"), "gzip");
    assertEquals(choose(" ,gzip ; q=0.001,, "), "gzip");
  });

  it("is none where nothing is accepted, or plain is preferred", () => {
    for (const field of [undefined, "", "zstd", "gzip;q=0", "*;q=0", "identity;q=1, gzip;q=0.5", "identity"]) {
      assertEquals(choose(field), null, field);
    }
  });

  it("is none where the field is malformed, whatever stands beside that", () => {
    for (
      const field of [
        "gzip;q=2",
        "gzip;q=0.1234",
        "gzip;q=-1",
        "gzip q=1",
        "gzip;level=9",
        "g zip",
        "gzip;q=1.001",
        "é",
      ]
    ) {
      assertEquals(choose(`${field}, br`), null, field);
    }
    assertEquals(choose(`br${", gzip".repeat(300)}`), null);
  });
});

describe("an encoder of pieces", () => {
  it("makes of them what any decoder takes, whatever their sizes", () => {
    const bytes = new TextEncoder().encode(TEXT + TEXT.toUpperCase().repeat(8));
    for (const coding of ["gzip", "deflate"] as const) {
      for (const size of [1000, 40_000, bytes.length]) {
        const encoder = new DeflateEncoder(coding, 6);
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size) pieces.push(encoder.add(bytes.subarray(at, at + size)));
        pieces.push(encoder.end());
        const encoded = new Uint8Array(pieces.flatMap((piece) => [...piece]));
        const decode = coding === "gzip" ? gunzipSync : inflateSync;
        assertEquals(decode(encoded).toString() === new TextDecoder().decode(bytes), true, `${coding} ${size}`);
        assert(encoded.length < bytes.length / 4, `${encoded.length} of ${bytes.length}`);
      }
      assertEquals((coding === "gzip" ? gunzipSync : inflateSync)(new DeflateEncoder(coding, 1).end()).length, 0);
    }
  });

  it("remembers pieces as they were, though their memory is used again, and is a Buffer's", () => {
    for (const [coding, size] of [["gzip", 1000], ["gzip", 40_000], ["deflate", 1000], ["deflate", 40_000]] as const) {
      const encoder = new DeflateEncoder(coding, 6);
      const piece = Buffer.from(new Uint8Array(size).map((_, at) => at * at >> 3));
      const whole: Uint8Array[] = [];
      const encoded: Uint8Array[] = [];
      for (let count = 0; count < 3; count++) {
        whole.push(Uint8Array.from(piece));
        encoded.push(Uint8Array.from(encoder.add(piece)));
        piece.reverse();
      }
      encoded.push(encoder.end());
      const decode = coding === "gzip" ? gunzipSync : inflateSync;
      assert(decode(Buffer.concat(encoded)).equals(Buffer.concat(whole)), `${coding} ${size}`);
    }
  });

  it("makes pieces that can be decoded before the next one has come", () => {
    const encoder = new DeflateEncoder("gzip", 4);
    const first = encoder.add(new TextEncoder().encode("first"));
    assertEquals(gunzipSync(first, { finishFlush: 2 }).toString(), "first");
  });

  it("counts as zlib does", () => {
    const bytes = new TextEncoder().encode(TEXT);
    assertEquals(crc32(bytes, 0), zlibCrc32(bytes));
    assertEquals(crc32(bytes.subarray(7), crc32(bytes.subarray(0, 7), 0)), zlibCrc32(bytes));
    assertEquals(adler32(new TextEncoder().encode("Wikipedia"), 1), 0x11e60398);
    assertEquals(adler32(new Uint8Array(100_000).fill(255), adler32(new Uint8Array(3), 1)) > 0, true);
  });
});

describe("an HttpServer that compresses", () => {
  const handler: HttpHandler = async (request) => {
    request.replyHeaders.set("ETag", '"tag"');
    switch (request.path) {
      case "/whole":
        return request.reply(200, TEXT);
      case "/buffer": {
        const buffer = new EvBuffer();
        buffer.add(TEXT);
        return request.reply(200, buffer);
      }
      case "/small":
        return request.reply(200, "small");
      case "/image":
        return request.reply(200, TEXT, { "Content-Type": "image/png" });
      case "/secret":
        return request.reply(200, TEXT, { "Cache-Control": "private, no-transform" });
      case "/identity":
        return request.reply(200, TEXT, { "Content-Encoding": "identity" });
      case "/encoded":
        return request.reply(200, TEXT, { "Content-Encoding": "x-own" });
      case "/part":
        return request.reply(206, TEXT, { "Content-Range": "bytes 0-9/10" });
      case "/declared":
        return await request.replyFrom(200, [TEXT, TEXT], {
          "Content-Length": String(2 * TEXT.length),
          Vary: "Origin",
        });
      default:
        return await request.replyFrom(200, [TEXT, "", TEXT, "end"]);
    }
  };

  it("sends what the client likes best, whole and in pieces, and says so", () =>
    withServer({ compression: true }, handler, async ({ connect }) => {
      const client = await connect();
      for (const coding of ["br", "gzip", "deflate"]) {
        for (const path of ["/whole", "/buffer"]) {
          const reply = await client.send(accepting(path, coding)).reply();
          const { headers } = reply;
          assertEquals([headers["content-encoding"], headers["vary"], headers["etag"]], [
            coding,
            "Accept-Encoding",
            'W/"tag"',
          ]);
          assertEquals(decoded(reply), TEXT);
          assert(reply.body.length < TEXT.length / 4);
        }
      }
      for (const path of ["/pieces", "/declared"]) {
        const reply = await client.send(accepting(path, "br, deflate, gzip;q=0.9")).reply();
        assertEquals([reply.headers["content-encoding"], reply.headers["transfer-encoding"]], ["deflate", "chunked"]);
        assertEquals(decoded(reply), path === "/pieces" ? `${TEXT}${TEXT}end` : `${TEXT}${TEXT}`);
        assertEquals(reply.headers["vary"], path === "/pieces" ? "Accept-Encoding" : "Origin, Accept-Encoding");
      }
    }));

  it("compresses nothing where there is no content", () =>
    withServer({ compression: true }, (request) => {
      if (request.path === "/whole") return request.reply(205, TEXT);
      request.replyStart(205);
      request.replyEnd();
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/whole", "/pieces"]) {
        const { headers, body } = await client.send(accepting(path, "gzip")).reply();
        assertEquals([headers["content-encoding"], headers["content-length"], body], [undefined, "0", ""]);
      }
    }));

  it("holds a handler to the length it has declared, for clients of either kind", async () => {
    const thrown: unknown[] = [];
    await withServer({ compression: true }, (request) => {
      request.replyStart(200, { "Content-Length": String(TEXT.length + 4) });
      request.replyChunk(TEXT);
      if (request.path === "/more") {
        try {
          request.replyChunk("12345");
        } catch (error) {
          thrown.push(error);
        }
      }
      request.replyEnd();
    }, async ({ exchange }) => {
      for (const coding of ["identity", "gzip", "deflate"]) {
        for (const path of ["/less", "/more"]) {
          const text = await exchange(accepting(path, coding));
          const isCoded = coding !== "identity";
          assertEquals([text.includes("Content-Encoding"), text.includes("\r\n0\r\n\r\n")], [isCoded, false], coding);
        }
      }
    });
    assertEquals(thrown.map((error) => error instanceof RangeError), [true, true, true]);
  });

  it("leaves alone what is not to be compressed", () =>
    withServer({ compression: true }, handler, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/small", "/image", "/secret", "/identity", "/encoded"]) {
        const reply = await client.send(accepting(path, "gzip")).reply();
        assertEquals(reply.headers["content-encoding"], path === "/encoded" ? "x-own" : undefined, path);
        assertEquals([reply.headers["etag"], reply.headers["vary"]], ['"tag"', undefined], path);
        assertEquals(reply.body, path === "/small" ? "small" : TEXT);
      }
      const plain = await client.send(get("/whole")).reply();
      assertEquals([plain.body, plain.headers["vary"], plain.headers["etag"]], [TEXT, "Accept-Encoding", '"tag"']);
    }));

  it("tells of parts that other clients get the whole otherwise, and sends them plain", () =>
    withServer({ compression: true }, (request) => {
      const fields = { "Content-Range": "bytes 0-9/10", ETag: '"tag"', "Content-Type": request.query! };
      if (request.path === "/whole") return request.reply(206, "0123456789", fields);
      request.replyStart(206, fields);
      request.replyChunk("0123456789");
      request.replyEnd();
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/whole", "/pieces"]) {
        for (const [type, vary] of [["text/css", "Accept-Encoding"], ["image/png", undefined]] as const) {
          const { headers, body } = await client.send(accepting(`${path}?${type}`, "gzip")).reply();
          assertEquals([headers["vary"], headers["etag"], headers["content-encoding"]], [vary, '"tag"', undefined]);
          assertEquals(body, "0123456789");
        }
      }
    }));

  it("says with 304 what it would say with 200", () =>
    withServer({ compression: true }, (request) => {
      request.replyHeaders.set("ETag", '"tag"');
      if (request.query !== undefined) request.replyHeaders.set("Content-Type", request.query);
      if (request.path === "/whole") return request.reply(304);
      request.replyStart(304);
      request.replyEnd();
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/whole", "/pieces"]) {
        for (
          const [query, codings, vary, etag] of [
            ["", "gzip", "Accept-Encoding", 'W/"tag"'],
            ["?text/css", "gzip", "Accept-Encoding", 'W/"tag"'],
            ["?text/css", "identity", "Accept-Encoding", '"tag"'],
            ["?image/png", "gzip", undefined, '"tag"'],
          ] as const
        ) {
          const { status, headers } = await client.send(accepting(path + query, codings)).reply();
          assertEquals([status, headers["vary"], headers["etag"]], [304, vary, etag], `${path}${query} ${codings}`);
          assertEquals(headers["content-encoding"], undefined);
        }
      }
    }));

  it("leaves out digests of what is sent otherwise, and those only", () => {
    const names = ["content-digest", "repr-digest", "digest", "content-md5"];
    return withServer({ compression: true }, (request) => {
      for (const name of names) request.replyHeaders.set(name, "x");
      const status = Number(request.query);
      if (request.path === "/whole") return request.reply(status, TEXT, { "Content-Type": "text/css" });
      request.replyStart(status, { "Content-Type": "text/css" });
      request.replyChunk(TEXT);
      request.replyEnd();
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/whole", "/pieces"]) {
        for (
          const [status, codings, isThere] of [[200, "gzip", false], [304, "gzip", false], [200, "", true], [
            206,
            "gzip",
            true,
          ]] as const
        ) {
          const { headers } = await client.send(accepting(`${path}?${status}`, codings)).reply();
          const expected = names.map(() => isThere ? "x" : undefined);
          assertEquals(names.map((name) => headers[name]), expected, `${path} ${status} ${codings}`);
        }
      }
    });
  });

  it("leaves alone what StaticFiles says of its files", async () => {
    using folder = new Folder();
    folder.file("a.txt", TEXT);
    await withServer({ compression: true }, new StaticFiles(folder.path).handler, async ({ connect }) => {
      const client = await connect();
      const { etag } = (await client.send(accepting("/a.txt", "gzip")).reply()).headers;
      for (const field of [`If-None-Match: ${etag}`, "Range: bytes=0-9"]) {
        const { status, headers } = await client.send(get("/a.txt", `Accept-Encoding: gzip\r\n${field}\r\n`)).reply();
        assertEquals([headers["etag"], headers["vary"]], [etag, undefined], `${status}`);
      }
    });
  });

  it("sends files in buffers as they are, or from memory where pieces are encoded, and closes them", async () => {
    using folder = new Folder();
    const path = folder.file("a.txt", TEXT);
    const withFile = (length: number): EvBuffer => {
      const buffer = new EvBuffer();
      buffer.add("head ");
      buffer.addFile(OpenFile.open(path).detach(), 0, length, { closeOnFree: true });
      return buffer;
    };
    await withServer({ compression: true }, (request) => {
      if (request.path === "/whole") return request.reply(200, withFile(TEXT.length));
      request.replyStart(200);
      request.replyChunk("start ");
      request.replyChunk(withFile(request.path === "/short" ? TEXT.length + 1 : TEXT.length));
      request.replyEnd();
    }, async ({ connect, exchange, errors }) => {
      const client = await connect();
      const before = openDescriptorCount();
      for (const coding of ["br", "gzip", "deflate", "identity"]) {
        const whole = await client.send(accepting("/whole", coding)).reply();
        assertEquals([whole.headers["content-encoding"], whole.body], [undefined, `head ${TEXT}`]);
        const pieces = await client.send(accepting("/pieces", coding)).reply();
        assertEquals(decoded(pieces), `start head ${TEXT}`, coding);
      }
      assertEquals(errors, []);
      for (let count = 0; count < 20; count++) {
        assertEquals((await exchange(accepting("/short", "gzip"))).endsWith("0\r\n\r\n"), false);
        assertEquals((errors.at(-1) as { code: string }).code, "EIO");
      }
      await eventually("the files are closed", () => openDescriptorCount() < before + 10);
    });
  });

  it("sends plain what nobody can say the type of, and tells what that has thrown", async () => {
    const failure = new Error("by types");
    const compression = {
      types: (): boolean => {
        throw failure;
      },
    };
    const onErrorPage = (): string => TEXT;
    await withServer({ compression, onErrorPage }, (request) => {
      if (request.path === "/fails") throw new Error("by the handler");
      if (request.path === "/whole") return request.reply(200, TEXT);
      return request.replyFrom(200, [TEXT]);
    }, async ({ connect, errors }) => {
      const client = await connect();
      for (const path of ["/whole", "/pieces", "/fails"]) {
        const { status, headers, body } = await client.send(accepting(path, "gzip")).reply();
        assertEquals([status, headers["content-encoding"], body], [path === "/fails" ? 500 : 200, undefined, TEXT]);
      }
      assertEquals(errors.map(String), [...Array(3).fill("Error: by types"), "Error: by the handler"]);
    });
  });

  it("never sends identity as a coding, however long the body is", () => {
    const fields = { "Content-Encoding": "Identity" };
    return withServer({ compression: { minBytes: 10, maxBytes: 20 } }, (request) => {
      const body = "x".repeat(Number(request.query));
      if (request.path === "/whole") return request.reply(200, body, fields);
      const framing = { ...fields, ...(request.path === "/declared" ? { "Content-Length": String(body.length) } : {}) };
      return request.replyFrom(200, [body], framing);
    }, async ({ connect }) => {
      const client = await connect();
      for (const path of ["/whole", "/declared", "/pieces"]) {
        for (const length of [0, 5, 15, 25]) {
          const { headers, body } = await client.send(accepting(`${path}?${length}`, "gzip")).reply();
          assertEquals([headers["content-encoding"], body.length], [undefined, length], `${path} ${length}`);
        }
      }
    });
  });

  it("tells HEAD what GET would get, without a body", () =>
    withServer({ compression: true }, handler, async ({ connect }) => {
      const client = await connect();
      const length = (await client.send(accepting("/whole", "gzip")).reply()).headers["content-length"];
      for (const path of ["/whole", "/pieces"]) {
        const { headers } = await client.send(accepting(path, "gzip").replace("GET", "HEAD")).reply("HEAD");
        assertEquals([headers["content-encoding"], headers["content-length"]], [
          "gzip",
          path === "/whole" ? length : undefined,
        ]);
      }
      assertEquals(decoded(await client.send(accepting("/whole", "gzip")).reply()), TEXT);
    }));

  it("streams to HTTP/1.0 up to the end of the connection", () =>
    withServer({ compression: true }, handler, async ({ connect }) => {
      const client = await connect();
      const reply = await client.send("GET /pieces HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n").reply();
      assertEquals([decoded(reply), reply.headers["transfer-encoding"]], [`${TEXT}${TEXT}end`, undefined]);
    }));

  it("does so only where it is told to", () =>
    withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      const { headers, body } = await client.send(accepting("/whole", "gzip")).reply();
      assertEquals([headers["content-encoding"], headers["vary"], body], [undefined, undefined, TEXT]);
    }));

  it("has bounds and types that can be chosen", () =>
    withServer({
      compression: { minBytes: 3, maxBytes: 5, level: 9, codings: ["gzip"], types: new Set(["text/x"]) },
    }, (request) => {
      request.reply(200, request.body.takeText(), { "Content-Type": request.headers.get("x-type")! });
    }, async ({ connect }) => {
      const client = await connect();
      const coding = async (body: string, type: string): Promise<string | undefined> => {
        const reply = await client.send(post("/", body, `Accept-Encoding: br, gzip\r\nX-Type: ${type}\r\n`)).reply();
        assertEquals(decoded(reply), body);
        return reply.headers["vary"];
      };
      assertEquals(await coding("12", "text/x"), undefined);
      assertEquals(await coding("12345", "text/x; a=b"), "Accept-Encoding");
      assertEquals(await coding("123456", "text/x"), undefined);
      assertEquals(await coding("1234", "text/y"), undefined);
    }));

  it("refuses settings that are none", () => {
    using base = new EventBase();
    for (
      const compression of [{ level: 0 }, { minBytes: -1 }, { minBytes: 2, maxBytes: 1 }, { codings: ["zip" as "br"] }]
    ) {
      assertThrows(() => new HttpServer(base, { compression }), RangeError, "Cannot compress");
    }
  });
});
