import { clockMs, os } from "../ffi/mod.ts";

const { CLOCK_MONOTONIC, CLOCK_REALTIME } = os.constants;

/**
 * The time a base lives by: CLOCK_MONOTONIC in milliseconds with fractions. While callbacks run it stands still, so that
 * all of one turn see the same time and timers added together fire together (row B14 of libevent's behaviour).
 */
export class Clock {
  #cachedMs = 0;
  // What lies between both clocks, read together with the first wall-clock time of a turn.
  #wallOffsetMs = NaN;
  readonly #caches: boolean;

  /** @param caches false: every reading is fresh (EVENT_BASE_FLAG_NO_CACHE_TIME). */
  constructor(caches: boolean) {
    this.#caches = caches;
  }

  /** Milliseconds: the cached reading while there is one, else a fresh one. */
  now(): number {
    return this.#cachedMs !== 0 ? this.#cachedMs : clockMs(CLOCK_MONOTONIC);
  }

  /** How old the reading is that {@linkcode Clock.now} answers, in milliseconds; 0 for a fresh one. */
  get ageMs(): number {
    return this.#cachedMs === 0 ? 0 : clockMs(CLOCK_MONOTONIC) - this.#cachedMs;
  }

  /** Reads the clock and keeps the reading until {@linkcode Clock.forget}. */
  remember(): number {
    const now = clockMs(CLOCK_MONOTONIC);
    if (this.#caches) this.#cachedMs = now;
    this.#wallOffsetMs = NaN;
    return now;
  }

  /** Lets the time run again. */
  forget(): void {
    this.#cachedMs = 0;
  }

  /** Reads afresh if a reading is kept (event_base_update_cache_time); without effect otherwise. */
  refresh(): void {
    if (this.#cachedMs !== 0) this.remember();
  }

  /** Milliseconds since 1970, moving with {@linkcode Clock.now} (event_base_gettimeofday_cached). */
  wallClockMs(): number {
    // Two readings are never of the same instant, so a second offset would make the time that stands still jitter.
    if (this.#cachedMs === 0 || Number.isNaN(this.#wallOffsetMs)) {
      this.#wallOffsetMs = clockMs(CLOCK_REALTIME) - clockMs(CLOCK_MONOTONIC);
    }
    return this.now() + this.#wallOffsetMs;
  }
}
