import type { LoopEvent } from "./event.ts";
import type { LoopCallback } from "./loop_callback.ts";

/** With so many at once the processor is as good as busy fetching them. */
const FETCHED_AT_ONCE = 32;

/** How many gaps at the front are worth closing. */
const GAPS_MAX = 1024;

/**
 * A first-in first-out queue of callbacks, each of which knows its place. It is an array, and no list linked through the callbacks, because
 * the garbage collectors of both runtimes have to look again at each old object that a reference was written to, and because an array can be
 * read ahead.
 *
 * @internal
 */
export class CallbackQueue {
  // In use from #first to #end, with null for gaps there, but not at #first. It is not shortened when it is empty: that would cost memory anew
  // for each turn of a loop.
  #callbacks: (LoopCallback | null)[] = [];
  #first = 0;
  #end = 0;
  /** @internal Says nothing; but what nobody could ask for, a compiler need not fetch. */
  seen = 0;

  /** The one that runs next. */
  get head(): LoopCallback | null {
    return this.#first < this.#end ? this.#callbacks[this.#first]! : null;
  }

  /** Appends `callback`, which must be in no queue. */
  push(callback: LoopCallback): void {
    // Where something is always queued, the front would run away from the beginning.
    if (this.#first > GAPS_MAX && 2 * this.#first > this.#end) this.#closeGaps();
    const place = this.#end++;
    callback.queuePlace = place;
    if (place < this.#callbacks.length) this.#callbacks[place] = callback;
    else this.#callbacks.push(callback);
  }

  /** Takes `callback` out, which must be in this queue. */
  remove(callback: LoopCallback): void {
    const callbacks = this.#callbacks;
    const end = this.#end;
    let first = callback.queuePlace;
    callbacks[first] = null;
    if (first !== this.#first) return;
    do first++; while (first < end && callbacks[first] === null);
    if (first < end) {
      this.#first = first;
      if (first % FETCHED_AT_ONCE === 0) this.#fetch();
    } else {
      this.#first = this.#end = 0;
      if (callbacks.length > GAPS_MAX) this.#callbacks = [];
    }
  }

  /** All of them, in order; the queue may change meanwhile. */
  [Symbol.iterator](): Iterator<LoopCallback> {
    return this.#callbacks.slice(this.#first, this.#end).filter((callback) => callback !== null).values();
  }

  /** Looks at those that run next, which the processor fetches side by side then; see {@linkcode TimerQueue}. */
  #fetch(): void {
    const callbacks = this.#callbacks;
    const end = Math.min(this.#first + FETCHED_AT_ONCE, this.#end);
    let seen = 0;
    for (let place = this.#first; place < end; place++) {
      const callback = callbacks[place];
      if (callback === null) continue;
      // The first and the last of what an event needs to run, which are in different lines of the processor's cache.
      seen += callback!.queuePlace + ((callback as Partial<LoopEvent>).timerSlot ?? 0);
    }
    this.seen = seen;
  }

  #closeGaps(): void {
    this.#callbacks = [...this];
    this.#first = 0;
    this.#end = this.#callbacks.length;
    for (const [place, callback] of this.#callbacks.entries()) callback!.queuePlace = place;
  }
}
