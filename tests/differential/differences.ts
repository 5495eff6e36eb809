/**
 * Where our loop deliberately differs from C's, by name and with the reason. Each difference is recognised from our own state before it
 * can show; from there on that scenario is not compared. For each name, scenarios/differences.txt holds a scenario that shows it.
 */
import { EV_CLOSED, EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE } from "../../src/core/constants.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { ACTIVE, IDLE } from "../../src/core/loop_callback.ts";
import type { Reactor } from "../../src/core/reactor.ts";
import type { CommonTimeout } from "../../src/core/timer_queue.ts";
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
  const isReady = (event: LoopEvent): boolean =>
    event.queueState === ACTIVE ||
    (event.events & EV_SIGNAL) === 0 && ready.some(({ fd, bits }) => fd === event.fd && (bits & event.events & IO) !== 0);
  return due.some(isReady) ? "a timeout keeps readiness" : undefined;
}

/** What differs in a command that names `event`. */
export function differenceInCommand(command: string, event: LoopEvent): DifferenceName | undefined {
  const hasExpired = event.queueState !== IDLE && event.timerSlot < 0 && (event.pending(EV_TIMEOUT)) !== 0;
  if (hasExpired && command === "pending" && (event.events & EV_PERSIST) !== 0 && (event.events & (IO | EV_SIGNAL)) !== 0) {
    return "an expired event stays registered";
  }
  return undefined;
}

/** What differs in adding `event`. */
export function differenceInAdd(_event: LoopEvent, _timeout: number | CommonTimeout | undefined): DifferenceName | undefined {
  return undefined;
}
