/**
 * Steps through bytes whose lengths are given by a stranger. Whoever asks for more than there is gets nothing, and the cursor has
 * failed from then on; so a parser reads straight ahead and asks once, at the end.
 */
export class BytesCursor {
  readonly #bytes: Uint8Array;
  #at = 0;
  #failed = false;

  /** Starts at the first byte. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether more was asked for than there was. */
  get failed(): boolean {
    return this.#failed;
  }

  /** How many bytes are left; none after a failure. */
  get rest(): number {
    return this.#failed ? 0 : this.#bytes.length - this.#at;
  }

  /** Declares that the content makes no sense. */
  fail(): void {
    this.#failed = true;
  }

  /** A big-endian number of one to three bytes. */
  number(width: 1 | 2 | 3): number {
    let value = 0;
    const end = this.#advance(width);
    for (let at = end - width; at < end; at++) value = (value << 8) | this.#bytes[at]!;
    return this.#failed ? 0 : value;
  }

  /** Steps over `count` bytes. */
  skip(count: number): void {
    this.#advance(count);
  }

  /** The next `count` bytes. */
  bytes(count: number): Uint8Array {
    const end = this.#advance(count);
    return this.#failed ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(end - count, end);
  }

  /** A cursor over the next `count` bytes; it has failed if there are not that many. */
  part(count: number): BytesCursor {
    const part = new BytesCursor(this.bytes(count));
    if (this.#failed) part.fail();
    return part;
  }

  /** The next `count` bytes as Latin-1, which keeps every byte apart from every other. */
  text(count: number): string {
    return String.fromCharCode(...this.bytes(count));
  }

  #advance(count: number): number {
    if (count > this.#bytes.length - this.#at) this.#failed = true;
    else this.#at += count;
    return this.#at;
  }
}
