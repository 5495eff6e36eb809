/**
 * The deadlines of an event base, in which a timer is a number.
 *
 * ```text
 *   add --> far bags: in no order ---------------.       no limit
 *    |                     | the nearest, sorted |
 *    |                     v                     | horizon
 *    |                   run: in order ----------+--.    up to 4096
 *    '--> near timers: a heap -------------------'  '--> pop
 *                                                        up to 16,384
 * ```
 *
 * Up to sixteen thousand timers are a heap and nothing else. What makes a heap of a million slow is that each step of each sift is a cache miss
 * and a comparison that nobody can predict. So what is due behind the horizon is kept in no order, and gets one when its time has
 * come, a cacheful at a time; most timers of a server are cancelled before that.
 *
 * @module
 */

import { FAR, FarTimers } from "./far_timers.ts";
import { NEAR_MAX, NearTimers } from "./near_timers.ts";
import type { TimerRows } from "./timer_rows.ts";
import { IN_RUN, TimerRun } from "./timer_run.ts";

/** What an empty heap answers. */
const NO_SLOT = -1;

// Where the timer is that is due first.
const NOWHERE = 0, NEAR = 1, RUN = 2;

/**
 * A queue of deadlines in which every timer is known by a small integer, its slot.
 *
 * `add` hands out a slot; the slot stays the same through any number of `update`s, until `remove(slot)` gives it back
 * or `pop` does. **Both free the slot at once**: the next `add` may return it, so whoever kept the number must forget
 * it then. The caller keeps what belongs to a timer in an array indexed by slot.
 *
 * A timer that fires and runs on needs no `pop`: `update(peekSlot(), next)` moves it in one step and keeps its slot.
 *
 * Equal deadlines come out in the order in which they were added or last updated (libevent's heap leaves that order
 * open, and offers common timeouts to those who need it). Memory follows the number of timers down as well as up.
 *
 * Adding, updating and removing touch a fixed amount of memory beyond sixteen thousand timers, below that they cost what a small heap costs. To
 * peek at the first one may sort some of those that follow, which they would have to be anyway.
 *
 * @example
 * ```ts
 * const heap = new TimerHeap();
 * const actions: (() => void)[] = [];
 * actions[heap.add(performance.now() + 1500)] = () => console.log("a second and a half");
 * actions[heap.add(performance.now() + 10)] = () => console.log("ten milliseconds");
 * while (heap.peekDeadline() <= performance.now()) {
 *   actions[heap.pop()]?.();
 * }
 * ```
 */
export class TimerHeap {
  readonly #near: NearTimers;
  readonly #run: TimerRun;
  readonly #far: FarTimers;
  readonly #nearMax: number;
  // A Float64 counts to 2^53: at ten million timers a second that is 28 years, so it does not wrap.
  #sequence = 0;
  /** When the timer was due that {@linkcode TimerHeap.pop} or {@linkcode TimerHeap.popDue} returned last. */
  poppedMs = NaN;

  /**
   * An empty heap.
   *
   * @param nearMax How many timers may be in the heap in front; a small number lets tests reach the rest sooner.
   */
  constructor(nearMax: number = NEAR_MAX) {
    this.#nearMax = nearMax;
    this.#near = new NearTimers(nearMax);
    this.#run = new TimerRun(this.#near);
    this.#far = new FarTimers(this.#near);
  }

  /** How many timers are in the heap. */
  get size(): number {
    return this.#near.size;
  }

  /** How many timers fit before the table of slots grows. It doubles when full and shrinks when less than a quarter full. */
  get capacity(): number {
    return this.#near.capacity;
  }

  /** For how many timers behind the horizon there is memory that was touched: never four times as many as there are, and some. */
  get farCapacity(): number {
    return this.#far.touched;
  }

  /**
   * Every slot in use is below this number, so a caller can cut its own table to this length. It is the capacity, or
   * more while a timer from a larger crowd still has a slot beyond the capacity; such slots are not handed out again.
   */
  get slotLimit(): number {
    return this.#near.places.length;
  }

