/**
 * Strings, addresses and 32-bit cells on their way to and from C.
 *
 * @module
 */

import { sys } from "./libc.ts";
import { runtime } from "./platform.ts";
import type { Address } from "./runtime.ts";

const encoder = new TextEncoder();
// A file's name may begin with the bytes of a byte order mark, and they belong to the name.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Memory that the kernel may see: backed by its own ArrayBuffer, because Bun moves small arrays that were made by length. */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/**
 * `text` as a zero-terminated UTF-8 string.
 *
 * @throws {TypeError} when `text` holds a NUL, which C would take for its end.
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`Cannot pass ${JSON.stringify(text)} to C: it contains a NUL character`);
  const encoded = encoder.encode(text);
  const bytes = allocate(encoded.length + 1);
  bytes.set(encoded);
  return bytes;
}

/** Reads the zero-terminated UTF-8 string at `address`. */
export function stringAt(address: Address): string {
  const length = sys.strlen(runtime.word(address));
  return length === 0 ? "" : decoder.decode(new Uint8Array(runtime.viewAt(address, length)).slice());
}

/** The UTF-8 string at the start of `bytes`, up to the first NUL or the end. */
export function stringIn(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Address of the first byte of `bytes`, valid for as long as the caller keeps `bytes`. Costs up to 250 ns: take it once. */
export function addressOf(bytes: Uint8Array): Address {
  return runtime.addressOf(bytes);
}

/** Writes `address + offset` as a 64-bit pointer (little-endian halves) into `words[index]` and `words[index + 1]`. */
export function putAddress(words: Uint32Array, index: number, address: Address, offset: number): void {
  const sum = address + offset;
  words[index] = sum >>> 0;
  words[index + 1] = (sum / 4294967296) >>> 0;
}
