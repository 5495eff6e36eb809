/**
 * One link of an {@linkcode EvBuffer}: a run of bytes that lie next to each other, wherever they live.
 *
 * A chain over pooled memory keeps that memory for its whole life, so the kernel address is looked up once per chunk and
 * not once per write. The other kinds borrow: from memory the user handed in, or from a file whose bytes are never loaded.
 *
 * @module
 */

import type { Address, Word } from "../ffi/mod.ts";
import type { ChunkPool } from "./chunk_pool.ts";

export type { Address } from "../ffi/mod.ts";

/** The bytes live in memory that belongs to the chain and that may be appended to. */
export const CHAIN_MEMORY = 0;
/** The bytes live in somebody else's memory and are read-only to us. */
export const CHAIN_REFERENCE = 1;
/** The bytes live in a file and reach a descriptor by `sendfile`; `bytes` is empty. */
export const CHAIN_FILE = 2;
/** The chain rests in a {@linkcode ChunkPool}; seeing this kind in a buffer means that somebody released a chain twice. */
export const CHAIN_POOLED = 3;

/** What a chain is made of: one of the `CHAIN_*` constants. */
export type ChainKind = 0 | 1 | 2 | 3;

/**
 * Memory that was added by reference is there no more.
 *
 * @internal
 */
export class DetachedMemoryError extends TypeError {
  constructor() {
    super("Cannot use the memory of a buffer: it was detached, probably by a transfer to another thread");
  }
}

/** Whether a chain's memory was transferred away since it was added. */
export function isDetached(chain: Chain): boolean {
  return chain.bytes.length < chain.end;
}

/** Says why the bytes of a chain that owns no memory cannot be looked at, if so: they belong to a file, or were transferred away. */
export function checkReadable(chain: Chain): void {
  if (chain.kind === CHAIN_FILE) {
    throw new TypeError(
      "Cannot look at these bytes: they belong to a file and have not been read into memory (see loadFiles)",
    );
  }
  if (isDetached(chain)) throw new DetachedMemoryError();
}

/** The owner of borrowed bytes, shared by every chain that shows a part of them. */
export interface ChainSource {
  /** How many chains show a part of this source. The one that takes it to zero calls {@linkcode ChainSource.release}. */
  references: number;
  /** The descriptor the bytes come from, or -1 when they are in memory. */
  readonly fd: number;
  /** Whether one of the chains that are gone was {@linkcode Chain.exposed}. */
  exposed?: boolean;
  /** Gives the bytes back to their owner. Called exactly once. */
  release(): void;
}

/** What {@linkcode EvBuffer.addReference} calls when the buffer needs the memory no longer. */
export type ReleaseCallback = (bytes: Uint8Array) => void;

const nothing: Uint8Array = new Uint8Array(new ArrayBuffer(0));

/**
 * A run of bytes and the link to the next one. The fields are plain and public because every byte that passes a connection
 * passes here; only `src/core` and protocol code that writes through {@linkcode EvBuffer.reserveTail} should touch them.
 */
export class Chain {
  /** What the chain is made of. */
  kind: ChainKind;
  /** The memory; the valid part is `[start, end)`. Empty for a file. */
  bytes: Uint8Array;
  /** Index of the first byte of data. For a file, counted from {@linkcode Chain.base}. */
  start = 0;
  /** Index one past the last byte of data. For a file, counted from {@linkcode Chain.base}. */
  end = 0;
  /** Index one past the last byte that may be written; 0 when the chain is read-only, so that `limit - end` shows no room. */
  limit: number;
  /** The chain behind this one. */
  next: Chain | null = null;
  /** Whether a user may hold a view of this memory, in which case it must never serve another buffer. */
  exposed = false;
  /** The kernel's address of `bytes[0]`; 0 until the first system call that needs it. */
  address: Address = 0;
  /** The same as C takes it; null until it is needed. */
  word: Word | null = null;
  /** The owner of borrowed bytes. */
  source: ChainSource | null;
  /** A view of {@linkcode Chain.bytes} from some place on, for {@linkcode restOf}. */
  rest: Uint8Array | null = null;
  /** For a file: the file offset that index 0 stands for. It keeps `start` and `end` small integers whatever the file's size. */
  base = 0;

  /** Makes an empty chain; see {@linkcode memoryChain}, {@linkcode referenceChain} and {@linkcode fileChain}. */
  constructor(kind: ChainKind, bytes: Uint8Array, limit: number, source: ChainSource | null) {
    this.kind = kind;
    this.bytes = bytes;
    this.limit = limit;
    this.source = source;
  }
}

