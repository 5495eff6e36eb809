import { CAPACITY_MIN, TimerSlots } from "./timer_slots.ts";

/** So many timers, 20 bytes each, fit into a second-level cache, and few programs have more. */
export const NEAR_MAX = 16_384;

/**
 * Timers that are due soon: a four-ary min-heap, small enough for the processor's caches, and the table of all slots. They are one object
 * since every addition and removal works on both.
 *
 * Three arrays are kept in heap order, so that a comparison reads neighbours in memory. A place is an index into them; the children of
 * place i are 4i + 1 to 4i + 4.
 *
 * @internal
 */
export class NearTimers extends TimerSlots {
  /** How many there are. */
  count = 0;
  /** By place, milliseconds. */
  deadlines: Float64Array = new Float64Array(CAPACITY_MIN);
  /** By place, what decides between equal deadlines. */
  sequences: Float64Array = new Float64Array(CAPACITY_MIN);
  /** By place, the number by which the timer is known. */
  slots: Int32Array = new Int32Array(CAPACITY_MIN);

  readonly #max: number;

  /** @param max how many there can be. */
  constructor(max: number) {
    super();
    this.#max = max;
  }

  /** Adds a timer and returns its slot. */
  add(deadlineMs: number, sequence: number): number {
    const slot = this.take();
    this.#lift(this.count++, deadlineMs, sequence, slot);
    return slot;
  }

  /** Adds a timer that has its slot already. */
  addAt(slot: number, deadlineMs: number, sequence: number): void {
    this.#lift(this.count++, deadlineMs, sequence, slot);
  }

  /** Gives the timer at `place` another deadline, and the highest sequence of all. */
  update(place: number, deadlineMs: number, sequence: number): void {
    const { deadlines, slots } = this;
    // As its sequence is the highest, an unchanged deadline also moves towards the leaves.
    if (deadlineMs < deadlines[place]!) this.#lift(place, deadlineMs, sequence, slots[place]!);
    else this.#sink(place, deadlineMs, sequence, slots[place]!);
  }

  /** Takes the timer at `place` out; the last one fills the gap. */
  remove(place: number): void {
    const last = --this.count;
    if (place === last) return;
    const deadlineMs = this.deadlines[last]!;
    const sequence = this.sequences[last]!;
    const slot = this.slots[last]!;
    // The last timer may come from another branch, and then belong above the gap; on a tie #lift compares the sequences.
    if (place > 0 && this.#precedes(deadlineMs, sequence, place - 1 >> 2)) {
      this.#lift(place, deadlineMs, sequence, slot);
    } else {
      this.#sink(place, deadlineMs, sequence, slot);
    }
  }

  /** Puts a timer at `place`, which is vacant, or at the ancestor of it where it belongs. */
  #lift(place: number, deadlineMs: number, sequence: number, slot: number): void {
    const { deadlines, sequences, slots, places } = this;
    while (place > 0) {
      const parent = place - 1 >> 2;
      const above = deadlines[parent]!;
      if (above < deadlineMs || above === deadlineMs && sequences[parent]! < sequence) break;
      const moved = slots[parent]!;
      deadlines[place] = above;
      sequences[place] = sequences[parent]!;
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
  #sink(place: number, deadlineMs: number, sequence: number, slot: number): void {
    const { deadlines, sequences, slots, places } = this;
    const { count } = this;
    for (let child = 4 * place + 1; child < count; child = 4 * place + 1) {
      const end = child + 4 < count ? child + 4 : count;
      let least = child;
      let below = deadlines[child]!;
      for (let other = child + 1; other < end; other++) {
        const deadline = deadlines[other]!;
        if (deadline < below || deadline === below && sequences[other]! < sequences[least]!) {
          least = other;
          below = deadline;
        }
      }
      if (below > deadlineMs || below === deadlineMs && sequences[least]! > sequence) break;
      const moved = slots[least]!;
      deadlines[place] = below;
      sequences[place] = sequences[least]!;
      slots[place] = moved;
      places[moved] = place;
      place = least;
    }
    deadlines[place] = deadlineMs;
    sequences[place] = sequence;
    slots[place] = slot;
    places[slot] = place;
  }

  /** Whether a timer is due before the one at `place`. */
  #precedes(deadlineMs: number, sequence: number, place: number): boolean {
    const deadline = this.deadlines[place]!;
    return deadlineMs < deadline || deadlineMs === deadline && sequence < this.sequences[place]!;
  }

  /** There are never more of them than slots. */
  protected override resized(): void {
    const { deadlines, sequences, slots, count } = this;
    const length = Math.min(this.#max, this.capacity);
    if (length === slots.length) return;
    (this.deadlines = new Float64Array(length)).set(deadlines.subarray(0, count));
    (this.sequences = new Float64Array(length)).set(sequences.subarray(0, count));
    (this.slots = new Int32Array(length)).set(slots.subarray(0, count));
  }
}
