import { type EventBase, reactorOf } from "../core/event_base.ts";
import { ListedWaiter, type WaiterList } from "../core/waiter_list.ts";

/**
 * Hears of the end of a base, behind the promises that have begun to wait there since.
 *
 * @internal
 */
export class BaseEnd extends ListedWaiter {
  readonly #callback: () => void;
  // Null once nothing is waited for.
  #list: WaiterList | null;

  /** @param callback called once when the base was closed. */
  constructor(base: EventBase, callback: () => void) {
    super();
    this.#callback = callback;
    const { waiters, closed } = reactorOf(base);
    this.#list = closed ? null : waiters;
    this.#list?.add(this);
  }

  /** @internal */
  override baseClosed(): void {
    this.#list = null;
    this.#callback();
  }

  /** Nobody wants to know any more. */
  close(): void {
    this.#list?.remove(this);
    this.#list = null;
  }
}
