/**
 * The list of chains behind an {@linkcode EvBuffer}, and everything that moves bytes about in it.
 *
 * It checks no arguments, knows no callbacks and nothing of freezing: the buffer does that, once, at its door. What it does
 * guard is order: whenever foreign code may run (a release callback), the list is already in its final state.
 *
 * @module
 */

import { type Chain, CHAIN_MEMORY, CHAIN_REFERENCE, checkReadable, shareChain, splitBorrowed } from "./chain.ts";
import { CHUNK_SIZE_MAX, type ChunkPool } from "./chunk_pool.ts";

/** Up to so many bytes a loop is faster than a view of them and a call of `set`. */
const SLICE_LOOP_MAX = 128;

/** What is added at once goes into so many pooled chunks at most; more than that gets one piece of memory of its own. */
const PIECES_MAX = 8;

/** A singly linked list of chains; no chain in it is empty. */
export class ChainQueue {
  /** The chain that holds the first byte. */
  first: Chain | null = null;
  /** The chain that holds the last byte. */
  last: Chain | null = null;
  /** How many bytes the chains hold together. */
  length = 0;
  /** Where chunks come from and go back to. */
  readonly pool: ChunkPool;
  /** A chunk that was handed out for writing and joins the list once something is committed. */
  #spare: Chain | null = null;

  /** Makes an empty list. */
  constructor(pool: ChunkPool) {
    this.pool = pool;
  }

  /** Finds a chain with room for `bytes` bytes in one piece, to be followed by {@linkcode ChainQueue.commitTail}. */
  reserveTail(bytes: number): Chain {
    const spare = this.#spare;
    if (spare === null) {
      const last = this.last;
      if (last !== null && last.limit - last.end >= bytes) {
        return last;
      }
    } else if (spare.limit >= bytes) {
      return spare;
    } else {
      this.pool.release(spare);
      this.#spare = null;
    }
    return this.#spare = this.takeChunk(bytes);
  }

  /** Makes the next `count` bytes of the chain {@linkcode ChainQueue.reserveTail} returned part of the data. */
  commitTail(count: number): void {
    const chain = this.#spare ?? this.last;
    if (chain === null || !(count >= 0 && count <= chain.limit - chain.end && count === Math.floor(count))) {
      throw tooMuch(count, chain);
    }
    if (chain === this.#spare) {
      this.#spare = null;
      if (count === 0) {
        this.pool.release(chain);
        return;
      }
      chain.end = count;
      this.append(chain);
      return;
    }
    chain.end += count;
    this.length += count;
  }

  /** Makes sure that the next `bytes` bytes will lie in one piece. */
  expand(bytes: number): void {
    this.reserveTail(bytes);
  }

  /** Takes a chunk for at least `bytes` bytes; as the list grows so do its chunks, up to 16 KiB unless more is asked for. */
  takeChunk(bytes: number): Chain {
    const last = this.last;
    const grown = last === null ? 0 : last.limit >= 4096 ? 16_384 : last.limit > 0 ? 4096 : 0;
    return this.pool.take(bytes > grown ? bytes : grown);
  }

  /** Puts a chain with data behind the others. */
  append(chain: Chain): void {
    const last = this.last;
    if (last === null) {
      this.first = chain;
    } else {
      last.next = chain;
    }
    this.last = chain;
    this.length += chain.end - chain.start;
  }

  /** Puts a chain with data before the others. */
  prepend(chain: Chain): void {
    chain.next = this.first;
    this.first = chain;
    this.last ??= chain;
    this.length += chain.end - chain.start;
  }

  /** Copies bytes in behind the others, filling the last chunk before another one is taken. */
  addBytes(data: Uint8Array): void {
    const total = data.length;
    if (total === 0) return;
    const spare = this.#spare;
    if (spare !== null && spare.limit >= total) {
      // Somebody asked for room in one piece, so what comes now goes there even if the last chunk has some room left.
      spare.bytes.set(data, 0);
      this.commitTail(total);
      return;
    }
    let done = 0;
    const last = this.last;
    if (last !== null) {
      const room = last.limit - last.end;
      if (room >= total) {
        last.bytes.set(data, last.end);
        last.end += total;
        this.length += total;
        return;
      }
      if (room > 0) {
        last.bytes.set(data.subarray(0, room), last.end);
        last.end += room;
        this.length += room;
        done = room;
      }
    }
    // Chunks larger than the pool's would be new memory each time, whose pages cost more to come by than the copy does.
    const pieceMax = total <= PIECES_MAX * CHUNK_SIZE_MAX ? CHUNK_SIZE_MAX : total;
    while (done < total) {
      const count = Math.min(total - done, pieceMax);
      const chain = this.reserveTail(count);
      chain.bytes.set(count === total ? data : data.subarray(done, done + count), chain.end);
      this.commitTail(count);
      done += count;
    }
  }

