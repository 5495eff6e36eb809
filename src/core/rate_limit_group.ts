import type { BufferEvent } from "./bufferevent.ts";
import { checkDecrement } from "./connection_rates.ts";
import { EV_READ, EV_WRITE } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import type { RateLimit } from "./rate_limit.ts";
import { runAll } from "./run_all.ts";
import { SUSPEND_GROUP } from "./suspension.ts";
import { TokenBucket } from "./token_bucket.ts";

const MIN_SHARE = 64;

/**
 * Connections that share one rate limit (libevent's bufferevent_rate_limit_group), each of which may have one of its own as
 * well. When nothing is left for a direction all of them stand still in it, until a tick brings enough for one of them; the
 * first to go on is another one each time.
 *
 * The group wakes the loop only while somebody waits for it.
 *
 * @example All clients together get 64 KiB a second, each of them 16 KiB at most
 * ```ts
 * import { EventBase, Listener, RateLimit, RateLimitGroup, SocketBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const all = new RateLimitGroup(base, new RateLimit({ writeRate: 6_554, tickMs: 100 }));
 * const each = new RateLimit({ writeRate: 16_384, writeBurst: 32_768 });
 * const listener = new Listener(base, { port: 0 }, (fd) => {
 *   const client = new SocketBufferEvent(base, fd);
 *   client.setRateLimit(each);
 *   all.add(client);
 *   client.write(new Uint8Array(1_000_000));
 *   client.closeAfterFlush();
 * });
 * listener.close();
 * ```
 */
export class RateLimitGroup implements Disposable {
  /** The loop whose clock it goes by. */
  readonly base: EventBase;
  readonly #bucket: TokenBucket;
  readonly #members = new Set<BufferEvent>();
  // Wakes what stands still because the bucket is empty.
  readonly #refill: LoopEvent;
  // Directions that stand still.
  #suspended = 0;
  #minShareWanted = MIN_SHARE;
  #closed = false;
  #totalRead = 0;
  #totalWritten = 0;

  /** Makes a group without members. */
  constructor(base: EventBase, limit: RateLimit) {
    this.base = base;
    this.#bucket = new TokenBucket(limit, base.now());
    this.#refill = new LoopEvent(base, -1, 0, () => this.#refilled());
  }

  /** The limit that its members share (bufferevent_rate_limit_group_set_cfg). */
  get limit(): RateLimit {
    return this.#bucket.limit;
  }

  /** Takes effect at once; what was spent under the old one stays spent. */
  set limit(limit: RateLimit) {
    this.#bucket.setLimit(limit, this.base.now());
    this.#review(EV_READ | EV_WRITE);
  }

  /** How many connections are in it. */
  get size(): number {
    return this.#members.size;
  }

  /**
   * Bytes that a member may always read or write while the group has anything left, so that many members do not all move a
   * few bytes at a time (bufferevent_rate_limit_group_set_min_share). 64 at first; never more than a tick brings.
   */
  get minShare(): number {
    return Math.min(this.#minShareWanted, this.limit.readRate, this.limit.writeRate);
  }

  /** @throws {RangeError} when it is not a whole number above zero. */
  set minShare(bytes: number) {
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new RangeError(`Cannot set a least share of ${bytes}: a number of bytes above zero is needed`);
    }
    this.#minShareWanted = bytes;
  }

  /** Bytes its members have read since the start, or since {@linkcode RateLimitGroup.resetTotals}. */
  get totalRead(): number {
    return this.#totalRead;
  }

  /** Bytes its members have written since then. */
  get totalWritten(): number {
    return this.#totalWritten;
  }

  /** Counts from zero again (bufferevent_rate_limit_group_reset_totals). */
  resetTotals(): void {
    this.#totalRead = 0;
    this.#totalWritten = 0;
  }

  /** Bytes its members may still read in this tick; negative after more than that (bufferevent_rate_limit_group_get_read_limit). */
  get readLimit(): number {
    return this.#left(EV_READ);
  }

  /** Bytes its members may still write in this tick (bufferevent_rate_limit_group_get_write_limit). */
  get writeLimit(): number {
    return this.#left(EV_WRITE);
  }

