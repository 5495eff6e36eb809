/**
 * Room that was handed out at the back of a buffer and waits to be filled.
 *
 * @module
 */

import type { Chain } from "./chain.ts";
import type { ChainQueue } from "./chain_queue.ts";

/** The extents of one call of {@linkcode EvBuffer.reserve}, and what the list looked like at that moment. */
export class Reservation {
  /** The writable views, in order. */
  readonly views: Uint8Array[] = [];
  readonly #queue: ChainQueue;
  readonly #chains: Chain[] = [];
  readonly #last: Chain | null;
  readonly #lastEnd: number;
  readonly #lastLimit: number;

  /** Sets aside `size` bytes in at most `extentsMax` pieces: what is left of the last chunk, and a new chunk. */
  constructor(queue: ChainQueue, size: number, extentsMax: number) {
    this.#queue = queue;
    const last = queue.last;
    this.#last = last;
    this.#lastEnd = last === null ? 0 : last.end;
    this.#lastLimit = last === null ? 0 : last.limit;
    // Even a reservation of nothing returns an extent, as in libevent.
    const wanted = Math.max(1, size);
    let rest = wanted;
    if (last !== null) {
      const room = last.limit - last.end;
      if (room >= wanted || (room > 0 && extentsMax > 1)) rest -= this.#expose(last, Math.min(room, wanted));
    }
    if (rest > 0) this.#expose(queue.takeChunk(rest), rest);
  }

  /**
   * Makes what was written part of the data; returns how many bytes that was.
   *
   * @throws {TypeError} when the buffer changed since or the extents are not those that were handed out.
   * @throws {RangeError} when more is committed than was reserved.
   */
  commit(written: number | readonly Uint8Array[]): number {
    const queue = this.#queue;
    const last = queue.last;
    // The limit changes when the chunk is shared with another buffer: its room is gone then.
    if (
      last !== this.#last || (last !== null && (last.end !== this.#lastEnd || last.limit !== this.#lastLimit))
    ) {
      throw new TypeError("Cannot commit: the buffer has changed since the space was reserved");
    }
    const lengths = typeof written === "number" ? this.#spread(written) : this.#measure(written);
    let total = 0;
    for (let i = 0; i < this.#chains.length; i++) {
      const chain = this.#chains[i]!;
      const length = lengths[i] ?? 0;
      total += length;
      if (chain === this.#last) {
        chain.end += length;
        queue.length += length;
      } else if (length > 0) {
        chain.end = length;
        queue.append(chain);
      } else {
        queue.pool.release(chain);
      }
    }
    return total;
  }

  /** Gives back the chunk that is not part of the list. */
  abandon(): void {
    for (const chain of this.#chains) {
      if (chain !== this.#last) this.#queue.pool.release(chain);
    }
  }

  #expose(chain: Chain, size: number): number {
    const view = chain.bytes.subarray(chain.end, chain.end + size);
    // A pooled chunk still holds what passed through another buffer; that is nobody else's business.
    view.fill(0);
    chain.exposed = true;
    this.#chains.push(chain);
    this.views.push(view);
    return size;
  }

  #spread(count: number): number[] {
    const reserved = this.views.reduce((sum, view) => sum + view.length, 0);
    if (!Number.isInteger(count) || count < 0 || count > reserved) {
      throw new RangeError(`Cannot commit ${count} bytes: ${reserved} are reserved`);
    }
    let rest = count;
    return this.views.map((view) => {
      const length = Math.min(rest, view.length);
      rest -= length;
      return length;
    });
  }

  #measure(extents: readonly Uint8Array[]): number[] {
    if (extents.length > this.views.length) {
      throw new RangeError(`Cannot commit ${extents.length} extents: ${this.views.length} are reserved`);
    }
    return extents.map((extent, index) => {
      const view = this.views[index]!;
      if (extent.buffer !== view.buffer || extent.byteOffset !== view.byteOffset) {
        throw new TypeError(`Cannot commit extent ${index}: it does not start where the reserved one starts`);
      }
      if (extent.length > view.length) {
        throw new RangeError(`Cannot commit ${extent.length} bytes of extent ${index}: ${view.length} are reserved`);
      }
      return extent.length;
    });
  }
}
