/**
 * One turn of the loop:
 *
 * ```text
 *  stop if exit or break was asked
 *    |
 *  timeout = 0 if anything is active, else time to the first timer, else none
 *    |            (nothing pending, nothing active: the loop ends "empty")
 *  "later" callbacks become active
 *    |
 *  prepare watchers -> forget cached time -> backend.wait -> cache time
 *    |
 *  events of ready descriptors become active, newest first -> check watchers
 *  due timers become active, earliest first
 *    |
 *  run the best non-empty priority queue (limits may cut it short) -> again
 * ```
 *
 * @module
 */

import { os, runtime, systemError } from "../ffi/mod.ts";
import { EVLOOP_NO_EXIT_ON_EMPTY, EVLOOP_NONBLOCK } from "./constants.ts";
import type { DispatchLimits, Reactor } from "./reactor.ts";

/** How a turn ended. */
export type TurnOutcome = typeof STOPPED | typeof EMPTY | typeof SLEPT | typeof RAN;
/** Exit or break was asked. */
export const STOPPED = 0;
/** Nothing was pending or active. */
export const EMPTY = 1;
/** Nothing became active. */
export const SLEPT = 2;
/** Callbacks ran. */
export const RAN = 3;

const { EINTR } = os.errno as Record<"EINTR", number>;

/**
 * The loop's one step.
 *
 * @internal
 */
export class Turn {
  /** Receives what callbacks throw; without it errors leave {@linkcode Turn.take}. */
  onError: ((error: unknown) => void) | undefined;
  /** How many callbacks the last turn ran, the loop's own not counted. */
  ranCount = 0;

  readonly #reactor: Reactor;
  readonly #limits: DispatchLimits;
  readonly #spinMs: number;

  constructor(reactor: Reactor, limits: DispatchLimits, spinMs: number) {
    this.#reactor = reactor;
    this.#limits = limits;
    this.#spinMs = spinMs;
  }

  /** Takes one turn as the `EVLOOP_` flags say. */
  take(flags: number): TurnOutcome {
    const reactor = this.#reactor;
    reactor.continueAsked = false;
    // An error that has ended the loop leaves others untold.
    this.#reportSending();
    if (reactor.exitAsked || reactor.breakAsked) return STOPPED;
    if (this.#isEmpty(flags)) return EMPTY;
    let timeoutMs = this.#timeToWaitMs(flags);
    reactor.promoteLater();
    if (!reactor.prepareWatchers.isEmpty) {
      reactor.nextWaitMs = timeoutMs;
      reactor.prepareWatchers.callAll((error) => this.#report(error));
      // They may have deleted the last event, or activated or added what the wait would otherwise sleep over.
      if (reactor.breakAsked) return STOPPED;
      if (this.#isEmpty(flags)) return EMPTY;
      timeoutMs = this.#timeToWaitMs(flags);
    }
    reactor.clock.forget();
    const ready = this.#wait(timeoutMs);
    if (ready > 0) reactor.reports.begin(ready);
    else if (ready < 0 && ready !== -EINTR) throw systemError(ready, reactor.backend.name, "wait for events");
    const now = reactor.clock.remember();
    if (!reactor.checkWatchers.isEmpty) {
      // Should one of them end the turn, what was reported of edges would be lost.
      reactor.reports.collect();
      reactor.checkWatchers.callAll((error) => this.#report(error));
      if (reactor.breakAsked) return STOPPED;
    }
    reactor.collectDue(now);
    if (reactor.activeCount === 0) return SLEPT;
    try {
      this.ranCount = reactor.runActive(this.#limits);
    } catch (error) {
      this.ranCount = 1;
      this.#report(error);
    } finally {
      reactor.endPass();
    }
    this.#reportSending();
    runtime.drainMicrotasks?.();
    return RAN;
  }

  /** Whether nothing is left to run or to wait for. */
  #isEmpty(flags: number): boolean {
    const reactor = this.#reactor;
    return reactor.activeCount === 0 && !reactor.hasEvents && (flags & EVLOOP_NO_EXIT_ON_EMPTY) === 0;
  }

  #timeToWaitMs(flags: number): number {
    const mayWait = this.#reactor.activeCount === 0 && (flags & EVLOOP_NONBLOCK) === 0;
    return mayWait ? this.#reactor.timeToNextMs() : 0;
  }

  /** A callback's error goes to `onError`. The backend's never do: its next wait would fail the same way, for ever. */
  #report(error: unknown): void {
    if (this.onError === undefined) throw error;
    this.onError(error);
  }

  /** Reports what callbacks have thrown while connections sent together. */
  #reportSending(): void {
    const { errors } = this.#reactor.flushBatch;
    while (errors.length > 0) this.#report(errors.shift());
  }

  /** Waits in the backend, first without sleeping where a spin was asked for. */
  #wait(timeoutMs: number): number {
    const { backend, clock } = this.#reactor;
    if (this.#spinMs > 0 && timeoutMs !== 0) {
      const started = clock.now();
      const spinMs = timeoutMs < 0 ? this.#spinMs : Math.min(this.#spinMs, timeoutMs);
      do {
        const ready = backend.wait(0);
        if (ready !== 0) return ready;
      } while (clock.now() - started < spinMs);
      if (timeoutMs > 0) timeoutMs = Math.max(0, timeoutMs - (clock.now() - started));
    }
    return backend.wait(timeoutMs);
  }
}
