/** A span or a point of time, as a C timeval has it. */
export interface Timeval {
  /** Whole seconds, 0 to 2^32 - 1. */
  readonly seconds: number;
  /** Microseconds on top, 0 to 2^32 - 1; below a million where it means anything. */
  readonly microseconds: number;
}
