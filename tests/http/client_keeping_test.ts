/** A connection of a client that is used again, or changes its protocol. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, EV_TIMEOUT, type EventBase } from "../../src/core/mod.ts";
import { EVHTTP_REQ_CONNECT, HttpClientConnection, openStream } from "../../src/http/mod.ts";
import { alongside, eventually } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { assertNothingLeftOpen, type BesideScript, besideScript, failureOf } from "./client_beside.ts";
import { answering, HOST, ok, type Peer, type Script, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: BesideScript): Promise<void> => besideScript(base, ...given);

  describe("HttpClientConnection keeps its connection", () => {
    it("unless one side says otherwise", () =>
      withServer(
        answering(
          ok("1"),
          ok("2", "Connection: close\r\n"),
          ok("3"),
          ok("4"),
          "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
          ok("6"),
        ),
        async (connection, server) => {
          const peers: number[] = [];
          for (let count = 1; count <= 6; count++) {
            await connection.send("/", count === 3 ? { headers: { Connection: "x, close" } } : {});
            peers.push(server.peers.length);
          }
          assertEquals(peers, [1, 1, 2, 3, 3, 4]);
        },
      ));

    it("for as long as the server does", () =>
      withServer(answering(ok("1"), ok("2")), async (connection, server) => {
        await connection.send("/");
        await connection.send("/");
        assertEquals(server.peers.length, 1);
        let closed = 0;
        connection.onClose = () => void closed++;
        server.peers[0]!.end();
        await eventually(() => !connection.isConnected, "the end is noticed");
        assertEquals(closed, 1);
      }));

    it("not when the server speaks without being asked", () =>
      withServer(
        answering(ok("1"), (peer) => peer.say(ok("2") + ok("forged")), ok("3")),
        async (connection, server) => {
          await connection.send("/");
          server.peers[0]!.say("HTTP/1.1 200 forged\r\n\r\n");
          await eventually(() => !connection.isConnected, "it is given up");
          assertEquals((await connection.send("/")).text(), "2");
          assertEquals((await connection.send("/")).text(), "3");
          assertEquals(server.peers.length, 3);
        },
      ));

    it("and repeats once, where that is harmless, what met a connection that was closed meanwhile", async () => {
      const closing = (peer: Parameters<Script>[0]): void => peer.stream.close();
      await withServer(answering(ok("1"), closing, ok("2")), async (connection, server) => {
        await connection.send("/");
        assertEquals((await connection.send("/")).text(), "2");
        assertEquals(server.peers.length, 2);
      });
      await withServer(answering(ok("1"), closing, closing, ok("2")), async (connection) => {
        await connection.send("/");
        assertEquals((await failureOf(connection)).code, "HTTP_EOF");
      });
      for (const options of [{ method: "POST", body: "x" }, { idempotent: false }]) {
        await withServer(answering(ok("1"), closing, ok("2")), async (connection) => {
          await connection.send("/");
          assertEquals((await failureOf(connection, options)).code, "HTTP_EOF");
        });
      }
      await withServer(answering(ok("1"), closing, ok("2")), async (connection) => {
        await connection.send("/");
        assertEquals((await connection.send("/", { method: "POST", body: "x", idempotent: true })).text(), "2");
      });
      // A connection that is new was not closed meanwhile.
      await withServer(answering(closing, ok("1")), async (connection) => {
        assertEquals((await failureOf(connection)).code, "HTTP_EOF");
      });
    });

    it("only while nothing has come by it unasked and it has not ended, which is looked at before it is used again", () =>
      withServer((peer) => {
        const isPost = peer.received.startsWith("POST");
        if (!peer.received.endsWith(isPost ? "\r\n\r\nb" : "\r\n\r\n")) return;
        peer.received = "";
        peer.say(ok(isPost ? "b" : "a"));
      }, async (connection, server) => {
        for (const spoil of [(peer: Peer) => peer.say(ok("unasked")), (peer: Peer) => peer.end()]) {
          assertEquals((await connection.send("/a")).text(), "a");
          const before = connection.stream!;
          const responded = new Promise<string>((resolve) => {
            // In one callback: the loop has no chance to hear of it in between.
            base.once(-1, EV_TIMEOUT, () => {
              const peer = server.peers.at(-1)!;
              spoil(peer);
              peer.stream.flush();
              connection.request(
                "/b",
                { method: "POST", body: "b" },
                (response, error) => resolve(response?.text() ?? `${error}`),
              );
            });
          });
          assertEquals(await responded, "b");
          assert(before.closed);
        }
      }));

    it("that it was given, unless the server has spoken on it before it was asked", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok("1")), (peer, index) =>
          void (index === 1 && peer.say(ok("forged"))));
        const target = { host: HOST, port: server.port };
        using given = HttpClientConnection.over(await openStream(base, target), target);
        assertEquals((await given.send("/")).text(), "1");
        const stream = await openStream(base, target);
        stream.enable(EV_READ);
        await eventually(() =>
          stream.input.length > 0, "it has spoken");
        using other = HttpClientConnection.over(stream, target);
        assertEquals((await failureOf(other)).code, "HTTP_INVALID_RESPONSE");
      }));

    it("to the same address, if told to, without another lookup", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok("1", "Connection: close\r\n"), ok("2")));
        let lookups = 0;
        const resolver = { resolve: () => (lookups++, [{ host: HOST }]) };
        const options = { resolver, reuseConnectedAddress: true };
        using connection = new HttpClientConnection(base, { host: "example.test", port: server.port }, options);
        await connection.send("/");
        await connection.send("/");
        assertEquals([lookups, server.peers.length], [1, 2]);
        assert(server.peers[1]!.received.includes(`Host: example.test:${server.port}\r\n`));
      }));

    it("and listens to no signal of a request that could not be made", () => {
      let count = 0;
      const signal = {
        aborted: false,
        addEventListener: () => void count++,
        removeEventListener: () => void count--,
      } as unknown as AbortSignal;
      using connection = new HttpClientConnection(base, { host: "needs.a.resolver", port: 1 });
      assertThrows(() => connection.request("/", { signal }, () => {}), TypeError, "resolver");
      assertEquals([count, connection.pendingCount], [0, 0]);
    });

    it("until all is done, if told to close then", () =>
      withServer(answering(ok("1"), ok("2")), async (connection) => {
        const both = [connection.send("/"), connection.send("/")];
        connection.closeWhenDone();
        assertEquals((await failureOf(connection)).code, "HTTP_CLOSED");
        assertEquals((await Promise.all(both)).map((response) => response.text()), ["1", "2"]);
        assertEquals(connection.closed, true);
      }));
  });

  describe("HttpClientConnection changes the protocol", () => {
    it("after a 101 that was asked for, and after a 2xx to CONNECT, and hands over the stream with what has come", async () => {
      for (
        const [path, options, answer] of [
          [
            "/chat",
            { headers: { Upgrade: "echo", Connection: "Upgrade" } },
            "HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello",
          ],
          ["example.test:443", { method: EVHTTP_REQ_CONNECT }, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"],
        ] as const
      ) {
        let isEcho = false;
        await withServer((peer) => {
          if (isEcho) peer.say(peer.received.slice(peer.received.indexOf("\r\n\r\n") + 4));
          else if (peer.received.startsWith("GET /next")) peer.say(ok("next"));
          else {
            isEcho = true;
            peer.say(answer);
          }
        }, async (connection, server) => {
          const response = await connection.send(path, options);
          assertEquals([response.isSwitched, connection.isConnected], [true, false]);
          using stream = response.takeOver();
          assertThrows(() => response.takeOver(), TypeError);
          assertEquals(new TextDecoder().decode(await stream.readExactly(5)), "hello");
          await stream.send("ping");
          assertEquals(new TextDecoder().decode(await stream.readExactly(4)), "ping");
          isEcho = false;
          // The connection goes on with another one.
          assertEquals((await connection.send("/next")).text(), "next");
          assertEquals(server.peers.length, 2);
          if (options.method === EVHTTP_REQ_CONNECT) {
            assert(
              server.peers[0]!.received.startsWith("CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n"),
            );
          }
        });
      }
    });

    it("a stream that nobody takes is closed with it, and a refused CONNECT has a body", () =>
      assertNothingLeftOpen(() =>
        withServer(
          answering("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\n\r\n"),
          async (connection) => {
            const refused = await connection.send("a:1", { method: "CONNECT" });
            assertEquals([refused.status, refused.text(), refused.isSwitched], [407, "no", false]);
            assertThrows(() => refused.takeOver(), TypeError);
            assertEquals((await connection.send("a:1", { method: "CONNECT" })).isSwitched, true);
          },
        )
      ));
  });
});
