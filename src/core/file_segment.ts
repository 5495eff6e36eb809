/**
 * A part of an open file that any number of buffers can show at the same time.
 *
 * @module
 */

import {
  type Address,
  addressOf,
  allocate,
  close,
  type FileMapping,
  fstat,
  mapFile,
  MAPPING_BYTES_MAX,
  os,
  pread,
  systemError,
  unmapFile,
} from "../ffi/mod.ts";
import { Chain, CHAIN_REFERENCE, type ChainSource, fileChain } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";

const { EINTR } = os.errno as { EINTR: number };

/**
 * How the bytes of a file reach a descriptor.
 *
 * - `sendfile`: the kernel sends them from the file; they cannot be looked at.
 * - `mmap`: the file is mapped into memory, page by page as it is looked at or sent.
 * - `read`: they are read into memory at once.
 */
export type FileMode = "sendfile" | "mmap" | "read";

const MODES: readonly FileMode[] = ["sendfile", "mmap", "read"];

/** Options of a {@linkcode FileSegment}. */
export interface FileSegmentOptions {
  /** The first byte of the file that belongs to the segment; 0 by default. */
  readonly offset?: number;
  /** How many bytes belong to it; -1, the default, for all that follow. */
  readonly length?: number;
  /** How the bytes are got at; `sendfile` by default. What cannot be mapped is read. */
  readonly mode?: FileMode;
  /** Close the descriptor when nobody needs it any more (libevent's `EVBUF_FS_CLOSE_ON_FREE`). Off by default. */
  readonly closeOnFree?: boolean;
  /** See {@linkcode FileSegment.onFree}. */
  readonly onFree?: (segment: FileSegment) => void;
}

/** Some of a segment's bytes in memory. Pieces are at most 1 GiB long, so that all indices into them are small integers. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly address: Address;
  readonly mapping: FileMapping | null;
}

/** Appends a part of a segment to a list of chains; returns how many bytes. For {@linkcode EvBuffer.addFileSegment}. */
export let appendSegment: (queue: ChainQueue, segment: FileSegment, offset: number, length: number) => number;

/**
 * A part of an open file, to be added to buffers as a whole or in parts and as often as needed
 * ({@linkcode EvBuffer.addFileSegment}; libevent's `evbuffer_file_segment`). The descriptor must stay open for as long as the segment
 * is in use.
 *
 * Map only files that nobody makes shorter meanwhile: touching what is no longer there ends the process (SIGBUS). Views of
 * mapped bytes, as from {@linkcode EvBuffer.peek}, are empty once the segment is freed, and nothing else keeps the memory then: whoever
 * hands such bytes to something that runs on beside the program, like an asynchronous write of the runtime, must copy them.
 *
 * @example
 * ```ts
 * import { EvBuffer, FileSegment, OpenFile } from "@evbase/evbase";
 *
 * const file = OpenFile.open("/etc/hosts");
 * using segment = new FileSegment(file.detach(), { mode: "mmap", closeOnFree: true });
 * const [first, second] = [new EvBuffer(), new EvBuffer()];
 * for (const buffer of [first, second]) buffer.addFileSegment(segment);
 * console.log(first.readLine(), second.length);
 * first.close();
 * second.close();
 * ```
 */
export class FileSegment implements Disposable {
  /** The descriptor. */
  readonly fd: number;
  /** The first byte of the file that belongs to the segment. */
  readonly offset: number;
  /** How many bytes belong to it. */
  readonly length: number;
  /** How the bytes are got at: what was asked for, or `read` where the file could not be mapped. */
  readonly mode: FileMode;
  /** Called after the last buffer has given up the segment, and its maker has closed it (`evbuffer_file_segment_add_cleanup_cb`). */
  onFree: ((segment: FileSegment) => void) | null;
  readonly #source: SegmentSource;
  #closed = false;

