import {
  allocate,
  close,
  epollControl,
  epollCreate,
  epollWait,
  epollWaitNanoseconds,
  os,
  poll,
  replaceDescriptor,
  systemError,
} from "../ffi/mod.ts";
import {
  INTEREST_CLOSED,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
  putTimespec,
  wholeMilliseconds,
} from "./backend.ts";
import { EpollTimer } from "./epoll_timer.ts";

const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET, EPOLL_CTL_ADD } = os.constants;
const { ENOSYS, EPERM } = os.errno as Record<"ENOSYS" | "EPERM", number>;

const EVENTS_FIRST = 32, EVENTS_MAX = 4096;
/** How long to pause where a wait would return at once for nothing, because no fresh instance was to be had. */
const PAUSE_MS = 10;
const nothing = allocate(8);

/** The calls that drive an epoll instance, each returning its result when >= 0, else `-errno`. */
export interface EpollCalls {
  /** `epoll_ctl`. */
  readonly control: (epollFd: number, operation: number, fd: number, event: Uint8Array) => number;
  /** `epoll_wait`. */
  readonly wait: (epollFd: number, events: Uint8Array, eventsMax: number, timeoutMs: number) => number;
  /** `epoll_pwait2`, whose timeout is a struct timespec; undefined: there is none. */
  readonly waitNanoseconds:
    | ((epollFd: number, events: Uint8Array, eventsMax: number, timeout: Uint8Array) => number)
    | undefined;
}

/** The calls of the running system. */
export const epollCalls: EpollCalls = {
  control: epollControl,
  wait: epollWait,
  waitNanoseconds: epollWaitNanoseconds,
};

/** How an epoll backend measures fractions of a millisecond. */
export interface EpollOptions {
  /**
   * Without `epoll_pwait2`, sleep by a timerfd, at the price of another call for each sleep, instead of rounding up to whole
   * milliseconds (EVENT_BASE_FLAG_PRECISE_TIMER).
   */
  readonly preciseTimer?: boolean | undefined;
  /** Never use a timerfd, whatever `preciseTimer` says (EVENT_BASE_FLAG_EPOLL_DISALLOW_TIMERFD). */
  readonly noTimerfd?: boolean | undefined;
  /** Calls to use in place of the system's: to count them, to have one fail, or to do without one. */
  readonly calls?: EpollCalls | undefined;
}

/** What an epoll instance sleeps by. */
export type EpollClock = "nanoseconds" | "timerfd" | "milliseconds";

/**
 * One epoll instance with its array of reports and its way of sleeping: what all epoll backends have in common.
 *
 * @internal
 */
export class EpollSet {
  /** The instance. */
  readonly fd: number;

  readonly #calls: EpollCalls;
  readonly #wantsTimer: boolean;
  #clock: EpollClock;
  #timer: EpollTimer | undefined;
  readonly #timeout: Uint8Array = allocate(os.structs.timespec.size);
  readonly #timeoutWords: Int32Array = new Int32Array(this.#timeout.buffer as ArrayBuffer);

  // struct epoll_event as 32-bit words: `events` comes first, the low half of `data` holds the descriptor, the high one the
  // tag. It is packed on x86-64 only, so the table tells the distances.
  readonly #stride: number;
  readonly #fdWord: number;
  readonly #change: Uint8Array;
  readonly #changeWords: Int32Array;
  #events: Uint8Array;
  #words: Int32Array;
  #capacity = EVENTS_FIRST;
  #full = false;
  #mustPause = false;

  /** @throws {SystemError} when the kernel refuses another epoll instance (EMFILE, ENOMEM). */
  constructor(options: EpollOptions) {
    const layout = os.structs.epoll_event!;
    this.#stride = layout.size / 4;
    this.#fdWord = layout.fields.fd.offset / 4;
    this.#change = allocate(layout.size);
    this.#changeWords = new Int32Array(this.#change.buffer as ArrayBuffer);
    this.#events = allocate(layout.size * EVENTS_FIRST);
    this.#words = new Int32Array(this.#events.buffer as ArrayBuffer);
    this.#calls = options.calls ?? epollCalls;
    this.#wantsTimer = options.preciseTimer === true && options.noTimerfd !== true;
    const fd = epollCreate();
    if (fd < 0) throw systemError(fd, "epoll_create1", "create an epoll instance");
    this.fd = fd;
    this.#clock = this.#calls.waitNanoseconds === undefined ? this.#coarserClock() : "nanoseconds";
  }

  /** What it sleeps by now; a kernel without `epoll_pwait2` shows at the first sleep that would need it. */
  get clock(): EpollClock {
    return this.#clock;
  }

  /** As {@linkcode Backend.mustPause}. */
  get mustPause(): boolean {
    return this.#mustPause;
  }

