import type { Backend } from "../backends/mod.ts";
import { BaseClosedError } from "./base_closed_error.ts";
import { CallbackQueue } from "./callback_queue.ts";
import type { Clock } from "./clock.ts";
import { EVENT_BASE_COUNT_ACTIVE, EVENT_BASE_COUNT_ADDED, EVENT_BASE_COUNT_VIRTUAL } from "./constants.ts";
import type { EventBase } from "./event_base.ts";
import type { LoopEvent } from "./event.ts";
import { FdMap } from "./fd_map.ts";
import { ACTIVE, IDLE, LATER, type LoopCallback } from "./loop_callback.ts";
import { OutputStages } from "./output_stages.ts";
import { ReadSlab } from "./read_slab.ts";
import { FlushBatch } from "./flush_batch.ts";
import { ReadyReports } from "./ready_reports.ts";
import { SignalMap } from "./signal_map.ts";
import { type CommonTimeout, TimerQueue } from "./timer_queue.ts";
import { WaiterList } from "./waiter_list.ts";
import { type CheckWatcher, type PrepareWatcher, WatcherList } from "./watcher.ts";

/** Deferred callbacks beyond so many already queued wait for the next turn, so that they cannot starve the descriptors. */
const DEFERRED_PER_TURN = 32;

/** No deadline is that early. */
const NO_REST = -Infinity;

/** Limits on how long one turn runs callbacks before it looks at the descriptors again (row B6). */
export interface DispatchLimits {
  /** Callbacks per queue and turn. */
  readonly callbacksMax: number;
  /** Milliseconds per queue and turn. */
  readonly intervalMs: number;
  /** Queues with an index below this are never limited. */
  readonly fromPriority: number;
}

/**
 * What an event base and its events share: who is pending, who is active, and the flags that steer the loop. The rules
 * of one turn stand in `event_base.ts`.
 *
 * @internal
 */
export class Reactor {
  readonly base: EventBase;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly fds: FdMap;
  readonly timers: TimerQueue = new TimerQueue();
  readonly signals: SignalMap;
  /** What the last wait has brought. */
  readonly reports: ReadyReports = new ReadyReports(this);
  /** Connections that send together. */
  readonly flushBatch: FlushBatch = new FlushBatch();
  /** What connections have queued in their callbacks, and not sent yet. */
  readonly stages: OutputStages = new OutputStages();
  /** Where all connections receive. */
  readonly readSlab: ReadSlab = new ReadSlab();

  /** Active queues, best first. */
  queues: CallbackQueue[] = [new CallbackQueue()];
  readonly later: CallbackQueue = new CallbackQueue();

  /** Memberships that keep the loop alive: each event counts once per list it is in (inserted, timeout, active). */
  pendingCount = 0;
  /** Pending things that are no events, such as a connect in a resolver (virtual events). */
  virtualCount = 0;
  /** Callbacks in active and later queues, internal ones included. */
  activeCount = 0;

  /** Leave the loop at the top of the next turn (event_base_loopexit). */
  exitAsked = false;
  /** Leave the loop after the running callback (event_base_loopbreak). */
  breakAsked = false;
  /** Leave the running queue and look at the descriptors again (event_base_loopcontinue). */
  continueAsked = false;
  /** Index of the queue that is running, -1 outside. */
  runningLevel = -1;
  /** The callback that is running, null outside. */
  running: LoopCallback | null = null;
  /** Called when something changes while `run()` sleeps beside the host's loop; null while nobody sleeps. */
  wakeSleeper: (() => void) | null = null;
  closed = false;

  /** Called before and after waiting. */
  readonly prepareWatchers: WatcherList<PrepareWatcher> = new WatcherList();
  readonly checkWatchers: WatcherList<CheckWatcher> = new WatcherList();
  /** What is closed together with the base. */
  readonly dependents: Set<{ close(): void }> = new Set();
  /** Who is told when the base is closed. */
  readonly waiters: WaiterList = new WaiterList();
  /** While prepare watchers run: how long the turn may wait, -1 without limit. */
  nextWaitMs = 0;

  /** Events that are due until then are not all active yet, although some have run; -Infinity when all are. */
  restUntilMs: number = NO_REST;

  #deferredQueued = 0;
  // How many timeouts of this turn have become active.
  #collected = 0;
  #pendingMax = 0;
  #virtualMax = 0;
  #activeMax = 0;

  constructor(base: EventBase, backend: Backend, clock: Clock) {
    this.base = base;
    this.backend = backend;
    this.clock = clock;
    this.fds = new FdMap(backend);
    this.signals = new SignalMap(this);
  }

  /** Throws unless the base is open; `doing` completes "Cannot ...". */
  assertOpen(doing: string): void {
    if (this.closed) throw new BaseClosedError(doing);
  }