  /**
   * Makes a segment of `fd` (`evbuffer_file_segment_new`). When this throws, the descriptor stays open.
   *
   * @throws {RangeError} when `fd`, `offset` or `length` is not a whole number, zero or more, when there is no such mode, or when bytes
   * that are to be mapped or read lie beyond the end of the file.
   * @throws {SystemError} when the file's size cannot be found out, or the file cannot be read.
   */
  constructor(fd: number, options: FileSegmentOptions = {}) {
    const { offset = 0, length = -1, mode = "sendfile", closeOnFree = false, onFree = null } = options;
    if (!MODES.includes(mode)) throw new RangeError(`Cannot make a file segment: there is no mode "${mode}"`);
    this.fd = fd;
    this.offset = offset;
    this.length = fileLength(fd, offset, length);
    this.onFree = onFree;
    const pieces = mode === "sendfile" ? null : mode === "mmap" ? mapPieces(fd, offset, this.length) : null;
    this.mode = mode === "mmap" && pieces === null ? "read" : mode;
    this.#source = new SegmentSource(
      this,
      this.mode === "read" ? readPieces(fd, offset, this.length) : pieces,
      closeOnFree,
    );
  }

  static {
    appendSegment = (queue, segment, offset, length): number => {
      if (segment.#closed) throw new TypeError("Cannot add a file segment to a buffer: it was closed");
      return segment.#source.append(queue, offset, length);
    };
  }

  /** Whether {@linkcode FileSegment.close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Gives up the maker's claim (`evbuffer_file_segment_free`): the segment cannot be added any more, and is freed with the last of
   * its bytes in any buffer. Closing twice is harmless.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (--this.#source.references === 0) this.#source.release();
  }

  /** Same as {@linkcode FileSegment.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Keeps the segment's memory and descriptor for the chains that show parts of it, and for its maker. */
class SegmentSource implements ChainSource {
  references = 1;
  readonly fd: number;
  readonly #segment: FileSegment;
  readonly #pieces: readonly Piece[] | null;
  readonly #closeOnFree: boolean;

  constructor(segment: FileSegment, pieces: readonly Piece[] | null, closeOnFree: boolean) {
    this.fd = segment.fd;
    this.#segment = segment;
    this.#pieces = pieces;
    this.#closeOnFree = closeOnFree;
  }

  append(queue: ChainQueue, offset: number, length: number): number {
    checkWhole("offset", offset);
    const count = length === -1 ? this.#segment.length - offset : length;
    if (length !== -1) checkWhole("length", length);
    if (count < 0 || offset + count > this.#segment.length) {
      throw new RangeError(
        `Cannot add bytes ${offset} to ${
          offset + Math.max(0, count)
        } of a file segment: it has ${this.#segment.length}`,
      );
    }
    for (let at = offset; at < offset + count;) {
      const start = at % MAPPING_BYTES_MAX;
      const size = Math.min(offset + count - at, MAPPING_BYTES_MAX - start);
      queue.append(this.#chain(at - start, start, size));
      at += size;
    }
    return count;
  }

  #chain(base: number, start: number, size: number): Chain {
    this.references++;
    if (this.#pieces === null) return fileChain(this, this.#segment.offset + base + start, size);
    const { bytes, address } = this.#pieces[base / MAPPING_BYTES_MAX]!;
    const chain = new Chain(CHAIN_REFERENCE, bytes, 0, this);
    chain.start = start;
    chain.end = start + size;
    chain.address = address;
    return chain;
  }

  release(): void {
    for (const { mapping } of this.#pieces ?? []) if (mapping !== null) unmapFile(mapping);
    if (this.#closeOnFree) close(this.fd);
    this.#segment.onFree?.(this.#segment);
  }
}

/** How many bytes are meant by `length` bytes (-1: all that follow) from `offset` on. */
export function fileLength(fd: number, offset: number, length: number): number {
  checkWhole("fd", fd);
  checkWhole("offset", offset);
  if (length !== -1) {
    checkWhole("length", length);
    return length;
  }
  return Math.max(0, fileSize(fd) - offset);
}

function fileSize(fd: number): number {
  const status = fstat(fd);
  if (typeof status === "number") throw systemError(status, "fstat", `add file descriptor ${fd} to a buffer`);
  return status.size;
}

/** Maps a part of a file, or returns null where that cannot be done. */
function mapPieces(fd: number, offset: number, length: number): Piece[] | null {
  const size = fileSize(fd);
  if (length > 0 && offset + length > size) refuseBeyond(offset, length, size);
  const pieces: Piece[] = [];
  for (let done = 0; done < length; done += MAPPING_BYTES_MAX) {
    const mapping = mapFile(fd, offset + done, Math.min(length - done, MAPPING_BYTES_MAX));
    if (typeof mapping === "number") {
      for (const piece of pieces) unmapFile(piece.mapping!);
      return null;
    }
    pieces.push({ ...mapping, mapping });
  }
  return pieces;
}

function readPieces(fd: number, offset: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (let done = 0; done < length; done += MAPPING_BYTES_MAX) {
    const bytes = allocate(Math.min(length - done, MAPPING_BYTES_MAX));
    const got = readFully(fd, bytes, bytes.length, offset + done);
    if (got < 0) throw systemError(got, "pread", `read file descriptor ${fd}`);
    if (got < bytes.length) refuseBeyond(offset, length, offset + done + got);
    pieces.push({ bytes, address: addressOf(bytes), mapping: null });
  }
  return pieces;
}

/** Reads `length` bytes of a file at `offset` into the start of `bytes`; returns how many there were, or `-errno`. */
export function readFully(fd: number, bytes: Uint8Array, length: number, offset: number): number {
  for (let done = 0; done < length;) {
    const result = pread(fd, done === 0 ? bytes : bytes.subarray(done), length - done, offset + done);
    if (result === 0) return done;
    if (result > 0) done += result;
    else if (result !== -EINTR) return result;
  }
  return length;
}

function refuseBeyond(offset: number, length: number, size: number): never {
  throw new RangeError(`Cannot use bytes ${offset} to ${offset + length} of a file: it ends at ${size}`);
}

function checkWhole(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot add a file to a buffer: ${name} must be a whole number, zero or more, not ${value}`);
  }
}
