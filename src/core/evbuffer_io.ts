/**
 * Chains to and from descriptors, one system call at a time.
 *
 * The memory of a chain is never moved or freed while the chain lives, so the addresses given to `readv` and `writev` are
 * taken once per chunk. A lone extent at the start of its chunk goes through plain `read` or `write`, which needs no address.
 *
 * Plain `write` and `writev` serve sockets too, although they know no MSG_NOSIGNAL: both runtimes ignore SIGPIPE, so a peer
 * that is gone shows as EPIPE.
 *
 * @module
 */

import {
  type Address,
  addressOf,
  allocate,
  os,
  pread,
  putAddress,
  read,
  readv,
  recv,
  runtime,
  send,
  sendfile,
  sendFrom,
  type Word,
  write,
  writev,
} from "../ffi/mod.ts";
import { type Chain, CHAIN_FILE, CHAIN_MEMORY, DetachedMemoryError, isDetached } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";
import { CHUNK_SIZE_MAX } from "./chunk_pool.ts";

/** The most extents one `writev` is given; libevent's NUM_WRITE_IOVEC. */
export const WRITE_EXTENTS_MAX = 128;

/** The most bytes one call is asked to move, so that every count fits the 32-bit result of the FFI call. */
const callBytesMax = 2 ** 30;

const iovBytes: Uint8Array<ArrayBuffer> = allocate(WRITE_EXTENTS_MAX * 16);
const iovWords = new Uint32Array(iovBytes.buffer);
const { MSG_NOSIGNAL } = os.constants;
const { EINVAL, ENOSYS, EIO } = os.errno as { EINVAL: number; ENOSYS: number; EIO: number };

/**
 * Writes from the front of a list, at most `max` bytes and at most one system call's worth; removes nothing.
 *
 * @param isSocket `fd` is known to be one.
 * @returns how many bytes the descriptor took, or `-errno`.
 */
export function writeChains(fd: number, first: Chain, max: number, isSocket: boolean): number {
  const wanted = Math.min(max, callBytesMax);
  if (first.kind === CHAIN_FILE) return sendChain(fd, first, Math.min(wanted, first.end - first.start));
  const size = first.end - first.start;
  const next = first.next;
  if (first.start === 0 && (size >= wanted || next === null || next.kind === CHAIN_FILE)) {
    const count = size < wanted ? size : wanted;
    // On a socket `send` spares the kernel a detour over the file layer: some 2 % of a small request's cost.
    return isSocket ? send(fd, attached(first), count, MSG_NOSIGNAL) : write(fd, attached(first), count);
  }
  let count = 0;
  let rest = wanted;
  for (let chain: Chain | null = first; chain !== null; chain = chain.next) {
    if (rest === 0 || count === WRITE_EXTENTS_MAX || chain.kind === CHAIN_FILE) break;
    // What stands before it can still go.
    if (count > 0 && isDetached(chain)) break;
    const length = Math.min(rest, chain.end - chain.start);
    putExtent(count++, chain, chain.start, length);
    rest -= length;
  }
  return writev(fd, iovBytes, count);
}

/**
 * Sends what a list consists of, at most `max` bytes, if that is one extent of pooled memory, and removes what has left: the short way for
 * most replies.
 *
 * @returns 0 if it is not, how many bytes the socket took, or `-errno`.
 */
export function sendLone(fd: number, queue: ChainQueue, max: number): number {
  const chain = queue.first;
  // What somebody else may see he may also have transferred away.
  if (chain === null || chain.next !== null || chain.kind !== CHAIN_MEMORY || chain.exposed) return 0;
  const length = chain.end - chain.start;
  if (length > max) return 0;
  const result = sendMemory(fd, chain);
  if (result === length) queue.clear();
  else if (result > 0) queue.drain(result);
  return result;
}

/** Sends what is in a chain of pooled memory. Returns how many bytes the socket took, or `-errno`. */
export function sendMemory(fd: number, chain: Chain): number {
  return sendFrom(fd, chain.word ??= wordOf(chain), chain.start, chain.end - chain.start, MSG_NOSIGNAL);
}

