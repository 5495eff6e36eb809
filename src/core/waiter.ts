/**
 * A promise that is settled by its owner, or by an {@linkcode AbortSignal}.
 *
 * A rejection nobody looks at is not reported as unhandled: a daemon must not end because one of its peers has reset its
 * connection while nobody was waiting any more.
 *
 * @internal
 */
export class Waiter<T> {
  /** What the caller awaits. */
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #isSettled = false;
  #signal: AbortSignal | undefined;
  #abort: (() => void) | undefined;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /**
   * Is rejected with the signal's reason when that is aborted, at once if it has been.
   *
   * @param forget called then, for the owner to strike it off.
   */
  obey(signal: AbortSignal | undefined, forget: () => void): void {
    if (signal === undefined) return;
    this.#signal = signal;
    this.#abort = () => {
      this.reject(signal.reason);
      forget();
    };
    signal.addEventListener("abort", this.#abort);
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
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
    this.#abort = undefined;
    this.#signal = undefined;
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
