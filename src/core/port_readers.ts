/** What {@linkcode PortReaders} hands out from. */
export interface MessageSource {
  /** Takes the oldest message out; undefined when there is none. */
  take(): Uint8Array<ArrayBuffer> | undefined;
  /** Whether there is nothing to take. */
  readonly isEmpty: boolean;
  /** Makes the loop look in its next turn. */
  ring(): void;
}

/** Options of {@linkcode LoopPort.messages}. */
export interface PortMessagesOptions {
  /** Ends the iteration when aborted; what has not been handed out stays for others. */
  readonly signal?: AbortSignal | undefined;
}

type Message = Uint8Array<ArrayBuffer>;
type Result = IteratorResult<Message, undefined>;

const done = (): Result => ({ done: true, value: undefined });

/**
 * Hands a port's messages to those who iterate over them, each message to one. They wait in the port until somebody asks, so
 * that a slow reader is bounded by the port's capacity: its senders are refused.
 *
 * @internal
 */
export class PortReaders {
  readonly #source: MessageSource;
  readonly #perTurn: number;
  // How many more may be handed out before the loop has its turn. A reader that always finds a message would otherwise go
  // from one promise reaction to the next, and nothing else in the thread would ever run.
  #left: number;
  // What ends each of the iterations that are under way.
  readonly #iterations = new Set<() => void>();
  // Who waits, in the order of their asking.
  readonly #waiting = new Set<(result: Result) => void>();
  #closed = false;

  /** @param perTurn how many messages to hand out before other events have their turn. */
  constructor(source: MessageSource, perTurn: number) {
    this.#source = source;
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** The loop has its turn: serves those who wait. */
  serve(): void {
    this.#left = this.#perTurn;
    for (const resolve of this.#waiting) {
      const message = this.#take();
      if (message === undefined) return;
      this.#waiting.delete(resolve);
      resolve({ done: false, value: message });
    }
  }

  /** Ends every iteration, those to come too. */
  close(): void {
    this.#closed = true;
    for (const end of this.#iterations) end();
  }

  #take(): Message | undefined {
    if (this.#left > 0) {
      const message = this.#source.take();
      if (message !== undefined) this.#left--;
      return message;
    }
    // The loop was told of these already, and would not look for them again.
    if (!this.#source.isEmpty) this.#source.ring();
    return undefined;
  }

  /** Begins an iteration. */
  iterate(signal: AbortSignal | undefined): AsyncIterableIterator<Message, undefined> {
    const mine = new Set<(result: Result) => void>();
    let ended = this.#closed || signal?.aborted === true;
    const end = (): void => {
      ended = true;
      this.#iterations.delete(end);
      signal?.removeEventListener("abort", end);
      for (const resolve of mine) {
        this.#waiting.delete(resolve);
        resolve(done());
      }
    };
    if (!ended) {
      this.#iterations.add(end);
      signal?.addEventListener("abort", end);
    }
    const iterator: AsyncIterableIterator<Message, undefined> = {
      next: () => {
        if (ended) return Promise.resolve(done());
        // Whoever has asked before is served before.
        const message = this.#waiting.size > 0 ? undefined : this.#take();
        if (message !== undefined) return Promise.resolve({ done: false, value: message });
        return new Promise<Result>((resolve) => {
          const answer = (result: Result): void => {
            mine.delete(answer);
            resolve(result);
          };
          mine.add(answer);
          this.#waiting.add(answer);
        });
      },
      return: () => {
        end();
        return Promise.resolve(done());
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}
