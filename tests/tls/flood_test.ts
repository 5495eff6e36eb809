/** What a peer can make us do and hold by means of TLS itself. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EV_READ, EventBase } from "../../src/core/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { openEnds, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

describe("a peer that changes keys over and over", () => {
  it("is not listened to while it does not read the answers, and loses nothing", () => {
    using base = new EventBase();
    const { client, server } = openEnds(base, null);
    shakeHands(base, { client, server });
    settle(base);
    client.disable(EV_READ);
    let rounds = 0;
    // In the end the client cannot go on, since nobody listens.
    for (; rounds < 14_000 && client.updateKeys(); rounds++) {
      client.write("x");
      client.flush();
      // Everything but the answers moves on, a few at a time.
      if (rounds % 500 === 0) settle(base);
    }
    assert(rounds > 2_000, `${rounds}`);
    settle(base);
    assertLess(server.underlying.output.length, 300_000);
    assertLess(server.input.length, rounds);
    client.enable(EV_READ);
    until(base, () => server.input.length === rounds, "all of it");
    server.write("well?");
    until(base, () => client.input.length === 5, "the answer");
    assertEquals([client.error, server.error], [null, null]);
    client.close();
    server.close();
  });
});
