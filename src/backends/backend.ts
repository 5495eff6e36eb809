/**
 * What a backend is: the way one kernel interface waits for readiness. It knows neither time nor events, only
 * descriptors and interest.
 *
 * @module
 */

/** Names of the backends, as libevent spells them. */
export type BackendName = "epoll" | "epoll (with changelist)" | "kqueue" | "poll" | "select";

// Interest and readiness share libevent's public event bits, so that nothing is translated on the way up.

/** Readable, or at end of stream (EV_READ). */
export const INTEREST_READ = 0x02;
/** Writable (EV_WRITE). */
export const INTEREST_WRITE = 0x04;
/** Not an interest: marks a readiness report whose number is a signal, not a descriptor (EV_SIGNAL). */
export const READY_SIGNAL = 0x08;
/** Report changes of readiness instead of readiness (EV_ET). */
export const INTEREST_EDGE = 0x20;
/** The peer has closed its sending side, even with data still unread (EV_CLOSED). */
export const INTEREST_CLOSED = 0x80;

/** Supports edge-triggered events (EV_FEATURE_ET). */
export const FEATURE_EDGE = 0x01;
/** One event costs the same however many descriptors are watched (EV_FEATURE_O1). */
export const FEATURE_CONSTANT_TIME = 0x02;
/** Watches descriptors of any kind, regular files included (EV_FEATURE_FDS). */
export const FEATURE_ANY_DESCRIPTOR = 0x04;
/** Reports a closed connection without reading from it (EV_FEATURE_EARLY_CLOSE). */
export const FEATURE_EARLY_CLOSE = 0x08;

/** One kernel interface for waiting. Implementations stand beside this file. */
export interface Backend {
  /** The name under which it can be avoided or asked for. */
  readonly name: BackendName;
  /** FEATURE_ bits. */
  readonly features: number;
  /**
   * A descriptor that itself polls readable while something is ready, so that another thread can wait for this backend;
   * -1 where there is none (poll, select).
   */
  readonly waitFd: number;
  /**
   * Moves `fd` from interest set `before` to `after`; 0 means none. Returns 0 or `-errno`. The backend with a changelist tells the
   * kernel no sooner than with the next wait, and reports a descriptor that was refused as ready.
   */
  watch(fd: number, before: number, after: number): number;
  /**
   * Starts or stops reporting signal `signo` as {@linkcode READY_SIGNAL}; only kqueue can. Returns 0 or `-errno`.
   */
  watchSignal?(signo: number, on: boolean): number;
  /**
   * Sleeps until something is ready or `timeoutMs` has passed (-1: no limit). Fractions count as far as the kernel's call takes
   * them and are rounded up beyond, so that a timer is never woken for too early. Returns how many are ready, or `-errno`.
   */
  wait(timeoutMs: number): number;
  /** Whether a wait reports no descriptor more than once, but all that is ready about it together. False by default. */
  readonly reportsOnce?: boolean;
  /** The descriptor (or signal) of ready entry `index`, valid until the next wait or watch. */
  fdAt(index: number): number;
  /** The readiness bits of ready entry `index`, valid until the next wait or watch. */
  eventsAt(index: number): number;
  /**
   * Begins anew with the kernel; only epoll has to. It is asked for after a report without readiness: the kernel goes on about a
   * file that was closed while a duplicate keeps it open, and cannot be told to stop.
   *
   * @param interest what is wanted, by descriptor.
   * @returns 0 or `-errno`, which changes nothing.
   */
  renew?(interest: Uint8Array): number;
  /**
   * True while waits end at once for something that only time can help, and `waitFd` may be readable for nothing: whoever looks
   * without sleeping does well to pause before he looks again. Holds until the next wait.
   */
  readonly mustPause?: boolean;
  /** Gives the kernel's resources back. */
  close(): void;
}

/** The longest sleep asked of the kernel at once: 35 minutes, since some kernels overflow above it (libevent's limit). */
export const TIMEOUT_MS_MAX: number = 35 * 60 * 1000;

/** A timeout as whole milliseconds for the kernel: rounded up and bounded; -1 stays -1. */
export function wholeMilliseconds(timeoutMs: number): number {
  if (timeoutMs < 0) return -1;
  return timeoutMs > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : Math.ceil(timeoutMs);
}

/**
 * Writes a timeout that is not negative as a struct timespec: rounded up to whole nanoseconds and bounded.
 *
 * @param words memory of zeros, or of an earlier timespec, as 32-bit words.
 * @param at index of its first word.
 */
export function putTimespec(words: Int32Array, timeoutMs: number, at: number = 0): void {
  const nanoseconds = Math.ceil(Math.min(timeoutMs, TIMEOUT_MS_MAX) * 1e6);
  const seconds = Math.floor(nanoseconds / 1e9);
  // Both numbers have 64 bits and fit into their low halves.
  words[at] = seconds;
  words[at + 2] = nanoseconds - seconds * 1e9;
}
