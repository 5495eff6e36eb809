/**
 * The C functions we call, as data. A function stands in the table of every system that has it.
 *
 * Lengths and counts travel as 32-bit numbers, see {@linkcode NativeType}; a 64-bit register receives them extended.
 *
 * @module
 */

import type { NativeType } from "./runtime.ts";

function signature<const A extends readonly NativeType[], const R extends NativeType>(
  args: A,
  result: R,
): { readonly args: A; readonly result: R } {
  return { args, result };
}

/** The same on Linux, macOS and FreeBSD. */
export const commonSignatures = {
  accept: signature(["i32", "buffer", "buffer"], "i32"),
  bind: signature(["i32", "buffer", "u32"], "i32"),
  chmod: signature(["buffer", "u32"], "i32"),
  clock_gettime: signature(["i32", "buffer"], "i32"),
  close: signature(["i32"], "i32"),
  closedir: signature(["address"], "i32"),
  connect: signature(["i32", "buffer", "u32"], "i32"),
  dup: signature(["i32"], "i32"),
  freeaddrinfo: signature(["address"], "void"),
  fstat: signature(["i32", "buffer"], "i32"),
  gai_strerror: signature(["i32"], "address"),
  getaddrinfo: signature(["buffer", "buffer", "buffer", "buffer"], "i32"),
  getegid: signature([], "u32"),
  getenv: signature(["buffer"], "address"),
  geteuid: signature([], "u32"),
  getgid: signature([], "u32"),
  gethostname: signature(["buffer", "u32"], "i32"),
  getnameinfo: signature(["buffer", "u32", "buffer", "u32", "buffer", "u32", "i32"], "i32"),
  getpeername: signature(["i32", "buffer", "buffer"], "i32"),
  getpid: signature([], "i32"),
  getrlimit: signature(["i32", "buffer"], "i32"),
  getsockname: signature(["i32", "buffer", "buffer"], "i32"),
  getsockopt: signature(["i32", "i32", "i32", "buffer", "buffer"], "i32"),
  getuid: signature([], "u32"),
  if_indextoname: signature(["u32", "buffer"], "address"),
  if_nametoindex: signature(["buffer"], "u32"),
  kill: signature(["i32", "i32"], "i32"),
  listen: signature(["i32", "i32"], "i32"),
  lstat: signature(["buffer", "buffer"], "i32"),
  mmap: signature(["address", "u32", "i32", "i32", "i32", "i64"], "address"),
  mprotect: signature(["address", "u32", "i32"], "i32"),
  munmap: signature(["address", "u32"], "i32"),
  // No call of ours creates a file, so the variadic mode is never passed.
  open: signature(["buffer", "i32"], "i32"),
  creat: signature(["buffer", "u32"], "i32"),
  opendir: signature(["buffer"], "address"),
  pipe: signature(["buffer"], "i32"),
  poll: signature(["buffer", "u32", "i32"], "i32"),
  pread: signature(["i32", "buffer", "u32", "i64"], "i32"),
  read: signature(["i32", "buffer", "u32"], "i32"),
  readdir: signature(["address"], "address"),
  readv: signature(["i32", "buffer", "i32"], "i32"),
  realpath: signature(["buffer", "buffer"], "address"),
  recv: signature(["i32", "buffer", "u32", "i32"], "i32"),
  recvfrom: signature(["i32", "buffer", "u32", "i32", "buffer", "buffer"], "i32"),
  recvmsg: signature(["i32", "buffer", "i32"], "i32"),
  select: signature(["i32", "buffer", "buffer", "buffer", "buffer"], "i32"),
  send: signature(["i32", "buffer", "u32", "i32"], "i32"),
  sendmsg: signature(["i32", "buffer", "i32"], "i32"),
  sendto: signature(["i32", "buffer", "u32", "i32", "buffer", "u32"], "i32"),
  setrlimit: signature(["i32", "buffer"], "i32"),
  setsockopt: signature(["i32", "i32", "i32", "buffer", "u32"], "i32"),
  shutdown: signature(["i32", "i32"], "i32"),
  sigaction: signature(["i32", "buffer", "buffer"], "i32"),
  socket: signature(["i32", "i32", "i32"], "i32"),
  socketpair: signature(["i32", "i32", "i32", "buffer"], "i32"),
  strlen: signature(["address"], "u32"),
  sysconf: signature(["i32"], "i64"),
  unlink: signature(["buffer"], "i32"),
  write: signature(["i32", "buffer", "u32"], "i32"),
  writev: signature(["i32", "buffer", "i32"], "i32"),
} as const;

/** `fcntl`, whose third argument is variadic: padded to the stack where the ABI wants it there. */
export const fcntlSignature = signature(["i32", "i32", "i32"], "i32");
/** See {@linkcode fcntlSignature}. */
export const fcntlPaddedSignature = signature(
  ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
  "i32",
);

/** The same functions with an address in place of a buffer, for memory in the middle of a larger array: no view is made. */
export const addressedSignatures = {
  recv: signature(["i32", "address", "u32", "i32"], "i32"),
  send: signature(["i32", "address", "u32", "i32"], "i32"),
} as const;

/** Linux only. */
export const linuxSignatures = {
  accept4: signature(["i32", "buffer", "buffer", "i32"], "i32"),
  dup3: signature(["i32", "i32", "i32"], "i32"),
  epoll_create1: signature(["i32"], "i32"),
  epoll_ctl: signature(["i32", "i32", "i32", "buffer"], "i32"),
  eventfd: signature(["u32", "i32"], "i32"),
  sendfile: signature(["i32", "i32", "buffer", "u32"], "i32"),
  sigqueue: signature(["i32", "i32", "address"], "i32"),
  splice: signature(["i32", "address", "i32", "address", "u32", "u32"], "i32"),
  timerfd_create: signature(["i32", "i32"], "i32"),
  timerfd_settime: signature(["i32", "i32", "buffer", "buffer"], "i32"),
} as const;

/** Linux; `epoll_pwait2` since 5.11. */
export const epollSignatures = {
  epoll_wait: signature(["i32", "buffer", "i32", "i32"], "i32"),
  epoll_pwait2: signature(["i32", "buffer", "i32", "buffer", "buffer"], "i32"),
} as const;

/** Linux and FreeBSD; macOS has no such function. */
export const ppollSignatures = {
  ppoll: signature(["buffer", "u32", "buffer", "buffer"], "i32"),
} as const;

/** Linux and FreeBSD 11; macOS has no such functions. */
export const mmsgSignatures = {
  recvmmsg: signature(["i32", "buffer", "u32", "i32", "buffer"], "i32"),
  sendmmsg: signature(["i32", "buffer", "u32", "i32"], "i32"),
} as const;

/** macOS and FreeBSD; on Linux they come from the library that `EVBASE_KQUEUE_LIBRARY` names. */
export const kqueueSignatures = {
  kevent: signature(["i32", "buffer", "i32", "buffer", "i32", "buffer"], "i32"),
  kqueue: signature([], "i32"),
} as const;

/** FreeBSD only. */
export const freebsdSignatures = {
  accept4: signature(["i32", "buffer", "buffer", "i32"], "i32"),
} as const;
