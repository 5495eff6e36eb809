import type { LoopEvent } from "./event.ts";
import type { SignalCalls } from "./signal_calls.ts";
import type { CommonTimeout } from "./timer_queue.ts";

/**
 * What few events need: those that repeat by time, wait in a common list, are about a signal or are to be finalized. The rest of
 * a server's events, ten thousand of them perhaps, need not have room for it.
 *
 * @internal
 */
export class EventExtras {
  /** The timeout with which it repeats; -1: none. */
  interval: number | CommonTimeout = -1;
  /**
   * When the timeout was due that has passed last; in a common list, when the one is due that is set. Not 0 at first: V8 would take
   * that for an integer, and convert every object when its first fraction comes.
   */
  deadlineMs = -Infinity;
  /** The common list it waits in, or null. */
  common: CommonTimeout | null = null;
  /** Neighbours in that list. */
  next: LoopEvent | null = null;
  /** As {@linkcode EventExtras.next}. */
  previous: LoopEvent | null = null;
  /** What a signal event has still to tell. */
  calls: SignalCalls | null = null;
  /** What runs in place of the callback, once. */
  finalizer: (() => void) | null = null;
}
