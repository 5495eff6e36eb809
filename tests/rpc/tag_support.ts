/** What the tests of tagged data share. */
import { assertStrictEquals, assertThrows } from "@std/assert";
import { EvBuffer } from "../../src/core/mod.ts";
import { TagError, type TagErrorCode, TagReader } from "../../src/rpc/mod.ts";

/** Bytes from hexadecimal digits; what stands between quotes is text. */
export function bytes(text: string): Uint8Array {
  const result: number[] = [];
  for (const [, quoted, digits] of text.matchAll(/"([^"]*)"|([0-9a-fA-F]{2})/g)) {
    if (digits !== undefined) result.push(parseInt(digits, 16));
    else result.push(...Array.from(quoted!, (character) => character.charCodeAt(0)));
  }
  return Uint8Array.from(result);
}

/** Bytes as hexadecimal digits. */
export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A buffer with these pieces, each in memory of its own. */
export function bufferOf(...pieces: Uint8Array[]): EvBuffer {
  const buffer = new EvBuffer();
  for (const piece of pieces) buffer.addReference(piece);
  return buffer;
}

/** Reads the same from bytes, from a buffer, and from a buffer that was split anywhere. */
export function forEachSource(data: Uint8Array, read: (reader: TagReader) => void): void {
  read(new TagReader(data));
  for (let at = 0; at < Math.max(1, data.length); at++) {
    using buffer = new ClosedBuffer(bufferOf(data.slice(0, at), data.slice(at)));
    read(new TagReader(buffer.buffer));
  }
}

class ClosedBuffer implements Disposable {
  readonly buffer: EvBuffer;

  constructor(buffer: EvBuffer) {
    this.buffer = buffer;
  }

  [Symbol.dispose](): void {
    this.buffer.close();
  }
}

/** Checks what something is refused with. */
export function assertRefused(code: TagErrorCode, body: () => unknown): void {
  assertStrictEquals(assertThrows(body, TagError).code, code);
}
