/** No table is shorter than this, so that a handful of timers never causes a resize. */
const CAPACITY_MIN = 64;

/** Slots and places are written as signed 32-bit integers, and two bits of a place say in which structure it is. */
const CAPACITY_MAX = 2 ** 29;

/** Ends the free list. */
const NO_SLOT = -1;

/** Marks a free slot that is not on the free list yet. */
const UNCHAINED = -1;

/**
 * The numbers by which timers are known, and the place of each. A slot that is not in use leads to the next free slot instead,
 * so that the free list costs no memory of its own.
 *
 * @internal
 */
export class TimerSlots {
  /**
   * By slot: the place of its timer, or, while the slot is free, -2 minus the next free slot, which is always negative. Another array after
   * each {@linkcode TimerSlots.take} and {@linkcode TimerSlots.release}.
   */
  places: Int32Array = new Int32Array(0);
  /** How many slots are in use. */
  size = 0;
  /** How many can be in use before the table grows; it doubles when full and shrinks when less than a quarter full. */
  capacity = 0;

  #freeSlot: number = NO_SLOT;
  // How many slots in use are not below the capacity; only a shrink leaves any.
  #stragglers = 0;
  // With fewer slots in use than this the table is too long.
  #shrinkBelow = 0;

  /** All slots are free. */
  constructor() {
    this.#resize(CAPACITY_MIN);
  }

  /** Every slot in use is below this: the capacity, or more while a slot from a larger crowd is still in use. */
  get limit(): number {
    return this.places.length;
  }

  /**
   * Hands out a slot, the one freed last or the lowest; the caller writes its place at once.
   *
   * @throws {RangeError} if 2^29 are in use.
   */
  take(): number {
    if (this.size === this.capacity) this.#grow();
    const slot = this.#freeSlot;
    this.#freeSlot = -2 - this.places[slot]!;
    this.size++;
    return slot;
  }

  /** Takes a slot back that is in use. */
  release(slot: number): void {
    const size = --this.size;
    if (slot < this.capacity) {
      this.places[slot] = -2 - this.#freeSlot;
      this.#freeSlot = slot;
    } else {
      // Not handed out again, so that the crowd moves down and the table can be cut.
      this.places[slot] = UNCHAINED;
      if (--this.#stragglers === 0) this.places = this.places.slice(0, this.capacity);
    }
    if (size < this.#shrinkBelow) this.#resize(this.capacity / 2);
  }

  /**
   * The place of a timer.
   *
   * @param action completes "Cannot ... the timer".
   * @throws {RangeError} if `slot` is not in use.
   */
  placeOf(slot: number, action: string): number {
    const place = this.places[slot];
    // False for undefined too, which stands at numbers that are no slots.
    if (place! >= 0) return place!;
    throw new RangeError(
      `Cannot ${action} the timer in slot ${slot}: the slot is not in use (freed already, or never added)`,
    );
  }

  #grow(): void {
    if (this.capacity >= CAPACITY_MAX) {
      throw new RangeError(`Cannot add a timer: there are ${CAPACITY_MAX}, which is the limit`);
    }
    this.#resize(2 * this.capacity);
  }

  /**
   * Changes the capacity, and chains the free slots below it, lowest first. As only slots below the capacity are free, there is
   * one whenever fewer are in use. A slot in use cannot move, so a long timer in a high slot, a straggler, may hold up the table
   * (four bytes each), but nothing else.
   */
  #resize(capacity: number): void {
    let { places } = this;
    let stragglers = 0;
    let limit = capacity;
    for (let slot = capacity; slot < places.length; slot++) {
      if (places[slot]! < 0) continue;
      stragglers++;
      limit = slot + 1;
    }
    // Cutting only by half or more keeps small resizes from copying a long table that stragglers hold up.
    if (limit > places.length || stragglers === 0 || limit <= places.length / 2) {
      const resized = new Int32Array(limit);
      resized.set(places.subarray(0, limit));
      places = resized.fill(UNCHAINED, places.length);
    }
    let freeSlot = NO_SLOT;
    // A table that is full has no free slots, unless some of those in use are beyond it.
    const from = this.size === this.capacity && this.#stragglers === 0 ? this.capacity : 0;
    for (let slot = capacity - 1; slot >= from; slot--) {
      if (places[slot]! >= 0) continue;
      places[slot] = -2 - freeSlot;
      freeSlot = slot;
    }
    this.places = places;
    this.capacity = capacity;
    this.#freeSlot = freeSlot;
    this.#stragglers = stragglers;
    // From a half-full table after any resize it takes as many calls as a quarter of its length to cause the next.
    this.#shrinkBelow = capacity > CAPACITY_MIN ? capacity / 4 : 0;
  }
}
