/** Other implementations: the ws package as client and as server, and the WebSocket of the runtime that runs the tests. */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpServer } from "../../src/http/mod.ts";
import { connectWebSocket, type UpgradeOptions, upgradeWebSocket, type WebSocketClose } from "../../src/ws/mod.ts";
import { eventually, type Signal, signal } from "../http/server_support.ts";
import { withBase } from "./base_support.ts";
import { type PeerSocket, ws } from "./ws_package.ts";

const TEXTS = ["", "a", "é", "日本語 🎉", "x".repeat(125), "y".repeat(126), "ab ".repeat(30_000), "\ufeffmark", "\0"];
const BYTES = [0, 1, 125, 126, 65_535, 65_536, 300_000].map((length) => new Uint8Array(length).map((_, at) => at * 13));

/** Our server, which echoes, and how its sessions have ended. */
function serve(
  base: EventBase,
  options: UpgradeOptions = {},
): { server: HttpServer; url: string; closes: WebSocketClose[] } {
  const closes: WebSocketClose[] = [];
  const server = new HttpServer(base, {}, (request) => {
    upgradeWebSocket(request, {
      message: (data, session) => void session.send(data),
      close: (code, reason, wasClean) => void closes.push({ code, reason, wasClean }),
      ...options,
    });
  });
  return { server, url: `ws://127.0.0.1:${server.listen({ port: 0 }).port}/`, closes };
}

/** Waits until a peer is open. */
function opened(socket: PeerSocket): Promise<void> {
  const open: Signal<void> = signal();
  socket.on("open", () => open.resolve());
  socket.on("error", () => {});
  return open.promise;
}

describe("a session with the ws package", () => {
  for (const compresses of [false, true]) {
    it(`as its client ${compresses ? "with" : "without"} compression`, () =>
      withBase(async (base) => {
        const { server, url, closes } = serve(base, { deflate: compresses, protocols: ["b"] });
        const options = { perMessageDeflate: compresses ? { threshold: 0 } : false };
        const peer = new ws.WebSocket(url, ["a", "b"], options);
        const got: (string | Uint8Array)[] = [];
        peer.on("message", (data, isBinary) =>
          got.push(isBinary ? Uint8Array.from(data) : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data)));
        await opened(peer);
        assertEquals([peer.protocol, peer.extensions], ["b", compresses ? "permessage-deflate" : ""]);
        for (const message of [...TEXTS, ...BYTES]) {
          peer.send(message);
        }
        peer.send("in ", { fin: false });
        const pong: Signal<string> = signal();
        peer.on("pong", (data) =>
          pong.resolve(new TextDecoder().decode(data)));
        peer.ping("between");
        peer.send("fragments", { fin: true });
        const expected = [...TEXTS, ...BYTES, "in fragments"];
        await eventually("all is back", () =>
          got.length === expected.length);
        assertEquals(got, expected);
        assertEquals(await pong.promise, "between");
        const end: Signal<string> = signal();
        peer.on("close", (code, reason) => end.resolve(`${code} ${new TextDecoder().decode(reason)}`));
        peer.close(4001, "because");
        assertEquals(await end.promise, "4001 because");
        assertEquals(closes, [{ code: 4001, reason: "because", wasClean: true }]);
        server.close();
      }));

    it(`as its server ${compresses ? "with" : "without"} compression`, () =>
      withBase(async (base) => {
        const listening: Signal<void> = signal();
        const options = { port: 0, host: "127.0.0.1", perMessageDeflate: compresses ? { threshold: 0 } : false };
        const server = new ws.WebSocketServer(options);
        server.on("listening", () => listening.resolve());
        const ends: string[] = [];
        server.on("connection", (socket) => {
          socket.on("message", (data, isBinary) =>
            socket.send(isBinary ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data)));
          socket.on("close", (code, reason) =>
            ends.push(`${code} ${new TextDecoder().decode(reason)}`));
        });
        await listening.promise;
        const pongs: string[] = [];
        const session = await connectWebSocket(base, `ws://127.0.0.1:${server.address().port}/`, {
          deflate: compresses ? { minBytes: 0 } : false,
          pong: (data) => void pongs.push(new TextDecoder().decode(data)),
        });
        assertEquals(session.extensions, compresses ? "permessage-deflate" : "");
        const expected = [...TEXTS, ...BYTES, "in fragments"];
        for (const message of [...TEXTS, ...BYTES]) session.send(message);
        session.sendFragment("in ", false);
        session.ping("between");
        session.sendFragment("fragments", true);
        const got: (string | Uint8Array)[] = [];
        for await (const message of session) {
          if (got.push(message) === expected.length) session.close(4001, "because");
        }
        assertEquals(got, expected);
        assertEquals(pongs, ["between"]);
        assertEquals(await session.whenClosed(), { code: 4001, reason: "because", wasClean: true });
        await eventually("it is over there too", () => ends.length === 1);
        assertEquals(ends, ["4001 because"]);
        server.close();
      }));
  }

  it("is refused by either side with a status", () =>
    withBase(async (base) => {
      const { server, url } = serve(base, { checkOrigin: () => false });
      const status: Signal<number> = signal();
      const peer = new ws.WebSocket(url);
      peer.on("error", () => {});
      peer.on("unexpected-response", (_request, response) => {
        status.resolve(response.statusCode);
        peer.terminate();
      });
      assertEquals(await status.promise, 403);
      server.close();
    }));

  it("agrees about windows and takeover of contexts", () =>
    withBase(async (base) => {
      const { server, url } = serve(base, {
        deflate: { serverMaxWindowBits: 9, clientNoContextTakeover: true, minBytes: 0 },
      });
      for (
        const perMessageDeflate of [{ threshold: 0 }, {
          threshold: 0,
          serverNoContextTakeover: true,
          clientMaxWindowBits: 10,
        }]
      ) {
        const peer = new ws.WebSocket(url, [], { perMessageDeflate });
        const got: string[] = [];
        peer.on("message", (data) => got.push(new TextDecoder().decode(data)));
        await opened(peer);
        const texts = Array.from({ length: 20 }, (_, at) => `some words, and again some words: ${at} `.repeat(at));
        for (const text of texts) peer.send(text);
        await eventually("all is back", () => got.length === texts.length);
        assertEquals(got, texts);
        peer.terminate();
      }
      server.close();
    }));
});

