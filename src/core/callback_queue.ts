import type { LoopCallback } from "./loop_callback.ts";

/** So many gaps are worth closing, once they are as many as there are callbacks. */
const GAPS_MAX = 1024;

/** The first piece grows up to this, as far as it is needed. */
const PIECE_SHIFT = 14, PIECE = 1 << PIECE_SHIFT, PIECE_MASK = PIECE - 1;

/**
 * A first-in first-out queue of callbacks, each of which knows its place. It is an array, and no list linked through the callbacks, because
 * the garbage collectors of both runtimes have to look again at each old object that a reference was written to. It is in pieces, since one
 * that grows to a million copies itself many times.
 *
 * @internal
 */
export class CallbackQueue {
  // In use from #first to #end, with null for gaps there, but not at #first. It is not shortened when it is empty: that would cost memory anew
  // for each turn of a loop.
  #pieces: (LoopCallback | null)[][] = [[]];
  #first = 0;
  #end = 0;
  #count = 0;

  /** The one that runs next. */
  get head(): LoopCallback | null {
    return this.#first < this.#end ? this.#at(this.#first) : null;
  }

  #at(place: number): LoopCallback | null {
    return this.#pieces[place >> PIECE_SHIFT]![place & PIECE_MASK]!;
  }

  /** Appends `callback`, which must be in no queue. */
  push(callback: LoopCallback): void {
    // Where something is always queued, it would run away from the beginning; and where the first has to wait for other queues, from that.
    if (this.#end - this.#count > GAPS_MAX + this.#count) this.#closeGaps();
    this.#count++;
    const place = this.#end++;
    callback.queuePlace = place;
    const piece = this.#pieces[place >> PIECE_SHIFT] ?? this.#newPiece();
    const at = place & PIECE_MASK;
    if (at < piece.length) piece[at] = callback;
    else piece.push(callback);
  }

  #newPiece(): (LoopCallback | null)[] {
    const piece = new Array<LoopCallback | null>(PIECE).fill(null);
    this.#pieces.push(piece);
    return piece;
  }

  /** Takes `callback` out, which must be in this queue. */
  remove(callback: LoopCallback): void {
    this.#count--;
    let first = callback.queuePlace;
    this.#pieces[first >> PIECE_SHIFT]![first & PIECE_MASK] = null;
    if (first !== this.#first) return;
    const end = this.#end;
    do first++; while (first < end && this.#at(first) === null);
    if (first < end) {
      this.#first = first;
    } else {
      this.#first = this.#end = 0;
      if (end > GAPS_MAX) this.#pieces = [[]];
    }
  }

  /** All of them, in order; the queue may change meanwhile. */
  [Symbol.iterator](): Iterator<LoopCallback> {
    return this.#pieces.flat().slice(this.#first, this.#end).filter((callback) => callback !== null).values();
  }

  #closeGaps(): void {
    const callbacks = [...this];
    this.#pieces = [[]];
    this.#first = this.#end = this.#count = 0;
    for (const callback of callbacks) this.push(callback);
  }
}
