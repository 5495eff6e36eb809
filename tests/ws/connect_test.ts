import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  type BufferEvent,
  EV_READ,
  type EventBase,
  Listener,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { HttpServer } from "../../src/http/mod.ts";
import { TlsContext } from "../../src/tls/mod.ts";
import {
  connectWebSocket,
  type UpgradeOptions,
  upgradeWebSocket,
  type WebSocketConnectOptions,
  WebSocketError,
  type WebSocketSession,
} from "../../src/ws/mod.ts";
import { acceptOf } from "../../src/ws/handshake.ts";
import { eventually } from "../http/server_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { withBase } from "./base_support.ts";
import { frame } from "./frame_support.ts";

/** A server whose every request becomes a session that echoes. */
function serve(base: EventBase, options: UpgradeOptions = {}): HttpServer {
  return new HttpServer(base, {}, (request) => {
    const message = (data: string | Uint8Array, session: WebSocketSession): void => void session.send(data);
    upgradeWebSocket(request, { message, ...options });
  });
}

/** A server that answers every request by a text, in which `KEY` stands for the right answer to its key. */
function serveText(base: EventBase, reply: string, requests: string[] = [], tls?: TlsContext): Listener {
  return new Listener(base, { port: 0 }, (fd) => {
    const socket = new SocketBufferEvent(base, fd);
    const stream: BufferEvent = tls === undefined ? socket : tls.secure(socket);
    let text = "";
    stream.setCallbacks({
      read: () => {
        text += stream.input.takeText();
        if (!text.endsWith("\r\n\r\n")) return;
        requests.push(text);
        const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(text)![1]!;
        if (reply === "") stream.close();
        else stream.output.addLatin1(reply.replace("KEY", acceptOf(key)));
      },
      event: (what) => {
        if ((what & BEV_EVENT_EOF) !== 0) stream.closeAfterFlush();
        else if ((what & BEV_EVENT_CONNECTED) === 0) stream.close();
      },
    });
    stream.enable(EV_READ);
  });
}

function portOf({ address }: Listener): number {
  return address.family === "unix" ? 0 : address.port;
}

const AGREED =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n";

/** The code a connect is rejected with. */
async function failure(connecting: Promise<WebSocketSession>): Promise<WebSocketError> {
  const error = await connecting.then(() => "opened", (reason: unknown) => reason);
  assert(error instanceof WebSocketError, String(error));
  return error;
}

