import { systemError } from "../ffi/mod.ts";
import { EV_PERSIST, EV_SIGNAL, EV_TIMEOUT } from "./constants.ts";
import { checkAdd, describe, noteCreation } from "./debug_mode.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { EventExtras } from "./event_extras.ts";
import { checkInterest, IO } from "./event_interest.ts";
import { ACTIVE, IDLE, LoopCallback, OWN_BIT, OWN_SHIFT } from "./loop_callback.ts";
import type { Reactor } from "./reactor.ts";
import { type PendingRun, SignalCalls } from "./signal_calls.ts";
import type { SignalDetails } from "./signal_details.ts";
import type { CommonTimeout } from "./timer_queue.ts";

// Facts among the bits of LoopCallback; the flags stand above OWN_SHIFT.
const INSERTED = OWN_BIT, CLOSED = OWN_BIT << 1;

/** Called with what happened (`EV_READ`, `EV_TIMEOUT`, ... ORed together) and the event itself. */
export type EventCallback = (what: number, event: LoopEvent) => void;

/**
 * Something to wait for: readiness of a descriptor, a signal, a time, or a call of {@linkcode LoopEvent.activate}
 * (libevent's `struct event`; the name `Event` is taken by the web).
 *
 * It waits from {@linkcode LoopEvent.add} until its callback is about to run, or with `EV_PERSIST` until
 * {@linkcode LoopEvent.delete}.
 *
 * @example Three ticks, a tenth of a second apart
 * ```ts
 * import { EV_PERSIST, EventBase, LoopEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * let ticks = 0;
 * const tick = new LoopEvent(base, -1, EV_PERSIST, () => {
 *   console.log("tick");
 *   if (++ticks === 3) tick.delete();
 * });
 * tick.add(100);
 * base.dispatch();
 * ```
 */
export class LoopEvent extends LoopCallback implements Disposable {
  // What every timer that expires needs stands first, in as few lines of the processor's cache as possible.

  /** @internal What few events need; null until this one does. */
  extras: EventExtras | null = null;
  readonly #reactor: Reactor;
  // What the callback will be told.
  #result = 0;
  /** What is called. */
  readonly callback: EventCallback;
  /** @internal Slot in the timer heap (0 in a common list), -1 while no timeout is set. */
  timerSlot = -1;

  /** The descriptor or signal number; -1 for timers and user events. */
  readonly fd: number;
  /** @internal What it belongs to, so that the events of many connections can share a callback. */
  owner: object | null = null;
  /** @internal Neighbours in the list of the descriptor or signal. */
  fdNext: LoopEvent | null = null;
  /** @internal As {@linkcode LoopEvent.fdNext}. */
  fdPrevious: LoopEvent | null = null;

  /**
   * Makes an event that waits for nothing yet.
   *
   * @param fd descriptor, or signal number with `EV_SIGNAL`, or -1. Descriptors must be non-blocking and stay open while
   * the event waits.
   * @param events `EV_READ`, `EV_WRITE`, `EV_CLOSED`, `EV_SIGNAL`, `EV_PERSIST`, `EV_ET`; `EV_TIMEOUT` has no effect here.
   * @param callback called from the loop.
   * @throws {TypeError} for flags that exclude each other, and unknown ones.
   */
  constructor(base: EventBase, fd: number, events: number, callback: EventCallback);
  /** @internal Makes one of the loop's own events, which do not keep it alive. */
  constructor(base: EventBase, fd: number, events: number, callback: EventCallback, isInternal: boolean);
  constructor(base: EventBase, fd: number, events: number, callback: EventCallback, isInternal: boolean = false) {
    const reactor = reactorOf(base);
    super(isInternal ? 0 : reactor.queues.length >> 1, isInternal);
    checkInterest(fd, events);
    reactor.assertOpen("create an event");
    this.#reactor = reactor;
    this.fd = fd;
    this.bits |= events << OWN_SHIFT;
    this.callback = callback;
    if ((events & EV_SIGNAL) !== 0) (this.extras ??= new EventExtras()).calls = new SignalCalls();
    noteCreation(this);
  }

  /** The flags given at creation. */
  get events(): number {
    return this.bits >> OWN_SHIFT;
  }

