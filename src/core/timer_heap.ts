/**
 * The deadlines of an event base: a four-ary min-heap in which a timer is a number.
 *
 * Three arrays are kept in heap order (deadline, sequence, slot), so that a comparison reads neighbours in memory, and
 * one array leads from a slot to its place in that order. A slot that is not in use leads to the next free slot
 * instead, so the free list costs no memory of its own.
 */

/** The heap never holds fewer places than this, so that a handful of timers never causes a resize. */
const CAPACITY_MIN = 64;

/** Places and slots are written as signed 32-bit integers. */
const CAPACITY_MAX = 2 ** 30;

/** Ends the free list, and is what an empty heap answers. */
const NO_SLOT = -1;

/** Marks a free slot that is not on the free list yet. */
const UNCHAINED = -1;

/**
 * A min-heap of deadlines in which every timer is known by a small integer, its slot.
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
 * No method allocates, except when a table has to change its size.
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
  // In heap order; the children of place i are 4i + 1 to 4i + 4. The sequence is kept here and not by slot, where a tie
  // would be one more cache miss: by slot, adding a million timers again took longer in most runs (26 to 85 ns, mostly
  // above 30, against mostly 17 to 30). Interleaving the three tables showed no gain beyond the noise.
  #deadlines: Float64Array = new Float64Array(CAPACITY_MIN);
  #sequences: Float64Array = new Float64Array(CAPACITY_MIN);
  #slots: Int32Array = new Int32Array(CAPACITY_MIN);
  // By slot: the place in heap order, or, while the slot is free, -2 minus the next free slot, which is always
  // negative.
  #places: Int32Array = new Int32Array(CAPACITY_MIN).fill(UNCHAINED);
  #freeSlot: number = NO_SLOT;
  #size = 0;
  // A Float64 counts to 2^53: at ten million timers a second that is 28 years, so it does not wrap.
  #sequence = 0;
  // How many slots in use are not below the capacity; only a shrink leaves any.
  #stragglers = 0;
  // With fewer timers than this the tables are too long.
  #shrinkBelow = 0;

  /** An empty heap. */
  constructor() {
    this.#resize(CAPACITY_MIN);
  }

  /** How many timers are in the heap. */
  get size(): number {
    return this.#size;
  }

  /** How many timers fit before the heap grows. It doubles when full and shrinks when less than a quarter full. */
  get capacity(): number {
    return this.#deadlines.length;
  }

  /**
   * Every slot in use is below this number, so a caller can cut its own table to this length. It is the capacity, or
   * more while a timer from a larger crowd still has a slot beyond the capacity; such slots are not handed out again.
   */
  get slotLimit(): number {
    return this.#places.length;
  }

  /**
   * Adds a timer and returns its slot, an integer from 0. The slot freed last is used first; growing and shrinking put
   * the lowest free slots first.
   *
   * @param deadlineMs Milliseconds on any clock, fractions allowed; `Infinity` waits for ever behind all others.
   * @throws {RangeError} If `deadlineMs` is NaN, or if 2^30 timers are in the heap.
   */
  add(deadlineMs: number): number {
    if (deadlineMs !== deadlineMs) {
      throw new RangeError("Cannot add a timer: the deadline is NaN");
    }
    if (this.#size === this.#deadlines.length) {
      this.#grow();
    }
    const slot = this.#freeSlot;
    this.#freeSlot = -2 - (this.#places[slot] as number);
    this.#lift(this.#size++, deadlineMs, this.#sequence++, slot);
    return slot;
  }

  /**
   * Gives the timer in `slot` a new deadline; among equal deadlines it is now the last.
   *
   * @throws {RangeError} If `slot` is not in use or `deadlineMs` is NaN; nothing has changed then.
   */
  update(slot: number, deadlineMs: number): void {
    const place = this.#places[slot] as number;
    if (!(place >= 0)) {
      throw notInUse("update", slot);
    }
    if (deadlineMs !== deadlineMs) {
      throw new RangeError(
        `Cannot update the timer in slot ${slot}: the deadline is NaN`,
      );
    }
    // The new sequence is the highest of all, so an unchanged deadline also moves towards the leaves.
    if (deadlineMs < (this.#deadlines[place] as number)) {
      this.#lift(place, deadlineMs, this.#sequence++, slot);
    } else {
      this.#sink(place, deadlineMs, this.#sequence++, slot);
    }
  }

  /**
   * Takes the timer in `slot` out of the heap and frees the slot.
   *
   * @throws {RangeError} If `slot` is not in use.
   */
  remove(slot: number): void {
    const place = this.#places[slot] as number;
    if (!(place >= 0)) {
      throw notInUse("remove", slot);
    }
    this.#takeOut(place, slot);
  }

  /** The earliest deadline in milliseconds; `Infinity` if the heap is empty. */
  peekDeadline(): number {
    return this.#size === 0 ? Infinity : this.#deadlines[0] as number;
  }

  /** The slot of the timer that is due first; -1 if the heap is empty. */
  peekSlot(): number {
    return this.#size === 0 ? NO_SLOT : this.#slots[0] as number;
  }

  /**
   * Takes the timer that is due first out of the heap, frees its slot and returns the number; -1 if the heap is empty.
   * Nothing else is known of the slot afterwards: ask `peekDeadline` before, if the deadline matters.
   */
  pop(): number {
    if (this.#size === 0) {
      return NO_SLOT;
    }
    const slot = this.#slots[0] as number;
    this.#takeOut(0, slot);
    return slot;
  }

  /**
   * The deadline of the timer in `slot`, in milliseconds.
   *
   * @throws {RangeError} If `slot` is not in use.
   */
  deadlineOf(slot: number): number {
    const place = this.#places[slot] as number;
    if (!(place >= 0)) {
      throw notInUse("read the deadline of", slot);
    }
    return this.#deadlines[place] as number;
  }

  /** Puts a timer at `place`, which is vacant, or at the ancestor of it where it belongs. */
  #lift(
    place: number,
    deadlineMs: number,
    sequence: number,
    slot: number,
  ): void {
    const deadlines = this.#deadlines;
    const sequences = this.#sequences;
    const slots = this.#slots;
    const places = this.#places;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const above = deadlines[parent] as number;
      if (
        above < deadlineMs ||
        above === deadlineMs && (sequences[parent] as number) < sequence
      ) {
        break;
      }
      const moved = slots[parent] as number;
      deadlines[place] = above;
      sequences[place] = sequences[parent] as number;
      slots[place] = moved;
      places[moved] = place;
      place = parent;
    }
    deadlines[place] = deadlineMs;
    sequences[place] = sequence;
    slots[place] = slot;
    places[slot] = place;
  }

  /** Puts a timer at `place`, which is vacant, or at the descendant of it where it belongs. */
  #sink(
    place: number,
    deadlineMs: number,
    sequence: number,
    slot: number,
  ): void {
    const deadlines = this.#deadlines;
    const sequences = this.#sequences;
    const slots = this.#slots;
    const places = this.#places;
    const size = this.#size;
    for (let child = 4 * place + 1; child < size; child = 4 * place + 1) {
      const end = child + 4 < size ? child + 4 : size;
      let least = child;
      let below = deadlines[child] as number;
      for (let other = child + 1; other < end; other++) {
        const deadline = deadlines[other] as number;
        if (
          deadline < below ||
          deadline === below &&
            (sequences[other] as number) < (sequences[least] as number)
        ) {
          least = other;
          below = deadline;
        }
      }
      if (
        below > deadlineMs ||
        below === deadlineMs && (sequences[least] as number) > sequence
      ) {
        break;
      }
      const moved = slots[least] as number;
      deadlines[place] = below;
      sequences[place] = sequences[least] as number;
      slots[place] = moved;
      places[moved] = place;
      place = least;
    }
    deadlines[place] = deadlineMs;
    sequences[place] = sequence;
    slots[place] = slot;
    places[slot] = place;
  }

  /** Fills the gap at `place` with the last timer and frees `slot`, which was there. */
  #takeOut(place: number, slot: number): void {
    const size = --this.#size;
    if (place !== size) {
      const deadline = this.#deadlines[size] as number;
      const sequence = this.#sequences[size] as number;
      const last = this.#slots[size] as number;
      const parent = (place - 1) >> 2;
      // The last timer may come from another branch, and then belong above the gap; on a tie #lift compares the
      // sequences.
      if (place > 0 && this.#precedes(deadline, sequence, parent)) {
        this.#lift(place, deadline, sequence, last);
      } else {
        this.#sink(place, deadline, sequence, last);
      }
    }
    if (slot < this.#deadlines.length) {
      this.#places[slot] = -2 - this.#freeSlot;
      this.#freeSlot = slot;
    } else {
      // Not handed out again, so that the crowd moves down and the table by slot can be cut.
      this.#places[slot] = UNCHAINED;
      if (--this.#stragglers === 0) {
        this.#places = this.#places.slice(0, this.#deadlines.length);
      }
    }
    if (size < this.#shrinkBelow) {
      this.#resize(this.#deadlines.length / 2);
    }
  }

  /** Whether a timer is due before the one at `place`. */
  #precedes(deadlineMs: number, sequence: number, place: number): boolean {
    const deadline = this.#deadlines[place] as number;
    return deadlineMs < deadline ||
      deadlineMs === deadline && sequence < (this.#sequences[place] as number);
  }

  /** Doubles the capacity of a full heap. */
  #grow(): void {
    const capacity = 2 * this.#size;
    if (capacity > CAPACITY_MAX) {
      throw new RangeError(
        `Cannot add a timer: the heap is at its limit of ${CAPACITY_MAX}`,
      );
    }
    this.#resize(capacity);
  }

  /**
   * Changes the capacity: moves what is in heap order into tables of that length, and chains the free slots below it,
   * lowest first. As only slots below the capacity are free, there is one whenever the heap is not full. A slot in use
   * cannot move, so a long timer in a high slot, a straggler, may hold up the table by slot (four bytes each), but
   * nothing else.
   */
  #resize(capacity: number): void {
    const size = this.#size;
    const deadlines = new Float64Array(capacity);
    const sequences = new Float64Array(capacity);
    const slots = new Int32Array(capacity);
    deadlines.set(this.#deadlines.subarray(0, size));
    sequences.set(this.#sequences.subarray(0, size));
    slots.set(this.#slots.subarray(0, size));
    let stragglers = 0;
    let slotLimit = capacity;
    for (let place = 0; place < size; place++) {
      const slot = slots[place] as number;
      if (slot >= capacity) {
        stragglers++;
        slotLimit = Math.max(slotLimit, slot + 1);
      }
    }
    let places = this.#places;
    // Cutting only by half or more keeps small resizes from copying a long table that stragglers hold up.
    if (stragglers === 0 || slotLimit <= places.length / 2) {
      places = new Int32Array(slotLimit).fill(UNCHAINED);
      places.set(this.#places.subarray(0, slotLimit));
    }
    let freeSlot = NO_SLOT;
    for (let slot = capacity - 1; slot >= 0; slot--) {
      if ((places[slot] as number) < 0) {
        places[slot] = -2 - freeSlot;
        freeSlot = slot;
      }
    }
    this.#deadlines = deadlines;
    this.#sequences = sequences;
    this.#slots = slots;
    this.#places = places;
    this.#freeSlot = freeSlot;
    this.#stragglers = stragglers;
    // From a half-full table after any resize it takes as many calls as a quarter of its length to cause the next.
    this.#shrinkBelow = capacity > CAPACITY_MIN ? capacity / 4 : 0;
  }
}

/** Says that a slot was never handed out or has been freed; which of the two is not recorded. */
function notInUse(action: string, slot: number): RangeError {
  return new RangeError(
    `Cannot ${action} the timer in slot ${slot}: the slot is not in use (freed already, or never added)`,
  );
}
