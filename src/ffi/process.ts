/**
 * Calls about the process: environment, clock, limits, memory maps, signals.
 *
 * @module
 */

import { errno, sys, sysLinux } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { allocate, cString, stringAt, stringIn } from "./strings.ts";

/**
 * Reads an environment variable from libc, which asks nobody for permission. It is the environment the process was
 * started with: what a program later assigns to `process.env` may not be visible here.
 */
export function getenv(name: string): string | undefined {
  const address = Number(sys.getenv(cString(name)));
  return address === 0 ? undefined : stringAt(address);
}

/** Whether the process runs with more rights than its caller, who then must not steer it through the environment. */
export function isSetuid(): boolean {
  return sys.getuid() !== sys.geteuid() || sys.getgid() !== sys.getegid();
}

/** The process id. */
export function getpid(): number {
  return sys.getpid();
}

/** More than any system has (HOST_NAME_MAX is 64 on Linux, 255 elsewhere). */
const HOST_NAME_BYTES = 512;

/** The name of this host; empty where the system does not tell. */
export function hostName(): string {
  const bytes = allocate(HOST_NAME_BYTES);
  return sys.gethostname(bytes, HOST_NAME_BYTES - 1) < 0 ? "" : stringIn(bytes);
}

/** Sends signal `signo` to process `pid`. */
export function kill(pid: number, signo: number): number {
  const result = sys.kill(pid, signo);
  return result < 0 ? -errno[0]! : result;
}

/** Sends signal `signo` with an integer value to process `pid`; Linux only, `-ENOSYS` elsewhere. */
export function sigqueue(pid: number, signo: number, value: number): number {
  if (sysLinux === undefined) return -os.errno.ENOSYS!;
  const result = sysLinux.sigqueue(pid, signo, runtime.word(value));
  return result < 0 ? -errno[0]! : result;
}

const timeBytes = allocate(16);
const timeWords = new Uint32Array(timeBytes.buffer);

/**
 * Milliseconds on `clock` (CLOCK_MONOTONIC, CLOCK_REALTIME, ...), with nanosecond fractions. Costs one vDSO call; the
 * high halves are read too, so that it stays right after 2106.
 */
export function clockMs(clock: number): number {
  sys.clock_gettime(clock, timeBytes);
  return (timeWords[1]! * 4294967296 + timeWords[0]!) * 1000 + timeWords[2]! / 1e6;
}

const limitBytes = allocate(16);
const limitWords = new Uint32Array(limitBytes.buffer);

/** The soft limit on open descriptors, `Infinity` when there is none. */
export function descriptorLimit(): number {
  if (sys.getrlimit(os.constants.RLIMIT_NOFILE, limitBytes) < 0) return Infinity;
  return limitWords[1]! === 0 ? limitWords[0]! : Infinity;
}

// The high half of RLIM_INFINITY: all ones on Linux, the largest signed number elsewhere.
const unlimitedHigh = os.name === "linux" ? 0xffffffff : 0x7fffffff;

/** Sets the soft limit on open descriptors; `Infinity` asks for none. The kernel refuses more than the hard limit. */
export function setDescriptorLimit(limit: number): number {
  if (sys.getrlimit(os.constants.RLIMIT_NOFILE, limitBytes) < 0) return -errno[0]!;
  // Both halves: a limit of 2^32 must not become its low half, 0.
  limitWords[0] = limit === Infinity ? 0xffffffff : limit;
  limitWords[1] = limit === Infinity ? unlimitedHigh : limit / 4294967296;
  const result = sys.setrlimit(os.constants.RLIMIT_NOFILE, limitBytes);
  return result < 0 ? -errno[0]! : result;
}

/** Maps `length` bytes of fresh private memory, readable and writable, or returns `-errno`. */
export function mapMemory(length: number): Address | number {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } = os.constants;
  const mapped = sys.mmap(
    runtime.word(0),
    length,
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS,
    -1,
    runtime.word(0),
  );
  const error = errno[0]!;
  const address = Number(mapped);
  // MAP_FAILED is all ones, which arrives as 2^64 - 1 or as -1.
  return address <= 0 || address >= 2 ** 63 ? -error : address;
}

/** Changes the protection of mapped memory. */
export function protectMemory(address: Address, length: number, protection: number): number {
  const result = sys.mprotect(runtime.word(address), length, protection);
  return result < 0 ? -errno[0]! : result;
}

/** Gives mapped memory back. */
export function unmapMemory(address: Address, length: number): number {
  const result = sys.munmap(runtime.word(address), length);
  return result < 0 ? -errno[0]! : result;
}

/** Installs `action` for `signo`, null for none, and stores the one that stood there in `previous` (both struct sigaction). */
export function sigaction(signo: number, action: Uint8Array | null, previous: Uint8Array): number {
  const result = sys.sigaction(signo, action, previous);
  return result < 0 ? -errno[0]! : result;
}