  /** Copies `bytes[start..end)` in behind the others. */
  addSlice(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    if (count > SLICE_LOOP_MAX) return this.addBytes(bytes.subarray(start, end));
    if (count === 0) return;
    const chain = this.reserveTail(count);
    const target = chain.bytes;
    for (let from = start, to = chain.end; from < end; from++, to++) target[to] = bytes[from]!;
    this.commitTail(count);
  }

  /** Copies bytes in before the others, using the room that drained bytes left. */
  prependBytes(data: Uint8Array): void {
    let rest = data.length;
    const first = this.first;
    if (first !== null && first.kind === CHAIN_MEMORY && first.start > 0) {
      const fits = Math.min(first.start, rest);
      first.bytes.set(data.subarray(rest - fits), first.start - fits);
      first.start -= fits;
      this.length += fits;
      rest -= fits;
    }
    if (rest === 0) {
      return;
    }
    // The bytes go to the far end of the chunk, so that the next prepend finds room before them.
    const chain = this.pool.take(rest);
    chain.end = chain.limit;
    chain.start = chain.end - rest;
    chain.bytes.set(rest === data.length ? data : data.subarray(0, rest), chain.start);
    chain.next = first;
    this.first = chain;
    this.last ??= chain;
    this.length += rest;
  }

  /** Drops the first `count` bytes, or all of them when there are fewer; returns how many that were. */
  drain(count: number): number {
    if (count >= this.length) {
      const all = this.length;
      this.clear();
      return all;
    }
    const first = this.first!;
    let rest = count;
    let chain = first;
    let emptied: Chain | null = null;
    for (let size = chain.end - chain.start; rest >= size; size = chain.end - chain.start) {
      rest -= size;
      emptied = chain;
      chain = chain.next!;
    }
    chain.start += rest;
    this.first = chain;
    this.length -= count;
    if (emptied !== null) {
      emptied.next = null;
      this.releaseList(first);
    }
    return count;
  }

  /** Drops everything, the chunk held in reserve included. */
  clear(): void {
    const first = this.first;
    const spare = this.#spare;
    this.first = null;
    this.last = null;
    this.length = 0;
    this.#spare = null;
    if (spare !== null) {
      this.pool.release(spare);
    }
    if (first !== null) {
      this.releaseList(first);
    }
  }

  /** Moves all chains of `from` behind ours. */
  moveAll(from: ChainQueue): void {
    this.#adoptAll(from);
    if (this.last === null) {
      this.first = from.first;
    } else {
      this.last.next = from.first;
    }
    this.last = from.last;
    this.length += from.length;
    from.#forget();
  }

  /** Moves all chains of `from` before ours. */
  moveAllToFront(from: ChainQueue): void {
    if (from.last !== null) {
      this.#adoptAll(from);
      from.last.next = this.first;
      this.first = from.first;
      this.last ??= from.last;
      this.length += from.length;
      from.#forget();
    }
  }

  /** Copies what is borrowed of `bytes` at the end of the list, if anything, so that their owner may change them. */
  ownLast(bytes: Uint8Array): void {
    const chain = this.last;
    if (chain === null || chain.kind !== CHAIN_REFERENCE || chain.bytes !== bytes) return;
    let before: Chain | null = null;
    for (let each = this.first; each !== chain; each = each!.next) before = each;
    if (before === null) this.first = null;
    else before.next = null;
    this.last = before;
    this.length -= chain.end - chain.start;
    this.addBytes(bytes.subarray(chain.start, chain.end));
    this.pool.release(chain);
  }

  /** Shows the bytes of `from`, another list, behind ours as well; from then on neither list writes to that memory. */
  appendShared(from: ChainQueue): void {
    for (let chain = from.first; chain !== null; chain = chain.next) this.append(shareChain(chain, from.pool));
  }

