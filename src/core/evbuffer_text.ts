/**
 * Writing text straight into chunks.
 *
 * @module
 */

import { type Chain, referenceChain } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";

const encoder: TextEncoder = new TextEncoder();

/**
 * Texts up to this length are written by a loop over char codes, longer ones by `encodeInto`. The loop costs 1 to 2 ns per
 * character on Deno and 0.6 on Bun; `encodeInto` with the view it needs about 90 and 50 ns, hardly more for 1,000 characters.
 */
const loopLengthMax = 64;

/** Texts of at least this many characters are linked in as they come from the encoder and not copied into a chunk. */
const adoptLengthMin = 16_384;

/** The largest char code of ASCII. */
export const ASCII_MAX = 0x7f;
/** The largest char code of Latin-1. */
export const LATIN1_MAX = 0xff;

/**
 * Writes one byte per char code and returns how many.
 *
 * Codes above `codeMax` are refused, not cut to a byte: cut, U+010A would become a line feed, which in a header is a second
 * header. Nothing is part of the buffer before it passed.
 */
export function addCodes(queue: ChainQueue, text: string, codeMax: number): number {
  const length = text.length;
  if (length === 0) return 0;
  const chain = queue.reserveTail(length);
  const fits = length > loopLengthMax && encodeAscii(chain, text);
  if (!fits && copyCodes(chain, text) > codeMax) {
    queue.commitTail(0);
    refuseCode(text, codeMax);
  }
  queue.commitTail(length);
  return length;
}

/** Writes `text` as UTF-8 (lone surrogates become U+FFFD) and returns how many bytes that took. */
export function addUtf8(queue: ChainQueue, text: string): number {
  const length = text.length;
  if (length === 0) return 0;
  if (length < adoptLengthMin) {
    const chain = queue.reserveTail(length);
    if (length > loopLengthMax ? encodeAscii(chain, text) : copyCodes(chain, text) <= ASCII_MAX) {
      queue.commitTail(length);
      return length;
    }
  }
  const encoded = encoder.encode(text);
  if (length < adoptLengthMin) {
    queue.addBytes(encoded);
  } else {
    queue.append(referenceChain(encoded, null));
  }
  return encoded.length;
}

/**
 * Writes the codes of `text` behind the chain's data, each cut to a byte, and returns all of them or'ed together: whether one
 * is too large is then one comparison at the end, which costs nothing per character.
 */
function copyCodes(chain: Chain, text: string): number {
  const bytes = chain.bytes;
  const length = text.length;
  let at = chain.end;
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    seen |= code;
    bytes[at++] = code;
  }
  return seen;
}

/** Writes `text` behind the chain's data if it is all ASCII: anything else needs more bytes than it has characters. */
function encodeAscii(chain: Chain, text: string): boolean {
  const room = chain.bytes.subarray(chain.end, chain.end + text.length);
  return encoder.encodeInto(text, room).read === text.length;
}

/** Encodes text for the calls that need its bytes at hand. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function refuseCode(text: string, codeMax: number): never {
  let index = 0;
  while (text.charCodeAt(index) <= codeMax) index++;
  const code = text.charCodeAt(index).toString(16).toUpperCase().padStart(4, "0");
  const charset = codeMax === ASCII_MAX ? "ASCII" : "Latin-1";
  throw new RangeError(`Cannot add text as ${charset}: there is U+${code} at index ${index}`);
}