  /** The base it belongs to. */
  get base(): EventBase {
    return this.#reactor.base;
  }

  /** Index of the queue it runs in: 0 is served first. New events start in the middle queue. */
  get priority(): number {
    return this.level;
  }

  /**
   * @throws {RangeError} when the base has no such queue.
   * @throws {Error} while the event is active.
   */
  set priority(priority: number) {
    if (!Number.isInteger(priority) || priority < 0 || priority >= this.#reactor.queues.length) {
      throw new RangeError(`Cannot set priority ${priority}: the base has ${this.#reactor.queues.length} queues`);
    }
    this.#reactor.collectRest();
    if (this.queueState !== IDLE) throw new Error("Cannot set the priority of an event that is active");
    this.level = priority;
  }

  /**
   * Starts waiting. Without `timeout` an earlier timeout stays as it is; with one, it counts from now (from the start of
   * the turn while callbacks run) and replaces an earlier one. A timeout on a persistent event repeats, and restarts
   * whenever the event fires for another reason.
   *
   * An event that was activated by hand and has not run yet is not registered with the backend (as in libevent).
   *
   * @param timeout milliseconds (fractions allowed), or a {@linkcode CommonTimeout} of the same base.
   * @throws {SystemError} when the descriptor cannot be watched, for instance a regular file with epoll (EPERM).
   * @throws {RangeError} for a timeout that is negative or NaN.
   */
  add(timeout?: number | CommonTimeout): this {
    if ((this.bits & CLOSED) !== 0) throw new Error(`Cannot add ${describe(this)}: it was closed`);
    this.#reactor.assertOpen("add an event");
    this.#reactor.timers.check(timeout);
    this.#insert();
    if (timeout === undefined) return this;
    const deadlineMs = this.#reactor.deadlineFrom(this.#reactor.clock.now(), timeout);
    if ((this.events & EV_PERSIST) !== 0) (this.extras ??= new EventExtras()).interval = timeout;
    if (this.queueState !== IDLE && (this.#result & EV_TIMEOUT) !== 0) {
      // Its old timeout has fired and waits to be served: the new one takes its place, and what else has happened stays.
      this.#result &= ~EV_TIMEOUT;
      if (this.#result === 0) {
        this.extras?.calls?.dropQueued();
        this.#reactor.deactivate(this);
        this.#insert();
      }
    }
    this.#schedule(timeout, deadlineMs);
    return this;
  }

  /** Registers descriptor or signal, unless that is done or the event is queued to run. */
  #insert(): void {
    if ((this.bits & INSERTED) !== 0 || this.queueState !== IDLE || (this.events & (IO | EV_SIGNAL)) === 0) return;
    if ((this.events & EV_SIGNAL) !== 0) {
      this.#reactor.signals.add(this);
    } else {
      this.#reactor.reports.collect();
      checkAdd(this, this.#reactor.fds.headOf(this.fd));
      const result = this.#reactor.fds.add(this);
      if (result < 0) throw systemError(result, this.#reactor.backend.name, `watch descriptor ${this.fd}`);
    }
    this.bits |= INSERTED;
    this.#reactor.countPending(this, 1);
  }

  /** Sets the deadline of `timeout`, replacing the one that is set. */
  #schedule(timeout: number | CommonTimeout, deadlineMs: number): void {
    const reactor = this.#reactor;
    const { timers } = reactor;
    if (this.timerSlot >= 0) {
      if (typeof timeout === "number" && timers.move(this, deadlineMs)) return reactor.wakeSleeper?.();
      this.#unschedule();
    }
    if (typeof timeout === "number") timers.insert(this, deadlineMs);
    else timers.insertCommon(this, this.extras ??= new EventExtras(), timeout, deadlineMs);
    reactor.countPending(this, 1);
  }

  /** Forgets the timeout and goes on waiting for the rest (event_remove_timer). */
  removeTimer(): void {
    this.#reactor.collectRest();
    if (this.extras !== null) this.extras.interval = -1;
    this.#unschedule();
  }

  #unschedule(): void {
    if (this.timerSlot < 0) return;
    this.#reactor.timers.remove(this);
    this.#reactor.countPending(this, -1);
  }

