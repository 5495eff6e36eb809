import type { Backend } from "../backends/mod.ts";
import { EV_CLOSED, EV_ET, EV_READ, EV_WRITE } from "./constants.ts";
import type { LoopEvent } from "./event.ts";

const EVENTS_PER_FD_MAX = 65535;
/** Far above what systems hand out. The tables have a place for each number, so a wild one must not make them that large. */
const FD_MAX = 2 ** 24 - 1;
const IO = EV_READ | EV_WRITE | EV_CLOSED;
const INTEREST = IO | EV_ET;

/**
 * Which events wait for which descriptor, and what the backend was told about it. The backend hears only of transitions:
 * the first reader, the last writer.
 */
export class FdMap {
  readonly #backend: Backend;
  // By descriptor: the newest event, the interest the backend knows, and how many events want each kind.
  readonly #heads: (LoopEvent | null)[] = new Array<LoopEvent | null>(64).fill(null);
  #interest = new Uint8Array(64);
  #readers = new Uint16Array(64);
  #writers = new Uint16Array(64);
  #closers = new Uint16Array(64);

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Adds `event` in front of its descriptor's list. Returns 0, or `-errno` from the backend and changes nothing then. */
  add(event: LoopEvent): number {
    const { fd, events } = event;
    // A negative descriptor is legal and never ready (libevent accepts it too): such an event can only be activated.
    if (fd < 0) return 0;
    if (fd >= this.#interest.length) {
      if (fd > FD_MAX) throw new RangeError(`Cannot add an event: descriptor ${fd} is above ${FD_MAX}`);
      this.#grow(fd);
    }
    if (
      this.#readers[fd]! === EVENTS_PER_FD_MAX || this.#writers[fd]! === EVENTS_PER_FD_MAX ||
      this.#closers[fd]! === EVENTS_PER_FD_MAX
    ) {
      throw new RangeError(`Cannot add an event: descriptor ${fd} has ${EVENTS_PER_FD_MAX} events already`);
    }
    const before = this.#interest[fd]!;
    const after = before | (events & INTEREST);
    if (after !== before) {
      const result = this.#backend.watch(fd, before, after);
      if (result < 0) return result;
      this.#interest[fd] = after;
    }
    this.#count(event, 1);
    const head = this.#heads[fd] ?? null;
    event.fdNext = head;
    event.fdPrevious = null;
    if (head !== null) head.fdPrevious = event;
    this.#heads[fd] = event;
    return 0;
  }

  /** Takes `event` out of its descriptor's list. Returns 0 or `-errno`; the event is out in any case. */
  remove(event: LoopEvent): number {
    const { fd } = event;
    if (fd < 0) return 0;
    if (event.fdPrevious === null) this.#heads[fd] = event.fdNext;
    else event.fdPrevious.fdNext = event.fdNext;
    if (event.fdNext !== null) event.fdNext.fdPrevious = event.fdPrevious;
    event.fdNext = null;
    event.fdPrevious = null;
    this.#count(event, -1);
    const wanted = (this.#readers[fd] !== 0 ? EV_READ : 0) | (this.#writers[fd] !== 0 ? EV_WRITE : 0) |
      (this.#closers[fd] !== 0 ? EV_CLOSED : 0);
    const before = this.#interest[fd]!;
    const after = wanted === 0 ? 0 : wanted | (before & EV_ET);
    if (after === before) return 0;
    this.#interest[fd] = after;
    return this.#backend.watch(fd, before, after);
  }

  /**
   * The backend has reported `ready` although nobody waits for it: it was last told something else, but could not heed it
   * (ENOMEM, say). It is told again, since it would otherwise go on reporting and let nobody sleep. A report without readiness is
   * about a file that nobody can name any more: then the backend has to begin anew.
   */
  correct(fd: number, ready: number): void {
    if ((ready & IO) === 0) {
      // Should it fail, the backend pauses, and the next report asks again.
      this.#backend.renew?.(this.#interest);
      return;
    }
    const wanted = this.#interest[fd] ?? 0;
    const before = wanted | (ready & IO);
    this.#backend.watch(fd, before, wanted);
  }

  /** The newest event on `fd`; follow `fdNext` to the older ones. */
  headOf(fd: number): LoopEvent | null {
    return this.#heads[fd] ?? null;
  }

  /** One more than the largest descriptor that was ever watched. */
  get limit(): number {
    return this.#heads.length;
  }

  /** What the backend was told to wait for on `fd`: 0 when nothing. */
  interestIn(fd: number): number {
    return this.#interest[fd] ?? 0;
  }

  #count(event: LoopEvent, by: number): void {
    const { fd, events } = event;
    if ((events & EV_READ) !== 0) this.#readers[fd]! += by;
    if ((events & EV_WRITE) !== 0) this.#writers[fd]! += by;
    if ((events & EV_CLOSED) !== 0) this.#closers[fd]! += by;
  }

  #grow(fd: number): void {
    const length = Math.max(this.#interest.length * 2, fd + 1);
    // Filled without gaps: arrays with holes are slower to read.
    while (this.#heads.length < length) this.#heads.push(null);
    this.#interest = grown(new Uint8Array(length), this.#interest);
    this.#readers = grown(new Uint16Array(length), this.#readers);
    this.#writers = grown(new Uint16Array(length), this.#writers);
    this.#closers = grown(new Uint16Array(length), this.#closers);
  }
}

function grown<T extends Uint8Array | Uint16Array>(larger: T, smaller: T): T {
  larger.set(smaller);
  return larger;
}
