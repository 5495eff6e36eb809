import { type EventBase, reactorOf } from "./event_base.ts";
import type { Reactor } from "./reactor.ts";

/** Watchers of one kind, in the order in which they were made; one may leave at any time, also while they are called. */
export class WatcherList<T extends { call(): void }> {
  #watchers: readonly T[] = [];

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#watchers.length === 0;
  }

  /** Appends a watcher. The list being walked is never changed, a new one takes its place. */
  add(watcher: T): void {
    this.#watchers = [...this.#watchers, watcher];
  }

  /** Takes a watcher out. */
  remove(watcher: T): void {
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
  }

  /** Takes all out. */
  clear(): void {
    this.#watchers = [];
  }

  /** Calls every watcher that was there at the start and has not left since; `report` gets what one throws. */
  callAll(report: (error: unknown) => void): void {
    for (const watcher of this.#watchers) {
      if (!this.#watchers.includes(watcher)) continue;
      try {
        watcher.call();
      } catch (error) {
        report(error);
      }
    }
  }
}

/**
 * Calls back right before the loop waits (evwatch_prepare_new). Watchers do not keep the loop alive. They are called in the
 * order in which they were made, and may close themselves and each other. What they add, activate or delete is heeded by the
 * wait that follows, and `loopBreak()` ends the loop without it.
 *
 * @example How long each turn may sleep
 * ```ts
 * import { EventBase, PrepareWatcher } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using watcher = new PrepareWatcher(base, (timeoutMs) => console.log("waiting", timeoutMs ?? "without limit"));
 * base.timer(() => {}).add(10);
 * base.dispatch();
 * ```
 */
export class PrepareWatcher implements Disposable {
  readonly #reactor: Reactor;
  readonly #callback: (timeoutMs: number | undefined) => void;

  /**
   * Starts watching.
   *
   * @param callback gets the longest time in milliseconds that the loop is going to wait, 0 when it only looks, undefined
   * when nothing limits it (evwatch_prepare_get_timeout). Under `run()` the turns only look, and the host sleeps
   * between them.
   */
  constructor(base: EventBase, callback: (timeoutMs: number | undefined) => void) {
    this.#reactor = reactorOf(base);
    this.#reactor.assertOpen("watch a loop");
    this.#callback = callback;
    this.#reactor.prepareWatchers.add(this);
  }

  /** @internal */
  call(): void {
    const timeoutMs = this.#reactor.nextWaitMs;
    this.#callback(timeoutMs < 0 ? undefined : timeoutMs);
  }

  /** Watches no more (evwatch_free). Closing twice is harmless. */
  close(): void {
    this.#reactor.prepareWatchers.remove(this);
  }

  /** Same as {@linkcode PrepareWatcher.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Calls back right after the loop has waited, before timers and what became ready are served (evwatch_check_new);
 * otherwise as {@linkcode PrepareWatcher}.
 */
export class CheckWatcher implements Disposable {
  readonly #reactor: Reactor;
  readonly #callback: () => void;

  /** Starts watching. */
  constructor(base: EventBase, callback: () => void) {
    this.#reactor = reactorOf(base);
    this.#reactor.assertOpen("watch a loop");
    this.#callback = callback;
    this.#reactor.checkWatchers.add(this);
  }

  /** @internal */
  call(): void {
    this.#callback();
  }

  /** Watches no more (evwatch_free). Closing twice is harmless. */
  close(): void {
    this.#reactor.checkWatchers.remove(this);
  }

  /** Same as {@linkcode CheckWatcher.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
