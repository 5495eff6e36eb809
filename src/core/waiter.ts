import { BaseClosedError } from "./base_closed_error.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { ListedWaiter, type WaiterList } from "./waiter_list.ts";

/**
 * A promise that is settled by its owner, by an {@linkcode AbortSignal}, or by the end of its event base.
 *
 * A rejection nobody looks at is not reported as unhandled: a daemon must not end because one of its peers has reset its
 * connection while nobody was waiting any more.
 *
 * @internal
 */
export class Waiter<T> extends ListedWaiter {
  /** What the caller awaits. */
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #isSettled = false;
  // Where it is listed; null unless it waits.
  #list: WaiterList | null = null;
  #forget: (() => void) | undefined;
  #signal: AbortSignal | undefined;
  #abort: (() => void) | undefined;

  constructor() {
    super();
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /**
   * It cannot be settled at once: from now on it is rejected with the reason of `signal` when that is aborted, and with a
   * {@linkcode BaseClosedError} when `base` is closed; at once, where either has happened.
   *
   * @param forget called when it was rejected so, for the owner to strike it off.
   */
  wait(base: EventBase, signal: AbortSignal | undefined, forget: () => void): void {
    this.#forget = forget;
    const reactor = reactorOf(base);
    if (reactor.closed) return this.baseClosed();
    if (signal !== undefined) {
      if (signal.aborted) return this.#giveUp(signal.reason);
      this.#signal = signal;
      this.#abort = () => this.#giveUp(signal.reason);
      signal.addEventListener("abort", this.#abort);
    }
    this.#list = reactor.waiters;
    this.#list.add(this);
  }

  /** @internal */
  override baseClosed(): void {
    this.#list = null;
    this.#giveUp(new BaseClosedError("wait"));
  }

  #giveUp(reason: unknown): void {
    const forget = this.#forget;
    this.reject(reason);
    forget?.();
  }

  /** Whether it is settled, one way or the other. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Settles it with a value. */
  resolve(value: T): void {
    this.#conclude();
    this.#resolve(value);
  }

  /** Settles it with an error. */
  reject(reason: unknown): void {
    this.#conclude();
    this.promise.catch(() => {});
    this.#reject(reason);
  }

  #conclude(): void {
    this.#isSettled = true;
    this.#list?.remove(this);
    this.#list = null;
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
    this.#abort = this.#signal = this.#forget = undefined;
  }
}

/** A promise that was rejected already, and whose rejection need not be looked at. */
export function rejected<T>(reason: unknown): Promise<T> {
  const promise = Promise.reject<T>(reason);
  promise.catch(() => {});
  return promise;
}

/** How long an awaited operation is wanted. */
export interface AwaitOptions {
  /** Ends the waiting when aborted: the promise is rejected with the signal's reason, and no byte is lost. */
  readonly signal?: AbortSignal | undefined;
}
