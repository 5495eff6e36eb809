import type { ReceivedDatagram } from "./received_datagram.ts";

interface Waiter {
  resolve(datagram: ReceivedDatagram | undefined): void;
  reject(error: unknown): void;
  stopListening(): void;
}

/**
 * Datagrams that were received and not handed over yet, and those who wait for some. At no time there are both.
 *
 * @internal
 */
export class DatagramInbox {
  #stored: ReceivedDatagram[] = [];
  readonly #waiters: Waiter[] = [];
  #isClosed = false;

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
    if (waiter === undefined) {
      this.#stored.push(datagram);
      return;
    }
    waiter.stopListening();
    waiter.resolve(datagram);
  }

  /** Takes the oldest stored one. */
  shift(): ReceivedDatagram | undefined {
    return this.#stored.shift();
  }

  /** Tells an error to who waits longest. Returns false when nobody does. */
  fail(error: unknown): boolean {
    const waiter = this.#waiters.shift();
    waiter?.stopListening();
    waiter?.reject(error);
    return waiter !== undefined;
  }

  /** The next datagram; undefined once the inbox is closed. */
  take(signal: AbortSignal | undefined, changed: () => void): Promise<ReceivedDatagram | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const stored = this.#stored.shift();
    if (stored !== undefined) return Promise.resolve(stored);
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal!.reason);
        changed();
      };
      const waiter: Waiter = { resolve, reject, stopListening: () => signal?.removeEventListener("abort", abort) };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.push(waiter);
      changed();
    });
  }

  /** Drops what is stored, and tells those who wait that there will be nothing. */
  close(): void {
    this.#isClosed = true;
    this.#stored = [];
    for (const waiter of this.#waiters.splice(0)) {
      waiter.stopListening();
      waiter.resolve(undefined);
    }
  }
}