/** The memory of a chain from index `at` on. The view is kept, since the next one who encodes into it will mostly want the same. */
export function restOf(chain: Chain, at: number): Uint8Array {
  const { bytes, rest } = chain;
  if (rest !== null && rest.byteOffset === bytes.byteOffset + at) return rest;
  return chain.rest = bytes.subarray(at);
}

/** Makes an empty chain over `size` bytes of fresh, zeroed memory. */
export function memoryChain(size: number): Chain {
  // An explicit ArrayBuffer, because Bun moves the memory of a small `new Uint8Array(n)` once its buffer is looked at.
  return new Chain(CHAIN_MEMORY, new Uint8Array(new ArrayBuffer(size)), size, null);
}

class ReferenceSource implements ChainSource {
  references = 1;
  readonly fd = -1;
  readonly #bytes: Uint8Array;
  readonly #onRelease: ReleaseCallback | null;

  constructor(bytes: Uint8Array, onRelease: ReleaseCallback | null) {
    this.#bytes = bytes;
    this.#onRelease = onRelease;
  }

  release(): void {
    this.#onRelease?.(this.#bytes);
  }
}

/**
 * Makes a read-only chain over `bytes`, from `start` up to `end`; `onRelease` gets all of `bytes` when the last chain that shows
 * a part of them is gone.
 */
export function referenceChain(
  bytes: Uint8Array,
  onRelease: ReleaseCallback | null,
  start = 0,
  end: number = bytes.length,
): Chain {
  // Looking at `buffer` is what settles the memory of a small array on Bun, before an address of it is remembered.
  const memory = bytes.buffer;
  if (memory instanceof ArrayBuffer && memory.detached) {
    throw new TypeError("Cannot reference memory that was detached");
  }
  const chain = new Chain(CHAIN_REFERENCE, bytes, 0, new ReferenceSource(bytes, onRelease));
  chain.start = start;
  chain.end = end;
  return chain;
}

/** Keeps a chunk that several buffers show, and gives it back to its pool after the last of them. */
class ChunkSource implements ChainSource {
  references = 1;
  exposed = false;
  readonly fd = -1;
  readonly #chunk: Chain;
  readonly #pool: ChunkPool;

  constructor(chunk: Chain, pool: ChunkPool) {
    this.#chunk = chunk;
    this.#pool = pool;
  }

  release(): void {
    this.#chunk.exposed = this.exposed;
    this.#pool.release(this.#chunk);
  }
}

/**
 * Makes another chain over the same bytes, which shares their owner; nothing is copied. A chain that owns its memory becomes a
 * borrowed one by that: what two buffers show must not be written to by either.
 */
export function shareChain(chain: Chain, pool: ChunkPool): Chain {
  if (chain.source === null) {
    const chunk = new Chain(CHAIN_MEMORY, chain.bytes, chain.limit, null);
    chunk.address = chain.address;
    chunk.word = chain.word;
    chain.kind = CHAIN_REFERENCE;
    chain.limit = 0;
    chain.source = new ChunkSource(chunk, pool);
  }
  return borrow(chain, chain.source!, chain.end);
}

/** Makes a chain that stands for `length` bytes of `source`'s descriptor from file offset `base` on; takes no reference itself. */
export function fileChain(source: ChainSource, base: number, length: number): Chain {
  const chain = new Chain(CHAIN_FILE, nothing, 0, source);
  chain.base = base;
  chain.end = length;
  return chain;
}

/**
 * Cuts the first `count` bytes off a borrowed chain and returns them as a chain of their own that shares the owner.
 * Nothing is copied. `count` lies strictly between 0 and the chain's length.
 */
export function splitBorrowed(chain: Chain, count: number): Chain {
  const source = chain.source;
  if (source === null) {
    throw new TypeError("Cannot share a chain that owns its memory");
  }
  const front = borrow(chain, source, chain.start + count);
  chain.start += count;
  return front;
}

/** Another chain over what `chain` borrows, from its start up to `end`. */
function borrow(chain: Chain, source: ChainSource, end: number): Chain {
  source.references += 1;
  const other = new Chain(chain.kind, chain.bytes, 0, source);
  other.base = chain.base;
  other.start = chain.start;
  other.end = end;
  other.exposed = chain.exposed;
  other.address = chain.address;
  other.word = chain.word;
  return other;
}
