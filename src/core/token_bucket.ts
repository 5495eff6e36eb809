import { EV_READ } from "./constants.ts";
import type { RateLimit } from "./rate_limit.ts";

/**
 * The account of somebody whose rate is limited. It starts with one tick's worth, is filled up tick by tick to the burst, and
 * may be overdrawn.
 *
 * @internal
 */
export class TokenBucket {
  #limit: RateLimit;
  #read: number;
  #written: number;
  // Number of the tick up to which it has been filled, counted from the clock's own zero.
  #tick: number;

  /** @param nowMs the time of the base's clock, as for all methods here. */
  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.#read = limit.readRate;
    this.#written = limit.writeRate;
    this.#tick = Math.floor(nowMs / limit.tickMs);
  }

  /** What it is filled by. */
  get limit(): RateLimit {
    return this.#limit;
  }

  /** Goes on under another limit: what was spent stays spent, and more than the new burst is not kept. */
  setLimit(limit: RateLimit, nowMs: number): void {
    this.fill(nowMs);
    // Numbers of ticks of another length cannot be compared.
    if (limit.tickMs !== this.#limit.tickMs) this.#tick = Math.floor(nowMs / limit.tickMs);
    this.#limit = limit;
    this.#read = kept(this.#read, limit.readRate, limit.readBurst);
    this.#written = kept(this.#written, limit.writeRate, limit.writeBurst);
  }

  /** Adds what the ticks that have passed are worth. */
  fill(nowMs: number): void {
    const { readRate, readBurst, writeRate, writeBurst, tickMs } = this.#limit;
    const tick = Math.floor(nowMs / tickMs);
    const ticks = tick - this.#tick;
    if (ticks <= 0) return;
    this.#tick = tick;
    this.#read = filled(this.#read, readRate, readBurst, ticks);
    this.#written = filled(this.#written, writeRate, writeBurst, ticks);
  }

  /** Bytes left for `direction`; zero or less: none. */
  left(direction: number): number {
    return direction === EV_READ ? this.#read : this.#written;
  }

  /** Takes bytes out; a negative number puts some back in. */
  spend(direction: number, bytes: number): void {
    if (direction === EV_READ) this.#read -= bytes;
    else this.#written -= bytes;
  }

  /** Milliseconds until `direction` has `wanted` bytes, if nothing else is spent. Not above the burst. */
  waitMs(direction: number, wanted: number, nowMs: number): number {
    const rate = direction === EV_READ ? this.#limit.readRate : this.#limit.writeRate;
    const ticks = Math.max(1, Math.ceil((wanted - this.left(direction)) / rate));
    return Math.max(0, (this.#tick + ticks) * this.#limit.tickMs - nowMs);
  }
}

/** What is left under another limit. */
function kept(left: number, rate: number, burst: number): number {
  // Nothing is spent where nothing is counted.
  if (rate === Infinity) return Infinity;
  const most = Math.min(left, burst);
  // There was no limit before, and a burst has none now: no tick would ever bring less.
  return most === Infinity ? rate : most;
}

/** Fills up without ever computing more than the burst, whatever the number of ticks. */
function filled(left: number, rate: number, burst: number, ticks: number): number {
  return ticks >= (burst - left) / rate ? burst : left + ticks * rate;
}