  /**
   * Adds a timer and returns its slot, an integer from 0. The slot freed last is used first; growing and shrinking put
   * the lowest free slots first.
   *
   * @param deadlineMs Milliseconds on any clock, fractions allowed; `Infinity` waits for ever behind all others.
   * @throws {RangeError} If `deadlineMs` is NaN, or if 2^29 timers are in the heap.
   */
  add(deadlineMs: number): number {
    if (deadlineMs !== deadlineMs) {
      throw new RangeError("Cannot add a timer: the deadline is NaN");
    }
    const near = this.#near;
    if (!(deadlineMs >= this.#far.horizonMs) && near.count < this.#nearMax) {
      return near.add(deadlineMs, this.#sequence++);
    }
    const slot = near.take();
    this.#insert(deadlineMs, slot);
    return slot;
  }

  /**
   * Gives the timer in `slot` a new deadline; among equal deadlines it is now the last.
   *
   * @throws {RangeError} If `slot` is not in use or `deadlineMs` is NaN; nothing has changed then.
   */
  update(slot: number, deadlineMs: number): void {
    const place = this.#near.placeOf(slot, "update");
    if (deadlineMs !== deadlineMs) {
      throw new RangeError(`Cannot update the timer in slot ${slot}: the deadline is NaN`);
    }
    if (place < IN_RUN) {
      if (!(deadlineMs >= this.#far.horizonMs)) return this.#near.update(place, deadlineMs, this.#sequence++);
    } else if (place >= FAR) {
      if (this.#far.update(place & ~FAR, deadlineMs, this.#sequence)) return void this.#sequence++;
    }
    this.#takeOut(place);
    this.#insert(deadlineMs, slot);
  }

  /**
   * Takes the timer in `slot` out of the heap and frees the slot.
   *
   * @throws {RangeError} If `slot` is not in use.
   */
  remove(slot: number): void {
    const near = this.#near;
    const place = near.placeOf(slot, "remove");
    if (place < IN_RUN) near.remove(place);
    else this.#takeOut(place);
    near.release(slot);
  }

  /** The earliest deadline in milliseconds; `Infinity` if the heap is empty. */
  peekDeadline(): number {
    const near = this.#near;
    // What most programs see always.
    if (near.count > 0 && this.#run.first === this.#run.end) return near.deadlines[0]!;
    switch (this.#findFirst()) {
      case NEAR:
        return near.deadlines[0]!;
      case RUN:
        return this.#run.rows.deadlines[this.#run.first]!;
      default:
        return Infinity;
    }
  }

  /** The slot of the timer that is due first; -1 if the heap is empty. */
  peekSlot(): number {
    switch (this.#findFirst()) {
      case NEAR:
        return this.#near.slots[0]!;
      case RUN:
        return this.#run.rows.slots[this.#run.first]!;
      default:
        return NO_SLOT;
    }
  }

  /**
   * Takes the timer that is due first out of the heap, frees its slot and returns the number; -1 if the heap is empty.
   * Nothing else is known of the slot afterwards than {@linkcode TimerHeap.poppedMs}.
   */
  pop(): number {
    return this.popDue(Infinity);
  }

  /**
   * Takes the first `max` timers out, as far as they are due at `nowMs` or before, and frees their slots: writes slots and deadlines to the
   * first rows of `due`, in order. Returns how many there are.
   */
  popAllDue(nowMs: number, due: TimerRows, max: number): number {
    const near = this.#near;
    const run = this.#run;
    let count = 0;
    while (count < max) {
      const before = count;
      // Many in a row are what makes a crowd; a tie with one of the others is settled one by one.
      if (run.first < run.end) {
        count = run.takeDue(nowMs, near.count > 0 ? near.deadlines[0]! : Infinity, due, count, max);
        for (let row = before; row < count; row++) near.release(due.slots[row]!);
        if (count === max) break;
      }
      const slot = this.popDue(nowMs);
      if (slot < 0) break;
      due.deadlines[count] = this.poppedMs;
      due.slots[count++] = slot;
    }
    return count;
  }

  /** As {@linkcode TimerHeap.pop}, if that timer is due at `nowMs` or before; otherwise it stays, and the answer is -1. */
  popDue(nowMs: number): number {
    const near = this.#near;
    const run = this.#run;
    let slot: number;
    switch (this.#findFirst()) {
      case NEAR:
        if (near.deadlines[0]! > nowMs) return NO_SLOT;
        this.poppedMs = near.deadlines[0]!;
        slot = near.slots[0]!;
        near.remove(0);
        break;
      case RUN:
        if (run.rows.deadlines[run.first]! > nowMs) return NO_SLOT;
        this.poppedMs = run.rows.deadlines[run.first]!;
        slot = run.rows.slots[run.first]!;
        run.remove(run.first);
        break;
      default:
        return NO_SLOT;
    }
    this.#near.release(slot);
    return slot;
  }

  /**
   * The deadline of the timer in `slot`, in milliseconds.
   *
   * @throws {RangeError} If `slot` is not in use.
   */
  deadlineOf(slot: number): number {
    const place = this.#near.placeOf(slot, "read the deadline of");
    if (place < IN_RUN) return this.#near.deadlines[place]!;
    return place < FAR ? this.#run.rows.deadlines[place & ~IN_RUN]! : this.#far.deadlineAt(place & ~FAR);
  }

  #insert(deadlineMs: number, slot: number): void {
    if (deadlineMs >= this.#far.horizonMs) return this.#far.add(deadlineMs, this.#sequence++, slot);
    if (this.#near.count < this.#nearMax) return this.#near.addAt(slot, deadlineMs, this.#sequence++);
    this.#spill();
    this.#insert(deadlineMs, slot);
  }

  #takeOut(place: number): void {
    if (place < IN_RUN) this.#near.remove(place);
    else if (place < FAR) this.#run.remove(place & ~IN_RUN);
    else this.#far.remove(place & ~FAR);
  }

  /** Makes a bag of all that is in front of the horizon, since the heap is full. */
  #spill(): void {
    const near = this.#near;
    const run = this.#run;
    const far = this.#far;
    far.cover(this.peekDeadline());
    const { deadlines, sequences, slots } = near;
    for (let place = 0; place < near.count; place++) far.add(deadlines[place]!, sequences[place]!, slots[place]!);
    near.count = 0;
    for (let place = run.first; place < run.end; place++) {
      if (run.rows.slots[place]! < 0) continue;
      far.add(run.rows.deadlines[place]!, run.rows.sequences[place]!, run.rows.slots[place]!);
    }
    run.first = run.end;
  }

  /** Where the timer is that is due first. */
  #findFirst(): number {
    const near = this.#near;
    const run = this.#run;
    if (run.first === run.end) {
      if (near.count > 0) return NEAR;
      if (this.#far.size === 0) return NOWHERE;
      this.#far.give(run);
      return RUN;
    }
    if (near.count === 0) return RUN;
    const ofRun = run.rows.deadlines[run.first]!;
    const ofNear = near.deadlines[0]!;
    if (ofRun !== ofNear) return ofRun < ofNear ? RUN : NEAR;
    return run.rows.sequences[run.first]! < near.sequences[0]! ? RUN : NEAR;
  }
}
