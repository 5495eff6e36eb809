import { type EventBase, reactorOf } from "./event_base.ts";
import { LoopEvent } from "./event.ts";

/**
 * The timeout of one direction of a connection that has no event of its own for it: it runs while that direction is wanted,
 * and starts anew with all progress.
 *
 * @internal
 */
export class InactivityTimer {
  readonly #base: EventBase;
  readonly #callback: () => void;
  // Most connections have no timeouts.
  #event: LoopEvent | null = null;
  #timeoutMs = -1;

  /** @param callback called once when the time is up. */
  constructor(base: EventBase, callback: () => void) {
    this.#base = base;
    this.#callback = callback;
  }

  /** Runs for `timeoutMs` if `wanted`, and goes on if it does so already; -1: no limit. */
  update(wanted: boolean, timeoutMs: number): void {
    const next = wanted && timeoutMs >= 0 ? timeoutMs : -1;
    if (next === this.#timeoutMs) return;
    this.#timeoutMs = next;
    if (next < 0) this.#event?.delete();
    else this.#start(next);
  }

  /** There was progress. */
  restart(): void {
    if (this.#timeoutMs >= 0) this.#start(this.#timeoutMs);
  }

  #start(timeoutMs: number): void {
    if (reactorOf(this.#base).closed) return;
    this.#event ??= new LoopEvent(this.#base, -1, 0, () => {
      this.#timeoutMs = -1;
      this.#callback();
    });
    this.#event.add(timeoutMs);
  }

  /** Gives its event back. */
  close(): void {
    this.#timeoutMs = -1;
    this.#event?.close();
    this.#event = null;
  }
}
