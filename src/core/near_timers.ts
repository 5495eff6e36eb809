import { TimerRows } from "./timer_rows.ts";
import type { TimerSlots } from "./timer_slots.ts";

/** So many timers, 20 bytes each, fit into a first-level cache of 32 KiB. */
export const NEAR_MAX = 1024;

const LENGTH_MIN = 64;

/**
 * Timers that are due soon: a four-ary min-heap, small enough for the processor's first cache.
 *
 * A place is an index into its rows. It never holds more than {@linkcode NEAR_MAX}; its memory grows up to that and stays.
 *
 * @internal
 */
export class NearTimers {
  /** How many there are. */
  size = 0;
  /** In heap order: the children of place i are 4i + 1 to 4i + 4. */
  rows: TimerRows = new TimerRows(LENGTH_MIN);

  readonly #table: TimerSlots;

  /** @param table is told the place of each timer. */
  constructor(table: TimerSlots) {
    this.#table = table;
  }

  /** Adds a timer; there must be fewer than {@linkcode NEAR_MAX}. */
  add(deadlineMs: number, sequence: number, slot: number): void {
    if (this.size === this.rows.length) this.rows = this.rows.extended(2 * this.size);
    this.#lift(this.size++, deadlineMs, sequence, slot);
  }

  /** Gives the timer at `place` another deadline, and the highest sequence of all. */
  update(place: number, deadlineMs: number, sequence: number): void {
    const { deadlines, slots } = this.rows;
    // As its sequence is the highest, an unchanged deadline also moves towards the leaves.
    if (deadlineMs < deadlines[place]!) this.#lift(place, deadlineMs, sequence, slots[place]!);
    else this.#sink(place, deadlineMs, sequence, slots[place]!);
  }

  /** Takes the timer at `place` out; the last one fills the gap. */
  remove(place: number): void {
    const last = --this.size;
    if (place === last) return;
    const deadlineMs = this.rows.deadlines[last]!;
    const sequence = this.rows.sequences[last]!;
    const slot = this.rows.slots[last]!;
    // The last timer may come from another branch, and then belong above the gap; on a tie #lift compares the sequences.
    if (place > 0 && this.#precedes(deadlineMs, sequence, place - 1 >> 2)) {
      this.#lift(place, deadlineMs, sequence, slot);
    } else {
      this.#sink(place, deadlineMs, sequence, slot);
    }
  }

  /** Puts a timer at `place`, which is vacant, or at the ancestor of it where it belongs. */
  #lift(place: number, deadlineMs: number, sequence: number, slot: number): void {
    const { deadlines, sequences, slots } = this.rows;
    const { places } = this.#table;
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
    const { deadlines, sequences, slots } = this.rows;
    const { places } = this.#table;
    const { size } = this;
    for (let child = 4 * place + 1; child < size; child = 4 * place + 1) {
      const end = child + 4 < size ? child + 4 : size;
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
    const deadline = this.rows.deadlines[place]!;
    return deadlineMs < deadline || deadlineMs === deadline && sequence < this.rows.sequences[place]!;
  }
}
