/**
 * Where `kqueue` and `kevent` come from: the system's own on macOS and FreeBSD, elsewhere a library that offers the
 * macOS layout (libkqueue, for one), or a test's double.
 *
 * @module
 */

import { darwin } from "./darwin.ts";
import { setCloseOnExec } from "./files.ts";
import { ATTEMPTS_MAX, errno, sysKqueue } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import { getenv, isSetuid } from "./process.ts";
import type { OsConstants } from "./os_data.ts";
import { kqueueSignatures } from "./signatures.ts";

/** The constants of kqueue that a provider's numbers follow. */
export type KqueueConstants = Pick<
  OsConstants,
  | "EVFILT_READ"
  | "EVFILT_WRITE"
  | "EVFILT_SIGNAL"
  | "KEV_ADD"
  | "KEV_DELETE"
  | "KEV_CLEAR"
  | "KEV_RECEIPT"
  | "KEV_ERROR"
  | "KEV_EOF"
>;

/** The two functions, each returning its result when >= 0, else `-errno`, with the layout that they use. */
export interface KqueueProvider {
  /** Bytes in one struct kevent: 32 on macOS, 64 on FreeBSD. */
  readonly eventSize: number;
  /** Filter and flag numbers. */
  readonly constants: KqueueConstants;
  /** Creates a kqueue descriptor. */
  kqueue(): number;
  /** Hands over changes and fetches events; `timeout` is a struct timespec, null: no limit. */
  kevent(
    fd: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array,
    eventsMax: number,
    timeout: Uint8Array | null,
  ): number;
}

/** Layout and numbers of macOS, which libraries that offer kqueue elsewhere follow too. */
export const darwinKqueue: Pick<KqueueProvider, "eventSize" | "constants"> = {
  eventSize: darwin("x86_64").structs.kevent!.size,
  constants: darwin("x86_64").constants,
};

/**
 * Finds `kqueue`: the system's own on macOS and FreeBSD, elsewhere that of the library which the environment variable
 * `EVBASE_KQUEUE_LIBRARY` names. Undefined when there is neither; a process with raised rights ignores the variable.
 *
 * @throws {Error} when the named library cannot be loaded.
 */
export function openKqueue(): KqueueProvider | undefined {
  const calls = sysKqueue ?? openNamedLibrary();
  if (calls === undefined) return undefined;
  const own = sysKqueue === undefined ? undefined : os.structs.kevent;
  return {
    eventSize: own?.size ?? darwinKqueue.eventSize,
    constants: own == null ? darwinKqueue.constants : os.constants,
    kqueue() {
      const fd = calls.kqueue();
      if (fd < 0) return -errno[0]!;
      setCloseOnExec(fd);
      return fd;
    },
    kevent(fd, changes, changeCount, events, eventsMax, timeout) {
      for (let attempt = 1;; attempt++) {
        const result = calls.kevent(fd, changes, changeCount, events, eventsMax, timeout);
        if (result >= 0) return result;
        const error = errno[0]!;
        // Changes are not made twice.
        if (error !== os.errno.EAGAIN! || changeCount > 0 || attempt === ATTEMPTS_MAX) return -error;
      }
    },
  };
}

function openNamedLibrary(): typeof sysKqueue {
  const path = getenv("EVBASE_KQUEUE_LIBRARY");
  // A process with raised rights must not load what its caller names.
  if (path === undefined || path === "" || isSetuid()) return undefined;
  try {
    return runtime.openLibrary(path, kqueueSignatures);
  } catch (cause) {
    throw new Error(`Cannot load the kqueue library ${path} named by EVBASE_KQUEUE_LIBRARY`, { cause });
  }
}
