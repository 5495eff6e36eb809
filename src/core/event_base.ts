import { type Backend, type BackendChoice, type BackendName, chooseBackend } from "../backends/mod.ts";
import { signalNumber } from "../ffi/mod.ts";
import { CallbackQueue } from "./callback_queue.ts";
import { Clock } from "./clock.ts";
import {
  EV_CLOSED,
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EV_WRITE,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "./constants.ts";
import { deleteAll } from "./delete_all.ts";
import { type EventCallback, LoopEvent } from "./event.ts";
import { HostLoop, type RunOptions } from "./host_loop.ts";
import { EVENT_LOG_DEBUG, EVENT_LOG_MSG, isDebugLogged, log } from "./log.ts";
import { type DispatchLimits, Reactor } from "./reactor.ts";
import type { CommonTimeout } from "./timer_queue.ts";
import { EMPTY, RAN, SLEPT, STOPPED, Turn } from "./turn.ts";

/** How to set up an {@linkcode EventBase} (libevent's event_config). */
export interface EventConfig extends BackendChoice {
  /** Opens the backend to use, instead of choosing one by name and feature. */
  readonly openBackend?: (() => Backend) | undefined;
  /** Number of priority queues, 1 to 255; 1 by default. */
  readonly priorities?: number | undefined;
  /** Read the clock whenever the time is asked for, instead of once a turn (EVENT_BASE_FLAG_NO_CACHE_TIME). */
  readonly noCacheTime?: boolean | undefined;
  /** How long a turn may run callbacks before it looks at the descriptors again (event_config_set_max_dispatch_interval). */
  readonly dispatchLimits?: Partial<DispatchLimits> | undefined;
  /**
   * Microseconds to look for readiness over and over before going to sleep; 0 by default. Up to about 50 it halves the
   * latency of a lone connection, and costs that much processor time whenever the loop runs idle.
   */
  readonly spinUs?: number | undefined;
  /**
   * Receives what callbacks throw; the loop then goes on. Without it the error ends the loop and reaches the caller of
   * `dispatch()`, or rejects `run()`; what was active stays so for the next call.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const PRIORITIES_MAX = 255;

/** @internal Gives the rest of this folder access to a base's inner state. */
export let reactorOf: (base: EventBase) => Reactor;

/**
 * An event loop: it waits for descriptors, signals and times, and calls back.
 *
 * `dispatch()` and `loop()` block the thread until there is nothing left to wait for, exactly as in C. `await run()` does
 * the same beside the host's own loop, so that promises, `fetch` and host timers go on.
 *
 * @example Greet whoever connects
 * ```ts
 * import { EventBase, Listener, SocketBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using listener = new Listener(base, { port: 0 }, (fd) => {
 *   const client = new SocketBufferEvent(base, fd);
 *   client.write("Hello, World!\n");
 *   client.closeAfterFlush();
 * });
 * console.log(`listening on port ${listener.port}`);
 * base.loopExit(1000);
 * base.dispatch();
 * ```
 */
export class EventBase implements Disposable {
  readonly #reactor: Reactor;
  readonly #turn: Turn;
  readonly #host: HostLoop;
  #looping = false;
  // A finalizer may ask again to close the base that is closing.
  #closing = false;
  #gotExit = false;
  #gotBreak = false;

  static {
    reactorOf = (base) => base.#reactor;
  }

  /**
   * Chooses a backend and sets up an empty loop.
   *
   * @throws {Error} when no backend meets the configuration; the message says why each was passed over.
   * @throws {SystemError} when the kernel refuses the backend's descriptor.
   * @throws {RangeError} for priorities outside 1 to 255.
   */
  constructor(config: EventConfig = {}) {
    const { priorities = 1, dispatchLimits = {}, spinUs = 0 } = config;
    checkPriorities(priorities);
    const backend = config.openBackend?.() ?? chooseBackend(config, (message) => log(EVENT_LOG_MSG, message));
    this.#reactor = new Reactor(this, backend, new Clock(config.noCacheTime !== true));
    const limits: DispatchLimits = {
      callbacksMax: dispatchLimits.callbacksMax ?? Infinity,
      intervalMs: dispatchLimits.intervalMs ?? Infinity,
      fromPriority: Math.max(0, dispatchLimits.fromPriority ?? 1),
    };
    this.#turn = new Turn(this.#reactor, limits, spinUs / 1000);
    this.#turn.onError = config.onError;
    this.#host = new HostLoop(this.#reactor);
    this.initPriorities(priorities);
  }

  /** Receives what callbacks throw; see {@linkcode EventConfig.onError}. */
  get onError(): ((error: unknown) => void) | undefined {
    return this.#turn.onError;
  }

  set onError(handler: ((error: unknown) => void) | undefined) {
    this.#turn.onError = handler;
  }

  /** Name of the backend in use (event_base_get_method). */
  get backendName(): BackendName {
    return this.#reactor.backend.name;
  }

  /** FEATURE_ bits of the backend in use (event_base_get_features). */
  get features(): number {
    return this.#reactor.backend.features;
  }

  /** Number of priority queues. */
  get priorities(): number {
    return this.#reactor.queues.length;
  }

  /** Milliseconds on the loop's monotonic clock; stands still while the callbacks of one turn run. */
  now(): number {
    return this.#reactor.clock.now();
  }

  /** Milliseconds since 1970 on the loop's clock (event_base_gettimeofday_cached). */
  wallClockMs(): number {
    return this.#reactor.clock.wallClockMs();
  }

  /** Reads the clock afresh inside a callback that took long (event_base_update_cache_time). */
  updateCacheTime(): void {
    this.#reactor.clock.refresh();
  }

  /**
   * Sets the number of priority queues. Events made from now on start in the middle one.
   *
   * @throws {RangeError} outside 1 to 255.
   * @throws {Error} while anything is active.
   */
  initPriorities(count: number): void {
    checkPriorities(count);
    this.#reactor.collectRest();
    if (this.#reactor.activeCount > 0) {
      throw new Error("Cannot change the number of priorities while events are active");
    }
    this.#reactor.queues = Array.from({ length: count }, () => new CallbackQueue());
  }

  /** A {@linkcode LoopEvent} for a descriptor; see its constructor. It does not wait yet: call `add()`. */
  event(fd: number, events: number, callback: EventCallback): LoopEvent {
    return new LoopEvent(this, fd, events, callback);
  }

  /** An event that fires after the time given to its `add()`; with `repeat` again and again. */
  timer(callback: EventCallback, options: { readonly repeat?: boolean } = {}): LoopEvent {
    return new LoopEvent(this, -1, options.repeat === true ? EV_PERSIST : 0, callback);
  }

  /**
   * A persistent event for a signal, by name or number. It does not wait yet: call `add()`.
   *
   * @throws {TypeError} when this system has no such signal.
   */
  signal(signal: number | string, callback: EventCallback): LoopEvent {
    return new LoopEvent(this, signalNumber(signal), EV_SIGNAL | EV_PERSIST, callback);
  }

  /**
   * Calls back once (event_base_once), when one of `events` happens on `fd` or after `timeoutMs`.
   *
   * @param fd descriptor, or -1 for a mere timeout.
   * @param events `EV_READ`, `EV_WRITE`, `EV_CLOSED`, `EV_TIMEOUT`. With `EV_TIMEOUT` alone and no time, the callback runs in
   * the next pass, in the order of the calls.
   * @throws {TypeError} for `EV_SIGNAL`, `EV_PERSIST`, and when none of the above is given.
   */
  once(fd: number, events: number, callback: EventCallback, timeoutMs?: number): void {
    if ((events & (EV_SIGNAL | EV_PERSIST)) !== 0) {
      throw new TypeError("Cannot wait once for a signal or persistently: make a LoopEvent");
    }
    if ((events & (EV_READ | EV_WRITE | EV_CLOSED | EV_TIMEOUT)) === 0) {
      throw new TypeError("Cannot wait once for nothing: give EV_READ, EV_WRITE, EV_CLOSED or EV_TIMEOUT");
    }
    const event = new LoopEvent(this, fd, events, callback);
    const onlyTime = (events & (EV_READ | EV_WRITE | EV_CLOSED)) === 0;
    if (onlyTime && (timeoutMs ?? 0) === 0) event.activate(EV_TIMEOUT);
    else event.add(timeoutMs);
  }

  /**
   * A timeout that many events share: cheaper than a number when most of them wait for the same time, and they fire in
   * the order in which they were added (event_base_init_common_timeout). The same duration gives the same object.
   *
   * @throws {RangeError} for a negative duration, and for a 257th different one.
   */
  commonTimeout(durationMs: number): CommonTimeout {
    if (!(durationMs >= 0)) throw new RangeError(`Cannot create a common timeout of ${durationMs} ms`);
    return this.#reactor.timers.common(durationMs);
  }

  /**
   * Runs until nothing is pending, or until told to stop, blocking the thread. Same as `loop(0)`.
   *
   * Promise reactions run between turns where the runtime has a way to run them (Bun, and Deno as of 2.9, unless dispatch
   * is itself called from a promise reaction); host timers and I/O of the host do not. Use {@linkcode EventBase.run} to
   * live beside those.
   *
   * @returns false when it ended because nothing was pending any more, true when it was told to stop.
   */
  dispatch(): boolean {
    return this.loop(0) === 0;
  }

  /**
   * Runs as `flags` say: `EVLOOP_ONCE`, `EVLOOP_NONBLOCK`, `EVLOOP_NO_EXIT_ON_EMPTY` (event_base_loop).
   *
   * @returns 0 when told to stop or done as the flags say, 1 when nothing was pending.
   * @throws {Error} when the loop is running already.
   * @throws {SystemError} when the backend fails.
   * @throws whatever a callback throws, unless there is an {@linkcode EventBase.onError}.
   */
  loop(flags: number = 0): 0 | 1 {
    this.#enter();
    try {
      for (;;) {
        switch (this.#turn.take(flags)) {
          case STOPPED:
            return 0;
          case EMPTY:
            return 1;
          case SLEPT:
            if ((flags & EVLOOP_NONBLOCK) !== 0) return 0;
            break;
          case RAN:
            if ((flags & EVLOOP_ONCE) !== 0 && this.#turn.ranCount > 0 && this.#reactor.activeCount === 0) return 0;
        }
      }
    } finally {
      this.#leave();
    }
  }

  /**
   * Runs until nothing is pending, or until told to stop, beside the host's own loop: promises, host timers and the
   * host's I/O go on meanwhile. Whoever has awaited what was pending last may go on with the next thing at once; what is asked for later,
   * after a host timer say, needs something pending meanwhile, or the option `until`. A little slower than {@linkcode EventBase.dispatch} when few connections are active.
   *
   * @param options `signal` ends the loop when it is aborted; that counts as being told to stop, not as an error. `until` is a promise that the
   * loop stays for, and ends with: until it is settled it is not over when nothing is pending, and what is pending then stays so.
   * A rejection rejects this one, too; one that comes after the loop was stopped by others is for whoever has the promise.
   * @returns false when it ended because nothing was pending any more, true when it was told to stop.
   * @throws as {@linkcode EventBase.loop}, by rejection; and what `until` is rejected with.
   * @throws {TypeError} when `until` is no promise.
   */
  async run(options: RunOptions = {}): Promise<boolean> {
    if (options.until !== undefined && typeof options.until?.then !== "function") {
      throw new TypeError("Cannot run the loop until what is no promise is settled");
    }
    this.#enter();
    try {
      return await this.#host.run(() => this.#turn.take(EVLOOP_NONBLOCK), options);
    } finally {
      this.#leave();
    }
  }

  /**
   * Ends the loop after `afterMs` milliseconds, by default as soon as the events that are active now have run. Asked for
   * before the loop runs, it takes effect when it does (event_base_loopexit).
   */
  loopExit(afterMs?: number): void {
    this.once(-1, EV_TIMEOUT, () => {
      this.#reactor.exitAsked = true;
    }, afterMs);
  }

  /** Ends the loop after the running callback; what else is active stays for the next call (event_base_loopbreak). */
  loopBreak(): void {
    this.#reactor.breakAsked = true;
    this.#reactor.wakeSleeper?.();
  }

  /** Looks at the descriptors again after the running callback, before the rest of what is active (event_base_loopcontinue). */
  loopContinue(): void {
    this.#reactor.continueAsked = true;
  }

  /** Whether the last loop ended through {@linkcode EventBase.loopExit}; stays readable until the next begins. */
  get gotExit(): boolean {
    return this.#gotExit || this.#reactor.exitAsked;
  }

  /** Whether the last loop ended through {@linkcode EventBase.loopBreak}; stays readable until the next begins. */
  get gotBreak(): boolean {
    return this.#gotBreak || this.#reactor.breakAsked;
  }

  /** The event whose callback is running, null outside (event_base_get_running_event). */
  get runningEvent(): LoopEvent | null {
    const running = this.#reactor.running;
    return running instanceof LoopEvent ? running : null;
  }

  /**
   * Gives everything back. Its events become inert: deleting them is harmless, adding them throws. Its ports are closed, so
   * that their senders learn of it. Listeners and connections are not: their descriptors are their owners'. But promises that
   * wait for them are rejected with a {@linkcode BaseClosedError}, and loops (`for await`) over them end. Closing twice is harmless.
   *
   * @throws {Error} from inside the loop, since the loop still needs it.
   * @throws what a finalizer throws, or who is given memory back, after everything has been given back.
   */
  close(): void {
    if (this.#looping) throw new Error("Cannot close an event base while its loop is running");
    if (this.#reactor.closed || this.#closing) return;
    this.#closing = true;
    const waiting = this.#reactor.pendingCount;
    if (waiting > 0 && isDebugLogged()) {
      log(EVENT_LOG_DEBUG, `An event base is closed while ${waiting} events wait in it`);
    }
    try {
      deleteAll(this.#reactor);
    } finally {
      this.#reactor.closed = true;
      this.#host.close();
      this.#reactor.backend.close();
      this.#reactor.waiters.baseClosed();
    }
  }

  /** Same as {@linkcode EventBase.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #enter(): void {
    this.#reactor.assertOpen("run the loop");
    if (this.#looping) throw new Error("Cannot run the loop: it is running already");
    this.#looping = true;
    // A break asked for before the loop is lost, as in C; an exit is an event and is not.
    this.#gotExit = this.#reactor.exitAsked = false;
    this.#gotBreak = this.#reactor.breakAsked = false;
  }

  #leave(): void {
    this.#looping = false;
    this.#reactor.clock.forget();
  }
}

function checkPriorities(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > PRIORITIES_MAX) {
    throw new RangeError(`Cannot have ${count} priorities: an event base has 1 to ${PRIORITIES_MAX}`);
  }
}