  /** Moves the first `count` bytes of `from`, which has more than that, behind ours; at most one chunk is copied from. */
  moveFront(from: ChainQueue, count: number): void {
    let rest = count;
    for (let chain = from.first; rest > 0 && chain !== null; chain = from.first) {
      const size = chain.end - chain.start;
      if (size <= rest) {
        from.first = chain.next;
        from.length -= size;
        chain.next = null;
        if (from.pool !== this.pool) this.pool.adopt(chain, from.pool);
        this.append(chain);
        rest -= size;
        continue;
      }
      if (chain.kind === CHAIN_MEMORY) {
        this.addBytes(chain.bytes.subarray(chain.start, chain.start + rest));
        chain.start += rest;
      } else {
        this.append(splitBorrowed(chain, rest));
      }
      from.length -= rest;
      break;
    }
  }

  /** Brings the first `count` bytes, which exist and are more than none, together in the first chain and returns it. */
  pullup(count: number): Chain {
    const first = this.first!;
    if (first.end - first.start >= count) {
      if (first.kind !== CHAIN_MEMORY) checkReadable(first);
      return first;
    }
    this.checkReadable(0, count);
    let target = first;
    if (first.kind !== CHAIN_MEMORY || first.limit - first.start < count) {
      target = this.pool.take(count);
      target.next = first;
      this.first = target;
    }
    let rest = count - (target.end - target.start);
    let emptied: Chain | null = null;
    let lastEmptied: Chain | null = null;
    for (let chain = target.next; rest > 0 && chain !== null; chain = target.next) {
      const fits = Math.min(rest, chain.end - chain.start);
      target.bytes.set(chain.bytes.subarray(chain.start, chain.start + fits), target.end);
      target.end += fits;
      chain.start += fits;
      rest -= fits;
      if (chain.start === chain.end) {
        target.next = chain.next;
        if (this.last === chain) this.last = target;
        chain.next = null;
        if (lastEmptied === null) emptied = chain;
        else lastEmptied.next = chain;
        lastEmptied = chain;
      }
    }
    // In order, so that owners hear in the order of their bytes.
    if (emptied !== null) this.releaseList(emptied);
    return target;
  }

  /** Copies the bytes `[from, from + count)`, which exist, to the start of `target`. */
  copyOut(target: Uint8Array, from: number, count: number): void {
    let skip = from;
    let done = 0;
    for (let chain = this.first; done < count && chain !== null; chain = chain.next) {
      const size = chain.end - chain.start;
      if (skip >= size) {
        skip -= size;
        continue;
      }
      if (chain.kind !== CHAIN_MEMORY) checkReadable(chain);
      const fits = Math.min(size - skip, count - done);
      const start = chain.start + skip;
      const whole = start === 0 && fits === chain.bytes.length;
      target.set(whole ? chain.bytes : chain.bytes.subarray(start, start + fits), done);
      done += fits;
      skip = 0;
    }
  }

  /** Throws when a byte of `[from, to)` lies in a file, or in memory that was transferred away. */
  checkReadable(from: number, to: number): void {
    if (from >= to) return;
    let position = 0;
    for (let chain = this.first; position < to && chain !== null; chain = chain.next) {
      position += chain.end - chain.start;
      if (position > from && chain.kind !== CHAIN_MEMORY) checkReadable(chain);
    }
  }

  /** Has the chains of `from`, which are about to move here, counted by our pool. Nearly always it is the same. */
  #adoptAll(from: ChainQueue): void {
    if (from.pool === this.pool) return;
    for (let chain = from.first; chain !== null; chain = chain.next) this.pool.adopt(chain, from.pool);
  }

  #forget(): void {
    this.first = null;
    this.last = null;
    this.length = 0;
  }

  /** Releases a list nobody else can reach any more; one failing owner does not keep the others from being told. */
  releaseList(first: Chain): void {
    let failed = false;
    let failure: unknown;
    for (let chain: Chain | null = first; chain !== null;) {
      const next: Chain | null = chain.next;
      try {
        this.pool.release(chain);
      } catch (error) {
        failure = failed ? failure : error;
        failed = true;
      }
      chain = next;
    }
    if (failed) throw failure;
  }
}

function tooMuch(count: number, chain: Chain | null): RangeError {
  const room = chain === null ? 0 : Math.max(0, chain.limit - chain.end);
  return new RangeError(`Cannot commit ${count} bytes: ${room} are reserved`);
}
