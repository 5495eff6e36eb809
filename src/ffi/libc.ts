/**
 * Opens libc and reads errno. The calls themselves stand in `sockets.ts`, `files.ts`, `waiting.ts` and `process.ts`:
 * each is thin, has one literal call site per symbol (a shared call site costs Deno 60 ns), and returns its result when
 * >= 0, else `-errno`.
 *
 * The tables are plain objects and no call site keeps a copy of a function, so that tests can put a failing one in its place
 * (`tests/support/faults.ts`); both runtimes call as fast through a table as through a constant.
 *
 * @module
 */

import { openWithAliases } from "./aliases.ts";
import { directEpollCalls, directSocketCalls, syscallNumbers } from "./linux_calls.ts";
import { os, runtime, variadicOnStack } from "./platform.ts";
import type { Arch } from "./os_data.ts";
import type { Calls, Signatures } from "./runtime.ts";
import {
  addressedSignatures,
  commonSignatures,
  type epollSignatures,
  fcntlPaddedSignature,
  fcntlSignature,
  freebsdSignatures,
  kqueueSignatures,
  linuxSignatures,
  mmsgSignatures,
  ppollSignatures,
} from "./signatures.ts";

/** An opened libc: the name it was found under and its functions. */
interface Libc {
  readonly path: string;
  readonly calls: Calls<typeof commonSignatures>;
}

function openLibc(): Libc {
  const failures: string[] = [];
  for (const path of os.libcNames) {
    try {
      return { path, calls: openWithAliases(path, commonSignatures) };
    } catch (cause) {
      // Without the permission every name fails alike: one clear sentence instead of three unclear ones.
      if (cause instanceof Error && (cause.name === "NotCapable" || cause.name === "PermissionDenied")) {
        throw new Error(
          "Cannot load libc: evbase talks to the kernel through FFI and Deno was started without --allow-ffi; " +
            "run it as `deno run --allow-ffi ...`",
          { cause },
        );
      }
      failures.push(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  throw new Error(
    `Cannot load libc on ${os.name} ${runtime.arch}; tried ${failures.join("; ")}. ` +
      "evbase needs the system's C library (glibc, musl, libSystem or FreeBSD's libc) as a shared library",
  );
}

const libc = openLibc();

/** The name under which libc was found. */
export const libcPath: string = libc.path;

/** Functions that every system has. */
export const sys: Calls<typeof commonSignatures> = libc.calls;

/** Opens more of libc: functions that only the running system has, or that have another shape elsewhere. */
export function openFromLibc<const S extends Signatures>(signatures: S): Calls<S> {
  return openWithAliases(libcPath, signatures);
}

function mapErrno(): Int32Array {
  const located = openFromLibc({ [os.errnoSymbol]: { args: [], result: "address" } } as const);
  return new Int32Array(runtime.viewAt(Number(located[os.errnoSymbol]!()), 4));
}

/**
 * This thread's errno word, mapped. Reading it in the expression right after a call costs 1 ns, calling
 * `__errno_location` each time 20 to 70 ns. It is per thread, and so is this module: every Worker maps its own.
 *
 * The runtime writes here, too: on Deno EAGAIN was found after it had collected garbage, and after a loop that was being compiled. It may have
 * its turn where a function begins or ends, so the function that makes a call reads errno before it calls or returns to anybody. The first
 * time, when the engine does not know that reading yet, a little of the danger is left: see {@linkcode ATTEMPTS_MAX}.
 */
export const errno: Int32Array = mapErrno();

/** How often at most a call is made that says EAGAIN though it has no such answer, because what it did say was written over. */
export const ATTEMPTS_MAX = 3;

const syscalls = os.name === "linux" ? syscallNumbers[runtime.arch as Arch] : undefined;

/** `recv` and `send` that take an address. Unlike those of other tables they return `-errno` themselves. */
export const sysAddressed: Calls<typeof addressedSignatures> = syscalls === undefined
  ? addressedCalls(openFromLibc(addressedSignatures))
  : directSocketCalls(openFromLibc, syscalls, runtime.word(0), errno);

function addressedCalls({ recv, send }: Calls<typeof addressedSignatures>): Calls<typeof addressedSignatures> {
  return {
    recv(fd, word, length, flags) {
      const result = recv(fd, word, length, flags);
      return result < 0 ? -errno[0]! : result;
    },
    send(fd, word, length, flags) {
      const result = send(fd, word, length, flags);
      return result < 0 ? -errno[0]! : result;
    },
  };
}

/** The waits of epoll, undefined elsewhere than on Linux, whose kernel may lack `epoll_pwait2`. They return `-errno` themselves. */
export const sysEpoll: Calls<typeof epollSignatures> | undefined = syscalls === undefined
  ? undefined
  : directEpollCalls(openFromLibc, syscalls, errno);

/** Opens functions of one system, or answers undefined on the others. */
function openOn<const S extends Signatures>(names: readonly string[], signatures: S): Calls<S> | undefined {
  return names.includes(os.name) ? openFromLibc(signatures) : undefined;
}

/** Opens functions that not every version of a system's libc has; undefined without them. A runtime loads all of a table or none. */
function openIfThere<const S extends Signatures>(names: readonly string[], signatures: S): Calls<S> | undefined {
  try {
    return openOn(names, signatures);
  } catch {
    return undefined;
  }
}

/** Functions of Linux, undefined elsewhere. */
export const sysLinux: Calls<typeof linuxSignatures> | undefined = openOn(["linux"], linuxSignatures);

/** `ppoll`, undefined where the C library has none. */
export const sysPpoll: Calls<typeof ppollSignatures> | undefined = openIfThere(["linux", "freebsd"], ppollSignatures);

/** `recvmmsg` and `sendmmsg`, undefined where the C library has none. */
export const sysMmsg: Calls<typeof mmsgSignatures> | undefined = openIfThere(["linux", "freebsd"], mmsgSignatures);

/** Functions of FreeBSD, undefined elsewhere. */
export const sysFreebsd: Calls<typeof freebsdSignatures> | undefined = openOn(["freebsd"], freebsdSignatures);

/** `kqueue` and `kevent` of the BSDs, undefined elsewhere. */
export const sysKqueue: Calls<typeof kqueueSignatures> | undefined = openOn(["darwin", "freebsd"], kqueueSignatures);

/** `fcntl` where variadic arguments travel in registers, undefined elsewhere. */
export const sysFcntl: Calls<{ fcntl: typeof fcntlSignature }> | undefined = variadicOnStack
  ? undefined
  : openFromLibc({ fcntl: fcntlSignature });

/** `fcntl` where they travel on the stack, undefined elsewhere. */
export const sysFcntlPadded: Calls<{ fcntl: typeof fcntlPaddedSignature }> | undefined = variadicOnStack
  ? openFromLibc({ fcntl: fcntlPaddedSignature })
  : undefined;
