/**
 * The byte queue under every connection: bytes go in at the back and come out at the front, and in between they move from
 * buffer to buffer without being copied.
 *
 * @module
 */

import { referenceChain, type ReleaseCallback } from "./chain.ts";
import { BufferBase, checkCount, refuseFrozen } from "./evbuffer_base.ts";
import { addFileChains, type FileOptions } from "./evbuffer_file.ts";
import {
  type EolMatch,
  type EolStyle,
  EVBUFFER_EOL_CRLF,
  findEol,
  indexOfByte,
  indexOfBytes,
} from "./evbuffer_search.ts";
import { addCodes, addUtf8, ASCII_MAX, LATIN1_MAX, utf8 } from "./evbuffer_text.ts";

export type { Address, Chain, ChainKind, ChainSource, ReleaseCallback } from "./chain.ts";
export { ChainQueue } from "./chain_queue.ts";
export { ChunkPool, type ChunkPoolOptions } from "./chunk_pool.ts";
export { BufferBase, type EvBufferOptions } from "./evbuffer_base.ts";
export type { BufferCallback, BufferCallbackEntry, BufferChange } from "./evbuffer_callbacks.ts";
export type { FileOptions } from "./evbuffer_file.ts";
export {
  type EolMatch,
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "./evbuffer_search.ts";

const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

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
export class EvBuffer extends BufferBase {
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

  /**
   * Copies several pieces to the back as one change (`evbuffer_add_iovec`); returns how many bytes they had.
   *
   * @throws {TypeError} when the back is frozen.
   */
  addAll(pieces: Iterable<Uint8Array>): number {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    for (const piece of pieces) this.queue.addBytes(piece);
    const added = this.queue.length - before;
    this.changed(before, added, 0);
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
    if (this.backFrozen) refuseFrozen("add to", "back");
    const chain = referenceChain(bytes, onRelease ?? null);
    if (bytes.length === 0) {
      this.queue.pool.release(chain);
      return;
    }
    const before = this.queue.length;
    this.queue.append(chain);
    this.changed(before, bytes.length, 0);
  }

  /**
   * Adds `length` bytes (-1: all that follow) of an open file from `offset` on; returns how many (`evbuffer_add_file`). They never enter this buffer's memory: {@linkcode EvBuffer.writeTo}
   * has the kernel send them, so they can be drained and moved but not looked at. The descriptor must stay open until they
   * are gone; with `closeOnFree` it is closed then. When this call throws, the descriptor stays open.
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
   * Moves bytes from the front into `target` until it is full or the buffer empty; returns how many (`evbuffer_remove`).
   *
   * @throws {TypeError} when the front is frozen or the bytes belong to a file.
   */
  remove(target: Uint8Array): number {
    const count = this.copyOut(target);
    return this.drainFront(count);
  }

  /**
   * Copies bytes from position `from` on into `target` and leaves them in the buffer; returns how many were there to be
   * copied (`evbuffer_copyout_from`).
   *
   * @throws {TypeError} when the front is frozen or the bytes belong to a file.
   */
  copyOut(target: Uint8Array, from = 0): number {
    if (this.frontFrozen) refuseFrozen("copy from", "front");
    checkCount("copy from position", from);
    const count = Math.max(0, Math.min(target.length, this.queue.length - from));
    this.queue.refuseFiles(from, from + count);
    this.queue.copyOut(target, from, count);
    return count;
  }

  /**
   * Removes up to `count` bytes (all by default) from the front and returns them in memory of their own.
   *
   * @throws {TypeError} when the front is frozen or the bytes belong to a file.
   */
  take(count = this.queue.length): Uint8Array {
    checkCount("take", count);
    const taken = new Uint8Array(new ArrayBuffer(Math.min(count, this.queue.length)));
    this.remove(taken);
    return taken;
  }

  /**
   * Removes up to `count` bytes (all by default) from the front and returns them as text. A character cut in two by `count`
   * comes out as U+FFFD, as do bytes that are not UTF-8.
   *
   * @throws {TypeError} when the front is frozen or the bytes belong to a file.
   */
  takeText(count = this.queue.length): string {
    return decoder.decode(this.take(count));
  }

  /**
   * Brings the first `count` bytes (-1: all) together and returns a view of them, or null when there are none or not that
   * many (`evbuffer_pullup`).
   *
   * @throws {TypeError} when the bytes belong to a file.
   */
  pullup(count = -1): Uint8Array | null {
    const wanted = count < 0 ? this.queue.length : count;
    if (wanted === 0 || wanted > this.queue.length) return null;
    checkCount("pull up", wanted);
    const chain = this.queue.pullup(wanted);
    chain.exposed = true;
    return chain.bytes.subarray(chain.start, chain.start + wanted);
  }

  /**
   * Returns views of `count` bytes (-1: all there are) from position `from` on without copying or removing anything
   * (`evbuffer_peek`). Unlike in libevent the last view ends where the bytes asked for end.
   *
   * @throws {TypeError} when the bytes belong to a file.
   */
  peek(count = -1, from = 0): Uint8Array[] {
    checkCount("peek from position", from);
    const to = count < 0 ? this.queue.length : Math.min(this.queue.length, from + count);
    this.queue.refuseFiles(from, to);
    const views: Uint8Array[] = [];
    let base = 0;
    for (let chain = this.queue.first; chain !== null && base < to; chain = chain.next) {
      const end = base + chain.end - chain.start;
      if (end > from) {
        chain.exposed = true;
        const offset = chain.start - base;
        views.push(chain.bytes.subarray(Math.max(base, from) + offset, Math.min(end, to) + offset));
      }
      base = end;
    }
    return views;
  }

  /**
   * Removes a line with its ending and returns it as UTF-8 text without the ending, or null when no ending has come yet
   * (`evbuffer_readln`). A line may hold zero bytes.
   *
   * @throws {TypeError} when the front is frozen or the line touches a file.
   */
  readLine(style: EolStyle = EVBUFFER_EOL_CRLF): string | null {
    const line = this.readLineBytes(style);
    return line === null ? null : decoder.decode(line);
  }

  /** As {@linkcode EvBuffer.readLine}, with the line's bytes as they came. */
  readLineBytes(style: EolStyle = EVBUFFER_EOL_CRLF): Uint8Array | null {
    if (this.frontFrozen) refuseFrozen("read a line from", "front");
    const eol = this.searchEol(style);
    if (eol === null) return null;
    const line = new Uint8Array(new ArrayBuffer(eol.position));
    this.queue.copyOut(line, 0, eol.position);
    this.drainFront(eol.position + eol.length);
    return line;
  }

  /** Finds the first line ending at or after `from`, or null (`evbuffer_search_eol`). */
  searchEol(style: EolStyle, from = 0): EolMatch | null {
    checkCount("search from position", from);
    return findEol(this.queue.first, style, from, this.queue.length);
  }

  /** Finds the first `byte` at or after `from`; returns its position or -1. */
  indexOf(byte: number, from = 0): number {
    checkCount("search from position", from);
    return indexOfByte(this.queue.first, byte, from, this.queue.length);
  }

  /**
   * Finds the first occurrence of `needle` (text as UTF-8) at or after `from`; returns its position or -1
   * (`evbuffer_search`). An empty needle is found at `from`.
   */
  search(needle: Uint8Array | string, from = 0): number {
    return this.searchRange(needle, from, this.queue.length);
  }

  /** As {@linkcode EvBuffer.search}, for an occurrence that ends at or before position `to` (`evbuffer_search_range`). */
  searchRange(needle: Uint8Array | string, from: number, to: number): number {
    checkCount("search from position", from);
    const bytes = typeof needle === "string" ? utf8(needle) : needle;
    return indexOfBytes(this.queue.first, bytes, from, Math.min(to, this.queue.length));
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
    } else {
      target.queue.moveFront(this.queue, moved);
    }
    target.changed(before, moved, 0);
    this.changed(ours, 0, moved);
    return moved;
  }

  #addCodes(text: string, codeMax: number): void {
    if (this.backFrozen) refuseFrozen("add to", "back");
    const before = this.queue.length;
    this.changed(before, addCodes(this.queue, text, codeMax), 0);
  }

  #moved(source: EvBuffer, before: number): void {
    const moved = this.queue.length - before;
    this.changed(before, moved, 0);
    source.changed(moved, 0, moved);
  }
}
