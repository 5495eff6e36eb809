/** What a {@linkcode RateLimit} is made of. Sizes are bytes per tick; what is left out is not limited. */
export interface RateLimitOptions {
  /** Bytes that may be read per tick, on average. */
  readonly readRate?: number | undefined;
  /** Most bytes that may be read in one tick after a quiet time; the rate by default, and never less. */
  readonly readBurst?: number | undefined;
  /** Bytes that may be written per tick, on average. */
  readonly writeRate?: number | undefined;
  /** Most bytes that may be written in one tick after a quiet time; the rate by default, and never less. */
  readonly writeBurst?: number | undefined;
  /** How long a tick is, in whole milliseconds; 1000 by default. */
  readonly tickMs?: number | undefined;
}

const TICK_MS = 1000;
const TICK_MS_MAX = 2 ** 31 - 1;

/**
 * How fast somebody may read and write (libevent's ev_token_bucket_cfg). One such object may serve any number of connections
 * and groups, each of which has its own account.
 *
 * An account starts with one tick's worth. Whatever is left of it at the end of a tick is kept, up to the burst.
 */
export class RateLimit {
  /** Bytes per tick. */
  readonly readRate: number;
  /** Bytes. */
  readonly readBurst: number;
  /** Bytes per tick. */
  readonly writeRate: number;
  /** Bytes. */
  readonly writeBurst: number;
  /** Milliseconds. */
  readonly tickMs: number;

  /**
   * Sets all of them.
   *
   * @throws {RangeError} when a size is not a whole number above zero, a burst is less than its rate, or a tick is no whole
   * number of milliseconds.
   */
  constructor(options: RateLimitOptions) {
    this.readRate = size("readRate", options.readRate, Infinity);
    this.readBurst = size("readBurst", options.readBurst, this.readRate);
    this.writeRate = size("writeRate", options.writeRate, Infinity);
    this.writeBurst = size("writeBurst", options.writeBurst, this.writeRate);
    this.tickMs = options.tickMs ?? TICK_MS;
    if (this.readBurst < this.readRate) refuse("readBurst", this.readBurst, `less than readRate, ${this.readRate}`);
    if (this.writeBurst < this.writeRate) {
      refuse("writeBurst", this.writeBurst, `less than writeRate, ${this.writeRate}`);
    }
    if (!Number.isInteger(this.tickMs) || this.tickMs < 1 || this.tickMs > TICK_MS_MAX) {
      refuse("tickMs", this.tickMs, "not a number of milliseconds");
    }
  }
}

function size(name: string, bytes: number | undefined, fallback: number): number {
  if (bytes === undefined || bytes === Infinity) return bytes ?? fallback;
  // Sums of more than that would be rounded.
  if (!Number.isSafeInteger(bytes) || bytes < 1) refuse(name, bytes, "not a number of bytes above zero");
  return bytes;
}

function refuse(name: string, value: number, reason: string): never {
  throw new RangeError(`Cannot limit a rate: ${name} ${value} is ${reason}`);
}
