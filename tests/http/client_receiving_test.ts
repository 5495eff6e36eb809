/** What a connection of a client receives. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, type EventBase } from "../../src/core/mod.ts";
import {
  EVHTTP_REQ_HEAD,
  EVREQ_HTTP_DATA_TOO_LONG,
  EVREQ_HTTP_EOF,
  EVREQ_HTTP_INVALID_HEADER,
  HttpClientConnection,
  type HttpClientError,
  type HttpClientResponse,
} from "../../src/http/mod.ts";
import { alongside, eventually, isPending } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { type BesideScript, besideScript, failureOf } from "./client_beside.ts";
import { answering, HOST, ok, OWN_HOST, type Script, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: BesideScript): Promise<void> => besideScript(base, ...given);

  describe("HttpClientConnection receives", () => {
    it("responses of every framing on one connection, in the order of the requests", () =>
      withServer(
        answering(
          ok("one", "X: y\r\n"),
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\nT: u\r\n\r\n",
          "HTTP/1.1 204 No\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
          "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
          (peer) => {
            peer.say("HTTP/1.0 200 OK\r\n\r\nuntil the end");
            peer.end();
          },
        ),
        async (connection, server) => {
          const methods = ["GET", "GET", "GET", EVHTTP_REQ_HEAD, "GET", "GET"];
          const responses = await Promise.all(methods.map((method) => connection.send("/", { method })));
          assertEquals(responses.map((response) => `${response.status} ${response.text()}`), [
            "200 one",
            "200 two",
            "204 ",
            "200 ",
            "304 ",
            "200 until the end",
          ]);
          assertEquals(responses[0]!.headers.get("x"), "y");
          assertEquals([...responses[1]!.trailers!], [["T", "u"]]);
          assertEquals(server.peers.length, 1);
          assertEquals(connection.isConnected, false);
        },
      ));

    it("a response cut at every point, byte by byte", () =>
      withServer(
        answering(...Array.from({ length: 2 }, () => (peer: Parameters<Script>[0]) => {
          const bytes =
            "HTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n";
          let at = 0;
          const timer = base.timer(() => {
            peer.say(bytes[at++]!);
            peer.stream.flush();
            if (at < bytes.length) timer.add(0);
            else timer.close();
          });
          timer.add(0);
        })),
        async (connection) => {
          for (let count = 0; count < 2; count++) {
            const interim: number[] = [];
            const response = await connection.send("/", { onInterim: (head) => void interim.push(head.status) });
            assertEquals([response.text(), response.reason, interim], ["abc", "OK", [103]]);
          }
        },
      ));

    it("JSON and bytes", () =>
      withServer(answering(ok('{"a":[1]}'), ok("\x00\xff")), async (connection) => {
        assertEquals((await connection.send("/")).json(), { a: [1] });
        assertEquals((await connection.send("/")).bytes(), new Uint8Array([0, 255]));
      }));

    it("pieces as they come, for who wants them, and stands still while told to", () => {
      const total = 8 * 1024 * 1024;
      return withServer(
        answering((peer) => {
          peer.say(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
          peer.stream.output.addReference(new Uint8Array(total).fill(0x61));
        }),
        async (connection, server) => {
          let bytes = 0;
          let heads = 0;
          const response = await new Promise<HttpClientResponse>((resolve, reject) => {
            const request = connection.request("/", {
              onHead: () => void heads++,
              onData: (piece) => {
                bytes += piece.length;
                if (bytes === piece.length) {
                  request.pause();
                  let before = -1;
                  eventually(() => {
                    const left = server.peers[0]!.stream.output.length;
                    const stood = left === before && left > 0;
                    before = left;
                    return stood;
                  }, "the server cannot go on").then(() => {
                    assertEquals(bytes, piece.length);
                    request.resume();
                  }).catch(reject);
                }
              },
            }, (response, error) => response === null ? reject(error) : resolve(response));
          });
          assertEquals([bytes, heads, response.body.length], [total, 1, 0]);
          assertEquals(connection.isConnected, true);
        },
        { readTimeoutMs: 5000 },
      );
    });

    it("a response before the body is sent, and then sends no more of it", () =>
      withServer(
        answering((peer) => peer.say("HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n")),
        async (connection) => {
          let returned = false;
          async function* endless(): AsyncGenerator<Uint8Array> {
            try {
              for (;;) {
                yield new Uint8Array(1000);
                await new Promise((resolve) => setTimeout(resolve, 1));
              }
            } finally {
              returned = true;
            }
          }
          assertEquals((await connection.send("/", { method: "POST", body: endless() })).status, 413);
          assertEquals(connection.isConnected, false);
          await eventually(() => returned, "the source is told");
        },
      ));

    it("a response before all bytes of a body have left, and keeps the next request from waiting behind them", () => {
      const early: Script = (peer, index) => {
        if (index === 0) peer.stream.disable(EV_READ);
        peer.say(ok(index === 0 ? "early" : "next"));
      };
      return withServer(early, async (connection, server) => {
        const body = new Uint8Array(20_000_000);
        assertEquals((await connection.send("/", { method: "POST", body })).text(), "early");
        assertEquals(connection.isConnected, false);
        assertEquals((await connection.send("/")).text(), "next");
        assertEquals(server.peers.length, 2);
      });
    });

    it("a response that was sent before the server has closed its side", () =>
      withServer(
        (peer) => {
          if (peer.received.length < 100_000) return;
          peer.stream.disable(EV_READ);
          peer.say("HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n");
          peer.end();
        },
        async (connection) => {
          const outcome = await connection.send("/", { method: "POST", body: new Uint8Array(4_000_000) })
            .then((response) => response.status, (error: HttpClientError) => error.code);
          // The reset may overtake the response; then there is nothing to be had.
          assert(outcome === 413 || outcome === "HTTP_CONNECTION_FAILED", String(outcome));
        },
      ));
  });

  describe("HttpClientConnection fails", () => {
    it("with a code and evhttp's number for each way in which a server can go wrong", async () => {
      for (
        const [answer, code, kind] of [
          ["", "HTTP_EOF", EVREQ_HTTP_EOF],
          ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP_EOF", EVREQ_HTTP_EOF],
          ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP_EOF", EVREQ_HTTP_EOF],
          ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "HTTP_EOF", EVREQ_HTTP_EOF],
          ["HTTP/1.1 100 \r\n\r\n", "HTTP_EOF", EVREQ_HTTP_EOF],
          ["nonsense", "HTTP_INVALID_RESPONSE", EVREQ_HTTP_INVALID_HEADER],
          ["HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP_INVALID_RESPONSE", EVREQ_HTTP_INVALID_HEADER],
          [
            "HTTP/1.1 101 Why\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "HTTP_INVALID_RESPONSE",
            EVREQ_HTTP_INVALID_HEADER,
          ],
          [`HTTP/1.1 200 OK\r\nA: ${"x".repeat(3000)}\r\n\r\n`, "HTTP_DATA_TOO_LONG", EVREQ_HTTP_DATA_TOO_LONG],
          ["HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP_DATA_TOO_LONG", EVREQ_HTTP_DATA_TOO_LONG],
          ["HTTP/1.1 200 OK\r\n\r\n01234567890", "HTTP_DATA_TOO_LONG", EVREQ_HTTP_DATA_TOO_LONG],
        ] as const
      ) {
        await withServer(
          answering((peer) => {
            peer.say(answer);
            peer.end();
          }),
          async (connection) => {
            const error = await failureOf(connection);
            assertEquals([error.code, error.kind], [code, kind], `${JSON.stringify(answer)}: ${error}`);
            assertEquals(connection.isConnected, false);
          },
          { limits: { maxHeaderBytes: 2000, maxBodyBytes: 10 } },
        );
      }
    });

    it("by the read timeout when nothing can be sent, however much was left to be", () =>
      withServer(answering(ok("1"), ok("1")), async (connection) => {
        async function* endless(): AsyncGenerator<Uint8Array> {
          for (;;) yield new Uint8Array(1024);
        }
        for (const options of [{ body: endless() }, { body: "b", expectContinue: true }]) {
          assertEquals((await connection.send("/")).text(), "1");
          connection.stream!.endWriting();
          const error = await failureOf(connection, { method: "POST", ...options });
          assertEquals(error.code, "HTTP_TIMEOUT");
        }
      }, { readTimeoutMs: 50 }));

    it("when there is no connection, all that wait at once", () =>
      alongside(base, async () => {
        let port = 0;
        {
          using server = new ScriptedServer(base, () => {}, undefined, OWN_HOST);
          port = server.port;
        }
        using connection = new HttpClientConnection(base, { host: OWN_HOST, port });
        const errors = await Promise.all([failureOf(connection), failureOf(connection)]);
        for (const error of errors) {
          assertEquals([error.code, error.kind], ["HTTP_CONNECT_FAILED", -1]);
          assertEquals((error.cause as { code: string }).code, "ECONNREFUSED");
        }
      }));

    it("when it is closed, all that wait, however many", () => {
      using connection = new HttpClientConnection(base, { host: HOST, port: 1 }, { maxQueued: 50_000 });
      let ended = 0;
      for (let count = 0; count < 50_000; count++) {
        connection.request("/", {}, (_, error) => void (ended += error!.code === "HTTP_CLOSED" ? 1 : 0));
      }
      connection.close();
      assertEquals(ended, 50_000);
    });

    it("when too many wait", () =>
      withServer(answering(ok(""), ok("")), async (connection) => {
        const both = Promise.all([connection.send("/"), connection.send("/")]);
        assertEquals((await failureOf(connection)).code, "HTTP_QUEUE_FULL");
        assertEquals((await both).length, 2);
      }, { maxQueued: 2 }));

    it("not while a server is there that was not there at first, if it may try again", () =>
      alongside(base, async () => {
        let port = 0;
        {
          using server = new ScriptedServer(base, () => {}, undefined, OWN_HOST);
          port = server.port;
        }
        using connection = new HttpClientConnection(base, { host: OWN_HOST, port }, {
          retries: 10,
          initialRetryMs: 10,
        });
        const promise = connection.send("/");
        assert(await isPending(promise));
        const { Listener, SocketBufferEvent } = await import("../../src/core/mod.ts");
        const accepted: { close(): void }[] = [];
        using _listener = new Listener(base, { host: OWN_HOST, port }, (fd) => {
          const peer = new SocketBufferEvent(base, fd);
          accepted.push(peer);
          peer.setCallbacks({ read: () => void (peer.input.take().length > 0 && peer.write(ok("late"))) });
          peer.enable(EV_READ);
        });
        assertEquals((await promise).text(), "late");
        for (const peer of accepted) peer.close();
      }));
  });
});
