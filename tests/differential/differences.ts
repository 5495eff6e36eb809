/**
 * Where our loop deliberately differs from C's, by name and with the reason. Each difference is recognised from our own state before it
 * can show; from there on that scenario is not compared. For each name, scenarios/differences.txt holds a scenario that shows it.
 */
import { EV_CLOSED, EV_ET, EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE } from "../../src/core/constants.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { ACTIVE, IDLE } from "../../src/core/loop_callback.ts";
import type { Reactor } from "../../src/core/reactor.ts";
import type { CommonTimeout } from "../../src/core/timer_queue.ts";
import { allocate, fcntl, os, poll } from "../../src/ffi/mod.ts";
import { bufferDifferences } from "./buffer_differences.ts";
import { bufferEventDifferences } from "./bufferevent_differences.ts";
import type { Ready } from "./virtual_time.ts";

const F_GETFD = 1;
const IO = EV_READ | EV_WRITE | EV_CLOSED;

/** Name and reason of every difference; those of another noun than the loop stand in a file of their own. */
export const differences = {
  "simultaneous deadlines":
    "Timers that are due at the very same time fire in the order of their adding; C's heap leaves the order open.",
  "common timeouts fire directly":
    "Events of a common timeout become active with the other timers that are due. C activates an inner timer whose callback " +
    "activates them, so they come after everything else of the turn.",
  "an empty common timeout is forgotten":
    "Once no event is left in it, a common timeout has no deadline. In C its inner timer stays and wakes the loop once more, for nothing.",
  "a timeout keeps readiness":
    "An event that becomes ready and times out in one turn reports both; C forgets the readiness.",
  "an expired event stays registered":
    "A persistent event whose timeout has passed goes on waiting for its descriptor or signal. C takes it out until its callback is " +
    "about to run, which costs two system calls, arms an edge anew, makes it the newest of its descriptor, finds another file where the " +
    "number was reused, and leaves a signal to its old handler.",
  "an event that is deleted forgets its interval":
    "Deleting a persistent event, or removing its timer, ends the repetition for good. In C an event that was deleted with a timeout set, " +
    "or whose timer was removed while its callback was queued, is added with the old timeout when its callback runs next.",
  "rescheduling loses nothing":
    "Adding an event anew while its timeout is queued withdraws the timeout alone, and registers its descriptor or signal. C withdraws " +
    "everything that is queued, and registers nothing.",
  "a persistent signal repeats its timeout":
    "A timeout repeats for every persistent event. In C a signal's timeout passes once, and takes the signal along.",
  "a persistent timeout of zero repeats":
    "A timeout repeats for every persistent event, whatever its length. C takes zero for none, and leaves the event waiting for nothing.",
  "sleeps no longer than to the next deadline":
    "After a callback that took long, the time to the next deadline counts from now. C counts from the start of the turn and oversleeps.",
  "calls of a signal add up": "More of a signal while its callback is queued are more calls; in C they are lost.",
  "a signal's callback can drop its calls":
    "Deleting a signal event in its callback drops the calls that are left and nothing else. In C it has no effect where the callback has " +
    "activated the event before, and deleting the event once more later can drop the calls of another.",
  "removing a signal's timer keeps its calls": "In C it drops the calls that are queued: the two share memory.",
  "deleting always succeeds":
    "delete() has no result: a descriptor that is closed already needs no taking out. C returns -1 where the backend complains about that.",
  "a failed registration is reported":
    "Where a persistent event cannot be registered anew before its callback, the loop fails after the callback. C says nothing, and the " +
    "event waits no more.",
  "a reset connection is closed":
    "With epoll a connection that was reset is reported as closed, like one that was half-closed. C's epoll says readable and writable " +
    "only, so that an event that waits for nothing but the close never fires, and the loop spins.",
  "a file that lost its number falls silent":
    "A file that was closed while a duplicate keeps it open is not reported any more once its event is deleted. C's epoll goes on: the " +
    "loop spins, and whoever waits for that number by then is called for a file that is not his.",
  "a hang-up is a close to who waits for nothing else":
    "An event that waits for EV_CLOSED alone is called when the other end of a pipe is gone. C says readable and writable only, so that " +
    "such an event never fires, and the loop spins.",
  "signals in order of arrival":
    "Signals of several numbers run in the order in which they came; C goes by their numbers.",
  ...bufferDifferences,
  ...bufferEventDifferences,
} as const;

