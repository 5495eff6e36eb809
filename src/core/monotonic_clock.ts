import { clockMs, os } from "../ffi/mod.ts";

const { CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME } = os.constants;

/**
 * Which clock a {@linkcode MonotonicClock} reads.
 *
 * - `precise`: to the nanosecond (EV_MONOT_PRECISE).
 * - `fast`: as the kernel last noted it, some milliseconds ago at most (libevent's clock without flags). On macOS there is no
 *   such clock, and the precise one is read.
 * - `fallback`: the wall clock behind a ratchet (EV_MONOT_FALLBACK): when it is set back, time goes on from where it was. When
 *   it is set forward, time jumps. For systems without a monotonic clock, and to try such a thing out.
 */
export type MonotonicClockKind = "precise" | "fast" | "fallback";

/**
 * A clock that never goes back (libevent's evutil_monotonic_timer). A base has its own, {@linkcode EventBase.now}, which
 * stands still during a turn; this one is for measuring.
 *
 * @example
 * ```ts
 * import { MonotonicClock } from "@evbase/evbase";
 *
 * const clock = new MonotonicClock();
 * const started = clock.now();
 * for (let i = 0; i < 1e6; i++);
 * console.log(`${(clock.now() - started).toFixed(3)} ms`);
 * ```
 */
export class MonotonicClock {
  /** Which clock it reads. */
  readonly kind: MonotonicClockKind;
  readonly #id: number;
  #adjustmentMs = 0;
  #lastMs = -Infinity;

  /**
   * Sets it up.
   *
   * @throws {TypeError} for a kind that does not exist.
   */
  constructor(kind: MonotonicClockKind = "precise") {
    const ids = { precise: CLOCK_MONOTONIC, fast: CLOCK_MONOTONIC_COARSE, fallback: CLOCK_REALTIME };
    if (!Object.hasOwn(ids, kind)) throw new TypeError(`Cannot make a clock of kind "${kind}": there is none`);
    this.kind = kind;
    this.#id = ids[kind];
  }

  /** Milliseconds with fractions since a moment in the past that is the same for all clocks of a kind, until a ratchet held. */
  now(): number {
    const read = clockMs(this.#id) + this.#adjustmentMs;
    if (read < this.#lastMs) {
      this.#adjustmentMs += this.#lastMs - read;
      return this.#lastMs;
    }
    this.#lastMs = read;
    return read;
  }
}
