/** Where a socket's bytes lie that go to a sink. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type ByteSink, EV_READ, SocketBufferEvent } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";
import { settle } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  /** What a sink has seen of three pieces, as it reads once all have come. */
  function seenBy(keepsNothing: ByteSink["keepsNothing"]): { memory: Uint8Array[]; starts: number[]; texts: string[] } {
    using base = backend.newBase();
    using descriptors = new Descriptors();
    const [one, other] = descriptors.socketpair();
    const connection = new SocketBufferEvent(base, one, { keepOpen: true });
    const [memory, starts, lengths]: [Uint8Array[], number[], number[]] = [[], [], []];
    connection.setSink({
      keepsNothing,
      receive(bytes, start, end) {
        memory.push(bytes);
        starts.push(start);
        lengths.push(end - start);
      },
    });
    connection.enable(EV_READ);
    for (const text of ["aaa", "bb", "c"]) {
      writeText(other, text);
      settle(base);
    }
    connection.close();
    const texts = starts.map((start, i) => new TextDecoder().decode(memory[i]!.slice(start, start + lengths[i]!)));
    return { memory, starts, texts };
  }

  describe("what a sink has received", () => {
    it("is never overwritten", () => {
      assertEquals(seenBy(undefined).texts, ["aaa", "bb", "c"]);
      assertEquals(seenBy(false).texts, ["aaa", "bb", "c"]);
    });

    it("is overwritten by what comes next where the sink keeps nothing", () => {
      const { memory, starts, texts } = seenBy(true);
      assertEquals([starts[1], starts[2], texts], [starts[0], starts[0], ["cba", "cb", "c"]]);
      assertStrictEquals(memory[2], memory[0]);
    });
  });
});