/** One of the names. */
export type DifferenceName = keyof typeof differences;

/** What differs in the turn that begins with `ready`; `hasReused` tells whether a descriptor was closed or replaced. */
export function differenceInTurn(
  reactor: Reactor,
  ready: readonly Ready[],
  hasReused: boolean,
): DifferenceName | undefined {
  const nowMs = reactor.clock.now();
  const due: LoopEvent[] = [];
  reactor.timers.forEach((event) => {
    if (event.deadlineMs <= nowMs) due.push(event);
  });
  const commonOf = (event: LoopEvent): CommonTimeout | null => event.extras?.common ?? null;
  const plain = due.filter((event) => commonOf(event) === null);
  const commons = new Set(due.map(commonOf).filter((common) => common !== null));
  if (new Set(plain.map(({ deadlineMs }) => deadlineMs)).size < plain.length) return "simultaneous deadlines";
  if (commons.size > 1 || (commons.size > 0 && (plain.length > 0 || ready.length > 0 || reactor.activeCount > 0))) {
    return "common timeouts fire directly";
  }
  if (ready.some(({ bits }) => (bits & (IO | EV_SIGNAL)) === 0)) return "a file that lost its number falls silent";
  if (ready.some((report) => isReset(reactor, report))) return "a reset connection is closed";
  if (ready.some((report) => isHangup(reactor, report))) return "a hang-up is a close to who waits for nothing else";
  if (due.some((event) => isReady(event, ready))) return "a timeout keeps readiness";
  if (ready.some(({ fd }) => differenceOnDescriptor(reactor, fd) !== undefined)) {
    return "an expired event stays registered";
  }
  const isLost = (event: LoopEvent): boolean => {
    if ((event.events & EV_PERSIST) === 0 || (event.events & IO) === 0 || event.fd < 0) return false;
    const isAlone = reactor.fds.headOf(event.fd) === event && event.fdNext === null;
    // Taking it out and back in also moves its slot in poll's array.
    return (event.events & EV_ET) !== 0 || !isAlone || hasReused ||
      reactor.backend.name === "poll" && watchedCount(reactor) > 1;
  };
  return due.some(isLost) ? "an expired event stays registered" : undefined;
}

/** Whether epoll has reported an error on a descriptor whose close somebody waits for; asking poll leaves the error pending. */
function isReset({ backend, fds }: Reactor, { fd, bits }: Ready): boolean {
  if (!backend.name.startsWith("epoll") || (bits & EV_CLOSED) === 0) return false;
  let isAwaited = false;
  for (let event = fds.headOf(fd); event !== null; event = event.fdNext) isAwaited ||= (event.events & EV_CLOSED) !== 0;
  if (!isAwaited) return false;
  const asked = allocate(os.structs.pollfd.size);
  const view = new DataView(asked.buffer);
  view.setInt32(0, fd, true);
  return poll(asked, 1, 0) > 0 && (view.getInt16(6, true) & os.constants.POLLERR) !== 0;
}

/** Whether what was reported concerns nobody but those who wait for the close, and is not called one. */
function isHangup({ fds }: Reactor, { fd, bits }: Ready): boolean {
  let isAwaited = false;
  for (let event = fds.headOf(fd); event !== null; event = event.fdNext) {
    if ((event.events & bits & IO) !== 0) return false;
    isAwaited ||= (event.events & EV_CLOSED) !== 0;
  }
  return isAwaited && (bits & EV_READ) !== 0;
}

function isReady(event: LoopEvent, ready: readonly Ready[]): boolean {
  if (event.queueState === ACTIVE) return true;
  return (event.events & EV_SIGNAL) === 0 &&
    ready.some(({ fd, bits }) => fd === event.fd && (bits & event.events & IO) !== 0);
}

function watchedCount({ fds }: Reactor): number {
  let count = 0;
  for (let fd = 0; fd < fds.limit; fd++) if (fds.headOf(fd) !== null) count++;
  return count;
}

/** What differs in the order or number of the events on `fd`. */
export function differenceOnDescriptor({ fds }: Reactor, fd: number): DifferenceName | undefined {
  for (let event = fds.headOf(fd); event !== null; event = event.fdNext) {
    if (hasExpired(event)) return "an expired event stays registered";
  }
  return undefined;
}

/** What the loop knows of an event, without asking it: questions make it do first what can wait until somebody asks. */
interface State {
  /** Its callback is about to run. */
  readonly isQueued: boolean;
  /** A timeout is set that has not passed. */
  readonly isScheduled: boolean;
  /** As {@linkcode LoopEvent.pending}. */
  readonly bits: number;
}

