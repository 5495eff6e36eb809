/** Requests that somebody keeps after they were answered stay what they were, whatever is received after them. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpRequest } from "../../src/http/mod.ts";
import { get, post, withServer } from "./server_support.ts";

describe("a request that is kept", () => {
  it("stays what it was through many others, with bodies and pipelining", async () => {
    const kept: HttpRequest[] = [];
    const rounds = [0, 1, 2, 3, 4];
    await withServer({}, (request) => {
      kept.push(request);
      request.reply(200, "x");
    }, async ({ connect }) => {
      using client = await connect();
      for (const round of rounds) {
        // Each array leaves in one piece.
        for (
          const requests of [
            [get(`/${round}`)],
            [get(`/${round}?again`)],
            [get(`/${round}`), get(`/${round}/behind`), post(`/${round}/body`, `body ${round}`)],
            [get("/", `X-Round: ${round}\r\n`)],
          ]
        ) {
          client.send(requests.join(""));
          for (const _ of requests) await client.reply();
        }
      }
    });
    assertEquals(
      kept.map((request) => request.target),
      rounds.flatMap((
        round,
      ) => [`/${round}`, `/${round}?again`, `/${round}`, `/${round}/behind`, `/${round}/body`, "/"]),
    );
    assertEquals(kept.flatMap((request) => request.headers.get("x-round") ?? []), rounds.map(String));
    assertEquals(new Set(kept.map((request) => request.headers.get("host"))), new Set(["test"]));
  });
});
