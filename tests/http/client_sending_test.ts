/** What a connection of a client sends. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, EvBuffer, type EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpClientError, type HttpRequestOptions } from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { type BesideScript, besideScript, failureOf, sentBy } from "./client_beside.ts";
import { answering, HOST, ok, OWN_HOST, type Script, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const sent = (path: string, options: HttpRequestOptions): Promise<string> => sentBy(base, path, options);
  const withServer = (...given: BesideScript): Promise<void> => besideScript(base, ...given);

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
          const error = await failureOf(connection, { method: "POST", body, headers });
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
          const error = await failureOf(connection, { method: "POST", body });
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
          assertEquals((await failureOf(connection, { method: "PUT", body })).code, "HTTP_CONNECT_FAILED");
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
});