  #left(direction: number): number {
    this.#bucket.fill(this.base.now());
    return this.#bucket.left(direction);
  }

  /**
   * Takes `bytes` from what may still be read, as if a member had read them; a negative number gives some back. Totals do not
   * count it (bufferevent_rate_limit_group_decrement_read).
   *
   * @throws {RangeError} when `bytes` is not a whole number.
   */
  decrementRead(bytes: number): void {
    this.#decrement(EV_READ, bytes);
  }

  /** Takes `bytes` from what may still be written; see {@linkcode RateLimitGroup.decrementRead} (bufferevent_rate_limit_group_decrement_write). */
  decrementWrite(bytes: number): void {
    this.#decrement(EV_WRITE, bytes);
  }

  #decrement(direction: number, bytes: number): void {
    checkDecrement(bytes);
    this.#bucket.fill(this.base.now());
    this.#bucket.spend(direction, bytes);
    this.#review(direction);
  }

  /**
   * Lets `connection` share the limit; it leaves the group it was in before (bufferevent_add_to_rate_limit_group). Without
   * effect on one that is closed.
   *
   * @throws {Error} when the group is closed.
   */
  add(connection: BufferEvent): void {
    if (this.#closed) throw new Error("Cannot add a connection to a rate limit group: the group is closed");
    this.#add(connection.rateBearer);
  }

  #add(connection: BufferEvent): void {
    if (connection.closed || this.#members.has(connection)) return;
    connection.rateLimitGroup?.remove(connection);
    connection.limitRates().group = this;
    this.#members.add(connection);
    if (this.#suspended === 0) return;
    connection.suspend(this.#suspended, SUSPEND_GROUP);
    // Ticks have passed uncounted if it is the first member.
    this.#refilled();
  }

  /** Lets `connection` go (bufferevent_remove_from_rate_limit_group); harmless when it is not in this group. */
  remove(connection: BufferEvent): void {
    const member = connection.rateBearer;
    if (!this.#members.has(member)) return;
    this.forget(member);
    member.resume(EV_READ | EV_WRITE, SUSPEND_GROUP);
  }

  /** @internal As {@linkcode RateLimitGroup.remove}, for a connection that is being closed. */
  forget(connection: BufferEvent): void {
    if (!this.#members.delete(connection)) return;
    connection.limitRates().group = null;
    // Nobody is left to wait.
    if (this.#members.size === 0) this.#refill.delete();
  }

  /** @internal What one member may read or write at once. */
  share(direction: number): number {
    if ((this.#suspended & direction) !== 0) return 0;
    return Math.max(Math.floor(this.#left(direction) / this.#members.size), this.minShare);
  }

  /** @internal A member has read or written so many bytes. */
  charge(direction: number, bytes: number): void {
    if (direction === EV_READ) this.#totalRead += bytes;
    else this.#totalWritten += bytes;
    this.#bucket.fill(this.base.now());
    this.#bucket.spend(direction, bytes);
    this.#review(direction);
  }

  /** Stops directions for which nothing is left, and lets those go on that have got something. */
  #review(directions: number): void {
    try {
      if ((directions & EV_READ) !== 0) this.#reviewOne(EV_READ);
    } finally {
      // Whatever a callback on a buffer of a member that goes on has thrown.
      try {
        if ((directions & EV_WRITE) !== 0) this.#reviewOne(EV_WRITE);
      } finally {
        this.#wait();
      }
    }
  }

  #reviewOne(direction: number): void {
    const stands = (this.#suspended & direction) !== 0;
    const empty = this.#bucket.left(direction) <= 0;
    if (empty && !stands) this.#stop(direction);
    else if (!empty && stands) this.#go(direction);
  }

  #stop(direction: number): void {
    this.#suspended |= direction;
    runAll(stepsOf(this.#members, (member) => member.suspend(direction, SUSPEND_GROUP)));
  }

  /** Lets everybody go on, beginning with a random member: the first ones may leave nothing for the others. */
  #go(direction: number): void {
    this.#suspended &= ~direction;
    const members = [...this.#members];
    const first = Math.floor(Math.random() * members.length);
    const inTurn = [...members.slice(first), ...members.slice(0, first)];
    runAll(stepsOf(inTurn, (member) => {
      // One that goes on at once may have stopped the others again.
      if ((this.#suspended & direction) === 0 && this.#members.has(member)) member.resume(direction, SUSPEND_GROUP);
    }));
  }

  /** Comes back for what stands still, when a tick has brought enough for one member. */
  #wait(): void {
    if (reactorOf(this.base).closed) return;
    if (this.#suspended === 0 || this.#members.size === 0) {
      if (this.#refill.timerSlot >= 0) this.#refill.delete();
      return;
    }
    this.#refill.add(Math.min(this.#waitMs(EV_READ), this.#waitMs(EV_WRITE)));
  }

  #waitMs(direction: number): number {
    const stands = (this.#suspended & direction) !== 0;
    return stands ? this.#bucket.waitMs(direction, this.minShare, this.base.now()) : Infinity;
  }

  #refilled(): void {
    this.#bucket.fill(this.base.now());
    try {
      this.#goIfEnough(EV_READ);
    } finally {
      try {
        this.#goIfEnough(EV_WRITE);
      } finally {
        this.#wait();
      }
    }
  }

  #goIfEnough(direction: number): void {
    if ((this.#suspended & direction) !== 0 && this.#bucket.left(direction) >= this.minShare) this.#go(direction);
  }

  /** Lets all members go; they are not limited by it any more (bufferevent_rate_limit_group_free). */
  close(): void {
    this.#closed = true;
    try {
      runAll(stepsOf([...this.#members], (member) => this.remove(member)));
    } finally {
      this.#refill.close();
    }
  }

  /** Same as {@linkcode RateLimitGroup.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What is done with each member, one after the other: what a callback on the buffers of one may throw is nothing to the others. */
function* stepsOf(members: Iterable<BufferEvent>, step: (member: BufferEvent) => void): Iterable<() => void> {
  for (const member of members) yield () => step(member);
}
