import * as backends from "../backends/mod.ts";
import { hasHungUp } from "../ffi/mod.ts";
import * as constants from "./constants.ts";
import type { LoopEvent } from "./event.ts";
import type { Reactor } from "./reactor.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { INTEREST_EDGE, READY_SIGNAL } = backends;
const { EV_CLOSED, EV_READ } = constants;

/**
 * What a wait of the backend has reported, and the events behind it: newest event of a descriptor first.
 *
 * To libevent all of them are active before the first one runs. Here most run straight from their reports, which is cheaper than a place in a
 * queue. Nobody sees the difference: whoever could, and whoever changes what is waited for, calls {@linkcode ReadyReports.collect} first, as
 * {@linkcode Reactor.collectRest} does.
 *
 * @internal
 */
export class ReadyReports {
  readonly #reactor: Reactor;
  // Those from #next to #end nobody has looked at yet.
  #next = 0;
  #end = 0;
  // How many of this wait have become active, or have run instead; and how many of those keep the loop alive.
  #count = 0;
  #pendingCount = 0;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Whether all have been looked at. */
  get isEmpty(): boolean {
    return this.#next >= this.#end;
  }

  /** Has `count` fresh reports. Where they must not run straight away, for others are queued before them, all events become active. */
  begin(count: number): void {
    const reactor = this.#reactor;
    const mayRun = reactor.activeCount === 0 && reactor.queues.length === 1 && reactor.backend.reportsOnce === true;
    let next = 0;
    // The first one is queued: a turn in which nothing becomes active is another kind of turn.
    while (next < count && (!mayRun || reactor.activeCount === 0)) this.#heed(next++);
    this.#next = next;
    this.#end = count;
    this.#count = this.#pendingCount = reactor.activeCount;
  }

  /** Activates the events behind all that is left. */
  collect(): void {
    if (this.isEmpty) return;
    const reactor = this.#reactor;
    const before = reactor.activeCount;
    const end = this.#end;
    // Who is told that an event is active now asks for no more.
    this.#end = 0;
    for (let index = this.#next; index < end; index++) this.#heed(index);
    reactor.noteRun(this.#count + reactor.activeCount - before, this.#pendingCount);
  }

  /** The event behind the next report, to take its turn right away; null where there is none, or all that is left had to be queued. */
  next(): LoopEvent | null {
    const { backend, fds } = this.#reactor;
    const ready = backend.eventsAt(this.#next);
    const event = (ready & READY_SIGNAL) !== 0 ? null : fds.headOf(backend.fdAt(this.#next));
    if (event !== null && event.fdNext === null) {
      const matched = event.events & ready;
      if ((matched & ~INTEREST_EDGE) !== 0 && event.runNext(matched)) {
        this.#next++;
        this.#count++;
        if (!event.isInternal) this.#pendingCount++;
        this.#reactor.noteRun(this.#count, this.#pendingCount);
        return event;
      }
    }
    this.collect();
    return null;
  }

  /** Activates the events behind a report. */
  #heed(index: number): void {
    const { backend, fds, signals } = this.#reactor;
    const ready = backend.eventsAt(index);
    const fd = backend.fdAt(index);
    if ((ready & READY_SIGNAL) !== 0) return signals.raised(fd, 1, null);
    let event = fds.headOf(fd);
    let isWanted = false;
    while (event !== null) {
      const next = event.fdNext;
      const matched = event.events & ready;
      if ((matched & ~INTEREST_EDGE) !== 0) {
        event.markActive(matched, 1);
        isWanted = true;
      }
      event = next;
    }
    if (!isWanted && !this.#tellHangup(fd, ready)) fds.correct(fd, ready);
  }

  /**
   * Nobody waits for the readiness that was reported of `fd`. A pipe's hang-up is not called a close by the kernel, but reported
   * whether or not one asks: those who wait for nothing but the close are told, since nothing else would ever end the reports.
   */
  #tellHangup(fd: number, ready: number): boolean {
    const { fds } = this.#reactor;
    if ((ready & EV_READ) === 0 || (fds.interestIn(fd) & EV_CLOSED) === 0 || !hasHungUp(fd)) return false;
    for (let event = fds.headOf(fd); event !== null; event = event.fdNext) {
      if ((event.events & EV_CLOSED) !== 0) event.markActive(EV_CLOSED, 1);
    }
    return true;
  }
}
