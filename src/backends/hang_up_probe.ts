import { allocate, poll } from "../ffi/mod.ts";

const POLLFD_BYTES = 8;
const COUNT_FIRST = 64;

/**
 * Finds descriptors that have hung up, by `poll(2)`, which tells so unasked. `select(2)` counts a hang-up as readable only: a Unix socket whose
 * buffer is full, and whose peer has shut down both ways without closing, is never writable to it, though writing would say at once that
 * there is nobody to read. Its set of exceptions is for urgent data, and knows nothing of it either.
 */
export class HangUpProbe {
  /** What the last {@linkcode HangUpProbe.find} has found. */
  found: Int32Array = new Int32Array(COUNT_FIRST);
  // struct pollfd: the descriptor in 32 bits, what is asked for and what is there in 16 bits each.
  #pollfds: Uint8Array = allocate(COUNT_FIRST * POLLFD_BYTES);
  #words: Int32Array = new Int32Array(this.#pollfds.buffer as ArrayBuffer);

  /** Looks at the descriptors whose bits are set in the first `length` bytes of `wanted`. Answers how many have hung up. */
  find(wanted: Uint8Array, length: number): number {
    let count = 0;
    for (let at = 0; at < length; at++) {
      for (let bits = wanted[at]!, bit = 0; bits !== 0; bits >>= 1, bit++) {
        if ((bits & 1) !== 0) this.#put(count++, at * 8 + bit);
      }
    }
    // Nothing is asked for, so nothing but errors and hang-ups is told.
    if (count === 0 || poll(this.#pollfds, count, 0) <= 0) return 0;
    let found = 0;
    for (let index = 0; index < count; index++) {
      if (this.#words[index * 2 + 1] !== 0) this.found[found++] = this.#words[index * 2]!;
    }
    return found;
  }

  #put(index: number, fd: number): void {
    if (index === this.found.length) this.#grow();
    this.#words[index * 2] = fd;
    this.#words[index * 2 + 1] = 0;
  }

  #grow(): void {
    const count = this.found.length * 2;
    const larger = allocate(count * POLLFD_BYTES);
    larger.set(this.#pollfds);
    this.#pollfds = larger;
    this.#words = new Int32Array(larger.buffer as ArrayBuffer);
    this.found = new Int32Array(count);
  }
}