describe("a session with the runtime's own client", () => {
  it("talks and closes", () =>
    withBase(async (base) => {
      const { server, url, closes } = serve(base, { deflate: true, protocols: ["chat"] });
      const socket = new WebSocket(url, ["chat"]);
      socket.binaryType = "arraybuffer";
      const got: (string | Uint8Array)[] = [];
      const open: Signal<void> = signal();
      const end: Signal<string> = signal();
      socket.onopen = () => open.resolve();
      socket.onmessage = ({ data }) => got.push(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      socket.onclose = ({ code, reason, wasClean }) => end.resolve(`${code} ${reason} ${wasClean}`);
      await open.promise;
      assertEquals(socket.protocol, "chat");
      const expected = [...TEXTS.filter((text) => !text.startsWith("\ufeff")), ...BYTES];
      for (const message of expected) socket.send(message as string);
      await eventually("all is back", () => got.length === expected.length);
      assertEquals(got, expected);
      socket.close(3500, "fin");
      assertMatch(await end.promise, /^3500 fin true$/);
      await eventually("it is over here too", () => closes.length === 1);
      assertEquals(closes, [{ code: 3500, reason: "fin", wasClean: true }]);
      server.close();
    }));

  it("hears of a close by the server", () =>
    withBase(async (base) => {
      const { server, url } = serve(base, { message: (_data, session) => session.close(4000, "no more") });
      const socket = new WebSocket(url);
      const end: Signal<string> = signal();
      socket.onopen = () => socket.send("x");
      socket.onclose = ({ code, reason }) => end.resolve(`${code} ${reason}`);
      assertEquals(await end.promise, "4000 no more");
      server.close();
    }));
});
