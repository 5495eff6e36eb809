/** What the counterparts of libevent's evbuffer cases share. */
import { assert, assertEquals } from "@std/assert";
import { EvBuffer } from "../../src/core/evbuffer.ts";

/** Text as one byte per character. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The reverse of {@linkcode ascii}. */
export function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A buffer that holds each text in a chain of its own. */
export function inChains(...texts: string[]): EvBuffer {
  const buffer = new EvBuffer();
  for (const text of texts) {
    const one = new EvBuffer();
    one.add(text);
    buffer.addBuffer(one);
  }
  return buffer;
}

/** Walks the chains: none is empty, all lie in their memory, and together they have the buffer's length. */
export function validate(...buffers: EvBuffer[]): void {
  for (const buffer of buffers) {
    let sum = 0;
    for (let chain = buffer.firstChain; chain !== null; chain = chain.next) {
      assert(chain.end > chain.start, "a chain is empty");
      assert(chain.start >= 0 && (chain.bytes.length === 0 || chain.end <= chain.bytes.length), "a chain is too long");
      sum += chain.end - chain.start;
    }
    assertEquals(sum, buffer.length);
  }
}

/** Everything in the buffer, which keeps it. */
export function contentOf(buffer: EvBuffer): string {
  validate(buffer);
  return buffer.peek().map(textOf).join("");
}
