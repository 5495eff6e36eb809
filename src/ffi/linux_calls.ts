/**
 * The calls of Linux that a busy loop lives on, past the functions that its C library has for them.
 *
 * Each of those is a point at which the thread may be cancelled. In a process with several threads, as both runtimes have, glibc up to version
 * 2.40 notes before and after the call whether it may, by instructions that lock memory: 30 to 80 ns a call. `syscall` is no such point, and
 * nobody cancels our threads.
 *
 * Each returns its result when >= 0, else `-errno`, which who calls it must not read: its own end would lie between (`libc.ts`).
 *
 * @module
 */

import type { Arch } from "./os_data.ts";
import type { Calls, NativeType, Signatures, Word } from "./runtime.ts";
import type { addressedSignatures, epollSignatures } from "./signatures.ts";

/** Numbers of system calls (`sys/syscall.h`). */
export interface SyscallNumbers {
  readonly recvfrom: number;
  readonly sendto: number;
  readonly epoll_pwait: number;
  readonly epoll_pwait2: number;
}

/** By architecture. */
export const syscallNumbers: Readonly<Record<Arch, SyscallNumbers>> = {
  x86_64: { recvfrom: 45, sendto: 44, epoll_pwait: 281, epoll_pwait2: 441 },
  aarch64: { recvfrom: 207, sendto: 206, epoll_pwait: 22, epoll_pwait2: 441 },
};

/** Opens functions of the C library. */
type Open = <const S extends Signatures>(signatures: S) => Calls<S>;

/** `syscall` for one kind of call: its arguments behind the number. Opened once for each, since a function with two call sites is slower. */
function syscallFor<const A extends readonly NativeType[]>(
  open: Open,
  args: A,
): Calls<{ syscall: { readonly args: readonly ["i32", ...A]; readonly result: "i32" } }>["syscall"] {
  return open({ syscall: { args: ["i32", ...args], result: "i32" } } as const).syscall;
}

/** `recv` and `send`, which to the kernel are `recvfrom` and `sendto` without an address. */
export function directSocketCalls(
  open: Open,
  numbers: SyscallNumbers,
  nowhere: Word,
  errno: Int32Array,
): Calls<typeof addressedSignatures> {
  const { recvfrom, sendto } = numbers;
  const receive = syscallFor(open, ["i32", "address", "u32", "i32", "address", "u32"]);
  const send = syscallFor(open, ["i32", "address", "u32", "i32", "address", "u32"]);
  return {
    recv(fd, word, length, flags) {
      const result = receive(recvfrom, fd, word, length, flags, nowhere, 0);
      return result < 0 ? -errno[0]! : result;
    },
    send(fd, word, length, flags) {
      const result = send(sendto, fd, word, length, flags, nowhere, 0);
      return result < 0 ? -errno[0]! : result;
    },
  };
}

/** `epoll_wait`, which arm64 knows as `epoll_pwait` without signals only, and `epoll_pwait2`, which is there whatever the C library has. */
export function directEpollCalls(
  open: Open,
  numbers: SyscallNumbers,
  errno: Int32Array,
): Calls<typeof epollSignatures> {
  const { epoll_pwait, epoll_pwait2 } = numbers;
  const wait = syscallFor(open, ["i32", "buffer", "i32", "i32", "buffer", "u32"]);
  const waitNanoseconds = syscallFor(open, ["i32", "buffer", "i32", "buffer", "buffer", "u32"]);
  return {
    epoll_wait(epollFd, events, max, timeoutMs) {
      const result = wait(epoll_pwait, epollFd, events, max, timeoutMs, null, 0);
      return result < 0 ? -errno[0]! : result;
    },
    epoll_pwait2(epollFd, events, max, timeout, signals) {
      const result = waitNanoseconds(epoll_pwait2, epollFd, events, max, timeout, signals, 0);
      return result < 0 ? -errno[0]! : result;
    },
  };
}
