/**
 * Memory for buffers, kept for reuse in a few sizes.
 *
 * Allocating an ArrayBuffer costs a trip to the allocator and later one to the garbage collector, and looking up its kernel
 * address costs about 245 ns on Deno. A chunk that comes back keeps both, so a connection that answers small requests
 * settles on the same few chunks.
 *
 * @module
 */

import { type Chain, CHAIN_FILE, CHAIN_MEMORY, CHAIN_POOLED, CHAIN_REFERENCE, memoryChain } from "./chain.ts";

/** The sizes of pooled chunks in bytes. Factors of four: a buffer that grows passes few of them, and little is wasted. */
export const CHUNK_SIZES: readonly number[] = [1024, 4096, 16_384, 65_536];

/** The largest pooled chunk in bytes; larger wishes get memory of their own that the garbage collector takes back. */
export const CHUNK_SIZE_MAX = 65_536;

const pageSize = 4096;

/** How a {@linkcode ChunkPool} is limited. */
export interface ChunkPoolOptions {
  /** How many bytes may rest in the pool, shared evenly among the sizes. 4 MiB by default. */
  bytesMax?: number;
}

/** Free chunks, by size. Chains come out of it empty and go back into it when their last byte is gone. */
export class ChunkPool {
  /** How many bytes may rest in the pool. */
  readonly bytesMax: number;
  readonly #classBytesMax: number;
  readonly #free: (Chain | null)[] = [null, null, null, null];
  readonly #freeBytes: number[] = [0, 0, 0, 0];
  #bytesLent = 0;

  /**
   * Makes an empty pool.
   *
   * @throws {RangeError} when `bytesMax` is not a whole number of bytes, zero or more.
   */
  constructor(options: ChunkPoolOptions = {}) {
    const bytesMax = options.bytesMax ?? 4 * 1024 * 1024;
    if (!Number.isSafeInteger(bytesMax) || bytesMax < 0) {
      throw new RangeError(`Cannot make a chunk pool: bytesMax must be a whole number of bytes, not ${bytesMax}`);
    }
    this.bytesMax = bytesMax;
    this.#classBytesMax = Math.floor(bytesMax / CHUNK_SIZES.length);
  }

  /** How many bytes rest in the pool, ready for use. */
  get bytesFree(): number {
    return this.#freeBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * How many bytes were handed out and have not been released since. Those that move to a buffer with another pool are lent by that one from
   * then on. Buffers that were dropped unclosed stay counted.
   */
  get bytesLent(): number {
    return this.#bytesLent;
  }

  /** Hands out an empty chain with room for at least `size` bytes. Its memory may hold stale bytes outside `[start, end)`. */
  take(size: number): Chain {
    const index = classOf(size);
    if (index < 0) return this.#takeLarge(size);
    const chunkSize = CHUNK_SIZES[index]!;
    this.#bytesLent += chunkSize;
    const chain = this.#free[index] ?? null;
    if (chain === null) return memoryChain(chunkSize);
    this.#free[index] = chain.next;
    this.#freeBytes[index]! -= chunkSize;
    chain.next = null;
    chain.kind = CHAIN_MEMORY;
    return chain;
  }

  /** Memory of its own for what no pooled chunk has room for. */
  #takeLarge(size: number): Chain {
    const rounded = Math.ceil(size / pageSize) * pageSize;
    // Counted once it is there: the runtime may refuse so much.
    const chain = memoryChain(rounded);
    this.#bytesLent += rounded;
    return chain;
  }

  /**
   * Takes a chain back: pools its memory, or tells the owner of borrowed bytes when nobody shows them any more.
   * Memory a user has seen is left to the garbage collector, so that an old view can never show another buffer's data.
   */
  release(chain: Chain): void {
    switch (chain.kind) {
      case CHAIN_MEMORY:
        this.#releaseMemory(chain);
        break;
      case CHAIN_REFERENCE:
      case CHAIN_FILE: {
        const source = chain.source;
        // Taking the owner away first makes a second release of the same chain harmless.
        chain.source = null;
        chain.next = null;
        if (source !== null && chain.exposed) source.exposed = true;
        if (source !== null && --source.references === 0) {
          source.release();
        }
        break;
      }
      default:
        throw new TypeError("Cannot release a chain that was released before");
    }
  }

  /** Takes over from `lender`, another pool, that a chain was lent: it will be released here. Nothing to do for what is borrowed. */
  adopt(chain: Chain, lender: ChunkPool): void {
    if (chain.kind !== CHAIN_MEMORY) return;
    lender.#bytesLent -= chain.limit;
    this.#bytesLent += chain.limit;
  }

  /** Forgets all free chunks; the garbage collector takes their memory. */
  clear(): void {
    this.#free.fill(null);
    this.#freeBytes.fill(0);
  }

  #releaseMemory(chain: Chain): void {
    const size = chain.limit;
    this.#bytesLent -= size;
    chain.kind = CHAIN_POOLED;
    chain.next = null;
    chain.start = 0;
    chain.end = 0;
    if (chain.exposed) {
      return;
    }
    const index = classOf(size);
    if (index < 0 || CHUNK_SIZES[index] !== size || this.#freeBytes[index]! + size > this.#classBytesMax) {
      return;
    }
    chain.next = this.#free[index] ?? null;
    this.#free[index] = chain;
    this.#freeBytes[index]! += size;
  }
}

function classOf(size: number): number {
  if (size <= 1024) return 0;
  if (size <= 4096) return 1;
  if (size <= 16_384) return 2;
  return size <= CHUNK_SIZE_MAX ? 3 : -1;
}

/** The pool every buffer of this thread uses unless it is given another. */
export const sharedChunkPool: ChunkPool = new ChunkPool();
