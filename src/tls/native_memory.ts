/**
 * Our memory as OpenSSL sees it: addresses instead of views, because a view per record would be garbage.
 *
 * @module
 */

import type { ByteSink, EvBuffer } from "../core/mod.ts";
import { type Address, addressOf, allocate, runtime, type Word } from "../ffi/mod.ts";

let lastBytes: Uint8Array | null = null;
let lastAddress: Address = 0;

/**
 * Address of `bytes[offset]`, valid while the caller keeps `bytes`. What is received in a row mostly lies in one slab, so the
 * last answer is remembered: on Deno asking again costs some 250 ns.
 */
export function addressIn(bytes: Uint8Array, offset: number): Address {
  if (bytes !== lastBytes) {
    // Looking at `buffer` is what settles the memory of a small array on Bun.
    if (bytes.buffer.byteLength === 0) return 0;
    lastAddress = addressOf(bytes);
    lastBytes = bytes;
  }
  return lastAddress + offset;
}

/** The same as C takes it. */
export function wordAt(bytes: Uint8Array, offset: number): Word {
  return runtime.word(addressIn(bytes, offset));
}

/** Small reads fill the front before a new slab is taken; a whole record always finds room. */
const SLAB_BYTES = 128 * 1024;

/** The most plaintext that one record holds (RFC 8446 section 5.1). */
export const RECORD_BYTES_MAX = 16 * 1024;

/**
 * Where all TLS connections of a thread decrypt to. Bytes once decrypted are never overwritten: a full slab is replaced by a new one
 * and lives for as long as somebody refers to it, like the slab that sockets receive into.
 */
export class PlainSlab {
  /** The memory that the last record went to. */
  bytes: Uint8Array = allocate(0);
  /** Where it begins. */
  start = 0;
  /** Where it ends. */
  end = 0;
  #address: Address = 0;
  #wordAddress: Address = 0;
  #word: Word = runtime.word(0);

  /** Makes room for a record. */
  prepare(): void {
    if (this.bytes.length - this.end >= RECORD_BYTES_MAX) return;
    this.bytes = allocate(SLAB_BYTES);
    this.#address = addressOf(this.bytes);
    this.end = 0;
    this.start = 0;
  }

  /** Address of the free end. It mostly is where it was, and on Deno making the number anew costs more than looking. */
  get free(): Word {
    const address = this.#address + this.end;
    if (address !== this.#wordAddress) {
      this.#wordAddress = address;
      this.#word = runtime.word(address);
    }
    return this.#word;
  }

  /** The next `count` bytes are data. */
  take(count: number): void {
    this.start = this.end;
    this.end += count;
  }

  /** Hands the last record to a sink. */
  passTo(sink: ByteSink): void {
    const { bytes, start, end } = this;
    sink.receive(bytes, start, end);
    if (sink.keepsNothing === true) this.#reuse(bytes, start, end);
  }

  /** Copies the last record to the back of an input, which is open to nobody else. */
  addTo(input: EvBuffer): void {
    const { bytes, start, end } = this;
    input.unfreezeBack();
    try {
      input.addSlice(bytes, start, end);
    } finally {
      input.freezeBack();
    }
    this.#reuse(bytes, start, end);
  }

  /** Nobody refers to `bytes[start..end)`: they are used again, unless more came meanwhile. */
  #reuse(bytes: Uint8Array, start: number, end: number): void {
    if (this.bytes === bytes && this.start === start && this.end === end) this.end = start;
  }
}

/** The slab of this thread. */
export const plainSlab: PlainSlab = new PlainSlab();
