import type { Chain } from "./chain.ts";
import { type ChunkPool, sharedChunkPool } from "./chunk_pool.ts";

/** How much room a stage has. */
export const STAGE_BYTES = 4096;

/**
 * Memory for what connections queue in their callbacks and send right after, which a pass of the loop borrows from the pool of all buffers:
 * fewer chunks than callbacks, and at hand without asking how large they are.
 *
 * @internal
 */
export class OutputStages {
  readonly #pool: ChunkPool;
  #free: Chain | null = null;

  /** @param pool where they are borrowed, the one of the buffers that what is staged may have to go to. */
  constructor(pool: ChunkPool = sharedChunkPool) {
    this.#pool = pool;
  }

  /** Lends an empty chain with room for {@linkcode STAGE_BYTES}, to be given back, or put into a buffer. */
  take(): Chain {
    const chain = this.#free;
    if (chain === null) return this.#pool.take(STAGE_BYTES);
    this.#free = chain.next;
    chain.next = null;
    return chain;
  }

  /** Takes a chain back, whatever is in it. */
  give(chain: Chain): void {
    chain.start = chain.end = 0;
    chain.next = this.#free;
    this.#free = chain;
  }

  /** Gives all that are not lent back to the pool. */
  clear(): void {
    for (let chain = this.#free; chain !== null; chain = this.#free) {
      this.#free = chain.next;
      this.#pool.release(chain);
    }
  }
}
