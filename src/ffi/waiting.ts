/**
 * Calls that wait for readiness: each returns its result when >= 0, else `-errno`.
 *
 * @module
 */

import { check, errno, sys, sysLinux } from "./libc.ts";
import { os } from "./platform.ts";

// Bound once: on systems without epoll nobody calls these, since `choose()` never offers the backend there.
const linux = sysLinux!;

/** Creates an epoll descriptor. */
export function epollCreate(): number {
  return check(linux.epoll_create1(os.constants.EPOLL_CLOEXEC));
}

/** Adds, changes or removes the interest in `fd`; `event` is one struct epoll_event. */
export function epollControl(epollFd: number, operation: number, fd: number, event: Uint8Array): number {
  const result = linux.epoll_ctl(epollFd, operation, fd, event);
  return result < 0 ? -errno[0]! : result;
}

/** Waits for at most `eventsMax` events; -1 milliseconds means without limit. */
export function epollWait(epollFd: number, events: Uint8Array, eventsMax: number, timeoutMs: number): number {
  const result = linux.epoll_wait(epollFd, events, eventsMax, timeoutMs);
  return result < 0 ? -errno[0]! : result;
}

/** Waits for one of the first `count` entries of `pollfds` (struct pollfd). */
export function poll(pollfds: Uint8Array, count: number, timeoutMs: number): number {
  const result = sys.poll(pollfds, count, timeoutMs);
  return result < 0 ? -errno[0]! : result;
}

/** Waits for descriptors below `limit`; the sets are overwritten with what is ready. `timeout` is a struct timeval, null: no limit. */
export function select(
  limit: number,
  readSet: Uint8Array,
  writeSet: Uint8Array,
  exceptSet: Uint8Array | null,
  timeout: Uint8Array | null,
): number {
  const result = sys.select(limit, readSet, writeSet, exceptSet, timeout);
  return result < 0 ? -errno[0]! : result;
}

/** Opens a non-blocking close-on-exec eventfd; undefined on systems without one. */
export function openEventfd(): number | undefined {
  if (sysLinux === undefined) return undefined;
  return check(sysLinux.eventfd(0, os.constants.EFD_CLOEXEC | os.constants.EFD_NONBLOCK));
}
