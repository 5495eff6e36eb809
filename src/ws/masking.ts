/**
 * Masking (RFC 6455 section 5.3), and taking it off again, which is the same.
 *
 * @module
 */
import { wordsOf } from "../core/words.ts";

/** From this many bytes on words are taken at a time: four times as fast, after a view that has to be at hand. */
const WORDS_FROM_BYTES = 48;

/** What no byte of an ASCII text has, in each byte of a word. */
const HIGH_BITS = 0x80808080 | 0;

/** One word in the byte order of this machine. */
const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Masks `bytes[start..end)` where it lies.
 *
 * @param mask the four bytes of the key as one number, its first byte in the highest place.
 * @param offset how many bytes of the frame's payload came before.
 * @returns whether all that it has written is ASCII, which costs less to see here than to look for afterwards.
 */
export function applyMask(bytes: Uint8Array, start: number, end: number, mask: number, offset: number): boolean {
  // From here on the key's first byte is the one for bytes[start].
  let key = rotated(mask, offset);
  let at = start;
  // All bits that are set in any word or byte.
  let seen = 0;
  if (end - start >= WORDS_FROM_BYTES) {
    // A word begins where the memory's own count of bytes is even by four, which the view of it need not be.
    const base = bytes.byteOffset;
    while (((base + at) & 3) !== 0) {
      seen |= bytes[at]! ^= key >>> 24;
      key = key << 8 | key >>> 24;
      at++;
    }
    const words = wordsOf(bytes.buffer);
    const word = isLittleEndian ? swapped(key) : key;
    const last = (base + end) >>> 2;
    let index = (base + at) >>> 2;
    // Four at a time take JSC two thirds of the time that they take one by one, and V8 as long.
    for (; last - index >= 4; index += 4) {
      seen |= words[index]! ^= word;
      seen |= words[index + 1]! ^= word;
      seen |= words[index + 2]! ^= word;
      seen |= words[index + 3]! ^= word;
    }
    for (; index < last; index++) seen |= words[index]! ^= word;
    at = (last << 2) - base;
  }
  const b0 = key >>> 24;
  const b1 = key >>> 16 & 0xff;
  const b2 = key >>> 8 & 0xff;
  const b3 = key & 0xff;
  for (; end - at >= 4; at += 4) {
    seen |= bytes[at]! ^= b0;
    seen |= bytes[at + 1]! ^= b1;
    seen |= bytes[at + 2]! ^= b2;
    seen |= bytes[at + 3]! ^= b3;
  }
  if (at < end) seen |= bytes[at++]! ^= b0;
  if (at < end) seen |= bytes[at++]! ^= b1;
  if (at < end) seen |= bytes[at]! ^= b2;
  return (seen & HIGH_BITS) === 0;
}

function rotated(mask: number, offset: number): number {
  const bits = (offset & 3) << 3;
  return bits === 0 ? mask : mask << bits | mask >>> (32 - bits);
}

function swapped(word: number): number {
  return word << 24 | (word & 0xff00) << 8 | word >>> 8 & 0xff00 | word >>> 24;
}
