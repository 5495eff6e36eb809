import type { FieldScanner } from "./field_scanner.ts";

/** Longer sections are scanned each time. */
const BYTES_MAX = 1024;
/** After so many sections in a row that were new, nothing is expected of the next. */
const MISSES_MAX = 2;
/** Then so many go by until it is tried again. */
const REST = 128;

const NOTHING = new Uint8Array(0);

/**
 * A section of header fields that has come before, and what a {@linkcode FieldScanner} has found in it. Many clients send the same with
 * each of their requests, and comparing bytes takes less time than scanning them; where they do not, hardly any time is spent here.
 *
 * The same bytes mean the same to scanners with the same bounds and leniencies only.
 */
export class KnownSection {
  // Made for the first section.
  #bytes: Uint8Array = NOTHING;
  #length = 0;
  // Sections in a row that were new. Below zero: how many more go by.
  #misses = 0;
  #facts = 0;
  #contentLength = 0;
  // Offsets from where the section begins.
  #end = 0;
  #hostStart = 0;
  #hostEnd = 0;

  /** Whether it stands in `bytes[start..end)` from `start` on; then `scanner` is left as if it had scanned it there. */
  isAt(bytes: Uint8Array, start: number, end: number, scanner: FieldScanner): boolean {
    if (this.#misses < 0) return false;
    const known = this.#bytes;
    const length = this.#length;
    if (length === 0 || end - start < length) return false;
    for (let at = 0; at < length; at++) {
      if (bytes[start + at] !== known[at]) return false;
    }
    this.#misses = 0;
    scanner.start = start;
    scanner.end = start + this.#end;
    scanner.position = start + length;
    scanner.facts = this.#facts;
    scanner.contentLength = this.#contentLength;
    scanner.hostStart = start + this.#hostStart;
    scanner.hostEnd = start + this.#hostEnd;
    return true;
  }

  /** A new one: remembers what `scanner` has just found in `bytes`. */
  remember(bytes: Uint8Array, scanner: FieldScanner): void {
    if (++this.#misses <= 0) return;
    if (this.#misses > MISSES_MAX) this.#misses = -REST;
    const { start, position } = scanner;
    const length = position - start;
    if (length > BYTES_MAX) return;
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(BYTES_MAX);
    this.#bytes.set(bytes.subarray(start, position));
    this.#length = length;
    this.#facts = scanner.facts;
    this.#contentLength = scanner.contentLength;
    this.#end = scanner.end - start;
    this.#hostStart = scanner.hostStart - start;
    this.#hostEnd = scanner.hostEnd - start;
  }
}
