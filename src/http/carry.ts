const FIRST_CAPACITY = 512;

/**
 * The beginning of a head or a trailer section that arrived in an earlier read. It exists only while such a piece
 * waits, so that a connection between two requests holds no buffer.
 */
export class Carry {
  /** The bytes; only the first {@linkcode length} of them count. Replaced when it grows. */
  bytes: Uint8Array;
  /** How many bytes wait. */
  length = 0;

  readonly #longest: number;

  /** Begins with `source[start..end)`; `longest` is a length in bytes that no acceptable section exceeds. */
  constructor(source: Uint8Array, start: number, end: number, longest: number) {
    this.bytes = allocate(Math.max(FIRST_CAPACITY, end - start));
    this.#longest = longest;
    this.append(source, start, end);
  }

  /**
   * Appends the part of `source[start..end)` that may belong to the section. One byte over the longest possible section
   * is enough to make the scanner refuse it, so a body that follows in the same piece is copied only that far.
   */
  append(source: Uint8Array, start: number, end: number): void {
    const size = Math.min(end - start, this.#longest + 1 - this.length);
    const needed = this.length + size;
    if (needed > this.bytes.length) {
      // Doubling keeps the copying in proportion to the bytes received, even if they come one by one.
      const grown = allocate(Math.max(needed, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    this.bytes.set(source.subarray(start, start + size), this.length);
    this.length = needed;
  }
}

function allocate(size: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(size));
}
