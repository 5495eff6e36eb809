import type { ConnectionFailure } from "./bufferevent_callbacks.ts";
import { BEV_EVENT_ERROR } from "./constants.ts";
import { Deferred } from "./deferred.ts";
import type { EventBase } from "./event_base.ts";

/**
 * What a connection has still to tell, when that happens from the loop instead of at once. Several callbacks that become due
 * before it runs are one run, and several events one call with all their bits (libevent: one deferred record per bufferevent).
 *
 * @internal
 */
export class DeferredCalls {
  /** The read callback is due. */
  read = false;
  /** The write callback is due. */
  write = false;
  /** The events that are due. */
  events = 0;
  /** The error behind `BEV_EVENT_ERROR` among them, as it was when that happened. */
  error: ConnectionFailure | null = null;
  readonly #deferred: Deferred;

  /** @param run tells what is due. */
  constructor(base: EventBase, level: number, run: () => void) {
    this.#deferred = new Deferred(base, level, run);
  }

  /** Whether something is due. */
  get pending(): boolean {
    return this.read || this.write || this.events !== 0;
  }

  /** The queue it waits in. */
  get callback(): Deferred {
    return this.#deferred;
  }

  /** The read callback becomes due. */
  addRead(): void {
    this.read = true;
    this.#deferred.schedule();
  }

  /** The write callback becomes due. */
  addWrite(): void {
    this.write = true;
    this.#deferred.schedule();
  }

  /** Events become due. */
  addEvents(what: number, error: ConnectionFailure | null): void {
    this.events |= what;
    if ((what & BEV_EVENT_ERROR) !== 0) this.error = error;
    this.#deferred.schedule();
  }

  /** Nobody is to hear of what was written any more. */
  dropWrite(): void {
    this.write = false;
    if (!this.pending) this.#deferred.cancel();
  }

  /** Takes those events out that `mask` selects. */
  takeEvents(mask: number): number {
    const taken = this.events & mask;
    this.events &= ~mask;
    return taken;
  }

  /** Comes back for what is left after a callback has thrown, or has become due meanwhile. */
  keepUp(): void {
    if (this.pending) this.#deferred.schedule();
  }

  /** Forgets everything. */
  cancel(): void {
    this.read = false;
    this.write = false;
    this.events = 0;
    this.#deferred.cancel();
  }
}
