/** A piece that somebody waits for; null or undefined is the end. */
interface AskedPiece<T> {
  readonly promise: Promise<T | null | undefined>;
}

/** What a {@linkcode PullIterator} asks. */
export interface PullSource<T, Asked extends AskedPiece<T>> {
  /** Asks for the next piece. */
  ask(): Asked;
  /** What was asked for is not wanted any more: settles it with the end, unless it is settled, and takes nothing for it. */
  withdraw(asked: Asked): void;
  /** Whether an error is but the end of it. */
  isEnd(error: unknown): boolean;
  /** Somebody asks for the first time. */
  begun?(): void;
  /** It is over, after it has begun. */
  ended?(): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Iterates over what is asked for piece by piece. It does what an async generator would, but can be left while somebody waits: a
 * generator's `return()` waits for the piece that was asked for, which may never come.
 *
 * @internal
 */
export class PullIterator<T, Asked extends AskedPiece<T>> implements AsyncGenerator<T, void, undefined> {
  readonly #source: PullSource<T, Asked>;
  // Who waits.
  readonly #asked = new Set<Asked>();
  #hasBegun = false;
  #isOver = false;

  constructor(source: PullSource<T, Asked>) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<T, void>> {
    if (this.#isOver) return Promise.resolve(DONE);
    if (!this.#hasBegun) {
      // It has not if this throws.
      this.#source.begun?.();
      this.#hasBegun = true;
    }
    const asked = this.#source.ask();
    this.#asked.add(asked);
    const next = asked.promise.then(
      (piece): IteratorResult<T, void> => {
        this.#asked.delete(asked);
        if (piece !== null && piece !== undefined) return { done: false, value: piece };
        this.#end();
        return DONE;
      },
      (error: unknown) => {
        this.#asked.delete(asked);
        this.#end();
        if (this.#source.isEnd(error)) return DONE;
        throw error;
      },
    );
    // As with what is awaited otherwise: who asks ahead looks at it later.
    next.catch(() => {});
    return next;
  }

  return(): Promise<IteratorResult<T, void>> {
    this.#end();
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const asked of this.#asked) this.#source.withdraw(asked);
    if (this.#hasBegun) this.#source.ended?.();
  }
}