function stateOf(event: LoopEvent): State {
  const isDue = event.timerSlot >= 0 && event.deadlineMs <= reactorOf(event.base).restUntilMs;
  const isActive = event.queueState !== IDLE;
  const isInserted = event.isInserted && !(isDue && (event.events & EV_PERSIST) === 0);
  const bits = (isInserted ? event.events & (IO | EV_SIGNAL) : 0) | (isActive ? event.pendingResult : 0) |
    (event.timerSlot >= 0 ? EV_TIMEOUT : 0);
  return { isQueued: isActive || isDue, isScheduled: event.timerSlot >= 0 && !isDue, bits };
}

/** Whether its timeout has passed and its callback has not run yet. */
function hasExpired(event: LoopEvent): boolean {
  const { isQueued, isScheduled, bits } = stateOf(event);
  return isQueued && !isScheduled && (bits & EV_TIMEOUT) !== 0;
}

/** What differs in a command that names `event`. */
export function differenceInCommand(
  [command, , timeout]: readonly string[],
  event: LoopEvent,
): DifferenceName | undefined {
  const isPersistent = (event.events & EV_PERSIST) !== 0;
  const waitsForMore = (event.events & (IO | EV_SIGNAL)) !== 0;
  const { isQueued, bits } = stateOf(event);
  switch (command) {
    case "pending":
      return isPersistent && waitsForMore && hasExpired(event) ? "an expired event stays registered" : undefined;
    case "add":
      if (timeout === undefined) return undefined;
      if (isPersistent && (event.events & EV_SIGNAL) !== 0) return "a persistent signal repeats its timeout";
      if (isPersistent && timeout === "0") return "a persistent timeout of zero repeats";
      return isQueued && (bits & EV_TIMEOUT) !== 0 && (waitsForMore || bits !== EV_TIMEOUT)
        ? "rescheduling loses nothing"
        : undefined;
    case "del":
      // Of a signal event the number means a signal, whatever descriptor has the same one.
      if ((event.events & EV_SIGNAL) !== 0) return undefined;
      return (event.fdNext !== null || event.fdPrevious !== null) && event.fd >= 0 && fcntl(event.fd, F_GETFD, 0) < 0
        ? "deleting always succeeds"
        : undefined;
    case "removetimer":
      return isQueued && (event.events & EV_SIGNAL) !== 0 ? "removing a signal's timer keeps its calls" : undefined;
    case "active":
      if ((event.events & EV_SIGNAL) !== 0 && event.base.runningEvent === event) {
        return "a signal's callback can drop its calls";
      }
      return isQueued && (event.events & EV_SIGNAL) !== 0 ? "calls of a signal add up" : undefined;
    default:
      return undefined;
  }
}

/** What C still knows about one event and ours has forgotten. */
export class EventMemory {
  #hasInterval = false;
  #hasOldInterval = false;
  // Its signal callback has deleted it: C keeps a pointer to the number of calls that were left.
  #hasOldCalls = false;

  /** A command names `event`. Returns what differs in it. */
  noteCommand([command, , timeout]: readonly string[], event: LoopEvent): DifferenceName | undefined {
    if (command === "add" && timeout !== undefined) {
      this.#hasInterval = true;
      this.#hasOldInterval = false;
    } else if (command === "removetimer" && stateOf(event).isScheduled) {
      this.#hasInterval = this.#hasOldInterval = false;
    } else if (command === "del" || command === "removetimer") {
      this.#hasOldInterval = this.#hasInterval;
    }
    if (command !== "del" || (event.events & EV_SIGNAL) === 0) return undefined;
    if (this.#hasOldCalls) return "a signal's callback can drop its calls";
    this.#hasOldCalls = event.base.runningEvent === event;
    return undefined;
  }

  /** The callback of `event` is about to run. */
  differenceInRun(event: LoopEvent): DifferenceName | undefined {
    if ((event.events & EV_PERSIST) === 0 || (event.events & EV_SIGNAL) !== 0) return undefined;
    if (this.#hasOldInterval) return "an event that is deleted forgets its interval";
    const isUnregistered = (event.events & IO) !== 0 && (stateOf(event).bits & IO) === 0;
    return this.#hasInterval && isUnregistered ? "a failed registration is reported" : undefined;
  }
}
