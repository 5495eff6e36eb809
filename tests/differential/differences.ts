/**
 * Where our loop deliberately differs from C's, by name and with the reason. Each difference is recognised from our own state before it
 * can show; from there on that scenario is not compared. For each name, scenarios/differences.txt holds a scenario that shows it.
 */
import { EV_CLOSED, EV_ET, EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE } from "../../src/core/constants.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { ACTIVE, IDLE } from "../../src/core/loop_callback.ts";
import type { Reactor } from "../../src/core/reactor.ts";
import type { Ready } from "./virtual_time.ts";

const IO = EV_READ | EV_WRITE | EV_CLOSED;

/** Name and reason of every difference. */
export const differences = {
  "simultaneous deadlines":
    "Timers that are due at the very same time fire in the order of their adding; C's heap leaves the order open.",
  "common timeouts fire directly":
    "Events of a common timeout become active with the other timers that are due. C activates an inner timer whose callback " +
    "activates them, so they come after everything else of the turn.",
  "a timeout keeps readiness":
    "An event that becomes ready and times out in one turn reports both; C forgets the readiness.",
  "an expired event stays registered":
    "A persistent event whose timeout has passed goes on waiting for its descriptor or signal. C takes it out until its callback is " +
    "about to run, which costs two system calls, arms an edge anew and leaves a signal to its old handler.",
  "an event that is deleted forgets its interval":
    "Deleting a persistent event, or removing its timer, ends the repetition for good. In C an event that was deleted with a timeout set, " +
    "or whose timer was removed while its callback was queued, is added with the old timeout when its callback runs next.",
  "rescheduling loses nothing":
    "Adding an event anew while its timeout is queued withdraws the timeout alone, and registers its descriptor or signal. C withdraws " +
    "everything that is queued, and registers nothing.",
  "a persistent signal repeats its timeout":
    "A timeout repeats for every persistent event. In C a signal's timeout passes once, and takes the signal along.",
  "calls of a signal add up": "More of a signal while its callback is queued are more calls; in C they are lost.",
  "signals in order of arrival": "Signals of several numbers run in the order in which they came; C goes by their numbers.",
} as const;

/** One of the names. */
export type DifferenceName = keyof typeof differences;

/** What differs in the turn that begins with `ready`. */
export function differenceInTurn(reactor: Reactor, ready: readonly Ready[]): DifferenceName | undefined {
  const nowMs = reactor.clock.now();
  const due: LoopEvent[] = [];
  reactor.timers.forEach((event) => {
    if (event.deadlineMs <= nowMs) due.push(event);
  });
  const plain = due.filter(({ common }) => common === null);
  const commons = new Set(due.map(({ common }) => common).filter((common) => common !== null));
  if (new Set(plain.map(({ deadlineMs }) => deadlineMs)).size < plain.length) return "simultaneous deadlines";
  if (commons.size > 1 || (commons.size > 0 && (plain.length > 0 || ready.length > 0 || reactor.activeCount > 0))) {
    return "common timeouts fire directly";
  }
  if (due.some((event) => isReady(event, ready))) return "a timeout keeps readiness";
  if (due.some(({ events }) => (events & EV_ET) !== 0 && (events & EV_PERSIST) !== 0)) return "an expired event stays registered";
  return undefined;
}

function isReady(event: LoopEvent, ready: readonly Ready[]): boolean {
  if (event.queueState === ACTIVE) return true;
  return (event.events & EV_SIGNAL) === 0 && ready.some(({ fd, bits }) => fd === event.fd && (bits & event.events & IO) !== 0);
}

/** What differs in a command that names `event`. */
export function differenceInCommand([command, , timeout]: readonly string[], event: LoopEvent): DifferenceName | undefined {
  const isPersistent = (event.events & EV_PERSIST) !== 0;
  const waitsForMore = (event.events & (IO | EV_SIGNAL)) !== 0;
  const isQueued = event.queueState !== IDLE;
  const bits = event.pending();
  switch (command) {
    case "pending":
      return isQueued && isPersistent && waitsForMore && event.timerSlot < 0 && (bits & EV_TIMEOUT) !== 0
        ? "an expired event stays registered"
        : undefined;
    case "add":
      if (timeout === undefined) return undefined;
      if (isPersistent && (event.events & EV_SIGNAL) !== 0) return "a persistent signal repeats its timeout";
      return isQueued && (bits & EV_TIMEOUT) !== 0 && (waitsForMore || bits !== EV_TIMEOUT) ? "rescheduling loses nothing" : undefined;
    case "active":
      return isQueued && (event.events & EV_SIGNAL) !== 0 ? "calls of a signal add up" : undefined;
    default:
      return undefined;
  }
}

/** Remembers of one persistent event whether it has an interval that C still knows and ours has forgotten. */
export class IntervalMemory {
  #isSet = false;
  #isForgotten = false;

  /** A command names `event`. */
  noteCommand([command, , timeout]: readonly string[], event: LoopEvent): void {
    if (command === "add" && timeout !== undefined) {
      this.#isSet = true;
      this.#isForgotten = false;
    } else if (command === "removetimer" && event.timerSlot >= 0) {
      this.#isSet = this.#isForgotten = false;
    } else if (command === "del" || command === "removetimer") {
      this.#isForgotten = this.#isSet;
    }
  }

  /** The callback of `event` is about to run. */
  differenceInRun(event: LoopEvent): DifferenceName | undefined {
    const repeats = (event.events & EV_PERSIST) !== 0 && (event.events & EV_SIGNAL) === 0;
    return repeats && this.#isForgotten ? "an event that is deleted forgets its interval" : undefined;
  }
}
