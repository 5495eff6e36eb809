/**
 * The byte queue under every connection: bytes go in at the back and come out at the front, and in between they move from
 * buffer to buffer without being copied.
 *
 * @module
 */

import { referenceChain, type ReleaseCallback } from "./chain.ts";
import { checkCount, refuseFrozen } from "./evbuffer_base.ts";
import { addFileChains, type FileOptions, loadFileChains } from "./evbuffer_file.ts";
import { BufferReader } from "./evbuffer_reader.ts";
import { appendSegment, type FileSegment } from "./file_segment.ts";
import { addCodes, addUtf8, ASCII_MAX, LATIN1_MAX, utf8 } from "./evbuffer_text.ts";

export type { Address, Chain, ChainKind, ChainSource, ReleaseCallback } from "./chain.ts";
export { ChainQueue } from "./chain_queue.ts";
export { ChunkPool, type ChunkPoolOptions } from "./chunk_pool.ts";
export { BufferBase, type EvBufferOptions, ROOM_BYTES_MAX } from "./evbuffer_base.ts";
export type { BufferCallback, BufferCallbackEntry, BufferChange } from "./evbuffer_callbacks.ts";
export { BufferCursor } from "./evbuffer_cursor.ts";
export type { FileOptions } from "./evbuffer_file.ts";
export { BufferReader } from "./evbuffer_reader.ts";
export {
  type EolMatch,
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "./evbuffer_search.ts";
export { type FileMode, FileSegment, type FileSegmentOptions } from "./file_segment.ts";

/**
 * A queue of bytes (libevent's `evbuffer`).
 *
 * It holds no memory while it is empty. Moving bytes between buffers, and adding memory or files by reference, copies
 * nothing. Views returned by {@linkcode EvBuffer.pullup}, {@linkcode EvBuffer.peek} and {@linkcode EvBuffer.reserve} show the
 * buffer's own memory: use them before the next call that changes the buffer.
 *
 * Everything that breaks a freeze, or asks for more than there can be, throws a `TypeError` or `RangeError` and changes nothing.
 *
 * @example
 * ```ts
 * import { EvBuffer } from "@evbase/evbase";
 *
 * const buffer = new EvBuffer();
 * buffer.add("HELO example.org\r\nQUIT\r\n");
 * console.log(buffer.readLine()); // HELO example.org
 * console.log(buffer.length); // 6
 * buffer.close();
 * ```
 */
export class EvBuffer extends BufferReader {
  /**
   * Copies bytes, or text as UTF-8, to the back (`evbuffer_add`).
   *
   * @throws {TypeError} when the back is frozen.
   */
  add(data: Uint8Array | string): void {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    if (typeof data === "string") {
      addUtf8(this.queue, data);
    } else {
      this.queue.addBytes(data);
    }
    this.changed(before, this.queue.length - before, 0);
  }

  /** @internal {@linkcode EvBuffer.add} of `bytes[start..end)`, without a view of it where they are few. */
  addSlice(bytes: Uint8Array, start: number, end: number): void {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    this.queue.addSlice(bytes, start, end);
    this.changed(before, end - start, 0);
  }

  /**
   * Copies several pieces to the back as one change (`evbuffer_add_iovec`); returns how many bytes they had.
   *
   * @throws {TypeError} when the back is frozen.
   */
  addAll(pieces: Iterable<Uint8Array>): number {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    let added = 0;
    try {
      for (const piece of pieces) {
        this.queue.addBytes(piece);
        added += piece.length;
      }
    } finally {
      // Also where the iteration fails halfway: what has been added stays, and whoever counts must hear of it.
      this.changed(before, added, 0);
    }
    return added;
  }

  /**
   * Writes ASCII text to the back, one byte per character. The quickest way to add headers.
   *
   * @throws {RangeError} when a character is not ASCII; nothing is added.
   * @throws {TypeError} when the back is frozen.
   */
  addAscii(text: string): void {
    this.#addCodes(text, ASCII_MAX);
  }

  /**
   * Writes text to the back as Latin-1, one byte per character.
   *
   * @throws {RangeError} when a character is above U+00FF; nothing is added.
   * @throws {TypeError} when the back is frozen.
   */
  addLatin1(text: string): void {
    this.#addCodes(text, LATIN1_MAX);
  }

  /**
   * Copies bytes, or text as UTF-8, to the front (`evbuffer_prepend`).
   *
   * @throws {TypeError} when the front is frozen.
   */
  prepend(data: Uint8Array | string): void {
    if (this.frontFrozen) refuseFrozen("prepend to", "front");
    const bytes = typeof data === "string" ? utf8(data) : data;
    const before = this.queue.length;
    this.queue.prependBytes(bytes);
    this.changed(before, bytes.length, 0);
  }

  /**
   * Adds memory without copying it (`evbuffer_add_reference`). `bytes` must stay as it is until `onRelease` is called, which
   * happens exactly once: when its last byte has been drained, wherever it was moved to meanwhile. When this call throws,
   * `onRelease` is never called.
   *
   * @throws {TypeError} when the back is frozen or the memory was detached.
   */
  addReference(bytes: Uint8Array, onRelease?: ReleaseCallback): void {
    this.addReferencePart(bytes, 0, bytes.length, onRelease);
  }

  /**
   * As {@linkcode EvBuffer.addReference}, for the `length` bytes of `bytes` from `offset` on; `onRelease` gets all of `bytes`
   * (`evbuffer_add_reference_with_offset`).
   *
   * @throws {TypeError} when the back is frozen or the memory was detached.
   * @throws {RangeError} when `bytes` has no such part.
   */
  addReferencePart(bytes: Uint8Array, offset: number, length: number, onRelease?: ReleaseCallback): void {
    if (this.backFrozen) refuseFrozen("add to", "back");
    checkCount("reference from", offset);
    checkCount("reference", length);
    if (offset + length > bytes.length) {
      throw new RangeError(
        `Cannot reference bytes ${offset} to ${offset + length} of memory: there are ${bytes.length}`,
      );
    }
    const chain = referenceChain(bytes, onRelease ?? null, offset, offset + length);
    if (length === 0) {
      this.queue.pool.release(chain);
      return;
    }
    const before = this.queue.length;
    this.queue.append(chain);
    this.changed(before, length, 0);
  }

  /**
   * Adds what `source` holds now, without copying it and without taking it away (`evbuffer_add_buffer_reference`): one message for
   * many connections. From then on each buffer goes its own way; neither sees what is added to the other.
   *
   * Unlike in libevent, files and what is shared already can be shared as well.
   *
   * @throws {TypeError} when our back is frozen, or `source` is this buffer.
   */
  addBufferReference(source: EvBuffer): void {
    if (source === this) throw new TypeError("Cannot add a buffer to itself by reference");
    if (source.length === 0) return;
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    this.queue.appendShared(source.queue);
    this.changed(before, source.queue.length, 0);
  }

  /**
   * Adds `length` bytes (-1: all that follow) of an open file from `offset` on; returns how many (`evbuffer_add_file`). They
   * stay out of this buffer's memory: {@linkcode EvBuffer.writeTo} has the kernel send them, so they can be drained and moved, but
   * not looked at before {@linkcode EvBuffer.loadFiles}. The descriptor must stay open until they are gone; with `closeOnFree` it
   * is closed then. When this call throws, the descriptor stays open.
   *
   * @throws {RangeError} when `fd`, `offset` or `length` is not a whole number, zero or more.
   * @throws {SystemError} when the file's size is asked for and cannot be found out.
   * @throws {TypeError} when the back is frozen.
   */
  addFile(fd: number, offset = 0, length = -1, options?: FileOptions): number {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    const added = addFileChains(this.queue, fd, offset, length, options);
    this.changed(before, added, 0);
    return added;
  }

  /**
   * Adds `length` bytes (-1: all that follow) of a file segment from its byte `offset` on; returns how many
   * (`evbuffer_add_file_segment`). The segment stays its maker's to add elsewhere and to close, also when this call throws.
   *
   * @throws {RangeError} when the segment has no such part.
   * @throws {TypeError} when the back is frozen or the segment was closed.
   */
  addFileSegment(segment: FileSegment, offset = 0, length = -1): number {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    const added = appendSegment(this.queue, segment, offset, length);
    this.changed(before, added, 0);
    return added;
  }

  /**
   * Reads those of the first `count` bytes (all by default) that belong to files into memory, so that they can be looked at; returns
   * how many that were. For protocols that have to see what they send, such as TLS: call it for a piece at a time.
   *
   * @throws {SystemError} when a file cannot be read, or with the code EIO when it is shorter than the part that was added; what
   * was read before stays in memory.
   */
  loadFiles(count = this.queue.length): number {
    checkCount("load files into", count);
    return loadFileChains(this.queue, count);
  }

  /**
   * Moves everything from `source` to our back without copying (`evbuffer_add_buffer`). Nothing happens when `source` is
   * empty or this buffer.
   *
   * @throws {TypeError} when our back or the front of `source` is frozen.
   */
  addBuffer(source: EvBuffer): void {
    if (source === this || source.length === 0) return;
    if (this.backFrozen) refuseFrozen("add to", "back");
    if (source.frontFrozen) refuseFrozen("move out of", "front");
    const before = this.queue.length;
    this.queue.moveAll(source.queue);
    this.#moved(source, before);
  }

  /** @internal {@linkcode EvBuffer.addBuffer} from one that is about to be closed, frozen or not: without a word to anybody. */
  takeOver(source: EvBuffer): void {
    if (source.length > 0) this.queue.moveAll(source.queue);
  }

  /**
   * Moves everything from `source` to our front without copying (`evbuffer_prepend_buffer`). Nothing happens when `source`
   * is empty or this buffer.
   *
   * @throws {TypeError} when our front or the front of `source` is frozen.
   */
  prependBuffer(source: EvBuffer): void {
    if (source === this || source.length === 0) return;
    if (this.frontFrozen) refuseFrozen("prepend to", "front");
    if (source.frontFrozen) refuseFrozen("move out of", "front");
    const before = this.queue.length;
    this.queue.moveAllToFront(source.queue);
    this.#moved(source, before);
  }

  /**
   * Moves up to `count` bytes from our front to the back of `target`; returns how many (`evbuffer_remove_buffer`). Whole
   * chunks move, at most the last part is copied. Nothing happens when `target` is this buffer.
   *
   * @throws {TypeError} when our front or the back of `target` is frozen.
   */
  removeBuffer(target: EvBuffer, count: number): number {
    checkCount("move", count);
    if (target === this || count === 0) return 0;
    if (this.frontFrozen) refuseFrozen("move out of", "front");
    if (target.backFrozen) refuseFrozen("add to", "back");
    const moved = Math.min(count, this.queue.length);
    if (moved === 0) return 0;
    const before = target.queue.length;
    const ours = this.queue.length;
    if (moved === ours) {
      target.queue.moveAll(this.queue);
      target.#moved(this, before);
      return moved;
    }
    target.queue.moveFront(this.queue, moved);
    try {
      target.changed(before, moved, 0);
    } finally {
      this.changed(ours, 0, moved);
    }
    return moved;
  }

  #addCodes(text: string, codeMax: number): void {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    this.changed(before, addCodes(this.queue, text, codeMax), 0);
  }

  #moved(source: EvBuffer, before: number): void {
    // In C's order: where everything moves, the source hears first.
    const moved = this.queue.length - before;
    try {
      source.changed(moved, 0, moved);
    } finally {
      this.changed(before, moved, 0);
    }
  }
}
