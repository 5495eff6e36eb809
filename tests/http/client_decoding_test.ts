/** Bodies of responses that a client decodes. */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import type { EventBase } from "../../src/core/mod.ts";
import { acceptEncoding, decodesWholeBrotli } from "../../src/http/content_decoding.ts";
import { DIGEST_FIELDS } from "../../src/http/digest_fields.ts";
import { HttpClient, type HttpClientError, type HttpHandler, type HttpHeaders } from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Beside, besideServer, failure } from "./client_beside.ts";
import { answering, HOST, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: Beside): Promise<void> => besideServer(base, ...given);

  describe("HttpClient decodes", () => {
    const text = "hello ".repeat(1000);
    const codings: Record<string, Uint8Array> = {
      gzip: gzipSync(text),
      "x-gzip": gzipSync(text),
      deflate: deflateSync(text),
      "gzip, gzip": gzipSync(gzipSync(text)),
      br: brotliCompressSync(text),
      "gzip, br": brotliCompressSync(gzipSync(text)),
    };
    const brotli = brotliCompressSync(text);
    const cutBrotli = brotli.subarray(0, brotli.length - 1);
    const encoded: HttpHandler = (request) => {
      const name = decodeURIComponent(request.target.slice(1));
      if (name === "accept") request.reply(200, request.headers.get("accept-encoding") ?? "none");
      else if (name === "raw") request.reply(200, deflateRawSync(text), { "Content-Encoding": "deflate" });
      else if (name === "cut") request.reply(200, codings["gzip"]!.subarray(0, 20), { "Content-Encoding": "gzip" });
      else if (name === "cut br") request.reply(200, cutBrotli, { "Content-Encoding": "br" });
      else if (name === "bad") request.reply(200, "nonsense", { "Content-Encoding": "br" });
      else if (name === "unknown") request.reply(200, "as it is", { "Content-Encoding": "zstd" });
      else if (name === "bomb") request.reply(200, gzipSync(new Uint8Array(8_000_000)), { "Content-Encoding": "gzip" });
      else request.reply(200, codings[name]!, { "Content-Encoding": name });
    };
    const digested: HttpHandler = (request) => {
      for (const name of DIGEST_FIELDS) request.replyHeaders.set(name, "x");
      encoded(request);
    };
    const hasDigests = (headers: HttpHeaders | Headers): boolean[] => DIGEST_FIELDS.map((name) => headers.has(name));

    it("and leaves out the digests of what was encoded, and those only", () =>
      withServer(digested, async (client, url) => {
        for (const [name, isThere] of [["gzip", false], ["unknown", true]] as const) {
          const expected = DIGEST_FIELDS.map(() => isThere);
          assertEquals(hasDigests((await client.request(`${url}/${name}`)).headers), expected, name);
          const fetched = await client.fetch(`${url}/${name}`);
          assertEquals(hasDigests(fetched.headers), expected, name);
          await fetched.text();
        }
        const plain = await client.request(`${url}/gzip`, { decompress: false });
        assertEquals(hasDigests(plain.headers), DIGEST_FIELDS.map(() => true));
      }, { decompress: true }));

    it("what request() collects, when told to", () =>
      withServer(encoded, async (client, url) => {
        const whole = Object.keys(codings).filter((name) => decodesWholeBrotli() || !name.includes("br"));
        for (const name of [...whole, "raw"]) {
          const response = await client.request(`${url}/${encodeURIComponent(name)}`);
          assertEquals([response.text(), response.headers.has("content-encoding")], [text, false], name);
        }
        assertEquals((await client.request(`${url}/unknown`)).text(), "as it is");
        assertEquals((await client.request(`${url}/accept`)).text(), acceptEncoding("whole"));
        assertEquals((await client.request(`${url}/accept`, { decompress: false })).text(), "none");
        assertEquals((await client.request(`${url}/gzip`, { decompress: false })).body.length, codings["gzip"]!.length);
        assertEquals((await failure(client, `${url}/cut`)).code, "HTTP_BAD_ENCODING");
        for (const name of ["cut br", "bad"]) {
          if (decodesWholeBrotli()) assertEquals((await failure(client, `${url}/${name}`)).code, "HTTP_BAD_ENCODING");
          else assertEquals((await client.request(`${url}/${name}`)).headers.get("content-encoding"), "br");
        }
        assertEquals((await failure(client, `${url}/bomb`)).code, "HTTP_DATA_TOO_LONG");
        assertEquals((await failure(client, `${url}/gzip`, { maxBodyBytes: 5000 })).code, "HTTP_DATA_TOO_LONG");
      }, { decompress: true }));

    it("what fetch() streams", () =>
      withServer(encoded, async (client, url) => {
        for (const name of [...Object.keys(codings), "raw"]) {
          const response = await client.fetch(`${url}/${encodeURIComponent(name)}`);
          assertEquals([await response.text(), response.headers.has("content-encoding")], [text, false], name);
        }
        assertEquals(await (await client.fetch(`${url}/accept`)).text(), "gzip, deflate, br");
        const part = { headers: { Range: "bytes=0-99" } };
        assertEquals(await (await client.fetch(`${url}/accept`, part)).text(), "identity");
        for (const name of ["cut", "cut br", "bad", "bomb"]) {
          const response = await client.fetch(`${url}/${name}`);
          const code = name === "bomb" ? "HTTP_DATA_TOO_LONG" : "HTTP_BAD_ENCODING";
          const error = await rejection(response.arrayBuffer());
          assertInstanceOf(error, TypeError);
          assertEquals((error.cause as HttpClientError).code, code, name);
        }
        const bounded = await client.fetch(`${url}/gzip`, { maxBodyBytes: 5000 });
        const tooLong = await rejection(bounded.text());
        assertInstanceOf(tooLong, TypeError);
        assertEquals((tooLong.cause as HttpClientError).code, "HTTP_DATA_TOO_LONG");
        const dropped = await client.fetch(`${url}/gzip`);
        await dropped.body!.cancel();
      }));

    it("and tells why a body has ended early, which is no fault of its coding", () =>
      alongside(base, async () => {
        const plain = crypto.getRandomValues(new Uint8Array(50_000));
        for (const coding of ["gzip", "deflate", "br", "gzip, gzip"]) {
          const once = gzipSync(plain);
          const whole = coding === "br"
            ? brotliCompressSync(plain)
            : coding === "deflate"
            ? deflateSync(plain)
            : coding === "gzip"
            ? once
            : gzipSync(once);
          const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${whole.length}\r\n\r\n`;
          for (const isAborted of [false, true]) {
            using server = new ScriptedServer(base, (peer) => {
              peer.say(head);
              peer.stream.write(whole.subarray(0, 40_000));
            });
            using client = new HttpClient(base);
            const controller = new AbortController();
            const { signal } = controller;
            const reader = (await client.fetch(`http://${HOST}:${server.port}/`, { signal })).body!.getReader();
            let length = (await reader.read()).value!.length;
            const rest = rejection((async () => {
              for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
            })());
            assert(await isPending(rest));
            const reason = new DOMException("enough", "AbortError");
            if (isAborted) controller.abort(reason);
            else server.peers[0]!.end();
            const error = await rest;
            if (isAborted) {
              assertStrictEquals(error, reason);
            } else {
              assertInstanceOf(error, TypeError);
              assertEquals((error.cause as HttpClientError).code, "HTTP_EOF", coding);
            }
          }
        }
      }));

    it("and fails with the reason of a signal, whether all of it was taken to be decoded or none", () =>
      alongside(base, async () => {
        const encoded = String.fromCharCode(...gzipSync(new Uint8Array(8_000_000)));
        const answer =
          `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${encoded.length}\r\n\r\n${encoded}`;
        const reason = new Error("enough");
        using server = new ScriptedServer(base, answering(answer, answer));
        using client = new HttpClient(base, { maxDecompressionRatio: Infinity });
        for (const isBegun of [false, true]) {
          const controller = new AbortController();
          const { signal } = controller;
          const response = await client.fetch(`http://${HOST}:${server.port}/`, { signal });
          await eventually(() => client.idleCount === 1, "all of it has come");
          const reader = response.body!.getReader();
          if (isBegun) assert((await reader.read()).value!.length > 0);
          controller.abort(reason);
          const rest = (async () => {
            while (!(await reader.read()).done);
          })();
          assertStrictEquals(await rejection(rest), reason);
        }
      }));

    it("and is cancelled while it waits for more, also where decoding has not begun", () =>
      alongside(base, async () => {
        const head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10000\r\n\r\n";
        const begun = String.fromCharCode(...gzipSync("x".repeat(100)).subarray(0, 11));
        for (const answer of [head, head + begun]) {
          using server = new ScriptedServer(base, answering(answer));
          using client = new HttpClient(base);
          const response = await client.fetch(`http://${HOST}:${server.port}/`);
          const reader = response.body!.getReader();
          const read = reader.read();
          assert(await isPending(read));
          await reader.cancel("enough");
          assertEquals((await read).done, true);
          await eventually(() => client.connectionCount === 0, "the connection is given up");
        }
      }));
  });
});