  /** One `epoll_ctl`; `tag` comes back with every report of the descriptor. */
  control(operation: number, fd: number, interest: number, tag: number, epollFd: number = this.fd): number {
    const words = this.#changeWords;
    words[0] = toEpoll(interest);
    words[this.#fdWord] = fd;
    words[this.#fdWord + 1] = tag;
    return this.#calls.control(epollFd, operation, fd, this.#change);
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    // The last wait filled the array: more may have been waiting, and by now the caller has read what it held.
    if (this.#full) this.#grow();
    if (this.#mustPause) timeoutMs = this.#pause(timeoutMs);
    const count = this.#sleep(timeoutMs);
    this.#full = count === this.#capacity && count < EVENTS_MAX;
    return this.#timer === undefined ? count : this.#withoutTimer(this.#timer, count);
  }

  /** Sleeps a little without the instance, which would not let anybody sleep. Returns the time that is left, which is none. */
  #pause(timeoutMs: number): number {
    this.#mustPause = false;
    if (timeoutMs === 0) return 0;
    poll(nothing, 0, wholeMilliseconds(timeoutMs < 0 ? PAUSE_MS : Math.min(PAUSE_MS, timeoutMs)));
    return 0;
  }

  #sleep(timeoutMs: number): number {
    // To look without sleeping, or to sleep without limit or for whole milliseconds, the cheapest call is exact enough.
    if (timeoutMs > 0) {
      if (this.#timer !== undefined) return this.#sleepByTimer(this.#timer, timeoutMs);
      if (this.#clock === "nanoseconds" && !Number.isInteger(timeoutMs)) return this.#sleepNanoseconds(timeoutMs);
    } else if (timeoutMs < 0 && this.#timer?.runs === true) {
      this.#timer.set(0);
    }
    return this.#calls.wait(this.fd, this.#events, this.#capacity, wholeMilliseconds(timeoutMs));
  }

  #sleepNanoseconds(timeoutMs: number): number {
    putTimespec(this.#timeoutWords, timeoutMs);
    const count = this.#calls.waitNanoseconds!(this.fd, this.#events, this.#capacity, this.#timeout);
    // EPERM is no error of this call: it is how a sandbox says that it does not know it.
    if (count !== -ENOSYS && count !== -EPERM) return count;
    this.#clock = this.#coarserClock();
    return this.#sleep(timeoutMs);
  }

  #sleepByTimer(timer: EpollTimer, timeoutMs: number): number {
    const result = timer.set(timeoutMs);
    return result < 0 ? result : this.#calls.wait(this.fd, this.#events, this.#capacity, -1);
  }

  /** The best clock below nanoseconds: where there is no timer to be had, milliseconds. */
  #coarserClock(): EpollClock {
    const timer = this.#wantsTimer ? EpollTimer.open() : undefined;
    this.#timer = timer;
    if (timer !== undefined && this.#watchTimer(timer) < 0) this.#dropTimer();
    return this.#timer === undefined ? "milliseconds" : "timerfd";
  }

  /** Edge-triggered, so that it need not be read each time it has run out. */
  #watchTimer(timer: EpollTimer, epollFd: number = this.fd): number {
    return this.control(EPOLL_CTL_ADD, timer.fd, INTEREST_READ | INTEREST_EDGE, 0, epollFd);
  }

  #dropTimer(): void {
    this.#timer?.close();
    this.#timer = undefined;
    this.#clock = "milliseconds";
  }

  /** The timer is our own affair: takes its report out of `count`. */
  #withoutTimer(timer: EpollTimer, count: number): number {
    for (let index = 0; index < count; index++) {
      if (this.fdAt(index) !== timer.fd) continue;
      timer.runs = false;
      this.move(count - 1, index);
      return count - 1;
    }
    return count;
  }

  /** Copies report `from` over report `to`. */
  move(from: number, to: number): void {
    for (let word = 0; word < this.#stride; word++) {
      this.#words[to * this.#stride + word] = this.#words[from * this.#stride + word]!;
    }
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#events = allocate(this.#capacity * this.#stride * 4);
    this.#words = new Int32Array(this.#events.buffer as ArrayBuffer);
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return this.#words[index * this.#stride + this.#fdWord]!;
  }

  /** The tag that report `index` brought back. */
  tagAt(index: number): number {
    return this.#words[index * this.#stride + this.#fdWord + 1]!;
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    return fromEpoll(this.#words[index * this.#stride]!);
  }

  /** Makes report `index` one of nothing. */
  blank(index: number): void {
    this.#words[index * this.#stride] = 0;
  }

  /**
   * Puts a fresh instance in the place of this one, under the same descriptor, so that whoever sleeps on it sees no difference.
   * Where that fails, the next wait pauses, since it would return at once for what a fresh instance was wanted for.
   *
   * @param fill adds to the fresh instance what it is to watch, and returns 0 or `-errno`.
   * @returns 0 or `-errno`, which changes nothing: the old instance stays.
   */
  renew(fill: (epollFd: number) => number = () => 0): number {
    const fresh = epollCreate();
    let result = fresh;
    if (fresh >= 0) {
      result = this.#timer === undefined ? 0 : this.#watchTimer(this.#timer, fresh);
      if (result >= 0) result = fill(fresh);
      if (result >= 0) result = replaceDescriptor(this.fd, fresh);
      else close(fresh);
    }
    this.#mustPause = result < 0;
    return result;
  }

  /** Gives the kernel's resources back. */
  close(): void {
    this.#timer?.close();
    close(this.fd);
  }
}

function toEpoll(interest: number): number {
  return ((interest & INTEREST_READ) !== 0 ? EPOLLIN : 0) |
    ((interest & INTEREST_WRITE) !== 0 ? EPOLLOUT : 0) |
    ((interest & INTEREST_CLOSED) !== 0 ? EPOLLRDHUP : 0) |
    ((interest & INTEREST_EDGE) !== 0 ? EPOLLET : 0);
}

function fromEpoll(events: number): number {
  const closed = (events & EPOLLRDHUP) !== 0 ? INTEREST_CLOSED : 0;
  // An error or a full hang-up must reach whoever waits, in either direction, so that the next call can report it. A
  // connection that was reset is closed as well: who waits for nothing else would never hear of it, and the loop would spin.
  if ((events & EPOLLERR) !== 0 || (events & (EPOLLHUP | EPOLLRDHUP)) === EPOLLHUP) {
    return INTEREST_READ | INTEREST_WRITE | INTEREST_EDGE | closed;
  }
  return closed | ((events & EPOLLIN) !== 0 ? INTEREST_READ : 0) |
    ((events & EPOLLOUT) !== 0 ? INTEREST_WRITE : 0) | INTEREST_EDGE;
}
