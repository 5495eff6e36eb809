/** No table is shorter than this, so that a handful of timers never causes a resize. */
export const CAPACITY_MIN = 64;

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
   * each {@linkcode TimerSlots.take} and {@linkcode TimerSlots.release}; as long as the capacity, or longer while a slot from a larger
   * crowd is still in use.
   */
  places: Int32Array = new Int32Array(CAPACITY_MIN);
  /** How many slots are in use. */
  size = 0;
  /** How many can be in use before the table grows; it doubles when full and shrinks when less than a quarter full. */
  capacity: number = CAPACITY_MIN;

  #freeSlot: number = NO_SLOT;
  // No slot from here on was ever used, nor its memory touched. Nothing below the capacity is as long as there are stragglers.
  #unused = 0;
  // How many slots in use are not below the capacity; only a shrink leaves any.
  #stragglers = 0;
  // With fewer slots in use than this the table is too long.
  #shrinkBelow = 0;

  /** Called when the capacity has changed, for whoever has other tables as long as that. */
  protected resized(): void {}

  /**
   * Hands out a slot, the one freed last or the lowest. The caller writes its place at once.
   *
   * @throws {RangeError} if 2^29 are in use.
   */
  take(): number {
    if (this.size === this.capacity) this.#grow();
    this.size++;
    const slot = this.#freeSlot;
    if (slot < 0) return this.#unused++;
    this.#freeSlot = -2 - this.places[slot]!;
    return slot;
  }

  /** Takes a slot back that is in use. */
  release(slot: number): void {
    const size = --this.size;
    if (slot < this.capacity) {
      this.places[slot] = -2 - this.#freeSlot;
      this.#freeSlot = slot;
    } else {
      this.#releaseStraggler(slot);
    }
    if (size < this.#shrinkBelow) this.#resize(this.capacity / 2);
  }

  /** The slot is not handed out again, so that the crowd moves down and the table can be cut. */
  #releaseStraggler(slot: number): void {
    this.places[slot] = UNCHAINED;
    if (--this.#stragglers > 0) return;
    this.places = this.places.slice(0, this.capacity);
    this.#unused = Math.min(this.#unused, this.capacity);
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
    if (place! >= 0 && slot < this.#unused) return place!;
    throw notInUse(action, slot);
  }

  #grow(): void {
    if (this.capacity >= CAPACITY_MAX) {
      throw new RangeError(`Cannot add a timer: there are ${CAPACITY_MAX}, which is the limit`);
    }
    this.#resize(2 * this.capacity);
  }

  /**
   * Changes the capacity. A slot in use cannot move, so a long timer in a high slot, a straggler, may hold up the table (four bytes each),
   * but nothing else. As only slots below the capacity are free, there is one whenever fewer are in use.
   */
  #resize(capacity: number): void {
    const { places } = this;
    const wasFull = this.size === this.capacity && this.#stragglers === 0;
    let stragglers = 0;
    let limit = Math.max(capacity, this.#unused);
    while (limit > capacity && places[limit - 1]! < 0) limit--;
    // Without a branch, as in #chain: 1 more for each place that is not negative.
    for (let slot = capacity; slot < limit; slot++) stragglers += ~places[slot]! >>> 31;
    // Cutting only by half or more keeps small resizes from copying a long table that stragglers hold up.
    if (limit > places.length || stragglers === 0 || limit <= places.length / 2) {
      this.places = new Int32Array(limit);
      this.places.set(places.subarray(0, limit));
    }
    this.capacity = capacity;
    this.#stragglers = stragglers;
    this.#unused = Math.min(this.#unused, this.places.length);
    if (!wasFull) this.#chain();
    // From a half-full table after any resize it takes as many calls as a quarter of its length to cause the next.
    this.#shrinkBelow = capacity > CAPACITY_MIN ? capacity / 4 : 0;
    this.resized();
  }

  /** Makes a list of all slots below the capacity that were used and are free, the lowest first. */
  #chain(): void {
    const { places } = this;
    let freeSlot = NO_SLOT;
    for (let slot = Math.min(this.#unused, this.capacity) - 1; slot >= 0; slot--) {
      const place = places[slot]!;
      // All ones for a free slot, else zero: a quarter of the slots are in use, anywhere, and no processor could foretell a branch.
      const isFree = place >> 31;
      places[slot] = place & ~isFree | -2 - freeSlot & isFree;
      freeSlot = freeSlot & ~isFree | slot & isFree;
    }
    this.#freeSlot = freeSlot;
  }
}

/** Apart, so that a compiler finds what always runs small enough to merge. */
function notInUse(action: string, slot: number): RangeError {
  return new RangeError(
    `Cannot ${action} the timer in slot ${slot}: the slot is not in use (freed already, or never added)`,
  );
}
