import type { AwaitOptions, EventBase } from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import type { WebSocketClose } from "./session_options.ts";

/**
 * How a session has ended, and who waits for that.
 *
 * @internal
 */
export class SessionEnd {
  /** Null before the end. */
  close: WebSocketClose | null = null;
  readonly #waiters = new Set<Waiter<WebSocketClose>>();

  /** Waits for it; rejected when the base is closed before, or a signal is aborted. */
  wait(base: EventBase, { signal }: AwaitOptions): Promise<WebSocketClose> {
    if (this.close !== null) return Promise.resolve(this.close);
    const waiter = new Waiter<WebSocketClose>();
    this.#waiters.add(waiter);
    waiter.wait(base, signal, () => void this.#waiters.delete(waiter));
    return waiter.promise;
  }

  /** Tells whoever waits; the facts are there already. */
  tell(close: WebSocketClose): void {
    for (const waiter of this.#waiters) waiter.resolve(close);
    this.#waiters.clear();
  }
}
