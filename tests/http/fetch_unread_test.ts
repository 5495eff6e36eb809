/** What becomes of responses whose bodies nobody reads. */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { gzipSync } from "node:zlib";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClient, type HttpClientError, type HttpClientOptions, HttpServer } from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { garbageCollector } from "../support/garbage.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";

const LENGTH = 8_000_000;
/** Bytes that gzip makes no shorter. */
const noise = new Uint8Array(new ArrayBuffer(LENGTH));
for (let at = 0, seed = 1; at < LENGTH; at++) noise[at] = (seed = Math.imul(seed, 1103515245) + 12345) >> 16;
const packed = gzipSync(noise, { level: 0 });

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => {
    base = backend.newBase();
  });
  afterEach(() => base.close());

  /** Runs `body` beside a server of long bodies, with a client that has one connection. */
  function withLongBodies(
    options: HttpClientOptions,
    body: (client: HttpClient, url: string) => Promise<void>,
  ): Promise<void> {
    return alongside(base, async () => {
      using server = new HttpServer(base, {}, (request) => {
        if (request.target === "/gzip") request.reply(200, packed, { "Content-Encoding": "gzip" });
        else if (request.target === "/short") request.reply(200, "short");
        else request.reply(200, noise);
      });
      const { port } = server.listen({ host: HOST, port: 0 });
      using client = new HttpClient(base, { maxConnectionsPerHost: 1, ...options });
      await body(client, `http://${HOST}:${port}`);
    });
  }

  describe("A response of fetch() that nobody reads", () => {
    for (const path of ["/", "/gzip"]) {
      it(`gives its connection back once it is garbage (${path})`, () =>
        withLongBodies({ unreadTimeoutMs: Infinity }, async (client, url) => {
          const collect = garbageCollector();
          // In a function of its own, whose variables are gone when it has returned.
          const ask = async (): Promise<number> => (await client.fetch(`${url}${path}`)).status;
          for (let count = 0; count < 3; count++) {
            assertEquals(await ask(), 200);
            await eventually(() => {
              collect();
              return client.connectionCount === 0;
            }, "the place of the dropped one is free");
          }
          assertEquals(await (await client.fetch(`${url}/short`)).text(), "short");
        }));

      it(`gives its connection back after a while even if it is kept (${path})`, () =>
        withLongBodies({ unreadTimeoutMs: 50 }, async (client, url) => {
          const kept = await client.fetch(`${url}${path}`);
          assertEquals(await (await client.fetch(`${url}/short`)).text(), "short");
          const error = await rejection(kept.arrayBuffer());
          assertInstanceOf(error, TypeError);
          assertEquals((error.cause as HttpClientError).code, "HTTP_UNREAD");
          assert(error.message.includes("50 ms"), error.message);
        }));
    }

    it("keeps no connection when its status has no body, whatever follows it", () =>
      alongside(base, async () => {
        for (const length of [10, LENGTH]) {
          const answer = `HTTP/1.1 205 \r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
          using server = new ScriptedServer(base, answering(answer, ok("next")));
          using client = new HttpClient(base, { maxConnectionsPerHost: 1, unreadTimeoutMs: Infinity });
          const url = `http://${HOST}:${server.port}/`;
          const first = await client.fetch(url);
          assertEquals([first.status, first.body], [205, null]);
          assertEquals(await (await client.fetch(url)).text(), "next");
          assertEquals(server.peers.length, length === LENGTH ? 2 : 1);
        }
      }));

    it("may say for itself how long it is kept", () =>
      withLongBodies({}, async (client, url) => {
        const kept = await client.fetch(url, { unreadTimeoutMs: 50 });
        await eventually(() => client.connectionCount === 0, "it is given up");
        const error = await rejection(kept.body!.getReader().closed);
        assertEquals((error.cause as HttpClientError).code, "HTTP_UNREAD");
        assertThrows(() => new HttpClient(base, { unreadTimeoutMs: 0 }), RangeError, "unreadTimeoutMs");
        assertInstanceOf(await rejection(client.fetch(url, { unreadTimeoutMs: -1 })), RangeError);
      }));

    it("costs its connection nothing when it is short, or was read as far as it came", () =>
      withLongBodies({ unreadTimeoutMs: 50 }, async (client, url) => {
        const first = await client.fetch(`${url}/short`);
        const second = await client.fetch(`${url}/short`);
        await new Promise((resolve) => setTimeout(resolve, 100));
        assertEquals([await first.text(), await second.text()], ["short", "short"]);
        assertEquals(client.idleCount, 1);
      }));
  });

  describe("A response of fetch() that is read", () => {
    it("is not given up while its reader is all that is left, and waits", () =>
      alongside(base, async () => {
        const collect = garbageCollector();
        let release = (): void => {};
        let isAsked = false;
        using server = new HttpServer(base, {}, (request) => {
          isAsked = true;
          request.replyStart(200);
          request.replyChunk("begun ");
          release = (): void => {
            request.replyChunk("and ended");
            request.replyEnd();
          };
        });
        const { port } = server.listen({ host: HOST, port: 0 });
        using client = new HttpClient(base);
        const read = client.fetch(`http://${HOST}:${port}/`).then((response) => response.text());
        await eventually(() => isAsked, "it is asked for");
        for (let count = 0; count < 5; count++) {
          collect();
          assert(await isPending(read));
        }
        release();
        assertEquals(await read, "begun and ended");
      }));

    for (const path of ["/", "/gzip"]) {
      it(`may be read slowly, however long that takes in all, and whatever is collected meanwhile (${path})`, () =>
        withLongBodies({ unreadTimeoutMs: 2000 }, async (client, url) => {
          const collect = garbageCollector();
          const reader = (await client.fetch(`${url}${path}`)).body!.getReader();
          let [length, pieces] = [0, 0];
          for (let next = await reader.read(); !next.done; next = await reader.read()) {
            for (let at = 0; at < next.value.length; at += 997) assertEquals(next.value[at], noise[length + at]);
            length += next.value.length;
            if (++pieces > 8) continue;
            collect();
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          assertEquals(length, LENGTH);
        }));
    }

    for (const path of ["/", "/gzip"]) {
      it(`is not given up while somebody has it who has not begun to read (${path})`, () =>
        withLongBodies({}, async (client, url) => {
          const collect = garbageCollector();
          const response = await client.fetch(`${url}${path}`);
          for (let count = 0; count < 10; count++) {
            collect();
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          assertEquals((await response.arrayBuffer()).byteLength, LENGTH);
        }));
    }

    it("is handed on in few pieces, all of it, however small those were in which it came", () =>
      alongside(base, async () => {
        const letters = Array.from({ length: 40_000 }, (_, at) => String.fromCharCode(97 + at % 26));
        const large = "L".repeat(5000);
        const pieces = [...letters.slice(0, 20_000), large, ...letters.slice(20_000)];
        const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("");
        using server = new ScriptedServer(
          base,
          answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`),
        );
        using client = new HttpClient(base);
        const response = await client.fetch(`http://${HOST}:${server.port}/`);
        await eventually(() => client.idleCount === 1, "all of it has come");
        const received: Uint8Array[] = [];
        for await (const piece of response.body!) received.push(piece);
        assertEquals(await new Response(new Blob(received as BlobPart[])).text(), pieces.join(""));
        assert(received.length < 20, `${received.length} pieces`);
      }));

    it("ends for its reader as soon as it fails, whether that reads or not", () =>
      withLongBodies({}, async (client, url) => {
        const controller = new AbortController();
        const response = await client.fetch(url, { signal: controller.signal });
        const reader = response.body!.getReader();
        const reason = new Error("enough");
        controller.abort(reason);
        assertEquals(await rejection(reader.closed), reason);
        assertEquals(await rejection(reader.read()), reason);
      }));
  });
});
