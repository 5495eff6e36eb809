import { BaseClosedError, type EventBase } from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import type { WebSocketClose, WebSocketMessage } from "./session_options.ts";
import type { WebSocketError } from "./ws_error.ts";

/** Messages, and bytes of them, from which on reading stops. */
const MESSAGES_MAX = 64;
const BYTES_MAX = 1024 * 1024;

/** What an iterator answers. */
export type NextMessage = IteratorResult<WebSocketMessage, undefined>;

const DONE: NextMessage = { done: true, value: undefined };

/** Who waits for a message. */
class MessageWaiter extends Waiter<NextMessage> {
  /** The iterator that has asked. */
  readonly asker: unknown;

  constructor(asker: unknown) {
    super();
    this.asker = asker;
  }

  /** As with other loops the end of the base is the end: nothing will come any more. */
  override reject(reason: unknown): void {
    if (reason instanceof BaseClosedError) this.resolve(DONE);
    else super.reject(reason);
  }
}

/**
 * Messages that wait to be iterated over, or those who iterate and wait for messages.
 *
 * @internal
 */
export class MessageQueue {
  readonly #messages: WebSocketMessage[] = [];
  #waiters: MessageWaiter[] = [];
  readonly #base: EventBase;
  readonly #onRoom: () => void;
  #bytes = 0;
  #isFull = false;
  #end: WebSocketClose | null = null;
  #error: WebSocketError | null = null;

  /** @param onRoom called when there is room again after {@linkcode MessageQueue.add} has said that there is none. */
  constructor(base: EventBase, onRoom: () => void) {
    this.#base = base;
    this.#onRoom = onRoom;
  }

  /** Adds a message; returns whether there is room for more. */
  add(message: WebSocketMessage): boolean {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: message });
      return true;
    }
    this.#messages.push(message);
    this.#bytes += message.length;
    this.#isFull = this.#messages.length >= MESSAGES_MAX || this.#bytes >= BYTES_MAX;
    return !this.#isFull;
  }

  /** No more will come. */
  end(close: WebSocketClose, error: WebSocketError | null): void {
    this.#end = close;
    this.#error = error;
    for (const waiter of this.#waiters.splice(0)) this.#settle(waiter);
  }

  /**
   * The next message, when it comes.
   *
   * @param asker the iterator that it is for.
   */
  next(asker: unknown): Promise<NextMessage> {
    const message = this.#messages.shift();
    if (message === undefined) return this.#wait(asker);
    this.#bytes -= message.length;
    if (this.#isFull && this.#messages.length <= MESSAGES_MAX / 2 && this.#bytes <= BYTES_MAX / 2) {
      this.#isFull = false;
      this.#onRoom();
    }
    return Promise.resolve({ done: false, value: message });
  }

  /** An iterator is over: it waits no more. */
  withdraw(asker: unknown): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = waiters.filter((waiter) => waiter.asker !== asker);
    for (const waiter of waiters) if (waiter.asker === asker) waiter.resolve(DONE);
  }

  #wait(asker: unknown): Promise<NextMessage> {
    const waiter = new MessageWaiter(asker);
    if (this.#end === null) {
      this.#waiters.push(waiter);
      waiter.wait(this.#base, undefined, () => void this.#waiters.splice(this.#waiters.indexOf(waiter), 1));
    } else {
      this.#settle(waiter);
    }
    return waiter.promise;
  }

  /** The first one hears of an error; those after it, that it is over. */
  #settle(waiter: MessageWaiter): void {
    const error = this.#error;
    this.#error = null;
    if (error !== null) waiter.reject(error);
    else waiter.resolve(DONE);
  }
}
