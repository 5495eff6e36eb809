/**
 * Parts of open files as buffer content. Their bytes are not loaded unless asked for: the buffer keeps track of what is still to
 * be sent, and `sendfile` moves it inside the kernel.
 *
 * @module
 */

import { close, MAPPING_BYTES_MAX, os, systemError } from "../ffi/mod.ts";
import { type Chain, CHAIN_FILE, type ChainSource, fileChain } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";
import { CHUNK_SIZE_MAX } from "./chunk_pool.ts";
import { fileLength, readFully } from "./file_segment.ts";

/** Options of {@linkcode EvBuffer.addFile}. */
export interface FileOptions {
  /** Close the descriptor when the last of the bytes is sent or dropped. Off by default. */
  closeOnFree?: boolean;
}

/** The longest run one chain stands for; keeps the indices of all chains small integers, which engines handle fastest. */
const pieceBytesMax = MAPPING_BYTES_MAX;

class FileSource implements ChainSource {
  references: number;
  readonly fd: number;
  readonly #closeOnFree: boolean;

  constructor(fd: number, closeOnFree: boolean, references: number) {
    this.fd = fd;
    this.#closeOnFree = closeOnFree;
    this.references = references;
  }

  release(): void {
    // There is nothing to do about a failing close, and the descriptor is gone either way.
    if (this.#closeOnFree) close(this.fd);
  }
}

/** Appends `length` bytes (-1: to the end) of the file `fd` from `offset` on; returns how many. */
export function addFileChains(
  queue: ChainQueue,
  fd: number,
  offset: number,
  length: number,
  options: FileOptions | undefined,
): number {
  const total = fileLength(fd, offset, length);
  const source = new FileSource(fd, options?.closeOnFree === true, Math.ceil(total / pieceBytesMax));
  if (total === 0) {
    source.release();
    return 0;
  }
  let rest = total;
  for (let base = offset; rest > 0; base += pieceBytesMax) {
    const size = Math.min(rest, pieceBytesMax);
    queue.append(fileChain(source, base, size));
    rest -= size;
  }
  return total;
}

/**
 * Replaces those of the first `count` bytes that belong to files by bytes in memory; returns how many that were.
 *
 * @throws {SystemError} when a file cannot be read, or with EIO when it is too short; what was read before stays in memory.
 */
export function loadFileChains(queue: ChainQueue, count: number): number {
  let loaded = 0;
  let position = 0;
  let before: Chain | null = null;
  let emptied: Chain | null = null;
  let lastEmptied: Chain | null = null;
  try {
    for (let chain: Chain | null = queue.first; chain !== null && position < count;) {
      const size: number = chain.end - chain.start;
      if (chain.kind !== CHAIN_FILE) {
        position += size;
        before = chain;
        chain = chain.next;
        continue;
      }
      const wanted: number = Math.min(size, count - position, CHUNK_SIZE_MAX);
      const chunk = readChunk(queue, chain, wanted);
      chain.start += wanted;
      chunk.next = wanted < size ? chain : chain.next;
      if (before === null) queue.first = chunk;
      else before.next = chunk;
      if (chunk.next === null) queue.last = chunk;
      if (wanted === size) {
        chain.next = null;
        if (lastEmptied === null) emptied = chain;
        else lastEmptied.next = chain;
        lastEmptied = chain;
      }
      position += wanted;
      loaded += wanted;
      before = chunk;
      chain = chunk.next;
    }
  } finally {
    // Last, because the owners of the files are told here, and may do anything to the buffer.
    if (emptied !== null) queue.releaseList(emptied);
  }
  return loaded;
}

function readChunk(queue: ChainQueue, chain: Chain, wanted: number): Chain {
  const chunk = queue.pool.take(wanted);
  const { fd } = chain.source!;
  const got = readFully(fd, chunk.bytes, wanted, chain.base + chain.start);
  if (got === wanted) {
    chunk.end = wanted;
    return chunk;
  }
  queue.pool.release(chunk);
  // Shorter than it was when it was added.
  throw systemError(got < 0 ? got : -os.errno.EIO!, "pread", `read file descriptor ${fd} into a buffer`);
}
