import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, EV_TIMEOUT, EvBuffer, type EventBase } from "../../src/core/mod.ts";
import {
  EVHTTP_REQ_CONNECT,
  EVHTTP_REQ_HEAD,
  EVREQ_HTTP_DATA_TOO_LONG,
  EVREQ_HTTP_EOF,
  EVREQ_HTTP_INVALID_HEADER,
  HttpClientConnection,
  type HttpClientConnectionOptions,
  HttpClientError,
  type HttpClientRequest,
  type HttpClientResponse,
  type HttpRequestOptions,
  openStream,
} from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import {
  answering,
  HOST,
  ok,
  openSocketCount,
  OWN_HOST,
  type Peer,
  type Script,
  ScriptedServer,
} from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  /** Runs `body` beside a server with that script. */
  function withServer(
    script: Script,
    body: (connection: HttpClientConnection, server: ScriptedServer) => Promise<void>,
    options: HttpClientConnectionOptions = {},
  ): Promise<void> {
    return alongside(base, async () => {
      using server = new ScriptedServer(base, script);
      using connection = server.connection(options);
      await body(connection, server);
    });
  }

  /** The request as the server got it. */
  async function sent(path: string, options: HttpRequestOptions): Promise<string> {
    let text = "";
    await withServer(answering(ok("")), async (connection, server) => {
      const response = await connection.send(path, options);
      assertEquals(response.status, 200);
      text = server.peers[0]!.received.replaceAll(`:${server.port}`, ":PORT");
    });
    return text;
  }

  /** Runs `body` twice, since the first time may leave open what the runtime keeps for later. */
  async function assertNothingLeftOpen(body: () => Promise<void>): Promise<void> {
    await body();
    const before = openSocketCount();
    await body();
    assertEquals(openSocketCount(), before);
  }

  async function failure(connection: HttpClientConnection, options: HttpRequestOptions = {}): Promise<HttpClientError> {
    const error = await rejection(connection.send("/", options));
    assertInstanceOf(error, HttpClientError);
    return error;
  }

  describe("HttpClientConnection sends", () => {
    it("a request line, Host first, and the fields as they were given", async () => {
      const text = await sent("/a?b", { headers: { "X-One": "1", accept: ["a", "b"] } });
      assertEquals(text, "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX-One: 1\r\naccept: a\r\naccept: b\r\n\r\n");
    });

    it("the Host it is told to", async () => {
      assertEquals(
        await sent("*", { method: "OPTIONS", headers: { host: "x" } }),
        "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
      );
    });

    it("how long a body is, also where there is none and one would be expected", async () => {
      const ends = (text: string): string => text.slice(text.indexOf("PORT") + 4);
      assertEquals(
        ends(await sent("/", { method: "POST", body: "h\u00e9" })),
        "\r\nContent-Length: 3\r\n\r\nh\xc3\xa9",
      );
      assertEquals(ends(await sent("/", { method: "PUT" })), "\r\nContent-Length: 0\r\n\r\n");
      assertEquals(ends(await sent("/", { method: "DELETE" })), "\r\n\r\n");
      assertEquals(
        ends(await sent("/", { method: "BREW", body: new Uint8Array([65]) })),
        "\r\nContent-Length: 1\r\n\r\nA",
      );
    });

    it("a buffer, which is empty afterwards, and large arrays", async () => {
      const buffer = new EvBuffer();
      buffer.add("abc");
      assert((await sent("/", { method: "POST", body: buffer })).endsWith("Content-Length: 3\r\n\r\nabc"));
      assertEquals(buffer.length, 0);
      const large = new Uint8Array(200_000).fill(0x78);
      let bytes = 0;
      const counting: Script = (peer) => {
        bytes = peer.received.length - peer.received.indexOf("\r\n\r\n") - 4;
        if (bytes === large.length) peer.say(ok(""));
      };
      await withServer(counting, async (connection) => {
        await connection.send("/", { method: "POST", body: large });
      });
      assertEquals(bytes, large.length);
    });

    it("a source of unknown length in chunks, and one of a length that is declared without", async () => {
      async function* source(): AsyncGenerator<Uint8Array | string> {
        yield "ab";
        yield new Uint8Array(0);
        yield new Uint8Array([99]);
      }
      const untilEnd = (end: string): Script => (peer) => void (peer.received.endsWith(end) && peer.say(ok("")));
      await withServer(untilEnd("0\r\n\r\n"), async (connection, server) => {
        await connection.send("/", { method: "POST", body: source() });
        assert(server.peers[0]!.received.endsWith("Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
      });
      await withServer(untilEnd("abc"), async (connection, server) => {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => {
            controller.enqueue(new Uint8Array([97, 98, 99]));
            controller.close();
          },
        });
        await connection.send("/", { method: "POST", body, headers: { "Content-Length": "3" } });
        assert(server.peers[0]!.received.endsWith("Content-Length: 3\r\n\r\nabc"));
      });
    });

    it("no more of a source than the server takes", async () => {
      let pulled = 0;
      let returned = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            pulled++;
            yield new Uint8Array(64 * 1024);
          }
        } finally {
          returned = true;
        }
      }
      const deaf: Script = (peer) => peer.stream.disable(EV_READ);
      await withServer(deaf, async (connection) => {
        const promise = connection.send("/", { method: "POST", body: endless() });
        let before = -1;
        await eventually(() => {
          const stood = pulled === before && pulled > 0 && connection.stream!.output.length > 0;
          before = pulled;
          return stood;
        }, "the source is asked no more");
        assert(await isPending(promise));
        assert(pulled < 1000, `${pulled} pieces were taken`);
        connection.close();
        assertEquals((await rejection(promise) as HttpClientError).code, "HTTP_CLOSED");
        await eventually(() => returned, "the source is told");
      });
    });

    it("a source that fails, or is not as long as it was declared, fails the request", async () => {
      async function* of(...pieces: (string | Error)[]): AsyncGenerator<string> {
        for (const piece of pieces) {
          if (piece instanceof Error) throw piece;
          yield piece;
        }
      }
      const cause = new Error("no more");
      for (
        const [body, length, message] of [
          [of("a", cause), undefined, "no more"],
          [of("abc"), "2", "longer than its Content-Length"],
          [of("a"), "2", "1 bytes shorter"],
        ] as const
      ) {
        await withServer(answering(), async (connection) => {
          const headers = length === undefined ? {} : { "content-length": length };
          const error = await failure(connection, { method: "POST", body, headers });
          assertEquals(error.code, "HTTP_BODY_FAILED");
          assert(error.message.includes(message), error.message);
          assertEquals(connection.isConnected, false);
        });
      }
    });

    it("no source that somebody else reads, whether the connection is new or kept", () =>
      withServer((peer) => void (peer.received.startsWith("GET") && peer.say(ok("1"))), async (connection) => {
        for (let round = 0; round < 2; round++) {
          const body = new ReadableStream<Uint8Array>();
          body.getReader();
          const error = await failure(connection, { method: "POST", body });
          assertEquals(error.code, "HTTP_BODY_FAILED");
          assert(/locked/.test(error.message), error.message);
          assertEquals((await connection.send("/")).text(), "1");
        }
      }));

    it("and tells a source of which nothing was read that nothing will be", async () => {
      let isCancelled = false;
      const stream = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) }, { highWaterMark: 0 });
      const iterable = {
        isReturned: false,
        [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
          return {
            next: () => Promise.reject(new Error("never read")),
            return: () => {
              this.isReturned = true;
              return Promise.reject(new Error("nobody's business"));
            },
          };
        },
      };
      await alongside(base, async () => {
        using connection = new HttpClientConnection(base, { host: OWN_HOST, port: 1 });
        for (const body of [stream, iterable]) {
          assertEquals((await failure(connection, { method: "PUT", body })).code, "HTTP_CONNECT_FAILED");
        }
        await eventually(() => isCancelled && iterable.isReturned, "both are told");
      });
    });

    it("and tells a stream that it waits for, when it is cancelled or answered, that no more of it is wanted", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(
          base,
          (peer, index) => void (index === 1 && peer.received.endsWith("begun\r\n") && peer.say(ok("enough"))),
        );
        for (const isAnswered of [false, true]) {
          let isCancelled = false;
          let isBegun = false;
          const body = new ReadableStream<Uint8Array>({
            pull(controller): Promise<void> | void {
              if (isBegun) return new Promise(() => {});
              isBegun = true;
              controller.enqueue(new TextEncoder().encode("begun"));
            },
            cancel: () => void (isCancelled = true),
          }, { highWaterMark: 0 });
          using connection = server.connection();
          const controller = new AbortController();
          const sent = connection.send("/", { method: "POST", body, signal: controller.signal });
          if (isAnswered) {
            assertEquals((await sent).text(), "enough");
          } else {
            await eventually(() => server.peers[0]?.received.endsWith("begun\r\n") === true, "it is being sent");
            controller.abort(new Error("enough"));
            assertEquals((await rejection(sent)).message, "enough");
          }
          await eventually(() => isCancelled, "the stream is cancelled");
          assert(!body.locked);
        }
      }));

    it("a body after a 100, or after a while; not after a response", async () => {
      const options: HttpRequestOptions = { method: "POST", body: "body", expectContinue: true };
      const asked: string[] = [];
      await withServer((peer) => {
        asked.push(peer.received.slice(peer.received.indexOf("Content-Length")));
        peer.say(peer.received.endsWith("body") ? ok("") : "HTTP/1.1 100 Continue\r\n\r\n");
      }, async (connection) => {
        await connection.send("/", options);
        assertEquals(asked, [
          "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n",
          "Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody",
        ]);
      }, { expectTimeoutMs: Infinity });
      await withServer((peer) => void (peer.received.endsWith("body") && peer.say(ok(""))), async (connection) => {
        assertEquals((await connection.send("/", options)).status, 200);
        assertEquals(connection.isConnected, true);
      }, { expectTimeoutMs: 20 });
      await withServer(answering("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), async (connection, server) => {
        assertEquals((await connection.send("/", options)).status, 417);
        assertEquals(connection.isConnected, false);
        assert(!server.peers[0]!.received.endsWith("body"));
      }, { expectTimeoutMs: Infinity });
    });

    it("nothing that is no request", () => {
      using connection = new HttpClientConnection(base, { host: HOST, port: 1 });
      const refused: [string, HttpRequestOptions][] = [
        ["/ HTTP/1.1\r\nEvil: 1", {}],
        ["/path#fragment", {}],
        ["", {}],
        ["/\u00e9", {}],
        ["/", { method: "GET /" }],
        ["/", { method: 3 }],
        ["/", { headers: { "Transfer-Encoding": "chunked" } }],
        ["/", { headers: { "Content-Length": ["1", "1"] } }],
        ["/", { headers: { Host: ["a", "b"] } }],
        ["/", { headers: { "Content-Length": "x" } }],
        ["/", { headers: { "Content-Length": "5" }, body: "four" }],
        ["/", { headers: { "A b": "" } }],
        ["/", { headers: { A: "b\r\nc" } }],
        ["/", { body: 5 as unknown as string }],
      ];
      for (const [path, options] of refused) {
        assertThrows(
          () => connection.request(path, options, () => {}),
          TypeError,
          undefined,
          JSON.stringify([path, options]),
        );
      }
      using nameless = new HttpClientConnection(base, { host: "example.test", port: 80 });
      assertThrows(() => nameless.request("/", {}, () => {}), TypeError, "resolver");
      assertEquals([connection.pendingCount, nameless.pendingCount], [0, 0]);
      assertThrows(() => new HttpClientConnection(base, { host: "a b", port: 80 }), TypeError);
      for (const port of [0, NaN, 65_536]) {
        assertThrows(() => new HttpClientConnection(base, { host: HOST, port }), RangeError, "1 to 65535");
      }
      assertThrows(() => new HttpClientConnection(base, { host: HOST, port: 80 }, { readTimeoutMs: 0 }), RangeError);
      assertThrows(() => new HttpClientConnection(base, { host: HOST, port: 80 }, { retries: -2 }), RangeError);
    });
  });

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
            const error = await failure(connection);
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
          const error = await failure(connection, { method: "POST", ...options });
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
        const errors = await Promise.all([failure(connection), failure(connection)]);
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
        assertEquals((await failure(connection)).code, "HTTP_QUEUE_FULL");
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
        assertEquals((await failure(connection)).code, "HTTP_EOF");
      });
      for (const options of [{ method: "POST", body: "x" }, { idempotent: false }]) {
        await withServer(answering(ok("1"), closing, ok("2")), async (connection) => {
          await connection.send("/");
          assertEquals((await failure(connection, options)).code, "HTTP_EOF");
        });
      }
      await withServer(answering(ok("1"), closing, ok("2")), async (connection) => {
        await connection.send("/");
        assertEquals((await connection.send("/", { method: "POST", body: "x", idempotent: true })).text(), "2");
      });
      // A connection that is new was not closed meanwhile.
      await withServer(answering(closing, ok("1")), async (connection) => {
        assertEquals((await failure(connection)).code, "HTTP_EOF");
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
        assertEquals((await failure(other)).code, "HTTP_INVALID_RESPONSE");
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
        assertEquals((await failure(connection)).code, "HTTP_CLOSED");
        assertEquals((await Promise.all(both)).map((response) => response.text()), ["1", "2"]);
        assertEquals(connection.closed, true);
      }));
  });

  describe("HttpClientConnection ends requests early", () => {
    it("in every phase, and serves the next one on another connection where it must", () =>
      withServer(
        answering(() => {}, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", ok("third")),
        async (connection, server) => {
          const errors: string[] = [];
          const cancelled = (_: unknown, error: HttpClientError | null): void => void errors.push(error!.code);
          const untilConnected = connection.request("/", {}, cancelled);
          untilConnected.cancel();
          const waiting = connection.request("/", {}, cancelled);
          const queued = connection.request("/", {}, cancelled);
          queued.cancel("why");
          await eventually(() => server.peers.some((peer) => peer.received !== ""), "the request has come");
          waiting.cancel();
          waiting.cancel();
          assertEquals(errors, Array(3).fill("HTTP_CANCELLED"));
          let bytes = 0;
          const inBody = connection.request("/", {
            onData: (piece) => void (bytes += piece.length),
          }, cancelled);
          await eventually(() => bytes === 2, "a part of the body has come");
          inBody.pause();
          inBody.cancel();
          inBody.resume();
          assertEquals([errors.length, inBody.isOver], [4, true]);
          assertEquals((await connection.send("/")).text(), "third");
          // What was still connecting may have been accepted as well.
          assertEquals(server.peers.filter((peer) => peer.received !== "").length, 3);
        },
      ));

    it("from inside its own callbacks, or by what they say", () =>
      withServer(answering(ok("1"), ok("2"), "HTTP/1.1 103 \r\n\r\n", ok("4")), async (connection) => {
        assertEquals((await failure(connection, { onHead: () => false })).code, "HTTP_CANCELLED");
        assertEquals(
          (await failure(connection, { onData: (_, __, request) => request.cancel() })).code,
          "HTTP_CANCELLED",
        );
        assertEquals(
          (await failure(connection, { onInterim: (_, request) => request.cancel() })).code,
          "HTTP_CANCELLED",
        );
        assertEquals((await connection.send("/")).text(), "4");
      }));

    it("by a signal, with its reason", () =>
      withServer(answering(() => {}), async (connection, server) => {
        const reason = new Error("enough");
        assertStrictEquals(await rejection(connection.send("/", { signal: AbortSignal.abort(reason) })), reason);
        const controller = new AbortController();
        const promise = rejection(connection.send("/", { signal: controller.signal }));
        await eventually(() => server.peers.length === 1, "it has connected");
        controller.abort(reason);
        assertStrictEquals(await promise, reason);
        assertEquals(connection.isConnected, false);
      }));

    it("when it, or its base, is closed, from inside any callback too, and leaves no descriptor open", () =>
      assertNothingLeftOpen(async () => {
        const answer = "HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
        for (const where of ["onInterim", "onHead", "onData", "callback", "onClose"] as const) {
          await withServer(
            answering((peer) => {
              peer.say(answer);
              if (where === "onClose") peer.end();
            }),
            async (connection) => {
              const outcomes: string[] = [];
              const closeIf = (here: string): void => void (here === where && connection.close());
              connection.onClose = () => closeIf("onClose");
              await new Promise<void>((resolve) => {
                connection.request("/", {
                  onInterim: () => closeIf("onInterim"),
                  onHead: () => closeIf("onHead"),
                  onData: () => closeIf("onData"),
                }, (response, error) => {
                  outcomes.push(response === null ? error!.code : "response");
                  closeIf("callback");
                  if (where === "callback") resolve();
                });
                connection.request("/", {}, (_, error) => {
                  outcomes.push(error!.code);
                  resolve();
                });
              });
              await eventually(() => outcomes.length === 2, "both are told");
              assertEquals(connection.closed, true);
              assertEquals(outcomes[1], "HTTP_CLOSED", where);
            },
          );
        }
        for (const phase of ["connecting", "waiting", "retrying"]) {
          const own = backend.newBase();
          const server = new ScriptedServer(own, answering(() => {}));
          const port = phase === "retrying" ? 1 : server.port;
          const connection = new HttpClientConnection(own, { host: HOST, port }, { retries: -1 });
          const promise = rejection(connection.send("/"));
          if (phase === "waiting") {
            await alongside(
              own,
              () => eventually(() => server.peers[0]?.received !== undefined && server.peers[0].received !== "", phase),
            );
          }
          if (phase === "retrying") await alongside(own, () => isPending(promise));
          server[Symbol.dispose]();
          own.close();
          assertEquals((await promise as HttpClientError).code, "HTTP_CLOSED", phase);
          connection.close();
        }
      }));

    it("also where the connection is lost to a callback that throws", async () => {
      const errors: unknown[] = [];
      base.close();
      base = backend.newBase({ onError: (error) => void errors.push(error) });
      await withServer(answering((peer) => peer.end(), ok("2")), async (connection) => {
        const mine = new Error("mine");
        connection.onClose = () => {
          connection.onClose = null;
          throw mine;
        };
        const first = failure(connection);
        const next = connection.send("/");
        assertEquals((await first).code, "HTTP_EOF");
        assertEquals((await next).text(), "2");
        assertEquals(errors, [mine]);
      });
    });

    it("what callbacks throw goes to the base, and the next request is served", async () => {
      const errors: unknown[] = [];
      base.close();
      base = backend.newBase({ onError: (error) => void errors.push(error) });
      await withServer(answering(ok("1"), ok("2")), async (connection) => {
        connection.request("/", {}, () => {
          throw new Error("mine");
        });
        assertEquals((await connection.send("/")).text(), "2");
        assertEquals(errors.map((error) => (error as Error).message), ["mine"]);
      });
    });

    it("when a callback throws before the response is complete, with that as the cause", async () => {
      const errors: unknown[] = [];
      base.close();
      base = backend.newBase({ onError: (error) => void errors.push(error) });
      const answer = "HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
      for (const where of ["onInterim", "onHead", "onData"] as const) {
        for (const isPaused of [false, true]) {
          await withServer(answering(answer, ok("2")), async (connection, server) => {
            const mine = new Error("mine");
            let request: HttpClientRequest;
            const failed = new Promise<HttpClientError | null>((resolve) => {
              const options = {
                [where]: () => {
                  throw mine;
                },
              };
              request = connection.request("/", options, (_, error) => resolve(error));
              if (isPaused) request.pause();
            });
            const next = connection.send("/");
            if (isPaused) {
              await eventually(() => server.peers[0]?.received.endsWith("\r\n\r\n") === true, "the request");
              request!.resume();
            }
            const error = await failed;
            assertEquals([error?.code, error?.cause], ["HTTP_CANCELLED", mine], where);
            assertEquals((await next).text(), "2");
            assertEquals(server.peers.length, 2);
          });
        }
      }
      assertEquals(errors, []);
    });

    it("and its callback may throw then too, which goes to the base", async () => {
      const errors: unknown[] = [];
      base.close();
      base = backend.newBase({ onError: (error) => void errors.push(error) });
      await withServer(answering(ok("1"), ok("2")), async (connection) => {
        const thrown = [new Error("first"), new Error("second")] as const;
        connection.request("/", {
          onHead: () => {
            throw thrown[0];
          },
        }, () => {
          throw thrown[1];
        });
        assertEquals((await connection.send("/")).text(), "2");
        assertEquals(errors, [thrown[1]]);
      });
    });
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
