/**
 * Checks that bytes are UTF-8, piece by piece (RFC 3629 section 4; RFC 6455 section 8.1).
 *
 * @module
 */
import { wordsOf } from "../core/words.ts";

/** From this many bytes on words are looked at instead of bytes. */
const WORDS_FROM_BYTES = 48;
const HIGH_BITS = 0x80808080 | 0;

/** Index of the first byte from `start` on that may not be ASCII: exact for less than four bytes, else the word it is in. */
function skipAscii(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  if (end - start >= WORDS_FROM_BYTES) {
    const base = bytes.byteOffset;
    for (; ((base + at) & 3) !== 0; at++) if (bytes[at]! > 127) return at;
    const words = wordsOf(bytes.buffer);
    const last = (base + end) >>> 2;
    let index = (base + at) >>> 2;
    while (index < last && (words[index]! & HIGH_BITS) === 0) index++;
    at = (index << 2) - base;
  }
  while (at < end && bytes[at]! < 128) at++;
  return at;
}

/** Whether all of `bytes[start..end)` is ASCII. */
export function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  return skipAscii(bytes, start, end) === end;
}

/** An incremental check: what has come is right so far, or wrong for good from the first byte that no text can have there. */
export class Utf8Checker {
  // How many more bytes the character has that is under way, and what the next of them may be.
  #missing = 0;
  #lowest = 0x80;
  #highest = 0xbf;

  /** Whether no character is cut in two: where a text may end. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Forgets what has come. */
  reset(): void {
    this.#missing = 0;
    this.#lowest = 0x80;
    this.#highest = 0xbf;
  }

  /** Checks further bytes; false as soon as they cannot be part of a text, and then of no more use before {@linkcode Utf8Checker.reset}. */
  check(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      if (this.#missing === 0) {
        if (bytes[at]! < 128) at = skipAscii(bytes, at, end);
        if (at === end) return true;
        if (!this.#lead(bytes[at]!)) return false;
        at++;
      }
      while (this.#missing > 0 && at < end) {
        const byte = bytes[at]!;
        if (byte < this.#lowest || byte > this.#highest) return false;
        this.#lowest = 0x80;
        this.#highest = 0xbf;
        this.#missing--;
        at++;
      }
    }
    return true;
  }

  /**
   * Begins a character of several bytes. What may follow the first byte keeps overlong forms (C0, C1, E0 80, F0 80), surrogates
   * (ED A0) and what is beyond U+10FFFF (F4 90, F5) out.
   */
  #lead(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false;
    if (byte < 0xe0) {
      this.#missing = 1;
    } else if (byte < 0xf0) {
      this.#missing = 2;
      if (byte === 0xe0) this.#lowest = 0xa0;
      else if (byte === 0xed) this.#highest = 0x9f;
    } else {
      this.#missing = 3;
      if (byte === 0xf0) this.#lowest = 0x90;
      else if (byte === 0xf4) this.#highest = 0x8f;
    }
    return true;
  }
}
