import { TimerRows } from "./timer_rows.ts";
import type { TimerSlots } from "./timer_slots.ts";

/** A run has at most so many timers; sorting more would leave the processor's second cache. */
export const RUN_MAX = 4096;

/** More than so many that are close together are not sorted by insertion, which takes a time that grows with the square of their number. */
const PART_MAX = 512;

/** Set in the place of every timer that is in the run, in the table of slots. */
export const IN_RUN = 2 ** 29;

/** Stands for a timer that was taken out. */
const NO_SLOT = -1;

/**
 * The timers that were due first when it was sorted, in the order in which they are due. Taking the first one away is a step forward, where a
 * heap compares what nobody can predict at each of its levels: a million came out in 150 to 240 ns each, and in 270 to 300 where what was
 * sorted here went to the heap instead.
 *
 * A place is an index into its rows. Nothing is added to a run that is sorted.
 *
 * @internal
 */
export class TimerRun {
  /** In order from {@linkcode TimerRun.first} to {@linkcode TimerRun.end}, with gaps in it whose slot is -1; the first is none. */
  rows: TimerRows = new TimerRows(0);
  /** Place of the timer that is due first. */
  first = 0;
  /** Where the run ends; equal to {@linkcode TimerRun.first} when it is empty. */
  end = 0;

  readonly #table: TimerSlots;
  // What is to be sorted, with the extent of both columns, and how many begin in each part of that extent.
  #unsorted: TimerRows = new TimerRows(0);
  #count = 0;
  #deadlineMin = Infinity;
  #deadlineMax = -Infinity;
  #sequenceMin = Infinity;
  #sequenceMax = -Infinity;
  #starts: Int32Array = new Int32Array(0);

  /** @param table is told the place of each timer. */
  constructor(table: TimerSlots) {
    this.#table = table;
  }

  /** Puts a timer among those that {@linkcode TimerRun.sort} will make a run of. */
  collect(deadlineMs: number, sequence: number, slot: number): void {
    // Few programs have so many timers that they need one.
    if (this.#starts.length === 0) {
      this.rows = new TimerRows(RUN_MAX);
      this.#unsorted = new TimerRows(RUN_MAX);
      this.#starts = new Int32Array(RUN_MAX + 1);
    }
    this.#unsorted.put(this.#count++, deadlineMs, sequence, slot);
    if (deadlineMs < this.#deadlineMin) this.#deadlineMin = deadlineMs;
    if (deadlineMs > this.#deadlineMax) this.#deadlineMax = deadlineMs;
    if (sequence < this.#sequenceMin) this.#sequenceMin = sequence;
    if (sequence > this.#sequenceMax) this.#sequenceMax = sequence;
  }

  /** Makes a run of what was collected; the one before is over. */
  sort(): void {
    const largest = this.#deadlineMin < this.#deadlineMax
      ? this.#spread(this.#unsorted.deadlines, this.#deadlineMin, this.#deadlineMax)
      : this.#spread(this.#unsorted.sequences, this.#sequenceMin, this.#sequenceMax);
    if (largest > PART_MAX) this.#compare();
    this.first = 0;
    this.end = this.#count;
    this.#settle();
    this.#count = 0;
    this.#deadlineMin = this.#sequenceMin = Infinity;
    this.#deadlineMax = this.#sequenceMax = -Infinity;
  }

  /**
   * Sorts roughly, by counting how many timers lie in each of as many equal parts of the extent as there are timers. Where those are not
   * spread evenly (or one is at infinity), it is the rougher.
   *
   * @returns how many lie in the largest part.
   */
  #spread(keys: Float64Array, least: number, most: number): number {
    const count = this.#count;
    const { deadlines, sequences, slots } = this.#unsorted;
    const starts = this.#starts;
    let scale = (count - 1) / (most - least);
    if (!(scale < Infinity) || least === -Infinity) scale = 0;
    starts.fill(0, 0, count + 1);
    for (let index = 0; index < count; index++) starts[((keys[index]! - least) * scale | 0) + 1]!++;
    let largest = 0;
    for (let part = 1; part <= count; part++) {
      if (starts[part]! > largest) largest = starts[part]!;
      starts[part]! += starts[part - 1]!;
    }
    for (let index = 0; index < count; index++) {
      const place = starts[(keys[index]! - least) * scale | 0]!++;
      this.rows.put(place, deadlines[index]!, sequences[index]!, slots[index]!);
    }
    return largest;
  }

  /** Sorts by comparing one with another, however they are spread. */
  #compare(): void {
    const { deadlines, sequences, slots } = this.#unsorted;
    const order = new Int32Array(this.#count).map((_, index) => index).sort((one, other) => {
      const [first, second] = [deadlines[one]!, deadlines[other]!];
      return first === second ? sequences[one]! - sequences[other]! : first < second ? -1 : 1;
    });
    for (const [place, index] of order.entries()) {
      this.rows.put(place, deadlines[index]!, sequences[index]!, slots[index]!);
    }
  }

  /** Sorts what is sorted roughly, by insertion, and tells the table. */
  #settle(): void {
    const { deadlines, sequences, slots } = this.rows;
    const { places } = this.#table;
    for (let index = 0; index < this.end; index++) {
      const deadline = deadlines[index]!;
      const sequence = sequences[index]!;
      const slot = slots[index]!;
      let place = index;
      for (; place > 0; place--) {
        const before = deadlines[place - 1]!;
        if (before < deadline || before === deadline && sequences[place - 1]! < sequence) break;
        const moved = slots[place - 1]!;
        deadlines[place] = before;
        sequences[place] = sequences[place - 1]!;
        slots[place] = moved;
        places[moved] = IN_RUN | place;
      }
      deadlines[place] = deadline;
      sequences[place] = sequence;
      slots[place] = slot;
      places[slot] = IN_RUN | place;
    }
  }

  /**
   * Takes those out that are due at `nowMs` or before, and before `boundMs`, from the first on: writes their slots and deadlines to rows
   * `count` to `max` of `due`. Returns the row behind the last.
   */
  takeDue(nowMs: number, boundMs: number, due: TimerRows, count: number, max: number): number {
    const { deadlines, slots } = this.rows;
    const { end } = this;
    let first = this.first;
    for (; first < end && count < max; first++) {
      const slot = slots[first]!;
      if (slot === NO_SLOT) continue;
      const deadlineMs = deadlines[first]!;
      if (deadlineMs > nowMs || deadlineMs >= boundMs) break;
      due.deadlines[count] = deadlineMs;
      due.slots[count++] = slot;
    }
    while (first < end && slots[first] === NO_SLOT) first++;
    this.first = first;
    return count;
  }

  /** Takes the timer at `place` out. */
  remove(place: number): void {
    const { slots } = this.rows;
    slots[place] = NO_SLOT;
    while (this.first < this.end && slots[this.first] === NO_SLOT) this.first++;
  }
}
