/** Requests that are ended early. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpClientError, type HttpClientRequest } from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { assertNothingLeftOpen, type BesideScript, besideScript, failureOf } from "./client_beside.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: BesideScript): Promise<void> => besideScript(base, ...given);

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
        assertEquals((await failureOf(connection, { onHead: () => false })).code, "HTTP_CANCELLED");
        assertEquals(
          (await failureOf(connection, { onData: (_, __, request) => request.cancel() })).code,
          "HTTP_CANCELLED",
        );
        assertEquals(
          (await failureOf(connection, { onInterim: (_, request) => request.cancel() })).code,
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
        const first = failureOf(connection);
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
});
