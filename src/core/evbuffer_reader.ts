/**
 * Reading from an {@linkcode EvBuffer}: taking bytes out, looking at them in place, and finding things among them.
 *
 * @module
 */

import { BufferBase, checkCount, refuseFrozen } from "./evbuffer_base.ts";
import { BufferCursor } from "./evbuffer_cursor.ts";
import {
  type EolMatch,
  type EolStyle,
  EVBUFFER_EOL_CRLF,
  findEol,
  indexOfByte,
  indexOfBytes,
} from "./evbuffer_search.ts";
import { utf8 } from "./evbuffer_text.ts";

const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The part of {@linkcode EvBuffer} that deals with content that is there. */
export abstract class BufferReader extends BufferBase {
  /**
   * Moves bytes from the front into `target` until it is full or the buffer empty; returns how many (`evbuffer_remove`).
   *
   * @throws {TypeError} when the front is frozen, or the bytes belong to a file or to memory that was transferred away.
   */
  remove(target: Uint8Array): number {
    const count = this.copyOut(target);
    return this.drainFront(count);
  }

  /**
   * Copies bytes from position `from` on into `target` and leaves them in the buffer; returns how many were there to be
   * copied (`evbuffer_copyout_from`).
   *
   * @throws {TypeError} when the front is frozen, or the bytes belong to a file or to memory that was transferred away.
   */
  copyOut(target: Uint8Array, from = 0): number {
    if (this.frontFrozen) refuseFrozen("copy from", "front");
    checkCount("copy from position", from);
    const count = Math.max(0, Math.min(target.length, this.queue.length - from));
    this.queue.checkReadable(from, from + count);
    this.queue.copyOut(target, from, count);
    return count;
  }

  /**
   * Removes up to `count` bytes (all by default) from the front and returns them in memory of their own.
   *
   * @throws {TypeError} when the front is frozen, or the bytes belong to a file or to memory that was transferred away.
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
   * @throws {TypeError} when the front is frozen, or the bytes belong to a file or to memory that was transferred away.
   */
  takeText(count = this.queue.length): string {
    return decoder.decode(this.take(count));
  }

  /**
   * Brings the first `count` bytes (-1: all) together and returns a view of them, or null when there are none or not that
   * many (`evbuffer_pullup`).
   *
   * @throws {TypeError} when the bytes belong to a file, or to memory that was transferred away.
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
   * @throws {TypeError} when the bytes belong to a file, or to memory that was transferred away.
   * @throws {RangeError} when `count` is above zero and no whole number; Infinity stands for everything.
   */
  peek(count = -1, from = 0): Uint8Array[] {
    if (!(count < 0)) checkCount("peek at", count);
    checkCount("peek from position", from);
    const to = count < 0 ? this.queue.length : Math.min(this.queue.length, from + count);
    this.queue.checkReadable(from, to);
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
   * @throws {TypeError} when the front is frozen, or the line touches a file or memory that was transferred away.
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
    checkCount("search up to position", to);
    const bytes = typeof needle === "string" ? utf8(needle) : needle;
    return indexOfBytes(this.queue.first, bytes, from, Math.min(to, this.queue.length));
  }

  /** Makes a position in the buffer, at its first byte (`evbuffer_ptr_set`). Where a plain number does, use that. */
  cursor(): BufferCursor {
    return new BufferCursor(this);
  }
}
