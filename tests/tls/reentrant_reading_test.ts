/** Reading that is asked for while a read is under way. */
import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { EV_READ, EventBase } from "../../src/core/mod.ts";
import { inputText, settle } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { type Ends, openEnds, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

describe("Flushing a TLS connection from within a callback on its input", () => {
  let base: EventBase;
  let ends: Ends;

  beforeEach(() => {
    base = new EventBase();
    ends = openEnds(base, null);
  });
  afterEach(() => {
    ends.client.close();
    ends.server.close();
    base.close();
  });

  it("takes no record before those that came before it", () => {
    const { client, server } = ends;
    shakeHands(base, ends);
    settle(base);
    client.disable(EV_READ);
    for (const text of ["1", "2", "3"]) {
      server.write(text);
      settle(base);
    }
    let count = 0;
    client.input.addCallback((_input, { added }) => {
      if (added === 0) return;
      // Two of what came together are held then, and the last comes behind them.
      if (++count === 1) client.disable(EV_READ);
      else client.flush(EV_READ);
    });
    client.enable(EV_READ);
    settle(base);
    server.write("4");
    settle(base);
    client.enable(EV_READ);
    settle(base);
    assertEquals([inputText(client), client.error], ["1234", null]);
  });
});
