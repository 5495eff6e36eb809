/**
 * A position in a buffer that can be set, moved and searched from.
 *
 * @module
 */

import type { BufferReader } from "./evbuffer_reader.ts";
import type { EolMatch, EolStyle } from "./evbuffer_search.ts";

/**
 * A position in an {@linkcode EvBuffer} (libevent's `evbuffer_ptr`), from its first byte up to one past its last. Every call of
 * the buffer that takes a position takes a plain number, so a cursor is needed only where one position moves on.
 *
 * It counts from the front: after bytes have left or entered there it stands elsewhere, so set it anew.
 *
 * @example
 * ```ts
 * import { EvBuffer } from "@evbase/evbase";
 *
 * const buffer = new EvBuffer();
 * buffer.add("a=1&b=2&c=3");
 * const cursor = buffer.cursor();
 * const separators: number[] = [];
 * while (cursor.find("&")) {
 *   separators.push(cursor.position);
 *   cursor.move(1);
 * }
 * console.log(separators); // [ 3, 7 ]
 * buffer.close();
 * ```
 */
export class BufferCursor {
  readonly #buffer: BufferReader;
  #position = 0;

  /** Made by {@linkcode EvBuffer.cursor}. */
  constructor(buffer: BufferReader) {
    this.#buffer = buffer;
  }

  /** The position, counted from the buffer's first byte; -1 after it was set or moved out of the buffer, or nothing was found. */
  get position(): number {
    return this.#position;
  }

  /** Stands at `position` (`EVBUFFER_PTR_SET`); returns false, and stands nowhere (-1), where the buffer has no such position. */
  set(position: number): boolean {
    const isThere = Number.isInteger(position) && position >= 0 && position <= this.#buffer.length;
    this.#position = isThere ? position : -1;
    return isThere;
  }

  /** Moves on by `count` bytes, or back (`EVBUFFER_PTR_ADD`); as {@linkcode BufferCursor.set} otherwise. Nowhere stays nowhere. */
  move(count: number): boolean {
    return this.#position >= 0 && this.set(this.#position + count);
  }

  /**
   * Moves to the first occurrence of `needle` (text as UTF-8) from here on that ends at or before `to`; returns false, and stands
   * nowhere, when there is none.
   */
  find(needle: Uint8Array | string, to: number = this.#buffer.length): boolean {
    return this.#position >= 0 && this.set(this.#buffer.searchRange(needle, this.#position, to));
  }

  /** Moves to the first line ending from here on and returns it; returns null, and stands nowhere, when there is none. */
  findEol(style: EolStyle): EolMatch | null {
    const match = this.#position < 0 ? null : this.#buffer.searchEol(style, this.#position);
    this.#position = match === null ? -1 : match.position;
    return match;
  }
}
