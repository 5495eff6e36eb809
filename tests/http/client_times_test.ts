/** What a client waits for, and for how long, by a clock that passes only while the loop waits. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, type EventBase } from "../../src/core/mod.ts";
import {
  EVREQ_HTTP_TIMEOUT,
  HttpClient,
  HttpClientConnection,
  type HttpClientConnectionOptions,
  type HttpClientRequest,
  type HttpRequestOptions,
} from "../../src/http/mod.ts";
import type { VirtualTime } from "../differential/virtual_time.ts";
import { forEachBackend } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { answering, HOST, ok, OWN_HOST, type Script, ScriptedServer } from "./client_support.ts";

const MINUTE = 60_000;

forEachBackend((backend) => {
  /** Runs `body` with a server that follows a script, and a connection to it. */
  function withConnection(
    script: Script,
    options: HttpClientConnectionOptions,
    body: (connection: HttpClientConnection, base: EventBase, time: VirtualTime, server: ScriptedServer) => void,
  ): void {
    withVirtualTime(backend, (base, time) => {
      using server = new ScriptedServer(base, script);
      using connection = server.connection(options);
      body(connection, base, time, server);
    });
  }

  /** Makes a request and runs the loop until it is over. */
  function outcome(base: EventBase, connection: HttpClientConnection, options: HttpRequestOptions = {}): string {
    let result = "";
    connection.request("/", options, (response, error) => {
      result = error === null ? `${response!.status} ${response!.text()}` : `${error.code} ${error.kind}`;
      base.loopBreak();
    });
    base.dispatch();
    return result;
  }

  /** Runs the loop for so long. */
  function pass(base: EventBase, ms: number): void {
    using timer = base.timer(() => base.loopBreak());
    timer.add(ms);
    base.dispatch();
  }

  describe("A client", () => {
    it("gives up after 50 s without a byte, and makes the next request on another connection", () =>
      withConnection(answering(() => {}, ok("next")), {}, (connection, base, time, server) => {
        const startMs = time.elapsedMs;
        let next = "";
        connection.request("/", {}, (_, error) => {
          assertEquals(error!.kind, EVREQ_HTTP_TIMEOUT);
          assertEquals(Math.round((time.elapsedMs - startMs) / 1000), 50);
        });
        connection.request("/", {}, (response) => {
          next = response!.text();
          base.loopBreak();
        });
        base.dispatch();
        assertEquals([next, server.peers.length], ["next", 2]);
      }));

    it("goes on for as long as something comes", () =>
      withConnection(
        answering((peer) => {
          const bytes = ok("x".repeat(20));
          let at = 0;
          const { base } = peer.stream;
          const timer = base.timer(() => {
            peer.say(bytes[at++]!);
            if (at < bytes.length) timer.add(40_000);
            else timer.close();
          });
          timer.add(40_000);
        }),
        {},
        (connection, base, time) => {
          assertEquals(outcome(base, connection), `200 ${"x".repeat(20)}`);
          assert(time.elapsedMs > 30 * MINUTE);
        },
      ));

    it("gives up a server that takes nothing by the write timeout, and by no other", () =>
      withConnection((peer) => peer.stream.disable(EV_READ), { readTimeoutMs: 1000 }, (connection, base, time) => {
        const options = { method: "POST", body: new Uint8Array(32 * 1024 * 1024) };
        assertEquals(outcome(base, connection, options), `HTTP_TIMEOUT ${EVREQ_HTTP_TIMEOUT}`);
        assert(time.elapsedMs >= 50_000 && time.elapsedMs < 2 * MINUTE, `${time.elapsedMs} ms`);
      }));

    it("keeps a connection for hours that has nothing to do", () =>
      withConnection(answering(ok("1"), ok("2")), {}, (connection, base, _, server) => {
        assertEquals(outcome(base, connection), "200 1");
        pass(base, 180 * MINUTE);
        assertEquals(outcome(base, connection), "200 2");
        assertEquals(server.peers.length, 1);
      }));

    it("lets a response wait for hours that is paused, and gives up 50 s after it goes on", () =>
      withConnection(
        answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo"),
        {},
        (connection, base, time) => {
          let code = "";
          const request: HttpClientRequest = connection.request("/", {
            onHead: (_, request) => request.pause(),
          }, (_, error) => {
            code = error!.code;
            base.loopBreak();
          });
          pass(base, 180 * MINUTE);
          assertEquals(code, "");
          request.resume();
          const resumedMs = time.elapsedMs;
          base.dispatch();
          assertEquals([code, Math.round((time.elapsedMs - resumedMs) / 1000)], ["HTTP_TIMEOUT", 50]);
        },
      ));

    it("sends a body after a second that nobody has asked for or refused", () =>
      withConnection(
        (peer) => void (peer.received.endsWith("body") && peer.say(ok(""))),
        {},
        (connection, base, time) => {
          assertEquals(outcome(base, connection, { method: "POST", body: "body", expectContinue: true }), "200 ");
          assertEquals(Math.round(time.elapsedMs / 1000), 1);
        },
      ));

    it("gives up 50 s after the last byte of a response that came instead of a 100, and not before", () => {
      for (const body of ["body", new ReadableStream<Uint8Array>()]) {
        withConnection(
          answering((peer) => {
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo");
            const timer = peer.stream.base.timer(() => {
              peer.say("d");
              timer.close();
            });
            timer.add(40_000);
          }),
          {},
          (connection, base, time) => {
            const code = outcome(base, connection, { method: "POST", body, expectContinue: true });
            assertEquals([code, Math.round(time.elapsedMs / 1000)], [`HTTP_TIMEOUT ${EVREQ_HTTP_TIMEOUT}`, 90]);
          },
        );
      }
    });

    it("waits 50 s for a response to a body that was asked for", () =>
      withConnection(
        (peer) => {
          if (!peer.received.endsWith("body")) return peer.say("HTTP/1.1 100 \r\n\r\n");
          const timer = peer.stream.base.timer(() => {
            peer.say(ok("late"));
            timer.close();
          });
          timer.add(40_000);
        },
        {},
        (connection, base) => {
          assertEquals(outcome(base, connection, { method: "POST", body: "body", expectContinue: true }), "200 late");
        },
      ));

    it("tries again to connect after 2 s, and twice as long each time", () =>
      withVirtualTime(backend, (base, time) => {
        let port = 0;
        {
          using server = new ScriptedServer(base, () => {}, undefined, OWN_HOST);
          port = server.port;
        }
        for (const [retries, seconds] of [[0, 0], [1, 2], [3, 14]] as const) {
          using connection = new HttpClientConnection(base, { host: OWN_HOST, port }, { retries });
          for (let count = 0; count < 2; count++) {
            const startMs = time.elapsedMs;
            assertEquals(outcome(base, connection), "HTTP_CONNECT_FAILED -1");
            assertEquals(Math.round((time.elapsedMs - startMs) / 1000), seconds);
          }
        }
      }));

    it("gives up connecting after 45 s, proxies included", () =>
      withVirtualTime(backend, (base, time) => {
        using server = new ScriptedServer(base, () => {});
        const proxy = { kind: "http", host: HOST, port: server.port } as const;
        using connection = new HttpClientConnection(base, { host: "example.test", port: 80 }, { proxy });
        assertEquals(outcome(base, connection), "HTTP_CONNECT_FAILED -1");
        assertEquals(Math.round(time.elapsedMs / 1000), 45);
      }));

    it("keeps pooled connections for 30 s, counted from the last use", () =>
      withVirtualTime(backend, (base) => {
        using server = new ScriptedServer(base, answering(ok("1"), ok("2")));
        using client = new HttpClient(base);
        const ask = (): void => {
          client.request(`http://${HOST}:${server.port}/`, {}, () => base.loopBreak());
          base.dispatch();
        };
        ask();
        pass(base, 25_000);
        ask();
        pass(base, 25_000);
        assertEquals([client.connectionCount, server.peers.length], [1, 1]);
        pass(base, 10_000);
        assertEquals(client.connectionCount, 0);
      }));
  });
});
