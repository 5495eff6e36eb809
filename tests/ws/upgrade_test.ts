import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpRequest } from "../../src/http/mod.ts";
import { type UpgradeOptions, upgradeWebSocket, type WebSocketSession } from "../../src/ws/mod.ts";
import { eventually, signal, withServer } from "../http/server_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import type { HttpClient } from "../support/http_client.ts";
import { concat, hex, masked } from "./frame_support.ts";

const KEY = "x3JJHMbDL1EzLkh9GBhXDw==";
const ACCEPT = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=";
const FIELDS: Readonly<Record<string, string>> = {
  Host: "test",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Key": KEY,
  "Sec-WebSocket-Version": "13",
};

/** A handshake; fields with the value "" are left out. */
function handshake(changes: Readonly<Record<string, string>> = {}, line = "GET /chat HTTP/1.1"): string {
  const fields = Object.entries({ ...FIELDS, ...changes }).filter(([, value]) => value !== "");
  return `${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** Runs a server whose handler upgrades everything, for as long as `body` does. */
function withUpgrades(
  options: UpgradeOptions,
  body: (reply: (request: string) => Promise<string>, connect: () => Promise<HttpClient>) => Promise<void>,
): Promise<void> {
  return withServer(
    { allowedMethods: ~0 },
    (request) => void upgradeWebSocket(request, options),
    ({ connect }) =>
      body(async (request) => {
        using client = await connect();
        return await client.send(request).until("\r\n\r\n");
      }, connect),
  );
}

describe("upgradeWebSocket", () => {
  forEachBackend((backend) => {
    it("makes sessions of requests, and takes what came behind them", () => {
      const echo = (request: HttpRequest): void => {
        const close = (code: number): void => void closes.push(code);
        upgradeWebSocket(request, { message: (data, session) => void session.send(data), close });
      };
      const closes: number[] = [];
      return withServer({}, echo, async ({ connect, server }) => {
        for (const connection of ["Upgrade", "keep-alive, Upgrade", "upgrade", "close,UPGRADE"]) {
          for (const behind of ["", "\x81\x82\x00\x00\x00\x00hi"]) {
            const client = await connect();
            client.send(handshake({ Connection: connection }) + behind);
            const head = await client.until("\r\n\r\n");
            assertStringIncludes(head, "HTTP/1.1 101 Switching Protocols\r\n");
            assertStringIncludes(head, "\r\nUpgrade: websocket\r\n");
            assertStringIncludes(head, "\r\nConnection: Upgrade\r\n");
            assertStringIncludes(head, `\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`);
            assertEquals(/sec-websocket-(?:protocol|extensions)/i.test(head), false);
            if (behind === "") client.send(masked(1, "hi"));
            assertEquals(await client.bytes(4), "\x81\x02hi");
            assertEquals(await client.send(masked(8, hex("03e8"))).untilClose(), "\x88\x02\x03\xe8");
          }
        }
        await eventually("the sessions are over", () => closes.length === 8 && server.connectionCount === 0);
      }, backend.newBase());
    });
  });

  it("is answered in its own way by whoever is asked about it", async () => {
    const refusers: UpgradeOptions[] = [
      { checkOrigin: (_origin, request) => (request.replyError(401), false) },
      { checkOrigin: (_origin, request) => (request.replyError(401), true) },
      { protocols: (_offered, request) => void request.replyError(401) },
    ];
    for (const options of refusers) {
      const results: unknown[] = [];
      await withServer({}, (request) => void results.push(upgradeWebSocket(request, options)), async (running) => {
        const client = await running.connect();
        assertEquals((await client.send(handshake()).reply()).status, 401);
        assertEquals([results, running.errors], [[null], []]);
      });
    }
  });

  it("refuses what is no handshake, with the status that fits", () =>
    withUpgrades({ checkOrigin: (origin) => origin !== "http://evil.example" }, async (reply) => {
      const refusals: [string, string, string?][] = [
        [handshake({ Upgrade: "", Connection: "" }), "426 Upgrade Required", "Upgrade: websocket"],
        [handshake({ "Sec-WebSocket-Version": "8" }), "426 Upgrade Required", "Sec-WebSocket-Version: 13"],
        [handshake({ "Sec-WebSocket-Version": "013" }), "426 Upgrade Required", "Sec-WebSocket-Version: 13"],
        [handshake({ "Sec-WebSocket-Version": "" }), "400 Bad Request"],
        [handshake({}, "POST /chat HTTP/1.1"), "405 Method Not Allowed", "Allow: GET"],
        [handshake({}, "GET /chat HTTP/1.0"), "400 Bad Request"],
        [handshake({ Upgrade: "h2c" }), "400 Bad Request"],
        [handshake({ Upgrade: "websockets" }), "400 Bad Request"],
        [handshake({ Connection: "keep-alive" }), "400 Bad Request"],
        [handshake({ Connection: "" }), "400 Bad Request"],
        [handshake({ Origin: "http://evil.example" }), "403 Forbidden"],
        [handshake({ "Sec-WebSocket-Protocol": "a b" }), "400 Bad Request"],
        [handshake({ "Sec-WebSocket-Protocol": "a, b, a" }), "400 Bad Request"],
        [handshake({ "Sec-WebSocket-Extensions": "a; =" }), "400 Bad Request"],
        [handshake({ "Content-Length": "1" }) + "x", "400 Bad Request"],
      ];
      for (
        const key of [
          "",
          "x",
          "x3JJHMbDL1EzLkh9GBhXDw=",
          "x3JJHMbDL1EzLkh9GBhXDx==",
          "AAAAAAAAAAAAAAAAAAAAAAAA",
          `${KEY}, ${KEY}`,
        ]
      ) {
        refusals.push([handshake({ "Sec-WebSocket-Key": key }), "400 Bad Request"]);
      }
      refusals.push([handshake().replace("Host", `Sec-WebSocket-Key: ${KEY}\r\nHost`), "400 Bad Request"]);
      refusals.push([handshake().replace("Host", "Sec-WebSocket-Version: 13\r\nHost"), "400 Bad Request"]);
      for (const [request, status, field = ""] of refusals) {
        const head = await reply(request);
        assertStringIncludes(head, `HTTP/1.1 ${status}\r\n`, request);
        assertStringIncludes(head, field);
      }
      assertStringIncludes(
        await reply(handshake({ Upgrade: "h2c, WebSocket", Origin: "http://good.example" })),
        " 101 ",
      );
    }));

  it("refuses a body that is still to come", () =>
    withServer({}, () => {}, async ({ connect, server, errors }) => {
      server.route("/chat", (request) => void upgradeWebSocket(request), { streamBody: true });
      for (const body of [{ "Content-Length": "5" }, { "Transfer-Encoding": "chunked" }]) {
        using client = await connect();
        assertEquals((await client.send(handshake(body)).reply()).status, 400);
      }
      using client = await connect();
      assertStringIncludes(await client.send(handshake()).until("\r\n\r\n"), " 101 ");
      assertEquals(errors, []);
    }));

  it("goes on with HTTP after a refusal", () =>
    withUpgrades({}, async (_reply, connect) => {
      using client = await connect();
      client.send(handshake({ "Sec-WebSocket-Key": "x" }));
      assertEquals((await client.reply()).status, 400);
      assertStringIncludes(await client.send(handshake()).until("\r\n\r\n"), " 101 ");
    }));

  it("chooses a subprotocol by the server's preference, or by a function", async () => {
    const chosen = (options: UpgradeOptions, offered: string): Promise<string | undefined> => {
      const result = signal<string | undefined>();
      return withUpgrades(options, async (reply) => {
        const head = await reply(handshake({ "Sec-WebSocket-Protocol": offered }));
        result.resolve(/\r\nSec-WebSocket-Protocol: (.*)\r\n/.exec(head)?.[1]);
      }).then(() => result.promise);
    };
    assertEquals(await chosen({ protocols: ["b", "a"] }, "a, b"), "b");
    assertEquals(await chosen({ protocols: ["c"] }, "a, b"), undefined);
    assertEquals(await chosen({}, "a, b"), undefined);
    assertEquals(await chosen({ protocols: (offered) => offered[1] }, "a, b"), "b");
    assertEquals(await chosen({ protocols: () => undefined }, "a"), undefined);
  });

  it("agrees to compression where both sides want it", () => {
    const offer = { "Sec-WebSocket-Extensions": "foo, permessage-deflate; client_max_window_bits" };
    return withUpgrades({ deflate: { serverMaxWindowBits: 10 } }, async (reply) => {
      const expected = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
      assertStringIncludes(await reply(handshake(offer)), expected);
      assertEquals((await reply(handshake())).includes("Extensions"), false);
    }).then(() =>
      withUpgrades({}, async (reply) => assertEquals((await reply(handshake(offer))).includes("Extensions"), false))
    );
  });

  it("throws at options that are wrong, before anything is sent", () =>
    withServer({}, (request) => {
      assertThrows(() => upgradeWebSocket(request, { closeTimeoutMs: 0 }), RangeError, "closeTimeoutMs");
      assertThrows(() => upgradeWebSocket(request, { limits: { maxFrameBytes: 0 } }), RangeError, "maxFrameBytes");
      assertThrows(() => upgradeWebSocket(request, { deflate: { level: 17 } }), RangeError, "level");
      assertThrows(() => upgradeWebSocket(request, { headers: { "Sec-WebSocket-Accept": "x" } }), TypeError, "Accept");
      assertThrows(() => upgradeWebSocket(request, { protocols: () => "b" }), TypeError, 'subprotocol "b"');
      // Whatever it will say: who may do what others should not is not let in before that.
      for (const answer of [Promise.resolve(false), Promise.resolve(true), undefined, 1, "yes"]) {
        const checkOrigin = (): boolean => answer as unknown as boolean;
        assertThrows(() => upgradeWebSocket(request, { checkOrigin }), TypeError, "checkOrigin");
      }
      const outputPolicy = "dorp" as "drop";
      assertThrows(() => upgradeWebSocket(request, { outputPolicy }), TypeError, 'outputPolicy to "dorp"');
      upgradeWebSocket(request, { headers: { "X-Own": "1" }, outputPolicy: "disconnect" })!.close();
    }, async ({ connect, errors }) => {
      using client = await connect();
      const head = await client.send(handshake({ "Sec-WebSocket-Protocol": "a" })).until("\r\n\r\n");
      assertStringIncludes(head, "\r\nX-Own: 1\r\n");
      assertEquals(await client.bytes(4), "\x88\x02\x03\xe8");
      assertEquals(errors, []);
    }));

  it("upgrades later too, and not when the client has gone", () => {
    const asked = signal<HttpRequest>();
    const gone = signal();
    return withServer({}, (request) => {
      request.onClose = () => gone.resolve();
      asked.resolve(request);
    }, async ({ connect }) => {
      const client = await connect();
      await client.sendAndWait(handshake());
      const request = await asked.promise;
      client.reset();
      await gone.promise;
      assertEquals(upgradeWebSocket(request), null);
    });
  });

  it("ends sessions with the server, and after resets, and loses no descriptor", async () => {
    const before = openDescriptorCount();
    const told: string[] = [];
    const opened: WebSocketSession[] = [];
    await withServer({}, (request) => {
      const session = upgradeWebSocket(request, {
        close: (code, _reason, wasClean) => void told.push(`${code} ${wasClean}`),
      });
      opened.push(session!);
    }, async ({ connect, server }) => {
      const client = await connect();
      await client.send(handshake()).until("\r\n\r\n");
      client.send(concat(masked(1, "half").subarray(0, 3)));
      client.reset();
      await eventually("the reset is noticed", () => told.length === 1);
      const other = await connect();
      await other.send(handshake()).until("\r\n\r\n");
      assertEquals([told, server.connectionCount], [["1006 false"], 1]);
      server.close();
      assertEquals(told, ["1006 false", "1006 false"]);
      assertEquals(opened.map(({ state }) => state), ["closed", "closed"]);
      assertEquals(await other.untilGone(), "");
    });
    await eventually("all is closed", () => openDescriptorCount() <= before);
  });
});
