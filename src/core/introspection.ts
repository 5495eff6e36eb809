/**
 * Looking into a base from outside: what waits, what is active, and making things happen by descriptor or signal.
 *
 * @module
 */

import {
  EV_CLOSED,
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EV_WRITE,
  EVENT_BASE_COUNT_ACTIVE,
  EVENT_BASE_COUNT_ADDED,
  EVENT_BASE_COUNT_VIRTUAL,
} from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { IDLE, LATER, type LoopCallback } from "./loop_callback.ts";
import type { Reactor } from "./reactor.ts";

/**
 * How many things of the given kinds a base has now (event_base_get_num_events).
 *
 * @param kinds `EVENT_BASE_COUNT_ACTIVE`, `EVENT_BASE_COUNT_VIRTUAL`, `EVENT_BASE_COUNT_ADDED`. An event counts as added
 * once for each list it is in: descriptor or signal, timeout, active.
 */
export function countEvents(base: EventBase, kinds: number): number {
  const reactor = reactorOf(base);
  reactor.collectRest();
  const { activeCount, virtualCount, pendingCount } = reactor;
  return ((kinds & EVENT_BASE_COUNT_ACTIVE) !== 0 ? activeCount : 0) +
    ((kinds & EVENT_BASE_COUNT_VIRTUAL) !== 0 ? virtualCount : 0) +
    ((kinds & EVENT_BASE_COUNT_ADDED) !== 0 ? pendingCount : 0);
}

/**
 * The most there ever were of each of the given kinds, added up (event_base_get_max_events). Of many timers that are due together, those may be
 * left out that the callback of another has deleted.
 *
 * @param clear start counting anew for these kinds.
 */
export function maxEvents(base: EventBase, kinds: number, clear: boolean = false): number {
  return reactorOf(base).takeHighWater(kinds, clear);
}

/**
 * Calls `visit` with every event of a base, each once: by descriptor, by signal number, by timer, by common timeout, and
 * last those that are only active (event_base_foreach_event). The loop's own events are left out.
 *
 * @param visit must not add or delete events; a result other than undefined, null, false and 0 ends the walk.
 * @returns the result that ended the walk, undefined otherwise.
 */
export function forEachEvent<T>(base: EventBase, visit: (event: LoopEvent) => T): T | undefined {
  for (const event of collectEvents(reactorOf(base))) {
    if (event.isInternal) continue;
    const result = visit(event);
    if (result) return result;
  }
  return undefined;
}

function collectEvents(reactor: Reactor): Set<LoopEvent> {
  reactor.collectRest();
  const found = new Set<LoopEvent>();
  for (let fd = 0; fd < reactor.fds.limit; fd++) {
    for (let event = reactor.fds.headOf(fd); event !== null; event = event.fdNext) found.add(event);
  }
  reactor.signals.forEach((event) => found.add(event));
  reactor.timers.forEach((event) => found.add(event));
  forEachActive(reactor, (callback) => {
    if (callback instanceof LoopEvent) found.add(callback);
  });
  return found;
}

function forEachActive(reactor: Reactor, visit: (callback: LoopCallback) => void): void {
  for (const queue of [...reactor.queues, reactor.later]) {
    for (const callback of queue) visit(callback);
  }
}

/**
 * Describes every event of a base, in libevent's text format (event_base_dump_events). Where C prints an address, an
 * event's serial number stands.
 */
export function dumpEvents(base: EventBase): string {
  const reactor = reactorOf(base);
  const events = [...collectEvents(reactor)];
  const wallClockOffsetMs = base.wallClockMs() - base.now();
  const inserted = events.filter((event) => event.isInserted || event.timerSlot >= 0);
  const active = events.filter((event) => event.queueState !== IDLE);
  return "Inserted events:\n" + inserted.map((event) => insertedLine(event, wallClockOffsetMs)).join("") +
    "Active events:\n" + active.map(activeLine).join("");
}

function insertedLine(event: LoopEvent, wallClockOffsetMs: number): string {
  const { events } = event;
  const has = (flag: number, word: string): string => (events & flag) !== 0 ? ` ${word}` : "";
  const flags = has(EV_READ, "Read") + has(EV_WRITE, "Write") + has(EV_CLOSED, "EOF") + has(EV_SIGNAL, "Signal") +
    has(EV_PERSIST, "Persist") + has(EV_ET, "ET") + (event.isInternal ? " Internal" : "");
  const timeout = event.timerSlot < 0 ? "" : ` Timeout=${seconds(event.deadlineMs + wallClockOffsetMs)}`;
  return `  ${name(event)} [${(events & EV_SIGNAL) !== 0 ? "sig" : "fd "} ${event.fd}]${flags}${timeout}\n`;
}

function activeLine(event: LoopEvent): string {
  const result = event.pendingResult;
  const has = (flag: number, word: string): string => (result & flag) !== 0 ? ` ${word}` : "";
  const what = has(EV_READ, "Read") + has(EV_WRITE, "Write") + has(EV_CLOSED, "EOF") + has(EV_SIGNAL, "Signal") +
    has(EV_TIMEOUT, "Timeout");
  return `  ${name(event)} [${(event.events & EV_SIGNAL) !== 0 ? "sig" : "fd "} ${event.fd}, priority=${event.level}]` +
    `${what} active${event.isInternal ? " [Internal]" : ""}${event.queueState === LATER ? " [NextTime]" : ""}\n`;
}

// Numbered when somebody asks: hardly any event is ever dumped.
const serials = new WeakMap<LoopEvent, number>();
let lastSerial = 0;

/** @internal The number of an event, which stands for C's address in dumps. */
export function serialOf(event: LoopEvent): number {
  let serial = serials.get(event);
  if (serial === undefined) serials.set(event, serial = ++lastSerial);
  return serial;
}

function name(event: LoopEvent): string {
  return `0x${serialOf(event).toString(16)}`;
}

/** Seconds and microseconds, as C prints a timeval. */
function seconds(milliseconds: number): string {
  const microseconds = Math.round(milliseconds * 1000);
  return `${Math.floor(microseconds / 1e6)}.${String(microseconds % 1e6).padStart(6, "0")}`;
}

/**
 * Activates the events of a descriptor that wait for one of `events` (event_base_active_by_fd). With `EV_TIMEOUT` it is the
 * timeouts set on events of that descriptor that fire, and nothing else. An unknown descriptor is no error.
 */
export function activateByFd(base: EventBase, fd: number, events: number): void {
  const reactor = reactorOf(base);
  reactor.collectRest();
  if ((events & EV_TIMEOUT) !== 0) {
    const timers: LoopEvent[] = [];
    reactor.timers.forEach((event) => {
      if (event.fd === fd) timers.push(event);
    });
    for (const event of timers) event.activate(EV_TIMEOUT);
    return;
  }
  const wanted = events & (EV_READ | EV_WRITE | EV_CLOSED);
  for (let event = reactor.fds.headOf(fd); event !== null; event = event.fdNext) {
    if ((event.events & wanted) !== 0) event.activate(event.events & wanted);
  }
}

/** Activates the events of a signal, as if it had been raised once (event_base_active_by_signal). */
export function activateBySignal(base: EventBase, signo: number): void {
  reactorOf(base).signals.raised(signo, 1, null);
}