  /** Stops waiting. If it is queued to run, it will not; a signal event's remaining repeated calls are dropped too. */
  delete(): void {
    const { extras } = this;
    if (extras !== null) {
      // What finalize() has queued still has to run.
      if (extras.finalizer !== null) return;
      extras.interval = -1;
      extras.calls?.drop();
    }
    this.#withdraw();
  }

  /** Leaves every list, but remembers the interval at which it repeats. */
  #withdraw(): void {
    if ((this.bits & INSERTED) !== 0) this.#reactor.reports.collect();
    this.extras?.calls?.dropQueued();
    this.#unschedule();
    this.#reactor.deactivate(this);
    if ((this.bits & INSERTED) === 0) return;
    this.bits &= ~INSERTED;
    if ((this.events & EV_SIGNAL) !== 0) this.#reactor.signals.remove(this);
    // A failure means that the descriptor is gone already, which is what was asked for.
    else this.#reactor.fds.remove(this);
    this.#reactor.countPending(this, -1);
  }

  /**
   * Queues the callback as if `what` had happened, whether or not the event is pending (event_active). Several calls
   * before it runs are one run with all their bits.
   *
   * @param calls how often a signal event's callback is to be called.
   */
  activate(what: number, calls: number = 1): void {
    if ((this.bits & CLOSED) !== 0) throw new Error(`Cannot activate ${describe(this)}: it was closed`);
    this.#reactor.assertOpen("activate an event");
    this.markActive(what, calls);
  }

  /**
   * Which of `what` it waits for or is queued with (event_pending).
   *
   * @param what the bits of interest; all by default.
   */
  pending(what: number = IO | EV_SIGNAL | EV_TIMEOUT): number {
    this.#reactor.collectRest();
    let bits = 0;
    if (this.isInserted) bits |= this.events & (IO | EV_SIGNAL);
    if (this.queueState !== IDLE) bits |= this.#result;
    if (this.timerSlot >= 0) bits |= EV_TIMEOUT;
    return bits & what;
  }

  /** @internal When the timeout is due that is set; without one, when it was due that has passed last, as far as that is known. */
  get deadlineMs(): number {
    if (this.timerSlot >= 0) return this.#reactor.timers.deadlineOf(this);
    return this.extras === null ? -Infinity : this.extras.deadlineMs;
  }

  /** Milliseconds until the timeout, never negative; undefined when none is set. */
  get remainingMs(): number | undefined {
    this.#reactor.collectRest();
    return this.timerSlot < 0 ? undefined : Math.max(0, this.deadlineMs - this.#reactor.clock.now());
  }

  /**
   * Who sent the signal, and with what, while a signal's callback runs; null when the kernel's record of it was lost
   * because very many came at once, or where the system does not tell.
   */
  get signalDetails(): SignalDetails | null {
    return this.extras?.calls?.current ?? null;
  }

  /** @internal Whether its descriptor or signal is registered; unlike `pending`, whatever it is queued with. */
  get isInserted(): boolean {
    return (this.bits & INSERTED) !== 0;
  }

  /** @internal What it is queued with. */
  get pendingResult(): number {
    return this.#result;
  }

  /**
   * Closes it, and calls `finalizer` from the loop as soon as its callback is certain never to run again (event_finalize):
   * the place to release what the callback uses. It waits in the event's own priority queue, keeps the loop alive until
   * then, and also runs when the base is closed.
   *
   * @throws {Error} when it was closed before.
   */
  finalize(finalizer: () => void): void {
    if ((this.bits & CLOSED) !== 0) throw new Error(`Cannot finalize ${describe(this)}: it was closed`);
    this.#reactor.assertOpen("finalize an event");
    this.close();
    (this.extras ??= new EventExtras()).finalizer = finalizer;
    // Nothing has happened to it: what it was queued with before is not pending any more.
    this.#result = 0;
    if (this.level < this.#reactor.runningLevel) this.#reactor.continueAsked = true;
    this.#reactor.activate(this);
  }

  /** @internal Runs a finalizer that is still waiting, because the loop will not. */
  finalizeNow(): void {
    const { extras } = this;
    if (extras === null || extras.finalizer === null) return;
    const { finalizer } = extras;
    extras.finalizer = null;
    this.#reactor.deactivate(this);
    finalizer();
  }

  /** Deletes it for good. Closing twice is harmless. */
  close(): void {
    this.delete();
    this.bits |= CLOSED;
  }

  /** Same as {@linkcode LoopEvent.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Queues it with `what`; several before it runs add up. */
  markActive(what: number, calls: number): void {
    // It may be due itself.
    this.#reactor.collectRest();
    if (this.queueState === ACTIVE) {
      // More of the same signal before the callback ran: each is still a call. A timeout before it is none of its own.
      if ((what & EV_SIGNAL) !== 0) {
        if ((this.#result & EV_SIGNAL) !== 0) this.extras?.calls?.add(calls);
        else this.extras?.calls?.start(calls);
      }
      this.#result |= what;
      return;
    }
    this.#result = this.queueState === IDLE ? what : this.#result | what;
    const reactor = this.#reactor;
    // A better queue than the running one has work: leave the running one as soon as its callback is done.
    if (this.level < reactor.runningLevel) reactor.continueAsked = true;
    this.extras?.calls?.start(calls);
    reactor.activate(this);
  }

  /** @internal Has the turn that it takes next, before anything else happens, tell of `what`; false where it has to wait in its queue. */
  runNext(what: number): boolean {
    if (this.queueState !== IDLE) return false;
    this.#result = what;
    return true;
  }

  /** @internal Its timeout has passed, and was taken out. What else has happened to it in this turn is not forgotten over that. */
  expire(): void {
    if (this.queueState !== IDLE) {
      this.#reactor.countPending(this, -1);
      return this.markActive(EV_TIMEOUT, 1);
    }
    // A persistent event goes on waiting: taking it out and back in would cost two system calls, arm its edge anew, and
    // leave its signal for a moment to the old handler.
    if (this.isInserted && (this.events & EV_PERSIST) === 0) this.#withdraw();
    this.#result = EV_TIMEOUT;
    this.extras?.calls?.start(1);
    this.#reactor.activateExpired(this);
  }

  /** @internal */
  override takeTurn(): void {
    const { extras } = this;
    if (extras !== null) return this.#takeTurnWith(extras);
    const result = this.#result;
    if ((this.events & EV_PERSIST) !== 0) this.#reactor.deactivate(this);
    else this.#withdraw();
    this.callback(result, this);
  }

  #takeTurnWith(extras: EventExtras): void {
    if (extras.finalizer !== null) {
      this.finalizeNow();
      return;
    }
    const result = this.#result;
    const run = extras.calls?.take();
    if ((this.events & EV_PERSIST) !== 0) this.#reactor.deactivate(this);
    else this.delete();
    try {
      if (extras.interval !== -1 && (this.events & EV_PERSIST) !== 0) this.#rearm(extras.interval, result);
    } finally {
      // A descriptor that cannot be watched just now does not undo what has happened.
      if (run === undefined) this.callback(result, this);
      else this.#runCalls(extras.calls!, run, result);
    }
  }

  #runCalls(calls: SignalCalls, run: PendingRun, result: number): void {
    const goesOn = (): boolean => !this.#reactor.breakAsked;
    calls.run(run, () => this.callback(result, this), goesOn, (left) => this.markActive(result, left));
  }

  /** Sets a persistent event's next deadline before its callback runs: in step with the last one, but never in the past. */
  #rearm(interval: number | CommonTimeout, result: number): void {
    const now = this.#reactor.clock.now();
    const durationMs = typeof interval === "number" ? interval : interval.durationMs;
    let from = (result & EV_TIMEOUT) !== 0 ? this.deadlineMs : now;
    if (from + durationMs < now) from = now;
    // The timeout first: should the descriptor not be to be had, it is tried again then.
    this.#schedule(interval, this.#reactor.deadlineFrom(from, interval));
    this.#insert();
  }

  /** @internal Signal `fd` was raised `calls` times; `details` describes it where the kernel told. */
  markSignal(calls: number, details: SignalDetails | null): void {
    this.markActive(EV_SIGNAL, calls);
    if (details !== null) this.extras?.calls?.describe(details);
  }
}
