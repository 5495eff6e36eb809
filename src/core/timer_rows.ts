/**
 * Timers as rows of three columns, so that what is compared lies side by side in memory and no object has to be touched.
 *
 * @internal
 */
export class TimerRows {
  /** Milliseconds. */
  readonly deadlines: Float64Array;
  /** What decides between equal deadlines: a number that rises with each addition and update. */
  readonly sequences: Float64Array;
  /** By which number the timer is known. */
  readonly slots: Int32Array;

  /** @param length rows of zeros. */
  constructor(length: number) {
    this.deadlines = new Float64Array(length);
    this.sequences = new Float64Array(length);
    this.slots = new Int32Array(length);
  }

  /** How many rows there are. */
  get length(): number {
    return this.slots.length;
  }

  /** Writes row `index`. */
  put(index: number, deadlineMs: number, sequence: number, slot: number): void {
    this.deadlines[index] = deadlineMs;
    this.sequences[index] = sequence;
    this.slots[index] = slot;
  }

  /** The same rows with more behind them. */
  extended(length: number): TimerRows {
    const longer = new TimerRows(length);
    longer.deadlines.set(this.deadlines);
    longer.sequences.set(this.sequences);
    longer.slots.set(this.slots);
    return longer;
  }
}
