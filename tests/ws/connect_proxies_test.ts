/** Sessions of a client by way of a proxy. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { spawn } from "node:child_process";
import { describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpServer, type ProxyOptions } from "../../src/http/mod.ts";
import type { TlsContext } from "../../src/tls/mod.ts";
import { connectWebSocket, upgradeWebSocket, WebSocketError, type WebSocketSession } from "../../src/ws/mod.ts";
import { rejection } from "../core/async_support.ts";
import { deadPort } from "../core/bufferevent_support.ts";
import { ExampleProcess } from "../examples/example_process.ts";
import { PeerFolder } from "../http/peer_support.ts";
import { eventually } from "../http/server_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { withBase } from "./base_support.ts";
import { TestProxy, type TestProxyOptions } from "./proxy_support.ts";

const KINDS = ["http", "socks5"] as const;
const CREDENTIALS = { user: "user", password: "secret" };
const PASSWORDS = { http: "Basic dXNlcjpzZWNyZXQ=", socks5: "user\0secret" };
const LONG = new Uint8Array(300_000).map((_, index) => index * 7);

/** A server whose sessions greet, so that something comes right behind the handshake, and then echo. */
function serve(base: EventBase): HttpServer {
  return new HttpServer(base, {}, (request) => {
    const host = request.headers.get("host");
    const message = (data: string | Uint8Array, session: WebSocketSession): void => void session.send(data);
    upgradeWebSocket(request, { message })?.send(`hello ${host}`);
  });
}

/** Talks by a session until it is closed. */
async function talk(session: WebSocketSession): Promise<unknown[]> {
  const got: unknown[] = [];
  session.sendText("héllo");
  session.sendBinary(LONG);
  for await (const message of session) {
    if (got.push(message) === 3) session.close(3000, "enough");
  }
  assertEquals(await session.whenClosed(), { code: 3000, reason: "enough", wasClean: true });
  return got;
}

/** Runs `body` with a proxy and the options for it. */
async function withProxy(
  kind: "http" | "socks5",
  options: TestProxyOptions,
  body: (proxy: ProxyOptions, test: TestProxy) => Promise<void>,
): Promise<void> {
  await using test = new TestProxy(kind, options);
  await body({ kind, host: "127.0.0.1", port: await test.listen() }, test);
}