/**
 * Reads at most `max` bytes into the room behind the last byte and, where that is too little, into one more chunk, with one
 * system call. A single call brings at most that room and 64 KiB.
 *
 * @returns how many bytes came, 0 at the end of the stream, or `-errno`.
 */
export function readIntoQueue(queue: ChainQueue, fd: number, max: number): number {
  const last = queue.last;
  const room = last === null ? 0 : Math.min(last.limit - last.end, max);
  if (last === null || room <= 0) {
    const chunk = queue.pool.take(Math.min(max, CHUNK_SIZE_MAX));
    const result = read(fd, chunk.bytes, Math.min(max, chunk.limit));
    return keep(queue, chunk, result, result);
  }
  putExtent(0, last, last.end, room);
  if (room === max) {
    const result = readv(fd, iovBytes, 1);
    if (result > 0) {
      last.end += result;
      queue.length += result;
    }
    return result;
  }
  const chunk = queue.pool.take(Math.min(max - room, CHUNK_SIZE_MAX));
  putExtent(1, chunk, 0, Math.min(max - room, chunk.limit));
  const result = readv(fd, iovBytes, 2);
  const inRoom = Math.max(0, Math.min(result, room));
  last.end += inRoom;
  queue.length += inRoom;
  return keep(queue, chunk, result - inRoom, result);
}

/**
 * Receives at most `max` bytes from a socket into a chunk of their own, so that nothing is copied. A chunk that stays more than
 * half empty would be a waste of memory: its bytes are copied after all.
 *
 * @returns as {@linkcode readIntoQueue}.
 */
export function receiveIntoQueue(queue: ChainQueue, fd: number, max: number): number {
  const chunk = queue.pool.take(Math.min(max, CHUNK_SIZE_MAX));
  const result = recv(fd, chunk.bytes, Math.min(max, chunk.limit), 0);
  if (result <= 0 || result * 2 >= chunk.limit) return keep(queue, chunk, result, result);
  queue.addBytes(chunk.bytes.subarray(0, result));
  queue.pool.release(chunk);
  return result;
}

/** Appends the chunk when it received something, and gives it back otherwise. */
function keep(queue: ChainQueue, chunk: Chain, received: number, result: number): number {
  if (received > 0) {
    chunk.end = received;
    queue.append(chunk);
  } else {
    queue.pool.release(chunk);
  }
  return result;
}

function putExtent(index: number, chain: Chain, from: number, length: number): void {
  attached(chain);
  const address = addressOfChain(chain);
  const word = index * 4;
  putAddress(iovWords, word, address, from);
  iovWords[word + 2] = length;
  iovWords[word + 3] = 0;
}

function addressOfChain(chain: Chain): Address {
  if (chain.address === 0) chain.address = addressOf(chain.bytes);
  return chain.address;
}

function wordOf(chain: Chain): Word {
  return runtime.word(addressOfChain(chain));
}

/** The chain's memory, after making sure that it is still there: an address into a transferred buffer must never reach C. */
function attached(chain: Chain): Uint8Array {
  if (isDetached(chain)) throw new DetachedMemoryError();
  return chain.bytes;
}

let copyBytes: Uint8Array | null = null;

function sendChain(fd: number, chain: Chain, count: number): number {
  const inFd = chain.source!.fd;
  const offset = chain.base + chain.start;
  let result = sendfile(fd, inFd, offset, count);
  if (result === -EINVAL || result === -ENOSYS) {
    // Some files, such as those of /proc, cannot be spliced; their bytes are copied instead.
    copyBytes ??= allocate(CHUNK_SIZE_MAX);
    result = pread(inFd, copyBytes, Math.min(count, copyBytes.length), offset);
    if (result > 0) result = write(fd, copyBytes, result);
  }
  // The file is shorter than promised. Zero would look like "try again", for ever.
  return result === 0 ? -EIO : result;
}
