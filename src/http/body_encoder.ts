import { constants, deflateRawSync } from "node:zlib";
import { copyOf } from "../core/copy_of.ts";
import type { ContentCoding } from "./accept_encoding.ts";

/** Compresses a body piece by piece; what comes of a piece can be decoded without waiting for the next. */
export interface BodyEncoder {
  /** Encodes a piece; never nothing. */
  add(bytes: Uint8Array): Uint8Array;
  /** What ends the body. */
  end(): Uint8Array;
}

/** How far back DEFLATE refers to what came before. */
const WINDOW_BYTES = 32 * 1024;
/** The last block of a DEFLATE stream: no bytes, by fixed codes. */
const LAST_BLOCK = [0x03, 0x00];
/** RFC 1952 section 2.3: DEFLATE, no name, no time, unknown system. */
const GZIP_HEAD = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/** RFC 1950 section 2.2: DEFLATE with a window of 32 KiB. */
const ZLIB_HEAD = [0x78, 0x9c];

/**
 * gzip (RFC 1952) or what HTTP calls deflate (RFC 1950). Each piece is compressed by one call that ends at a byte boundary; the window
 * goes from one to the next as a dictionary. That needs no other thread and no callback, which a blocking `dispatch()` would starve.
 */
export class DeflateEncoder implements BodyEncoder {
  readonly #isGzip: boolean;
  readonly #level: number;
  #window: Uint8Array = new Uint8Array(0);
  #checksum: number;
  #length = 0;
  #hasBegun = false;

  /** @param level 1 (fast) to 9 (small). */
  constructor(coding: Exclude<ContentCoding, "br">, level: number) {
    this.#isGzip = coding === "gzip";
    this.#level = level;
    this.#checksum = this.#isGzip ? 0 : 1;
  }

  add(bytes: Uint8Array): Uint8Array {
    const dictionary = this.#window.length === 0 ? {} : { dictionary: this.#window };
    const options = { level: this.#level, finishFlush: constants.Z_SYNC_FLUSH, ...dictionary };
    const encoded: Uint8Array = deflateRawSync(bytes, options);
    this.#checksum = this.#isGzip ? crc32(bytes, this.#checksum) : adler32(bytes, this.#checksum);
    this.#length += bytes.length;
    this.#remember(bytes);
    return joined(this.#head(), encoded);
  }

  end(): Uint8Array {
    const tail = new Uint8Array(this.#isGzip ? 10 : 6);
    const view = new DataView(tail.buffer);
    tail.set(LAST_BLOCK);
    view.setUint32(2, this.#checksum, this.#isGzip);
    if (this.#isGzip) view.setUint32(6, this.#length % 2 ** 32, true);
    return joined(this.#head(), tail);
  }

  #head(): readonly number[] {
    if (this.#hasBegun) return [];
    this.#hasBegun = true;
    return this.#isGzip ? GZIP_HEAD : ZLIB_HEAD;
  }

  /** Keeps a copy, since whoever has given the piece may use its memory for the next. */
  #remember(bytes: Uint8Array): void {
    const kept = this.#window.subarray(Math.max(0, this.#window.length + bytes.length - WINDOW_BYTES));
    if (bytes.length >= WINDOW_BYTES) this.#window = copyOf(bytes, bytes.length - WINDOW_BYTES);
    else this.#window = kept.length === 0 ? copyOf(bytes) : joined(kept, bytes);
  }
}

function joined(head: ArrayLike<number>, tail: Uint8Array): Uint8Array {
  if (head.length === 0) return tail;
  const result = new Uint8Array(new ArrayBuffer(head.length + tail.length));
  result.set(head);
  result.set(tail, head.length);
  return result;
}

const CRC_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? 0xedb88320 ^ value >>> 1 : value >>> 1;
  return value;
});

/** The checksum of gzip, continued from `start`; 0 for the beginning. */
export function crc32(bytes: Uint8Array, start: number): number {
  let value = ~start;
  for (let index = 0; index < bytes.length; index++) value = CRC_TABLE[(value ^ bytes[index]!) & 0xff]! ^ value >>> 8;
  return ~value >>> 0;
}

/** The most bytes whose sums stay below 2^32. */
const ADLER_RUN = 5552;

/** The checksum of zlib, continued from `start`; 1 for the beginning. */
export function adler32(bytes: Uint8Array, start: number): number {
  let low = start & 0xffff;
  let high = start >>> 16;
  for (let from = 0; from < bytes.length; from += ADLER_RUN) {
    const to = Math.min(bytes.length, from + ADLER_RUN);
    for (let index = from; index < to; index++) {
      low += bytes[index]!;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return (high * 65536 + low) >>> 0;
}
