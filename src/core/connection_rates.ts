import type { BufferEvent } from "./bufferevent.ts";
import { EV_READ, EV_WRITE } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { reactorOf } from "./event_base.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { RateLimitGroup } from "./rate_limit_group.ts";
import { SUSPEND_BANDWIDTH } from "./suspension.ts";
import { TokenBucket } from "./token_bucket.ts";

/**
 * The rate limits of one connection: its own, and that of the group it is in. Made when it gets the first of either, so
 * that a connection without limits pays for a comparison with null.
 *
 * @internal
 */
export class ConnectionRates {
  /** The group it is in, or null; kept by {@linkcode RateLimitGroup}. */
  group: RateLimitGroup | null = null;
  readonly #connection: BufferEvent;
  #bucket: TokenBucket | null = null;
  // Wakes what stands still because the bucket is empty.
  #refill: LoopEvent | null = null;

  constructor(connection: BufferEvent) {
    this.#connection = connection;
  }

  /** The connection's own limit. */
  get limit(): RateLimit | null {
    return this.#bucket?.limit ?? null;
  }

  /** Sets or lifts the connection's own limit. */
  setLimit(limit: RateLimit | null): void {
    const connection = this.#connection;
    if (limit === null) {
      this.#bucket = null;
      this.#refill?.delete();
      connection.resume(EV_READ | EV_WRITE, SUSPEND_BANDWIDTH);
      return;
    }
    const nowMs = connection.base.now();
    if (this.#bucket === null) this.#bucket = new TokenBucket(limit, nowMs);
    else if (this.#bucket.limit !== limit) this.#bucket.setLimit(limit, nowMs);
    this.#review(EV_READ | EV_WRITE);
  }

  /** Bytes left in this tick, Infinity without a limit. */
  get readLimit(): number {
    return this.#left(EV_READ);
  }

  /** Bytes left in this tick, Infinity without a limit. */
  get writeLimit(): number {
    return this.#left(EV_WRITE);
  }

  #left(direction: number): number {
    const bucket = this.#bucket;
    if (bucket === null) return Infinity;
    bucket.fill(this.#connection.base.now());
    return bucket.left(direction);
  }

  /** What may be read at once, where `max` is what could be without any limit. */
  readAllowance(max: number): number {
    return this.#allowance(EV_READ, max);
  }

  /** What may be written at once. */
  writeAllowance(max: number): number {
    return this.#allowance(EV_WRITE, max);
  }

  #allowance(direction: number, max: number): number {
    const own = this.#left(direction);
    // A limit that leaves this direction alone leaves its maximum in force.
    const most = own === Infinity ? max : own;
    return Math.max(0, this.group === null ? most : Math.min(most, this.group.share(direction)));
  }

  /** So many bytes have been read or written. */
  charge(direction: number, bytes: number): void {
    if (this.#bucket !== null) {
      this.#bucket.spend(direction, bytes);
      this.#review(direction);
    }
    this.group?.charge(direction, bytes);
  }

  /** Takes bytes from the connection's own limit by hand. */
  decrement(direction: number, bytes: number): void {
    if (this.#bucket === null) throw new TypeError("Cannot decrement a rate limit: the connection has none");
    checkDecrement(bytes);
    this.#bucket.fill(this.#connection.base.now());
    this.#bucket.spend(direction, bytes);
    this.#review(direction);
  }

  /** Suspends directions for which nothing is left, and resumes those that have got something. */
  #review(directions: number): void {
    if ((directions & EV_READ) !== 0) this.#reviewOne(EV_READ);
    if ((directions & EV_WRITE) !== 0) this.#reviewOne(EV_WRITE);
    const bucket = this.#bucket;
    // What was resumed may have closed the connection.
    if (bucket === null || reactorOf(this.#connection.base).closed) return;
    const nowMs = this.#connection.base.now();
    let waitMs = Infinity;
    if (bucket.left(EV_READ) <= 0) waitMs = bucket.waitMs(EV_READ, 1, nowMs);
    if (bucket.left(EV_WRITE) <= 0) waitMs = Math.min(waitMs, bucket.waitMs(EV_WRITE, 1, nowMs));
    if (waitMs !== Infinity) {
      this.#refill ??= new LoopEvent(this.#connection.base, -1, 0, () => this.#refilled());
      this.#refill.add(waitMs);
    } else if (this.#refill !== null && this.#refill.timerSlot >= 0) {
      this.#refill.delete();
    }
  }

  #reviewOne(direction: number): void {
    const bucket = this.#bucket;
    if (bucket === null) return;
    if (bucket.left(direction) > 0) this.#connection.resume(direction, SUSPEND_BANDWIDTH);
    else this.#connection.suspend(direction, SUSPEND_BANDWIDTH);
  }

  #refilled(): void {
    if (this.#bucket === null) return;
    this.#bucket.fill(this.#connection.base.now());
    this.#review(EV_READ | EV_WRITE);
  }

  /** The connection is closed. */
  close(): void {
    this.#bucket = null;
    this.#refill?.close();
    this.group?.forget(this.#connection);
  }
}

/** Refuses what is no whole number of bytes. */
export function checkDecrement(bytes: number): void {
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`Cannot decrement a rate limit by ${bytes} bytes`);
}
