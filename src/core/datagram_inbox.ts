import type { EventBase } from "./event_base.ts";
import type { ReceivedDatagram } from "./received_datagram.ts";
import { Waiter } from "./waiter.ts";

/**
 * Datagrams that were received and not handed over yet, and those who wait for some. At no time there are both.
 *
 * @internal
 */
export class DatagramInbox {
  #stored: ReceivedDatagram[] = [];
  readonly #base: EventBase;
  readonly #waiters: Waiter<ReceivedDatagram | undefined>[] = [];
  #isClosed = false;

  /** @param base what brings datagrams to those who wait. */
  constructor(base: EventBase) {
    this.#base = base;
  }

  /** Datagrams that are stored. */
  get count(): number {
    return this.#stored.length;
  }

  /** Whether anyone waits. */
  get isWanted(): boolean {
    return this.#waiters.length > 0;
  }

  /** Hands a datagram to who waits longest, or stores it. It must not be a view. */
  put(datagram: ReceivedDatagram): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#stored.push(datagram);
    else waiter.resolve(datagram);
  }

  /** Takes the oldest stored one. */
  shift(): ReceivedDatagram | undefined {
    return this.#stored.shift();
  }

  /** Tells an error to who waits longest. Returns false when nobody does. */
  fail(error: unknown): boolean {
    const waiter = this.#waiters.shift();
    waiter?.reject(error);
    return waiter !== undefined;
  }

  /** The next datagram; undefined once the inbox is closed. */
  take(signal: AbortSignal | undefined, changed: () => void): Waiter<ReceivedDatagram | undefined> {
    const waiter = new Waiter<ReceivedDatagram | undefined>();
    if (signal?.aborted === true) {
      waiter.reject(signal.reason);
    } else if (this.#isClosed || this.count > 0) {
      waiter.resolve(this.#stored.shift());
    } else {
      this.#waiters.push(waiter);
      waiter.wait(this.#base, signal, () => {
        this.#strikeOff(waiter);
        changed();
      });
      if (!waiter.isSettled) changed();
    }
    return waiter;
  }

  /** Ends the waiting of one, as closing does. */
  withdraw(waiter: Waiter<ReceivedDatagram | undefined>): void {
    if (waiter.isSettled) return;
    waiter.resolve(undefined);
    this.#strikeOff(waiter);
  }

  #strikeOff(waiter: Waiter<ReceivedDatagram | undefined>): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
  }

  /** Drops what is stored, and tells those who wait that there will be nothing. */
  close(): void {
    this.#isClosed = true;
    this.#stored = [];
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(undefined);
  }
}
