import { allocate } from "../ffi/mod.ts";
import { BLOCK_BYTES, BLOCKS_PER_CELL, FREE, type PortMemory, TOP } from "./port_memory.ts";

/**
 * The messages of a {@linkcode LoopPort}: any number of threads push, one takes, nobody ever waits for anybody.
 *
 * A sender reserves blocks, fills them while nobody else knows of them, and then puts the message on a stack with one
 * compare-and-exchange. The receiver takes the whole stack at once and turns it round. There is no lock that a terminated
 * Worker could take to its grave: all it can take along are the blocks of the one message it was writing. And since nobody
 * guesses whether a sender is dead or just slow, blocks never have two writers.
 *
 * @internal
 */
export class PortQueue {
  readonly #memory: PortMemory;
  // Receiver: 1 + the first block of the oldest message that was fetched and not taken; 0: none.
  #fetched = 0;
  // Sender: where blocks were found last. The next ones are probably near.
  #cell = 0;

  constructor(memory: PortMemory) {
    this.#memory = memory;
  }

  /** Receiver: whether there is nothing to take. */
  get isEmpty(): boolean {
    return this.#fetched === 0 && Atomics.load(this.#memory.cells, TOP) === 0;
  }

  /** Appends a copy of `message`, which must fit the capacity; false when there is not enough room now. */
  push(message: Uint8Array): boolean {
    const { cells, lengths, below } = this.#memory;
    const count = Math.max(1, Math.ceil(message.length / BLOCK_BYTES));
    if (!this.#reserve(count)) return false;
    const first = this.#claim(count);
    this.#fill(first, message);
    cells[lengths + first] = message.length;
    // Whatever has happened to the stack in between, linking to the message that is on top right now is right.
    for (let top = Atomics.load(cells, TOP);;) {
      cells[below + first] = top;
      const found = Atomics.compareExchange(cells, TOP, top, first + 1);
      if (found === top) return true;
      top = found;
    }
  }

  /** Takes the oldest message out; undefined when there is none. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#fetched === 0 && !this.#fetch()) return undefined;
    const { cells, lengths, below } = this.#memory;
    const first = this.#fetched - 1;
    this.#fetched = cells[below + first]!;
    const message = allocate(cells[lengths + first]!);
    this.#empty(first, message);
    return message;
  }

  /** Fetches what was pushed since the last time, oldest first. */
  #fetch(): boolean {
    const { cells, below } = this.#memory;
    if (Atomics.load(cells, TOP) === 0) return false;
    let older = Atomics.exchange(cells, TOP, 0);
    let next = 0;
    while (older !== 0) {
      const link = below + older - 1;
      const rest = cells[link]!;
      cells[link] = next;
      next = older;
      older = rest;
    }
    this.#fetched = next;
    return next !== 0;
  }

  /** Sets `count` blocks aside without saying which. Only then can a search for them not come back empty-handed. */
  #reserve(count: number): boolean {
    const { cells } = this.#memory;
    for (let free = Atomics.load(cells, FREE); free >= count;) {
      const found = Atomics.compareExchange(cells, FREE, free, free - count);
      if (found === free) return true;
      free = found;
    }
    return false;
  }

  /** Finds `count` blocks that were set aside, links them in the order of the search and returns the first one. */
  #claim(count: number): number {
    const { cells, used, links, blockCount } = this.#memory;
    let first = -1;
    let last = -1;
    for (let left = count; left > 0;) {
      const bitsUsed = Atomics.load(cells, used + this.#cell);
      let take = 0;
      let taken = 0;
      for (let free = ~bitsUsed; free !== 0 && taken < left; free &= free - 1, taken++) take |= free & -free;
      if (taken === 0) {
        this.#cell = (this.#cell + 1) % (blockCount / BLOCKS_PER_CELL);
        continue;
      }
      if (Atomics.compareExchange(cells, used + this.#cell, bitsUsed, bitsUsed | take) !== bitsUsed) continue;
      left -= taken;
      for (let bits = take; bits !== 0; bits &= bits - 1) {
        const block = this.#cell * BLOCKS_PER_CELL + 31 - Math.clz32(bits & -bits);
        if (last < 0) first = block;
        else cells[links + last] = block + 1;
        last = block;
      }
    }
    cells[links + last] = 0;
    return first;
  }

  /** Copies `message` into the chain that begins with `first`. */
  #fill(first: number, message: Uint8Array): void {
    const { bytes } = this.#memory;
    if (message.length <= BLOCK_BYTES) {
      bytes.set(message, first * BLOCK_BYTES);
      return;
    }
    for (let block = first, done = 0; done < message.length;) {
      const end = this.#endOfRun(block);
      const part = message.subarray(done, done + (end - block + 1) * BLOCK_BYTES);
      bytes.set(part, block * BLOCK_BYTES);
      done += part.length;
      block = this.#after(end);
    }
  }

  /** Copies the chain that begins with `first` into `message` and gives its blocks back. */
  #empty(first: number, message: Uint8Array): void {
    const { cells, bytes, used } = this.#memory;
    let count = 0;
    for (let block = first, done = 0; block >= 0;) {
      const end = this.#endOfRun(block);
      const from = block * BLOCK_BYTES;
      const part = bytes.subarray(from, Math.min((end + 1) * BLOCK_BYTES, from + message.length - done));
      message.set(part, done);
      done += part.length;
      count += end - block + 1;
      // Once its bit is gone a block may be anybody's, so its link is read before.
      const next = this.#after(end);
      for (; block <= end; block++) {
        Atomics.and(cells, used + Math.floor(block / BLOCKS_PER_CELL), ~(1 << (block % BLOCKS_PER_CELL)));
      }
      block = next;
    }
    // After the bits: whoever reserves these blocks must be able to find them.
    Atomics.add(cells, FREE, count);
  }

  /** The block after `block` in its message, -1 at the end. */
  #after(block: number): number {
    return this.#memory.cells[this.#memory.links + block]! - 1;
  }

  /** The last of the blocks that follow `block` both in the message and in memory: those are copied in one go. */
  #endOfRun(block: number): number {
    while (this.#after(block) === block + 1) block++;
    return block;
  }
}