  /** A membership of `callback` began (+1) or ended (-1). */
  countPending(callback: LoopCallback, by: number): void {
    if (!callback.isInternal) {
      this.pendingCount += by;
      if (this.pendingCount > this.#pendingMax) this.#pendingMax = this.pendingCount;
    }
    if (this.activeCount > this.#activeMax) this.#activeMax = this.activeCount;
    // Whoever sleeps has counted on what was pending then.
    this.wakeSleeper?.();
  }

  /** So many would be active by now had none of them run already, `pending` of which kept the loop alive by that. */
  noteRun(active: number, pending: number): void {
    if (active > this.#activeMax) this.#activeMax = active;
    if (this.pendingCount + pending > this.#pendingMax) this.#pendingMax = this.pendingCount + pending;
  }

  /** Says whether the loop stays alive for `event` while it waits, from now on. */
  keepLoop(event: LoopEvent, on: boolean): void {
    if (event.isInternal !== on) return;
    // It counts once for each list that it is in.
    const lists = Number(event.isInserted) + Number(event.timerSlot >= 0) + Number(event.queueState !== IDLE);
    if (!on) this.countPending(event, -lists);
    event.isInternal = !on;
    if (on) this.countPending(event, lists);
  }

  /** Something that is no event, but keeps the loop alive, began (+1) or ended (-1). */
  countVirtual(by: number): void {
    this.virtualCount += by;
    if (this.virtualCount > this.#virtualMax) this.#virtualMax = this.virtualCount;
    this.wakeSleeper?.();
  }

  /** The highest counts so far of the given EVENT_BASE_COUNT_ kinds, added up; `clear` starts them anew. */
  takeHighWater(kinds: number, clear: boolean): number {
    this.collectRest();
    let sum = 0;
    if ((kinds & EVENT_BASE_COUNT_ACTIVE) !== 0) {
      sum += this.#activeMax;
      if (clear) this.#activeMax = 0;
    }
    if ((kinds & EVENT_BASE_COUNT_VIRTUAL) !== 0) {
      sum += this.#virtualMax;
      if (clear) this.#virtualMax = 0;
    }
    if ((kinds & EVENT_BASE_COUNT_ADDED) !== 0) {
      sum += this.#pendingMax;
      if (clear) this.#pendingMax = 0;
    }
    return sum;
  }

  /** Whether anything is left to wait for. */
  get hasEvents(): boolean {
    return this.pendingCount > 0 || this.virtualCount > 0;
  }

  /** Puts `callback` into its active queue. Returns false when it was there, or was only brought forward. */
  activate(callback: LoopCallback): boolean {
    this.collectRest();
    if (callback.queueState === ACTIVE) return false;
    const wasLater = callback.queueState === LATER;
    if (wasLater) this.deactivate(callback);
    // There may be fewer queues than when it got its level.
    if (callback.level >= this.queues.length) callback.level = this.queues.length - 1;
    callback.queueState = ACTIVE;
    this.queues[callback.level]!.push(callback);
    this.activeCount++;
    this.countPending(callback, 1);
    return !wasLater;
  }

  /** Puts `callback` where the next turn will find it. */
  activateLater(callback: LoopCallback): void {
    if (callback.queueState !== IDLE) return;
    if (callback.level >= this.queues.length) callback.level = this.queues.length - 1;
    callback.queueState = LATER;
    this.later.push(callback);
    this.activeCount++;
    this.countPending(callback, 1);
  }

  /** {@linkcode Reactor.activate} within the quota of deferred callbacks, beyond it {@linkcode Reactor.activateLater}. */
  activateDeferred(callback: LoopCallback): void {
    if (callback.queueState !== IDLE) return;
    if (this.#deferredQueued > DEFERRED_PER_TURN) {
      this.activateLater(callback);
    } else if (this.activate(callback)) {
      this.#deferredQueued++;
    }
  }

  /** Takes `callback` out of whichever queue it is in. */
  deactivate(callback: LoopCallback): void {
    if (callback.queueState === IDLE) return;
    (callback.queueState === ACTIVE ? this.queues[callback.level]! : this.later).remove(callback);
    callback.queueState = IDLE;
    this.activeCount--;
    this.countPending(callback, -1);
  }

  /** Gives `callback` another level, wherever it is queued. */
  moveTo(callback: LoopCallback, level: number): void {
    const isActive = callback.queueState === ACTIVE;
    if (isActive) this.deactivate(callback);
    callback.level = level;
    if (!isActive) return;
    if (level < this.runningLevel) this.continueAsked = true;
    this.activate(callback);
  }

  /** A turn begins: what was put off becomes active, and counts against this turn's quota. */
  promoteLater(): void {
    this.#deferredQueued = 0;
    for (let callback = this.later.head; callback !== null; callback = this.later.head) {
      this.later.remove(callback);
      callback.queueState = ACTIVE;
      this.queues[callback.level]!.push(callback);
      this.#deferredQueued++;
    }
  }

  /**
   * Activates the events whose time has come: all of them, or where nothing else is active the first few, and the rest by and by as those have
   * run. So each event of a crowd is fetched into the processor's caches once, and not a second time to run: a million take a tenth less. Nobody
   * sees the difference, as whoever could calls {@linkcode Reactor.collectRest} first.
   */
  collectDue(nowMs: number): void {
    if (this.timers.nextDeadlineMs > nowMs) return;
    this.reports.collect();
    const mayWait = this.activeCount === 0 && this.queues.length === 1;
    this.#collected = 0;
    this.#collectSome(nowMs);
    if (!mayWait) this.collectRest();
  }

  /** Activates the rest of what was due when this turn began. */
  collectRest(): void {
    this.reports.collect();
    while (this.restUntilMs !== NO_REST) this.#collectSome(this.restUntilMs);
  }

  #collectSome(nowMs: number): void {
    const { timers } = this;
    // Who is told that an event is active now asks for no more.
    this.restUntilMs = NO_REST;
    // Those that were left may have been deleted since.
    let event = timers.takeDue(nowMs);
    for (; event !== null; event = timers.isTaking ? timers.takeDue(nowMs) : null) {
      event.expire();
      this.#collected++;
    }
    if (timers.nextDeadlineMs <= nowMs) this.restUntilMs = nowMs;
    // As many would be active by now if nobody had waited.
    if (this.#collected > this.#activeMax) this.#activeMax = this.#collected;
  }

  /**
   * When `timeout` is due that counts from `fromMs`. If it is due already it is left to the next turn, and so has to wait until this one has
   * all of its own.
   */
  deadlineFrom(fromMs: number, timeout: number | CommonTimeout): number {
    const deadlineMs = fromMs + (typeof timeout === "number" ? timeout : timeout.durationMs);
    if (deadlineMs <= this.restUntilMs) this.collectRest();
    return deadlineMs;
  }

  /** What runs when the queue is empty: what the next report is about, or the first of the rest that is due, if any. */
  #nextDue(queue: CallbackQueue): LoopCallback | null {
    if (!this.reports.isEmpty) {
      const event = this.reports.next();
      if (event !== null || queue.head !== null) return event ?? queue.head;
    }
    if (this.restUntilMs === NO_REST) return null;
    this.#collectSome(this.restUntilMs);
    return queue.head;
  }

  /** {@linkcode Reactor.activate} for an idle event that was pending until its timeout passed just now. */
  activateExpired(event: LoopEvent): void {
    if (event.level >= this.queues.length) event.level = this.queues.length - 1;
    event.queueState = ACTIVE;
    this.queues[event.level]!.push(event);
    // The number of what is pending stays the same.
    if (++this.activeCount > this.#activeMax) this.#activeMax = this.activeCount;
  }

  /**
   * Runs the best queue that holds something, and with it any queue of which only internal callbacks ran.
   *
   * @returns how many callbacks ran, internal ones not counted.
   */
  runActive(limits: DispatchLimits): number {
    const queues = this.queues;
    for (let level = 0; level < queues.length; level++) {
      if (queues[level]!.head === null) continue;
      this.runningLevel = level;
      const count = this.#runQueue(queues[level]!, level < limits.fromPriority ? null : limits);
      if (count > 0 || this.breakAsked) return count;
    }
    return 0;
  }

  #runQueue(queue: CallbackQueue, limits: DispatchLimits | null): number {
    const stopAtMs = limits === null || limits.intervalMs === Infinity
      ? Infinity
      : this.clock.now() + limits.intervalMs;
    const countMax = limits === null ? Infinity : limits.callbacksMax;
    let count = 0;
    for (let callback = queue.head; callback !== null; callback = queue.head ?? this.#nextDue(queue)) {
      if (!callback.isInternal) count++;
      this.running = callback;
      callback.takeTurn();
      this.running = null;
      if (this.flushBatch.count > 0) this.flushBatch.callbackEnded();
      if (this.breakAsked || count >= countMax) break;
      if (stopAtMs !== Infinity && count > 0) {
        this.clock.refresh();
        if (this.clock.now() >= stopAtMs) break;
      }
      if (this.continueAsked) break;
    }
    return count;
  }

  /** Milliseconds until the first timer is due, 0 if it is, -1 without timers. Reads the clock afresh. */
  timeToNextMs(): number {
    const deadline = this.timers.nextDeadlineMs;
    if (deadline === Infinity) return -1;
    this.clock.forget();
    return Math.max(0, deadline - this.clock.now());
  }

  /** Puts the loop's own bookkeeping back after a pass, however it ended. */
  endPass(): void {
    this.running = null;
    this.runningLevel = -1;
    this.collectRest();
    this.flushBatch.send();
    this.stages.clear();
  }
}
