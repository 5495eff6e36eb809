/** What the tests of faults share: which calls a backend waits by, and a base over a backend whose calls can fail. */
import { assertLessOrEqual } from "@std/assert";
import { EventBase } from "../../src/core/event_base.ts";
import type { EventConfig } from "../../src/core/mod.ts";
import type { BackendUnderTest, DoubledKqueueBackend } from "../support/backends.ts";
import { ATTEMPTS_MAX } from "../../src/ffi/libc.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { canFail, type Fault } from "../support/faults.ts";

/** The errors that are injected everywhere, whether or not a manual page knows them of the call in question. */
export const everyError: readonly string[] = ["EINTR", "EAGAIN", "ENOMEM", "EMFILE", "EBADF"];

/** Never true: counts calls without making one fail. */
export const never = (): boolean => false;

const waits: Readonly<Record<string, readonly string[]>> = {
  epoll: ["epoll_wait", "epoll_pwait2"],
  "epoll (with changelist)": ["epoll_wait", "epoll_pwait2"],
  poll: ["poll", "ppoll"],
  select: ["select"],
};

/** A base, and how to have its backend's calls fail. */
export interface FaultyBase {
  readonly base: EventBase;
  /** Makes the backend's waiting fail; as many faults as there are ways to wait. */
  waitFaults(fault: Omit<Fault, "call" | "on">): Fault[];
  /** Makes telling the kernel about a descriptor fail; undefined where nothing is told (poll, select). */
  readonly watchFault:
    | ((fault: Omit<Fault, "call" | "on" | "when">, operations?: readonly number[]) => Fault)
    | undefined;
}

/** Opens `backend` and a base over it. */
export function faultyBase(backend: BackendUnderTest, config: EventConfig = {}): FaultyBase {
  const opened = backend.open();
  const base = new EventBase({ ...config, openBackend: () => opened });
  if (backend.isDouble) {
    const on = (opened as DoubledKqueueBackend).double;
    return {
      base,
      waitFaults: (
        fault,
      ) => [{ when: (_fd, _changes, changeCount) => changeCount === 0, ...fault, call: "kevent", on }],
      watchFault: (fault) => ({ ...fault, when: (_fd, _changes, changeCount) => changeCount! > 0, call: "kevent", on }),
    };
  }
  const isEpoll = backend.name.startsWith("epoll");
  return {
    base,
    waitFaults: (fault) => (waits[backend.name] ?? ["kevent"]).filter(canFail).map((call) => ({ ...fault, call })),
    watchFault: !isEpoll ? undefined : (fault, operations) => ({
      ...fault,
      call: "epoll_ctl",
      when: (_epollFd, operation) => operations === undefined || operations.includes(operation!),
    }),
  };
}

/**
 * How many calls a failure takes. What says EAGAIN though it has no such answer is asked again, since errno may have been the runtime's; a
 * double has no errno.
 */
export function callsToFail(error: string, isDouble: boolean = false): number {
  return error === "EAGAIN" && !isDouble ? ATTEMPTS_MAX : 1;
}

/** How many calls several counts add up to. */
export function total(counts: readonly { readonly calls: number }[]): number {
  return counts.reduce((sum, { calls }) => sum + calls, 0);
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Expects no more open descriptors than `before`. There may be fewer: a Worker that slept for an earlier test ends when it likes. And
 * there may be more for a moment, which threads of the runtime have opened meanwhile: one that starts such a Worker, for one.
 */
export function assertNoneLeft(before: number): void {
  let count = openDescriptorCount();
  for (let tries = 0; count > before && tries < 200; tries++) {
    Atomics.wait(pause, 0, 0, 10);
    count = openDescriptorCount();
  }
  assertLessOrEqual(count, before, "descriptors were left behind");
}
