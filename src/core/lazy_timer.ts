import { type EventBase, reactorOf } from "./event_base.ts";
import { LoopEvent } from "./event.ts";
import type { Reactor } from "./reactor.ts";

/**
 * A timeout that is postponed far more often than it fires, as that of a busy connection is. Postponing stores a number;
 * the timer heap is touched only when the old time has come or a nearer one is asked for.
 */
export class LazyTimer {
  readonly #reactor: Reactor;
  readonly #event: LoopEvent;
  #deadlineMs = Infinity;

  /**
   * @param callback called once after each time that was set and reached.
   * @param keepsLoop whether the loop stays alive for it.
   */
  constructor(base: EventBase, callback: () => void, keepsLoop: boolean = true) {
    this.#reactor = reactorOf(base);
    this.#event = new LoopEvent(base, -1, 0, () => {
      const restMs = this.#deadlineMs - this.#reactor.clock.now();
      if (restMs > 0) {
        if (restMs !== Infinity) this.#event.add(restMs);
        return;
      }
      this.#deadlineMs = Infinity;
      callback();
    }, !keepsLoop);
  }

  /** Fires `delayMs` milliseconds from now, by the loop's time as other timers do, whatever was set before. */
  set(delayMs: number): void {
    const deadlineMs = this.#reactor.clock.now() + delayMs;
    this.#deadlineMs = deadlineMs;
    if (this.#event.timerSlot < 0 || deadlineMs < this.#event.deadlineMs) this.#event.add(delayMs);
  }

  /** As {@linkcode LazyTimer.set}, unless it fires later than that already. */
  postpone(delayMs: number): void {
    const isSet = this.#deadlineMs !== Infinity;
    if (!isSet || this.#deadlineMs < this.#reactor.clock.now() + delayMs) this.set(delayMs);
  }

  /** Fires no more. The heap entry stays for the next {@linkcode LazyTimer.set}, so this costs nothing. */
  clear(): void {
    this.#deadlineMs = Infinity;
  }

  /** Gives the heap entry back. */
  close(): void {
    this.#event.close();
  }
}
