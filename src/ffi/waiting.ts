/**
 * Calls that wait for readiness: each returns its result when >= 0, else `-errno`. No kernel answers them EAGAIN: those that do are asked again.
 *
 * @module
 */

import { ATTEMPTS_MAX, errno, sys, sysEpoll, sysLinux, sysPpoll } from "./libc.ts";
import { os } from "./platform.ts";
import { allocate } from "./strings.ts";

const { EAGAIN } = os.errno as { EAGAIN: number };

// Bound once: on systems without epoll nobody calls these, since `choose()` never offers the backend there.
const linux = sysLinux!;
const epoll = sysEpoll!;

/** Creates an epoll descriptor. */
export function epollCreate(): number {
  const result = linux.epoll_create1(os.constants.EPOLL_CLOEXEC);
  return result < 0 ? -errno[0]! : result;
}

/** Adds, changes or removes the interest in `fd`; `event` is one struct epoll_event. */
export function epollControl(epollFd: number, operation: number, fd: number, event: Uint8Array): number {
  const result = linux.epoll_ctl(epollFd, operation, fd, event);
  return result < 0 ? -errno[0]! : result;
}

/** Waits for at most `eventsMax` events; -1 milliseconds means without limit. */
export function epollWait(epollFd: number, events: Uint8Array, eventsMax: number, timeoutMs: number): number {
  for (let attempt = 1;; attempt++) {
    const result = epoll.epoll_wait(epollFd, events, eventsMax, timeoutMs);
    if (result !== -EAGAIN || attempt === ATTEMPTS_MAX) return result;
  }
}

/** {@linkcode epollWait} with a struct timespec. A kernel before 5.11 answers `-ENOSYS`, and some sandboxes `-EPERM`. */
export function epollWaitNanoseconds(
  epollFd: number,
  events: Uint8Array,
  eventsMax: number,
  timeout: Uint8Array,
): number {
  for (let attempt = 1;; attempt++) {
    const result = epoll.epoll_pwait2(epollFd, events, eventsMax, timeout, null);
    if (result !== -EAGAIN || attempt === ATTEMPTS_MAX) return result;
  }
}

/** Makes descriptor `fd` mean what `fresh` means, and closes `fresh` in any case. Returns 0 or `-errno`, which changes nothing else. */
export function replaceDescriptor(fd: number, fresh: number): number {
  const result = linux.dup3(fresh, fd, os.constants.O_CLOEXEC);
  const error = errno[0]!;
  sys.close(fresh);
  return result < 0 ? -error : 0;
}

/** Opens a non-blocking close-on-exec timer that polls readable when it has run out. */
export function timerfdCreate(clock: number): number {
  const result = linux.timerfd_create(clock, os.constants.TFD_CLOEXEC | os.constants.TFD_NONBLOCK);
  return result < 0 ? -errno[0]! : result;
}

/** Starts the timer anew, or stops it; `setting` is a struct itimerspec: the interval, then the time from now, two struct timespec. */
export function timerfdSet(fd: number, setting: Uint8Array): number {
  const result = linux.timerfd_settime(fd, 0, setting, null);
  return result < 0 ? -errno[0]! : result;
}

/** Waits for one of the first `count` entries of `pollfds` (struct pollfd). */
export function poll(pollfds: Uint8Array, count: number, timeoutMs: number): number {
  for (let attempt = 1;; attempt++) {
    const result = sys.poll(pollfds, count, timeoutMs);
    if (result >= 0) return result;
    const error = errno[0]!;
    if (error !== EAGAIN || attempt === ATTEMPTS_MAX) return -error;
  }
}

const asked = allocate(8);
const askedFd = new Int32Array(asked.buffer);
const answer = new Int16Array(asked.buffer);

/** Whether the file behind `fd` has an error or a hang-up to report, or is not open: what `poll` tells unasked. */
export function hasHungUp(fd: number): boolean {
  askedFd[0] = fd;
  answer[2] = answer[3] = 0;
  return poll(asked, 1, 0) > 0 && answer[3] !== 0;
}

/** {@linkcode poll} with a struct timespec; undefined where the system has no `ppoll` (macOS). */
export const pollNanoseconds: ((pollfds: Uint8Array, count: number, timeout: Uint8Array) => number) | undefined =
  sysPpoll === undefined ? undefined : (pollfds, count, timeout) => {
    for (let attempt = 1;; attempt++) {
      const result = sysPpoll!.ppoll(pollfds, count, timeout, null);
      if (result >= 0) return result;
      const error = errno[0]!;
      if (error !== EAGAIN || attempt === ATTEMPTS_MAX) return -error;
    }
  };

/** Waits for descriptors below `limit`; the sets are overwritten with what is ready. `timeout` is a struct timeval, null: no limit. */
export function select(
  limit: number,
  readSet: Uint8Array,
  writeSet: Uint8Array,
  exceptSet: Uint8Array | null,
  timeout: Uint8Array | null,
): number {
  for (let attempt = 1;; attempt++) {
    const result = sys.select(limit, readSet, writeSet, exceptSet, timeout);
    if (result >= 0) return result;
    const error = errno[0]!;
    if (error !== EAGAIN || attempt === ATTEMPTS_MAX) return -error;
  }
}

/** Opens a non-blocking close-on-exec eventfd; undefined on systems without one. */
export function openEventfd(): number | undefined {
  if (sysLinux === undefined) return undefined;
  const result = sysLinux.eventfd(0, os.constants.EFD_CLOEXEC | os.constants.EFD_NONBLOCK);
  return result < 0 ? -errno[0]! : result;
}
