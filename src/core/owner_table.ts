/** The first piece grows up to this; it, and each further one, is large enough for a place of its own in the heap of the runtime. */
const PIECE_SHIFT = 14, PIECE = 1 << PIECE_SHIFT, PIECE_MASK = PIECE - 1;

/**
 * An array of objects by small integers, in pieces: one that grows to a million copies itself many times, and touches three times the memory.
 *
 * @internal
 */
export class OwnerTable<T extends object> {
  readonly #pieces: (T | undefined)[][] = [[]];
  // One more than the highest index that was set since the last cut.
  #length = 0;

  /** Puts `owner` at `index`, which is at most one more than the highest so far. */
  set(index: number, owner: T): void {
    const pieces = this.#pieces;
    const piece = index >> PIECE_SHIFT;
    if (index >= this.#length) this.#length = index + 1;
    if (piece === pieces.length) pieces.push(new Array<T | undefined>(PIECE).fill(undefined));
    pieces[piece]![index & PIECE_MASK] = owner;
  }

  /** Empties `index`, where something was set, and returns that. */
  take(index: number): T {
    const piece = this.#pieces[index >> PIECE_SHIFT]!;
    const owner = piece[index & PIECE_MASK]!;
    piece[index & PIECE_MASK] = undefined;
    return owner;
  }

  /** Empties `index`, where something was set; from `limit` on everything is empty. */
  clear(index: number, limit: number): void {
    this.#pieces[index >> PIECE_SHIFT]![index & PIECE_MASK] = undefined;
    if (limit < this.#length) this.cut(limit);
  }

  /** From `limit` on everything is empty, and needs no memory any more. */
  cut(limit: number): void {
    if (limit >= this.#length) return;
    const pieces = this.#pieces;
    const count = Math.max(1, limit + PIECE_MASK >> PIECE_SHIFT);
    if (pieces.length > count) pieces.length = count;
    if (pieces[0]!.length > limit) pieces[0]!.length = limit;
    this.#length = limit;
  }

  /** Everything that is in it, lowest index first. */
  all(): T[] {
    return this.#pieces.flatMap((piece) => piece.filter((owner) => owner !== undefined));
  }
}
