import { type EventBase, reactorOf } from "./event_base.ts";
import { LoopCallback } from "./loop_callback.ts";
import type { Reactor } from "./reactor.ts";

/**
 * A callback that runs from the loop soon, once however often it is scheduled before (libevent's deferred callback). The
 * first 33 of a turn run in that turn, further ones in the next.
 *
 * @internal
 */
export class Deferred extends LoopCallback {
  readonly #reactor: Reactor;
  readonly #callback: () => void;

  constructor(base: EventBase, level: number, callback: () => void) {
    super(level, false);
    this.#reactor = reactorOf(base);
    this.#callback = callback;
  }

  /** Queues it, unless it is queued or the base is closed. */
  schedule(): void {
    if (!this.#reactor.closed) this.#reactor.activateDeferred(this);
  }

  /** Takes it back. */
  cancel(): void {
    this.#reactor.deactivate(this);
  }

  override takeTurn(): void {
    this.#reactor.deactivate(this);
    this.#callback();
  }
}
