import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Chain, CHAIN_MEMORY, memoryChain, restOf } from "../../src/core/chain.ts";
import { textOf, writeText } from "../../src/ws/text.ts";

const TEXTS = [
  "",
  "a",
  "Grüße",
  "€uro",
  "\u{1f600}",
  "\ufeffmark",
  "\0\x7f\x80\u07ff\u0800\uffff\u{10000}\u{10ffff}",
  // Lone surrogates: first halves, second halves, in the wrong order, before a pair.
  "\ud83d",
  "\ude00",
  "a\ud83db",
  "\ude00\ud83d",
  "\ud83d\ud83d\ude00",
  "x".repeat(100),
  "x".repeat(99) + "é",
  "é".repeat(300),
  "日本語".repeat(50) + "\ud83d",
];

describe("text of messages", () => {
  it("is written as TextEncoder writes it, where it should be and not beside", () => {
    for (const text of TEXTS) {
      const expected = [...new TextEncoder().encode(text)];
      for (const at of [0, 1, 7]) {
        const bytes = new Uint8Array(new ArrayBuffer(2000), 3, 1900).fill(0xee);
        const chain = new Chain(CHAIN_MEMORY, bytes, bytes.length, null);
        assertStrictEquals(writeText(text, chain, at), expected.length);
        // Again, from what is remembered by now.
        bytes.fill(0xee);
        assertStrictEquals(writeText(text, chain, at), expected.length);
        const around = [...new Array(at).fill(0xee), ...expected, ...new Array(1900 - at - expected.length).fill(0xee)];
        assertEquals([...bytes], around, JSON.stringify(text));
      }
    }
  });

  it("is written through a view that is kept for the place where it begins", () => {
    const chain = memoryChain(64);
    const view = restOf(chain, 4);
    assertEquals([view.byteOffset - chain.bytes.byteOffset, view.length], [4, 60]);
    assertStrictEquals(restOf(chain, 4), view);
    assertEquals([restOf(chain, 0).length, restOf(chain, 64).length, restOf(chain, 4).length], [64, 0, 60]);
  });

  it("is read as it was written, whether or not it is known to be ASCII", () => {
    for (const text of TEXTS.filter((text) => text.isWellFormed())) {
      const bytes = new TextEncoder().encode(`<${text}>`);
      const isAscii = text.length === bytes.length - 2;
      assertStrictEquals(textOf(bytes, 1, bytes.length - 1), text);
      if (isAscii) assertStrictEquals(textOf(bytes, 1, bytes.length - 1, true), text);
    }
  });

  it("of any length is read whole", () => {
    for (const length of [255, 256, 257, 4096, 300_000]) {
      const bytes = new Uint8Array(length).fill(0x41);
      assertStrictEquals(textOf(bytes, 0, length), "A".repeat(length));
    }
  });
});
