/**
 * Parts of open files as buffer content. Their bytes are never loaded: the buffer keeps track of what is still to be sent,
 * and `sendfile` moves it inside the kernel.
 *
 * @module
 */

import { close, fstat, systemError } from "../ffi/mod.ts";
import { type ChainSource, fileChain } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";

/** Options of {@linkcode EvBuffer.addFile}. */
export interface FileOptions {
  /** Close the descriptor when the last of the bytes is sent or dropped. Off by default. */
  closeOnFree?: boolean;
}

/** The longest run one chain stands for; keeps the indices of all chains small integers, which engines handle fastest. */
const pieceBytesMax = 2 ** 30;

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
  checkWhole("fd", fd);
  checkWhole("offset", offset);
  let rest = length;
  if (length === -1) {
    const status = fstat(fd);
    if (typeof status === "number") throw systemError(status, "fstat", `Cannot add file descriptor ${fd} to a buffer`);
    rest = Math.max(0, status.size - offset);
  }
  checkWhole("length", rest);
  const total = rest;
  const source = new FileSource(fd, options?.closeOnFree === true, Math.ceil(total / pieceBytesMax));
  if (total === 0) {
    source.release();
    return 0;
  }
  for (let base = offset; rest > 0; base += pieceBytesMax) {
    const size = Math.min(rest, pieceBytesMax);
    queue.append(fileChain(source, base, size));
    rest -= size;
  }
  return total;
}

function checkWhole(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot add a file to a buffer: ${name} must be a whole number, zero or more, not ${value}`);
  }
}
