import type { MessageQueue, NextMessage } from "./message_queue.ts";
import type { WebSocketMessage } from "./session_options.ts";

/**
 * One iteration over messages.
 *
 * @internal
 */
export class MessageIterator implements AsyncIterator<WebSocketMessage, undefined> {
  readonly #queue: MessageQueue;
  #isOver = false;

  constructor(queue: MessageQueue) {
    this.#queue = queue;
  }

  next(): Promise<NextMessage> {
    return this.#isOver ? this.return() : this.#queue.next(this);
  }

  /** Ends it. Whoever waits in it hears of that, and gets no message that others may want. */
  return(): Promise<NextMessage> {
    this.#isOver = true;
    this.#queue.withdraw(this);
    return Promise.resolve({ done: true, value: undefined });
  }
}
