import { addressOf, allocate, recvAt, runtime, type Word } from "../ffi/mod.ts";

/** Small reads fill the first half before a new slab is taken; a large one always finds the other half free. */
const SLAB_BYTES = 128 * 1024;
const ROOM_MIN = 64 * 1024;

/**
 * Where all connections of a base receive. One `recv` goes into the free end of a slab, and bytes once received are never
 * overwritten: when the slab is full a new one is taken, and the old one lives for as long as somebody refers to it. So
 * protocol code may keep offsets into what it was given without copying, and an idle connection holds no buffer at all.
 *
 * @internal
 */
export class ReadSlab {
  /** The memory that the last read went to. */
  bytes: Uint8Array = allocate(0);
  /** Where the last read begins in {@linkcode ReadSlab.bytes}. */
  start = 0;
  /** Where it ends. */
  end = 0;
  #word: Word = runtime.word(0);
  // Where the last read went to, as C's number: mostly the next one goes there as well, and on Deno an offset makes another bigint of it.
  #startWord: Word = this.#word;
  #wordStart = 0;

  /** Receives at most `max` bytes. Returns how many came, 0 at the end of the stream, or `-errno`. */
  receive(fd: number, max: number): number {
    if (this.bytes.length - this.end < ROOM_MIN) {
      this.bytes = allocate(SLAB_BYTES);
      this.#word = this.#startWord = runtime.word(addressOf(this.bytes));
      this.end = this.#wordStart = 0;
    }
    // At a whole word: bytes are compared and unmasked faster by words.
    const start = this.end + 3 & ~3;
    if (start !== this.#wordStart) {
      this.#wordStart = start;
      this.#startWord = runtime.wordAt(this.#word, start);
    }
    const received = recvAt(fd, this.#startWord, Math.min(max, this.bytes.length - start), 0);
    if (received > 0) {
      this.start = start;
      this.end = start + received;
    }
    return received;
  }

  /** Nobody refers to `bytes[start..end)`. They are overwritten by the next read if they are what the last one brought. */
  reuse(bytes: Uint8Array, start: number, end: number): void {
    if (this.bytes === bytes && this.start === start && this.end === end) this.end = start;
  }
}
