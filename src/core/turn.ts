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
    if (reactor.exitAsked || reactor.breakAsked) return STOPPED;
    if (reactor.activeCount === 0 && !reactor.hasEvents && (flags & EVLOOP_NO_EXIT_ON_EMPTY) === 0) return EMPTY;
    const mayWait = reactor.activeCount === 0 && (flags & EVLOOP_NONBLOCK) === 0;
    const timeoutMs = mayWait ? reactor.timeToNextMs() : 0;
    reactor.promoteLater();
    if (!reactor.prepareWatchers.isEmpty) this.#prepare(timeoutMs);
    reactor.clock.forget();
    const ready = this.#wait(timeoutMs);
    if (ready > 0) reactor.collectReady(ready);
    else if (ready < 0 && ready !== -EINTR) throw systemError(ready, reactor.backend.name, "wait for events");
    const now = reactor.clock.remember();
    if (!reactor.checkWatchers.isEmpty) this.#check();
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
    runtime.drainMicrotasks?.();
    return RAN;
  }

  #prepare(timeoutMs: number): void {
    this.#reactor.nextWaitMs = timeoutMs;
    try {
      this.#reactor.prepareWatchers.callAll();
    } catch (error) {
      this.#report(error);
    }
  }

  #check(): void {
    try {
      this.#reactor.checkWatchers.callAll();
    } catch (error) {
      this.#report(error);
    }
  }

  /** A callback's error goes to `onError`. The backend's never do: its next wait would fail the same way, for ever. */
  #report(error: unknown): void {
    if (this.onError === undefined) throw error;
    this.onError(error);
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
