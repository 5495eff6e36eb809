/** Servers that break off, reset and say nonsense at every point of a response, and what that leaves behind. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type EventBase, setResetOnClose } from "../../src/core/mod.ts";
import { HttpClient, HttpClientConnection, type HttpClientError, type HttpClientResponse } from "../../src/http/mod.ts";
import { alongside, eventually, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { HOST, ok, openSocketCount, type Peer, ScriptedServer } from "./client_support.ts";

const RESPONSES: readonly string[] = [
  "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nT: u\r\n\r\n",
];

/** Repeatable, so that a failure can be seen again. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

forEachBackend((backend) => {
  let base: EventBase;
  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  /** The outcome of one request to a server that does `what` when the request has come. */
  async function outcome(what: (peer: Peer) => void): Promise<string> {
    using server = new ScriptedServer(base, (peer) => what(peer));
    using connection = server.connection();
    return await connection.send("/").then(
      (response) => `${response.status} ${response.text()}`,
      (error: HttpClientError) => error.code,
    );
  }

  describe("A client survives", () => {
    it("a server that ends the stream at every point of a response", () =>
      alongside(base, async () => {
        const before = openSocketCount();
        for (const response of RESPONSES) {
          for (let length = 0; length < response.length; length++) {
            const result = await outcome((peer) => {
              peer.say(response.slice(0, length));
              peer.end();
            });
            assertEquals(result, "HTTP_EOF", `${length} bytes of ${JSON.stringify(response)}`);
          }
        }
        assertEquals(openSocketCount(), before);
      }));

    it("a server that resets the connection at every point of a response", () =>
      alongside(base, async () => {
        const before = openSocketCount();
        for (const response of RESPONSES) {
          for (let length = 0; length < response.length; length++) {
            const result = await outcome((peer) => {
              peer.say(response.slice(0, length));
              peer.stream.flush();
              setResetOnClose(peer.stream.fd, true);
              peer.stream.close();
            });
            // The reset may overtake what was sent before it.
            assert(result === "HTTP_CONNECTION_FAILED" || result === "HTTP_EOF", `${length}: ${result}`);
          }
        }
        assertEquals(openSocketCount(), before);
      }));

    it("mutated responses, each of which has one outcome, and the next request another connection or a sound one", () =>
      alongside(base, async () => {
        const random = randomNumbers(20_240_229);
        const codes = new Set<string>();
        for (let round = 0; round < 150; round++) {
          const bytes = [...RESPONSES[random(2)]!];
          for (let count = 1 + random(3); count > 0; count--) {
            const at = random(bytes.length);
            const replacement = ["\r", "\n", "\0", " ", ":", "9", "f", ";", "\xff", ""][random(10)]!;
            bytes.splice(at, random(2), replacement);
          }
          const text = bytes.join("");
          const cut = random(text.length);
          let requests = 0;
          using server = new ScriptedServer(base, (peer) => {
            if (requests++ > 0) return peer.say(ok("sound"));
            peer.say(text.slice(0, cut));
            peer.stream.flush();
            peer.say(text.slice(cut));
            peer.end();
          });
          using connection = server.connection({ readTimeoutMs: 5000 });
          const first = connection.send("/").then(() => "response", (error: HttpClientError) => error.code);
          const second = connection.send("/").then(
            (response) => response.text(),
            (error: HttpClientError) => error.code,
          );
          codes.add(await first);
          assertEquals(await second, "sound", JSON.stringify(text));
        }
        codes.delete("response");
        for (const code of codes) {
          assert(["HTTP_EOF", "HTTP_INVALID_RESPONSE", "HTTP_DATA_TOO_LONG"].includes(code), code);
        }
      }));

    it("heads and bodies without an end, within its limits", () =>
      alongside(base, async () => {
        for (
          const [head, more] of [
            ["HTTP/1.1 200 OK\r\n", "X: y\r\n"],
            ["HTTP/1.1 200 ", "x"],
            ["", "HTTP/1.1 100 \r\n\r\n"],
            ["HTTP/1.1 200 OK\r\n\r\n", "x"],
            ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;a=bcd\r\nx\r\n"],
            ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"],
          ] as const
        ) {
          using server = new ScriptedServer(base, (peer) => {
            const flood = (): void => {
              if (!peer.stream.closed) peer.say(more.repeat(2000));
            };
            peer.stream.setCallbacks({ write: flood });
            peer.say(head);
            flood();
          });
          using connection = server.connection({ limits: { maxBodyBytes: 1_000_000 } });
          const error = await rejection(connection.send("/")) as HttpClientError;
          assertEquals(error.code, "HTTP_DATA_TOO_LONG", head + more);
        }
      }));

    it("a client that is closed from inside each of its callbacks, with requests waiting", () =>
      alongside(base, async () => {
        const before = openSocketCount();
        const response = "HTTP/1.1 103 \r\n\r\n" + ok("body");
        for (const where of ["onInterim", "onHead", "onData", "callback"] as const) {
          using server = new ScriptedServer(base, (peer) => peer.say(response));
          using client = new HttpClient(base, { maxConnectionsPerHost: 2 });
          const url = `http://${HOST}:${server.port}/`;
          const outcomes: string[] = [];
          const closeIf = (here: string): void => void (here === where && client.close());
          for (let count = 0; count < 5; count++) {
            client.request(url, {
              onInterim: () => closeIf("onInterim"),
              onHead: () => closeIf("onHead"),
              onData: () => closeIf("onData"),
            }, (response: HttpClientResponse | null, error) => {
              outcomes.push(response === null ? error!.code : "response");
              closeIf("callback");
            });
          }
          await eventually(() => outcomes.length === 5, `all are told (${where})`);
          assertEquals(outcomes.filter((code) => code === "response").length, where === "callback" ? 1 : 0, where);
          assertEquals([client.connectionCount, client.waitingCount], [0, 0]);
        }
        assertEquals(openSocketCount(), before);
      }));

    it("four hundred connections that come and go", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, (peer) => {
          peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
          peer.end();
        });
        using connection = new HttpClientConnection(base, { host: HOST, port: server.port });
        await connection.send("/");
        const before = openSocketCount();
        for (let round = 0; round < 400; round++) await connection.send("/");
        await eventually(() => openSocketCount() <= before, "all are closed");
      }));
  });
});
