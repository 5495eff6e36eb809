/** Where plaintext lies that goes to a sink, or to the input. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { plainSlab } from "../../src/tls/native_memory.ts";
import { assertSameBytes, pattern, until } from "../core/bufferevent_support.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { openEnds, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

describe("plaintext", () => {
  const bytes = pattern(600_000);

  /** Has a client send `bytes` over sockets; returns the parts a sink was given, and how many slabs they lie in. */
  function receivedBy(keepsNothing: boolean): { parts: Uint8Array[]; copies: Uint8Array[]; slabs: number } {
    using base = new EventBase();
    using descriptors = new Descriptors();
    const { client, server } = openEnds(base, descriptors);
    shakeHands(base, { client, server });
    const [parts, copies]: [Uint8Array[], Uint8Array[]] = [[], []];
    let total = 0;
    server.setSink({
      keepsNothing,
      receive(received, start, end) {
        parts.push(received.subarray(start, end));
        copies.push(received.slice(start, end));
        total += end - start;
      },
    });
    client.write(bytes);
    until(base, () => total === bytes.length, "all of it");
    client.close();
    server.close();
    return { parts, copies, slabs: new Set(parts.map(({ buffer }) => buffer)).size };
  }

  function joined(parts: readonly Uint8Array[]): Uint8Array {
    const all = new Uint8Array(new ArrayBuffer(bytes.length));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  it("stays where a sink has got it", () => {
    const { parts, slabs } = receivedBy(false);
    assertSameBytes(joined(parts), bytes);
    assert(slabs > 3, `${slabs}`);
  });

  it("takes no more memory than a record or two where the sink keeps nothing", () => {
    const { copies, slabs } = receivedBy(true);
    assertSameBytes(joined(copies), bytes);
    assert(slabs <= 2, `${slabs}`);
  });

  it("that has gone to the input leaves its memory for the next", () => {
    using base = new EventBase();
    const { client, server } = openEnds(base, null);
    shakeHands(base, { client, server });
    client.write("a");
    until(base, () => server.input.length === 1, "a first byte");
    const { bytes: slab, end } = plainSlab;
    client.write(bytes);
    until(base, () => server.input.length === 1 + bytes.length, "all of it");
    assert(plainSlab.bytes === slab || plainSlab.end <= end);
    assertEquals(server.input.take(1)[0], 97);
    assertSameBytes(server.input.take(), bytes);
    client.close();
    server.close();
  });
});
