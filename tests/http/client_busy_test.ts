/** Requests that are made by callbacks which have taken longer than the server may. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

import { HttpClient, HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";

const LIMIT_MS = 100;

describe("a client that is asked by a callback which has taken long", () => {
  forEachBackend((backend) => {
    /** Makes requests, one after the other, by callbacks that are busy before; `answerMs`: how long the server is, on the same base. */
    function outcomes(answerMs: number, schemes: readonly ("http" | "https")[]): string[] {
      const results: string[] = [];
      using context = serverContext();
      using tls = clientContext();
      withVirtualTime(backend, (base, time) => {
        using server = new HttpServer(base, {}, (request) => {
          const timer = base.timer(() => {
            timer.close();
            request.reply(200, "late");
          });
          timer.add(answerMs);
        });
        const ports = { http: server.listen({ port: 0 }).port, https: server.listen({ port: 0, tls: context }).port };
        using client = new HttpClient(base, { readTimeoutMs: LIMIT_MS, connectTimeoutMs: LIMIT_MS, tls });
        for (const scheme of schemes) {
          using busy = base.timer(() => {
            time.elapsedMs += 3 * LIMIT_MS;
            const startMs = time.elapsedMs;
            client.request(`${scheme}://localhost:${ports[scheme]}/`, {}, (response, error) => {
              results.push(error === null ? `${response!.status}` : error.code);
              if (error !== null) assert(time.elapsedMs - startMs >= LIMIT_MS);
              base.loopBreak();
            });
          });
          busy.add(1);
          base.dispatch();
        }
      });
      return results;
    }

    it("gives the server its time from then on, on a new connection and on a kept one", () => {
      const schemes = ["http", "http", "https", "https"] as const;
      assertEquals(outcomes(LIMIT_MS / 2, schemes), ["200", "200", "200", "200"]);
    });

    it("gives it no more than that", () => {
      assertEquals(outcomes(2 * LIMIT_MS, ["http", "http"]), ["HTTP_TIMEOUT", "HTTP_TIMEOUT"]);
    });
  });
});