describe("connectWebSocket", () => {
  forEachBackend((backend) => {
    it("opens sessions that talk both ways and close", () =>
      withBase(async (base) => {
        using server = serve(base);
        const { port } = server.listen({ port: 0 });
        // What the loop itself opens, it has opened after the first time.
        let before = Infinity;
        for (let round = 0; round < 3; round++) {
          const session = await connectWebSocket(base, `ws://127.0.0.1:${port}/path?query`);
          const got: unknown[] = [];
          session.sendText("héllo");
          session.sendBinary(new Uint8Array(100_000).fill(round));
          for await (const message of session) {
            got.push(message);
            if (got.length === 2) session.close(3000, "enough");
          }
          assertEquals(got, ["héllo", new Uint8Array(100_000).fill(round)]);
          assertEquals(await session.whenClosed(), { code: 3000, reason: "enough", wasClean: true });
          await eventually("the server has closed it too", () => server.connectionCount === 0);
          before = Math.min(before, openDescriptorCount());
        }
        assertEquals(openDescriptorCount(), before);
      }, backend.newBase()));
  });

  it("asks as RFC 6455 section 4.1 says, with another key every time", () =>
    withBase(async (base) => {
      const requests: string[] = [];
      using listener = serveText(base, `${AGREED}Sec-WebSocket-Protocol: b\r\n\r\n\x81\x05early`, requests);
      const options: WebSocketConnectOptions = {
        protocols: ["a", "b"],
        headers: { Origin: "http://x" },
        deflate: true,
      };
      for (let round = 0; round < 2; round++) {
        const session = await connectWebSocket(base, new URL(`ws://localhost:${portOf(listener)}/a%20b?c`), options);
        assertEquals([session.protocol, session.extensions], ["b", ""]);
        assertEquals((await session[Symbol.asyncIterator]().next()).value, "early");
        session.terminate();
      }
      assertStringIncludes(requests[0]!, "GET /a%20b?c HTTP/1.1\r\n");
      assertStringIncludes(requests[0]!, `\r\nHost: localhost:${portOf(listener)}\r\n`);
      assertStringIncludes(requests[0]!, "\r\nOrigin: http://x\r\n");
      assertStringIncludes(requests[0]!, "\r\nSec-WebSocket-Version: 13\r\n");
      assertStringIncludes(requests[0]!, "\r\nSec-WebSocket-Protocol: a, b\r\n");
      assertStringIncludes(
        requests[0]!,
        "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
      );
      const keys = requests.map((text) => /Sec-WebSocket-Key: ([A-Za-z0-9+/]{22}==)\r\n/.exec(text)?.[1]);
      assertEquals([keys.includes(undefined), keys[0] === keys[1]], [false, false]);
    }));

  it("agrees with our server upon compression and subprotocol", () =>
    withBase(async (base) => {
      using server = serve(base, { deflate: true, protocols: ["chat"] });
      const { port } = server.listen({ port: 0 });
      const session = await connectWebSocket(base, `ws://127.0.0.1:${port}/`, {
        deflate: { minBytes: 0 },
        protocols: ["other", "chat"],
      });
      assertEquals([session.protocol, session.extensions], ["chat", "permessage-deflate"]);
      const texts = Array.from({ length: 30 }, (_, at) => `message ${at} `.repeat(at * 20));
      for (const text of texts) session.send(text);
      const got: unknown[] = [];
      for await (const message of session) {
        if (got.push(message) === texts.length) session.close();
      }
      assertEquals(got, texts);
    }));

  it("refuses replies that are no agreement", () =>
    withBase(async (base) => {
      const replies: readonly [string, RegExp][] = [
        ["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", /the reply is 404 Not Found/],
        ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", /the reply is 200 OK/],
        ["HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", /302/],
        [`${AGREED.replace("Upgrade: websocket", "Upgrade: h2c")}\r\n`, /Upgrade field/],
        [`${AGREED.replace("Connection: Upgrade\r\n", "")}\r\n`, /Connection field/],
        [`${AGREED.replace("KEY", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")}\r\n`, /Sec-WebSocket-Accept/],
        [`${AGREED}Sec-WebSocket-Accept: KEY\r\n\r\n`, /Sec-WebSocket-Accept/],
        [`${AGREED}Sec-WebSocket-Protocol: chat\r\n\r\n`, /subprotocol/],
        [`${AGREED}Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n`, /subprotocol/],
        [`${AGREED}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n`, /extensions/],
        [`${AGREED}Sec-WebSocket-Extensions: x-other\r\n\r\n`, /extensions/],
        ["SSH-2.0-OpenSSH_9.2\r\n", /Cannot parse/],
        ["", /ended/],
      ];
      for (const [reply, message] of replies) {
        using listener = serveText(base, reply);
        const error = await failure(
          connectWebSocket(base, `ws://127.0.0.1:${portOf(listener)}/`, { protocols: ["a"] }),
        );
        assertEquals(error.code, "WS_HANDSHAKE_FAILED");
        assertMatch(error.message, message);
        const status = /^HTTP\/1\.1 (?!101)(\d+)/.exec(reply)?.[1];
        assertEquals(error.status, status === undefined ? undefined : Number(status));
      }
      using interim = serveText(base, `HTTP/1.1 103 Early Hints\r\n\r\n${AGREED}\r\n`);
      (await connectWebSocket(base, `ws://127.0.0.1:${portOf(interim)}/`)).terminate();
    }));

  it("gives up in time, when told so, and when there is nobody, and leaves nothing open", () =>
    withBase(async (base) => {
      let before = Infinity;
      // What the loop itself opens, it has opened after the first time.
      for (let round = 0; round < 3; round++) {
        const accepted: SocketBufferEvent[] = [];
        using silent = new Listener(base, { port: 0 }, (fd) => accepted.push(new SocketBufferEvent(base, fd)));
        const url = `ws://127.0.0.1:${portOf(silent)}/`;
        const late = await failure(connectWebSocket(base, url, { handshakeTimeoutMs: 20 }));
        assertEquals(late.code, "WS_HANDSHAKE_TIMEOUT");
        const controller = new AbortController();
        const reason = (signal: AbortSignal): Promise<unknown> =>
          connectWebSocket(base, url, { signal }).catch((reason: unknown) => reason);
        const aborted = reason(controller.signal);
        await eventually("both are accepted", () => accepted.length === 2);
        controller.abort("enough");
        assertEquals(await aborted, "enough");
        assertEquals(await reason(AbortSignal.abort("early")), "early");
        for (const stream of accepted) stream.close();
        silent.close();
        const refused = await connectWebSocket(base, url).catch((reason: { code?: string }) => reason.code);
        assertEquals(refused, "ECONNREFUSED");
        if (round > 0) await eventually("nothing is left open", () => openDescriptorCount() <= before);
        before = openDescriptorCount();
      }
    }));

  it("refuses addresses and options that are none", () =>
    withBase(async (base) => {
      const name = (url: string, options?: WebSocketConnectOptions): Promise<string> =>
        connectWebSocket(base, url, options).then(() => "opened", (error: Error) => error.name);
      for (
        const url of [
          "http://127.0.0.1/",
          "ws://127.0.0.1/#x",
          "ws://127.0.0.1/#",
          "ws://u:p@127.0.0.1/",
          "wss://127.0.0.1/",
          "ws:",
          "",
        ]
      ) {
        assertEquals(await name(url), "TypeError", url);
      }
      const url = "ws://127.0.0.1:1/";
      assertEquals(await name(url, { protocols: ["a b"] }), "TypeError");
      assertEquals(await name(url, { protocols: ["a", "a"] }), "TypeError");
      assertEquals(await name(url, { headers: { Upgrade: "x" } }), "TypeError");
      assertEquals(await name(url, { handshakeTimeoutMs: 0 }), "RangeError");
      assertEquals(await name(url, { deflate: { level: 10 } }), "RangeError");
      assertEquals(await name(url, { outputPolicy: "dorp" as "drop" }), "TypeError");
      const [stream, other] = PairBufferEvent.create(base);
      stream.close();
      other.close();
      assertEquals(await name(url, { stream }), "TypeError");
    }));

  it("speaks over a stream it is given, and calls back before the first message", () =>
    withBase(async (base) => {
      const [ours, theirs] = PairBufferEvent.create(base);
      theirs.enable(EV_READ);
      const log: string[] = [];
      const connecting = connectWebSocket(base, "ws://example/", {
        stream: ours,
        open: ({ state }) => void log.push(state),
        message: (data) => void log.push(String(data)),
      });
      let text = "";
      while (!text.endsWith("\r\n\r\n")) text += new TextDecoder().decode(await theirs.readSome() ?? new Uint8Array(0));
      theirs.write(AGREED.replace("KEY", acceptOf(/Key: (.*)\r\n/.exec(text)![1]!)) + "\r\n");
      theirs.write(frame(1, "first"));
      const session = await connecting;
      await eventually("the message is there", () => log.length === 2);
      assertEquals(log, ["open", "first"]);
      session.terminate();
      theirs.close();
    }));

  it("speaks over a stream that is being opened, and says why it cannot be", () =>
    withBase(async (base) => {
      using server = serve(base);
      const { port } = server.listen({ port: 0 });
      const connecting = (port: number): SocketBufferEvent => {
        const stream = new SocketBufferEvent(base, -1);
        stream.connect({ family: "ipv4", host: "127.0.0.1", port });
        return stream;
      };
      const session = await connectWebSocket(base, "ws://example/", { stream: connecting(port) });
      session.send("hi");
      assertEquals((await session[Symbol.asyncIterator]().next()).value, "hi");
      session.terminate();
      server.close();
      const error = await failure(connectWebSocket(base, "ws://example/", { stream: connecting(port) }));
      assertEquals([error.code, (error.cause as { code?: string }).code], ["WS_HANDSHAKE_FAILED", "ECONNREFUSED"]);
    }));

  it("says what has failed also when that is at once, and forgets the signal", () =>
    withBase(async (base) => {
      const { signal } = new AbortController();
      let listeners = 0;
      signal.addEventListener = () => void listeners++;
      signal.removeEventListener = () => void listeners--;
      const [stream, other] = PairBufferEvent.create(base);
      stream.output.addCallback(() => stream.close());
      const { code } = await failure(connectWebSocket(base, "ws://example/", { stream, signal }));
      assertEquals(code, "WS_HANDSHAKE_FAILED");
      assert(listeners <= 0, `${listeners} listeners`);
      other.close();
    }));

  itNeeds(
    "openssl",
    "openssl",
    "speaks over TLS, and refuses a server it does not know",
    () =>
      withBase(async (base) => {
        const { server, authority } = testCertificates();
        using context = TlsContext.server({ certificate: server.certificate, key: server.key });
        using listener = serveText(base, `${AGREED}\r\n\x81\x06secret\x88\x02\x03\xe8`, [], context);
        const url = `wss://localhost:${portOf(listener)}/`;
        using stranger = TlsContext.client({ systemCa: false });
        const refused = connectWebSocket(base, url, { tls: stranger });
        assertEquals(await refused.then(() => "opened", (error: Error) => error.name), "TlsError");
        using trusting = TlsContext.client({ ca: authority.certificate });
        const session = await connectWebSocket(base, url, { tls: trusting, closeTimeoutMs: 20 });
        const got: unknown[] = [];
        for await (const message of session) got.push(message);
        assertEquals(got, ["secret"]);
        using http = serve(base, { deflate: true });
        const { port } = http.listen({ port: 0, tls: context });
        const echoed = await connectWebSocket(base, `wss://127.0.0.1:${port}/`, { tls: trusting, deflate: true });
        echoed.send("secret".repeat(50_000));
        assertEquals((await echoed[Symbol.asyncIterator]().next()).value, "secret".repeat(50_000));
        echoed.close();
        assertEquals((await echoed.whenClosed()).wasClean, true);
        const socket = new SocketBufferEvent(base, -1);
        socket.connect({ family: "ipv4", host: "127.0.0.1", port });
        await socket.connected();
        const stream = trusting.secure(socket, { hostname: "127.0.0.1" });
        (await connectWebSocket(base, "wss://127.0.0.1/", { tls: trusting, stream })).terminate();
        assertEquals(await session.whenClosed(), { code: 1000, reason: "", wasClean: true });
      }),
  );
});