describe("connectWebSocket goes through a proxy", () => {
  forEachBackend((backend) => {
    for (const kind of KINDS) {
      it(`of ${kind}, which finds the server by its name`, () =>
        withBase((base) =>
          withProxy(kind, {}, async (proxy, test) => {
            using server = serve(base);
            const { port } = server.listen({ port: 0 });
            const session = await connectWebSocket(base, `ws://sessions.example:${port}/`, { proxy });
            assertEquals(await talk(session), [`hello sessions.example:${port}`, "héllo", LONG]);
            assertEquals(test.targets, [`sessions.example:${port}`]);
            await eventually("nothing is left open", () => test.socketCount === 0 && server.connectionCount === 0);
          }), backend.newBase()));
    }
  });

  for (const kind of KINDS) {
    itNeeds(
      "openssl",
      "openssl",
      `of ${kind}, and speaks TLS with the server behind it`,
      () =>
        withBase((base) =>
          withProxy(kind, { password: PASSWORDS[kind] }, async (proxy, test) => {
            using server = serve(base);
            using context = serverContext();
            using tls = clientContext();
            const { port } = server.listen({ port: 0, tls: context });
            const url = `wss://localhost:${port}/`;
            const session = await connectWebSocket(base, url, { tls, proxy: { ...proxy, credentials: CREDENTIALS } });
            assertEquals(await talk(session), [`hello localhost:${port}`, "héllo", LONG]);
            assertEquals(test.targets, [`localhost:${port}`]);
            // The certificate is the server's, and for another name.
            const stranger = connectWebSocket(base, `wss://127.0.0.2:${port}/`, {
              tls,
              proxy: { ...proxy, credentials: CREDENTIALS },
            });
            assertEquals((await rejection(stranger)).name, "TlsError");
            await eventually("nothing is left open", () => test.socketCount === 0 && server.connectionCount === 0);
          })
        ),
    );

    it(`of ${kind}, and tells why not`, () =>
      withBase(async (base) => {
        const code = async (proxy: ProxyOptions): Promise<string | undefined> => {
          const error = await rejection(connectWebSocket(base, "ws://sessions.example/", { proxy }));
          return (error as { code?: string }).code;
        };
        const refusal = { http: "HTTP/1.1 403 No\r\n\r\n", socks5: "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00" }[kind];
        await withProxy(kind, { refusal }, async (proxy, test) => {
          assertEquals(await code(proxy), "PROXY_REFUSED");
          assertEquals(test.targets, ["sessions.example:80"]);
          await eventually("nothing is left open", () => test.socketCount === 0);
        });
        await withProxy(kind, { password: PASSWORDS[kind] }, async (proxy) => {
          const wrong = { ...proxy, credentials: { user: "user", password: "wrong" } };
          assertEquals(await code(wrong), "PROXY_AUTHENTICATION_FAILED");
        });
      }));

    it(`of ${kind}, and gives up in time, or when told so`, () =>
      withBase((base) =>
        withProxy(kind, { refusal: "" }, async (proxy, test) => {
          // The proxy may, or may not, have been asked by then.
          const late = await rejection(connectWebSocket(base, "ws://late.example/", { proxy, handshakeTimeoutMs: 20 }));
          assertInstanceOf(late, WebSocketError);
          assertEquals(late.code, "WS_HANDSHAKE_TIMEOUT");
          const controller = new AbortController();
          const aborted = rejection(
            connectWebSocket(base, "ws://sessions.example/", { proxy, signal: controller.signal }),
          );
          await eventually("the proxy is asked", () => test.targets.includes("sessions.example:80"));
          controller.abort(new Error("enough"));
          assertEquals((await aborted).message, "enough");
          await eventually("nothing is left open", () => test.socketCount === 0);
        })
      ));

    it(`of ${kind}, and hears of its end`, () =>
      withBase((base) =>
        withProxy(kind, {}, async (proxy, test) => {
          using server = serve(base);
          const { port } = server.listen({ port: 0 });
          const errors: string[] = [];
          const session = await connectWebSocket(base, `ws://sessions.example:${port}/`, {
            proxy,
            message: () => test.cut(),
            error: ({ code }) => void errors.push(code),
          });
          const { code, wasClean } = await session.whenClosed();
          assertEquals([code, wasClean, errors.length], [1006, false, 1]);
          await eventually("the server has heard of it too", () => server.connectionCount === 0);
        })
      ));
  }
});

describe("connectWebSocket goes through", () => {
  /** Talks by ws and wss with servers on this machine. */
  async function talkThrough(proxy: ProxyOptions): Promise<void> {
    await withBase(async (base) => {
      using server = serve(base);
      using context: TlsContext = serverContext();
      using tls = clientContext();
      for (const scheme of ["ws", "wss"]) {
        const { port } = server.listen({ host: "127.0.0.1", port: 0, ...(scheme === "wss" ? { tls: context } : {}) });
        const session = await connectWebSocket(base, `${scheme}://localhost:${port}/`, { tls, proxy });
        assertEquals(await talk(session), [`hello localhost:${port}`, "héllo", LONG]);
      }
    });
  }

  itNeeds("tinyproxy", "tinyproxy", "tinyproxy", async () => {
    using folder = new PeerFolder();
    using descriptors = new Descriptors();
    const port = deadPort(descriptors);
    const settings = "Listen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\nBasicAuth user secret\n";
    const config = folder.write("tinyproxy.conf", `Port ${port}\n${settings}LogFile "${folder.path}/log"\n`);
    const child = spawn("tinyproxy", ["-d", "-c", config], { stdio: "ignore" });
    try {
      // It may take a while until it listens.
      await withBase(async (base) => {
        const proxy: ProxyOptions = { kind: "http", host: "127.0.0.1", port };
        const isThere = async (): Promise<boolean> => {
          const error = await rejection(connectWebSocket(base, "ws://localhost/", { proxy }));
          return (error as { code?: string }).code !== "ECONNREFUSED";
        };
        for (let count = 0; count < 1000 && !(await isThere()); count++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
      await talkThrough({ kind: "http", host: "127.0.0.1", port, credentials: CREDENTIALS });
    } finally {
      child.kill("SIGKILL");
    }
  });

  itNeeds("openssl", "openssl", "the SOCKS5 server among the examples", async () => {
    const example = new ExampleProcess("socks5-server.ts", "-p", "0", "-u", "user:secret");
    try {
      const port = Number(/:(\d+)\b/.exec(await example.address())![1]);
      await talkThrough({ kind: "socks5", host: "127.0.0.1", port, credentials: CREDENTIALS });
    } finally {
      await example.stop("SIGKILL");
    }
  });
});
