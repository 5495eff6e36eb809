import { EV_CLOSED, EV_ET, EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EV_WRITE } from "./constants.ts";

/** The kinds of readiness. */
export const IO: number = EV_READ | EV_WRITE | EV_CLOSED;
const KNOWN = EV_TIMEOUT | IO | EV_SIGNAL | EV_PERSIST | EV_ET;

/**
 * Refuses what an event cannot wait for.
 *
 * @throws {TypeError} for what is no descriptor or signal number, unknown flags, and flags that exclude each other.
 */
export function checkInterest(fd: number, events: number): void {
  if (!Number.isInteger(fd)) throw new TypeError(`Cannot create an event: the descriptor ${fd} is not an integer`);
  if ((events & ~KNOWN) !== 0) {
    throw new TypeError(`Cannot create an event: unknown flags 0x${(events & ~KNOWN).toString(16)}`);
  }
  if ((events & EV_SIGNAL) !== 0 && (events & IO) !== 0) {
    throw new TypeError("Cannot create an event: EV_SIGNAL excludes EV_READ, EV_WRITE and EV_CLOSED");
  }
}
