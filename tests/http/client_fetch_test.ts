/** A client by the face of the standard fetch(). */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { type FetchInit, HttpClient, type HttpClientError } from "../../src/http/mod.ts";
import { alongside, eventually, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Beside, besideServer, echo } from "./client_beside.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";

const encoder = new TextEncoder();

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: Beside): Promise<void> => besideServer(base, ...given);

  describe("HttpClient.fetch", () => {
    it("takes what the standard's takes, and answers with a standard Response", () =>
      withServer(echo, async (client, url) => {
        const response = await client.fetch(new URL(`${url}/a`));
        assertInstanceOf(response, Response);
        assertEquals([response.status, response.ok, response.url, response.redirected], [200, true, `${url}/a`, false]);
        assertEquals(response.headers.get("content-type"), "text/plain;charset=utf-8");
        assert((await response.text()).startsWith("GET /a  "));
        const posted = await client.fetch(new Request(`${url}/b`, { method: "POST", body: "from a Request" }));
        assert((await posted.text()).startsWith("POST /b from a Request "));
        const form = await client.fetch(`${url}/c`, { method: "POST", body: new URLSearchParams({ a: "b c" }) });
        const text = await form.text();
        assert(
          text.includes("a=b+c") && text.includes("application/x-www-form-urlencoded") &&
            text.includes("Content-Length=5"),
          text,
        );
        assertEquals((await client.fetch(`${url}/d`, { method: "HEAD" })).body, null);
        assertEquals((await client.fetch(`${url}/e?f#g`)).url, `${url}/e?f`);
      }));

    it("says of a clone of a response where it came from, and both can be read", () =>
      withServer((request) => {
        if (request.target === "/moved") request.reply(302, "", { Location: "/there" });
        else request.reply(200, "twice");
      }, async (client, url) => {
        const response = await client.fetch(`${url}/moved`);
        const clone = response.clone();
        const third = clone.clone();
        for (const each of [response, clone, third]) {
          assertInstanceOf(each, Response);
          assertEquals([each.url, each.redirected, await each.text()], [`${url}/there`, true, "twice"]);
        }
        assertThrows(() => response.clone(), TypeError);
      }));

    it("says how long a body is that is there as a whole, also that of a Request, and can send it again", () =>
      withServer((request) => {
        if (request.target === "/moved") request.reply(307, "", { Location: "/there" });
        else echo(request);
      }, async (client, url) => {
        for (const body of ["text", "", new Uint8Array(300_000), new URLSearchParams("a=b")]) {
          const made = new Request(`${url}/moved`, { method: "PUT", body });
          const length = (await made.clone().arrayBuffer()).byteLength;
          const text = await (await client.fetch(made)).text();
          assert(text.startsWith("PUT /there "), text.slice(0, 100));
          assert(new RegExp(`content-length=${length};`, "i").test(text), text.slice(-300));
        }
      }));

    it("streams the body of a Request that takes its time, and ends it when nobody wants it", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(
          base,
          (peer) => void (peer.received.endsWith("0\r\n\r\n") && peer.say(ok(""))),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        for (const waits of [0, 1, 2]) {
          const body = new ReadableStream<Uint8Array>({
            async start(controller): Promise<void> {
              for (let count = 0; count < 3; count++) {
                if (count === waits) {
                  await eventually(() => server.peers[0]?.received.includes(`/waits-${waits}`) === true, "");
                }
                controller.enqueue(encoder.encode(`<${count}>`));
              }
              controller.close();
            },
          });
          const init = { method: "POST", body, duplex: "half" } as RequestInit;
          assertEquals((await client.fetch(new Request(`${url}waits-${waits}`, init))).status, 200);
          assert(server.peers[0]!.received.endsWith("<0>\r\n3\r\n<1>\r\n3\r\n<2>\r\n0\r\n\r\n"));
        }
        let isCancelled = false;
        const endless = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
        const controller = new AbortController();
        const { signal } = controller;
        const init = { method: "POST", body: endless, duplex: "half", signal } as RequestInit;
        const fetched = rejection(client.fetch(url, init));
        controller.abort(new Error("enough"));
        assertEquals((await fetched).message, "enough");
        await eventually(() => isCancelled, "the stream is cancelled");
      }));

    it("frames bodies itself, whatever the fields of a request say that is passed on", () =>
      withServer(echo, async (client, url) => {
        const text = async (init: RequestInit): Promise<string> => (await client.fetch(url, init)).text();
        const framing = { "Transfer-Encoding": "chunked", "Content-Length": "7" };
        const posted = await text({ method: "POST", headers: framing, body: "four" });
        assert(/^POST \/ four .*content-length=4;/i.test(posted) && !/chunked/.test(posted), posted);
        assert(!/chunked|content-length/i.test(await text({ headers: framing })));
        const body = new Blob(["streamed"]).stream();
        const streamed = await text(
          { method: "POST", body, headers: { "Content-Length": "8" }, duplex: "half" } as RequestInit,
        );
        assert(/^POST \/ streamed .*content-length=8;/i.test(streamed), streamed);
      }));

    it("streams both ways, no faster than the other side", () =>
      alongside(base, async () => {
        let pulled = 0;
        using server = new ScriptedServer(base, (peer) => {
          if (!peer.received.endsWith("0\r\n\r\n")) return;
          peer.say("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
          peer.stream.output.addReference(new Uint8Array(20_000_000).fill(0x7a));
        });
        using client = new HttpClient(base);
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => {
            controller.enqueue(encoder.encode(`piece ${pulled++};`));
            if (pulled === 3) controller.close();
          },
        });
        const response = await client.fetch(`http://${HOST}:${server.port}/`, { method: "POST", body, duplex: "half" });
        const peer = server.peers[0]!;
        assert(
          peer.received.includes("transfer-encoding: chunked") || peer.received.includes("Transfer-Encoding: chunked"),
        );
        assert(peer.received.endsWith("8\r\npiece 0;\r\n8\r\npiece 1;\r\n8\r\npiece 2;\r\n0\r\n\r\n"), peer.received);
        let before = -1;
        await eventually(() => {
          const left = peer.stream.output.length;
          const stood = left === before && left > 0;
          before = left;
          return stood;
        }, "the server has to wait");
        let length = 0;
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) length += piece.length;
        assertEquals(length, 20_000_000);
        assertEquals(client.idleCount, 1);
      }));

    it("follows redirects, refuses them or hands them out", () =>
      withServer((request) => {
        if (request.target === "/to") request.reply(200, "there");
        else request.reply(302, "", { Location: "/to" });
      }, async (client, url) => {
        const followed = await client.fetch(url);
        assertEquals([await followed.text(), followed.redirected, followed.url], ["there", true, `${url}/to`]);
        const manual = await client.fetch(url, { redirect: "manual" });
        assertEquals([manual.status, manual.headers.get("location")], [302, "/to"]);
        await manual.body?.cancel();
        assertInstanceOf(await rejection(client.fetch(url, { redirect: "error" })), TypeError);
      }));

    it("rejects with a TypeError that has a cause, or with the reason of a signal", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(
          base,
          answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", (peer) => peer.end(), () => {}),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        const controller = new AbortController();
        const { signal } = controller;
        const begun = await client.fetch(url, { signal });
        const text = rejection(begun.text());
        controller.abort(new Error("enough"));
        assertEquals((await text).message, "enough");
        const error = await rejection(client.fetch(url));
        assertInstanceOf(error, TypeError);
        assertEquals((error.cause as HttpClientError).code, "HTTP_EOF");
        const reason = new Error("before");
        assertStrictEquals(await rejection(client.fetch(url, { signal: AbortSignal.abort(reason) })), reason);
        const later = new AbortController();
        const waiting = rejection(client.fetch(url, { signal: later.signal }));
        await eventually(() => server.peers.length === 3, "it has connected");
        later.abort(reason);
        assertStrictEquals(await waiting, reason);
        assertInstanceOf(await rejection(client.fetch("/relative")), TypeError);
        assertInstanceOf(await rejection(client.fetch("https://127.0.0.1/")), TypeError);
      }));

    it("fails with the reason of a signal for as long as its body is not read, also when all of that has come", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(...Array(6).fill(ok("hello")) as string[]));
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        const reason = new Error("enough");
        const asked = async (isRequest: boolean, controller: AbortController): Promise<Response> => {
          const init = { signal: controller.signal };
          const response = await (isRequest ? client.fetch(new Request(url, init)) : client.fetch(url, init));
          await eventually(() => client.idleCount === 1, "all of it has come");
          return response;
        };
        for (const isRequest of [false, true]) {
          const unread = new AbortController();
          const response = await asked(isRequest, unread);
          unread.abort(reason);
          assertStrictEquals(await rejection(response.text()), reason);
          const read = new AbortController();
          const text = await (await asked(isRequest, read)).text();
          read.abort(reason);
          assertEquals(text, "hello");
          const cancelled = new AbortController();
          const { body } = await asked(isRequest, cancelled);
          await body!.cancel();
          cancelled.abort(reason);
          assertEquals((await body!.getReader().read()).done, true);
        }
        assertEquals(server.peers.length, 1);
      }));

    it("fails with a TypeError that has a cause also by a body, of either side, and by what no Response can say", () =>
      alongside(base, async () => {
        const encoded = (body: string): string => ok(body, "Content-Encoding: gzip\r\n");
        using server = new ScriptedServer(
          base,
          answering(
            encoded("no gzip"),
            ok("0123456789"),
            "HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
          ),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        const failing = (): ReadableStream<Uint8Array> =>
          new ReadableStream({ pull: (controller) => controller.error(new Error("source")) });
        const init = (): FetchInit => ({ method: "POST", body: failing(), duplex: "half" });
        const bodies: [() => Promise<unknown>, string][] = [
          [async () => (await client.fetch(url)).text(), "HTTP_BAD_ENCODING"],
          [async () => (await client.fetch(url, { maxBodyBytes: 5 })).text(), "HTTP_DATA_TOO_LONG"],
          [() => client.fetch(url), "HTTP_INVALID_RESPONSE"],
          [() => client.fetch(url, { redirect: "error" }), "HTTP_BAD_REDIRECT"],
          [() => client.fetch(url, init()), "HTTP_BODY_FAILED"],
          [() => client.fetch(new Request(url, init() as RequestInit)), "HTTP_BODY_FAILED"],
        ];
        for (const [fetched, code] of bodies) {
          const error = await rejection(fetched());
          assertInstanceOf(error, TypeError, code);
          assertEquals((error.cause as HttpClientError).code, code);
        }
      }));

    it("hands out no response that changes the protocol, and leaves nothing open of one", () =>
      alongside(base, async () => {
        const switching = "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nand more";
        using server = new ScriptedServer(base, answering(switching, switching, switching));
        using client = new HttpClient(base);
        const headers = { Upgrade: "x", Connection: "Upgrade" };
        for (let count = 1; count <= 3; count++) {
          const error = await rejection(client.fetch(`http://${HOST}:${server.port}/`, { headers }));
          assertInstanceOf(error, TypeError);
          assertEquals((error.cause as HttpClientError).code, "HTTP_INVALID_RESPONSE");
          assertEquals(client.connectionCount, 0);
          await eventually(() => server.peers.length === count && server.peers[count - 1]!.isOver, "it is closed");
        }
      }));

    it("goes by the client's own fields where the request has none, what it accepts among them", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok(""), ok(""), ok(""), ok("")));
        const url = `http://${HOST}:${server.port}/`;
        const fields = async (own: HeadersInit, headers: Record<string, string>): Promise<string[]> => {
          using client = new HttpClient(base, { headers: own as Record<string, string>, decompress: true });
          await client.fetch(url, { headers });
          const { received } = server.peers.at(-1)!;
          return [...received.matchAll(/^(?:accept|range)[\w-]*: .*$/gmi)].map(([line]) => line.toLowerCase()).sort();
        };
        const own = { Accept: "a/b", "Accept-Encoding": "identity" };
        assertEquals(await fields(own, {}), ["accept-encoding: identity", "accept: a/b"]);
        assertEquals(await fields(own, { Accept: "c/d" }), ["accept-encoding: identity", "accept: c/d"]);
        const range = "bytes=0-1";
        assertEquals(
          await fields({ Range: range }, {}),
          ["accept-encoding: identity", "accept: */*", `range: ${range}`],
        );
        // Nor does request() ask for a part of something encoded.
        using client = new HttpClient(base, { headers: { Range: range }, decompress: true });
        await client.request(url);
        assert(!/accept-encoding/i.test(server.peers.at(-1)!.received));
      }));

    it("refuses to pass over an integrity that it does not check", () =>
      withServer(echo, async (client, url) => {
        const integrity = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assertInstanceOf(await rejection(client.fetch(url, { integrity })), TypeError);
        assertEquals(client.connectionCount, 0);
        assertEquals((await client.fetch(url, { integrity: "" })).status, 200);
      }));

    it("gives a connection free when a body is cancelled", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"));
        using client = new HttpClient(base);
        const response = await client.fetch(`http://${HOST}:${server.port}/`);
        await response.body!.cancel();
        await eventually(() => client.connectionCount === 0, "it is closed");
      }));
  });
});
