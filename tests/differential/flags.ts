/** The words of the scenarios' language for libevent's numbers. */
import {
  EV_CLOSED,
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EV_WRITE,
  EVLOOP_NO_EXIT_ON_EMPTY,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { signalNumber } from "../../src/ffi/mod.ts";

const eventFlags: Readonly<Record<string, number>> = {
  TIMEOUT: EV_TIMEOUT,
  READ: EV_READ,
  WRITE: EV_WRITE,
  SIGNAL: EV_SIGNAL,
  PERSIST: EV_PERSIST,
  ET: EV_ET,
  CLOSED: EV_CLOSED,
};
const loopFlags: Readonly<Record<string, number>> = {
  ONCE: EVLOOP_ONCE,
  NONBLOCK: EVLOOP_NONBLOCK,
  NO_EXIT_ON_EMPTY: EVLOOP_NO_EXIT_ON_EMPTY,
};

/** The number of a signal given as `USR2` or as a number. */
export function signalOf(name: string | undefined): number {
  return /^\d+$/.test(name ?? "") ? Number(name) : signalNumber(`SIG${name}`);
}

/** `READ|PERSIST` as a number. */
export function parseEventFlags(text: string | undefined): number {
  return parseFlags(eventFlags, text);
}

/** `ONCE|NONBLOCK` as a number. */
export function parseLoopFlags(text: string | undefined): number {
  return parseFlags(loopFlags, text);
}

function parseFlags(known: Readonly<Record<string, number>>, text: string = ""): number {
  return text.split("|").reduce((flags, word) => flags | (known[word] ?? 0), 0);
}

/** The reverse of {@linkcode parseEventFlags}; `none` for 0. */
export function flagsText(flags: number): string {
  return Object.keys(eventFlags).filter((name) => (flags & eventFlags[name]!) !== 0).join("|") || "none";
}
