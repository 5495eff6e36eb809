/**
 * Socket calls: each returns its result when >= 0, else `-errno`.
 *
 * @module
 */

import { fcntl } from "./files.ts";
import { ATTEMPTS_MAX, errno, sys, sysAddressed, sysFreebsd, sysLinux } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import type { Address, Word } from "./runtime.ts";
import { allocate } from "./strings.ts";

const { SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_NOSIGPIPE, SO_ERROR } = os.constants;
const { F_GETFL, F_SETFL, F_SETFD, FD_CLOEXEC, O_NONBLOCK } = os.constants;
const { EAGAIN, EALREADY, EINPROGRESS, EISCONN } = os.errno as Record<
  "EAGAIN" | "EALREADY" | "EINPROGRESS" | "EISCONN",
  number
>;

// One cell each for int options, their lengths and descriptor pairs; no call of ours is re-entered.
const cellBytes = allocate(8);
const cell = new Int32Array(cellBytes.buffer);
const lengthBytes = allocate(4);
const lengthCell = new Int32Array(lengthBytes.buffer);

/** Leaves what {@linkcode accept} makes blocking. */
export const ACCEPT_BLOCKING: number = 1;
/** Keeps what {@linkcode accept} makes open when the process executes another program. */
export const ACCEPT_INHERITABLE: number = 2;

/**
 * Makes `fd` non-blocking and close-on-exec by `fcntl`, or what `how` (ACCEPT_ bits) says instead, for systems without the
 * SOCK_ flags; some of them hand the listening socket's flags on. Returns `fd` or `-errno`, closing `fd` then.
 */
function prepare(fd: number, how: number = 0): number {
  const flags = fcntl(fd, F_GETFL, 0);
  const wanted = (how & ACCEPT_BLOCKING) === 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  let result = flags < 0 ? flags : fcntl(fd, F_SETFL, wanted);
  if (result >= 0) result = fcntl(fd, F_SETFD, (how & ACCEPT_INHERITABLE) === 0 ? FD_CLOEXEC : 0);
  if (result >= 0 && SO_NOSIGPIPE !== 0) {
    result = setSocketOption(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
    // macOS takes no option once both directions have ended, as when the peer was gone before it was accepted: reading says so.
    if (result === -os.errno.EINVAL!) result = 0;
  }
  if (result >= 0) return fd;
  sys.close(fd);
  return result;
}

/** Creates a non-blocking close-on-exec socket. */
export function socket(family: number, type: number, protocol: number): number {
  const fd = sys.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno[0]!;
  return SOCK_NONBLOCK === 0 ? prepare(fd) : fd;
}

/** Creates two connected non-blocking close-on-exec sockets; on success `pair[0]` and `pair[1]` hold them. */
export function socketpair(family: number, type: number, protocol: number, pair: Int32Array): number {
  const result = sys.socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, cellBytes);
  if (result < 0) return -errno[0]!;
  const [first, second] = [cell[0]!, cell[1]!];
  if (SOCK_NONBLOCK === 0) {
    const prepared = prepare(first);
    if (prepared < 0) {
      sys.close(second);
      return prepared;
    }
    const other = prepare(second);
    if (other < 0) {
      sys.close(first);
      return other;
    }
  }
  pair[0] = first;
  pair[1] = second;
  return 0;
}

/** Binds `fd` to the first `length` bytes of `address` (a sockaddr). */
export function bind(fd: number, address: Uint8Array, length: number): number {
  const result = sys.bind(fd, address, length);
  return result < 0 ? -errno[0]! : result;
}

/** Starts listening with room for `backlog` waiting connections. */
export function listen(fd: number, backlog: number): number {
  const result = sys.listen(fd, backlog);
  return result < 0 ? -errno[0]! : result;
}

/** Connects `fd`; non-blocking sockets usually answer `-EINPROGRESS`. */
export function connect(fd: number, address: Uint8Array, length: number): number {
  for (let attempt = 1;; attempt++) {
    const result = sys.connect(fd, address, length);
    if (result >= 0) return result;
    const error = errno[0]!;
    // Asked again, a socket tells how far the first attempt has come. Only UNIX sockets say EAGAIN themselves, and go on saying so.
    if (attempt > 1 && error === EISCONN) return 0;
    if (attempt > 1 && error === EALREADY) return -EINPROGRESS;
    if (error !== EAGAIN || attempt === ATTEMPTS_MAX) return -error;
  }
}

// By the ACCEPT_ bits.
const acceptFlags = [SOCK_NONBLOCK | SOCK_CLOEXEC, SOCK_CLOEXEC, SOCK_NONBLOCK, 0];

/**
 * Accepts one connection as a non-blocking close-on-exec socket, unless `how` (ACCEPT_ bits) says otherwise. `length` (one
 * 32-bit cell over `lengthStorage`) holds the room in `address` before and the sockaddr's length after.
 */
export function accept(fd: number, address: Uint8Array, lengthStorage: Uint8Array, how: number = 0): number {
  if (sysLinux !== undefined) {
    const result = sysLinux.accept4(fd, address, lengthStorage, acceptFlags[how]!);
    return result < 0 ? -errno[0]! : result;
  }
  if (sysFreebsd !== undefined) {
    const result = sysFreebsd.accept4(fd, address, lengthStorage, acceptFlags[how]!);
    return result < 0 ? -errno[0]! : result;
  }
  const accepted = sys.accept(fd, address, lengthStorage);
  return accepted < 0 ? -errno[0]! : prepare(accepted, how);
}

/** Receives at most `length` bytes. 0: the peer has finished sending. */
export function recv(fd: number, bytes: Uint8Array, length: number, flags: number): number {
  const result = sys.recv(fd, bytes, length, flags);
  return result < 0 ? -errno[0]! : result;
}

/** Sends at most `length` bytes. */
export function send(fd: number, bytes: Uint8Array, length: number, flags: number): number {
  const result = sys.send(fd, bytes, length, flags);
  return result < 0 ? -errno[0]! : result;
}

// Mostly it is the same address again, and on Deno making C's number of it costs 50 to 100 ns.
let sendAddress: Address = 0;
let sendWord: Word = runtime.word(0);

/** {@linkcode recv} into the memory at `word`: 100 ns cheaper than `readv` and free of a view per call. */
export function recvAt(fd: number, word: Word, length: number, flags: number): number {
  return sysAddressed.recv(fd, word, length, flags);
}

/** {@linkcode send} from memory `offset` bytes behind `word`. */
export function sendFrom(fd: number, word: Word, offset: number, length: number, flags: number): number {
  return sysAddressed.send(fd, offset === 0 ? word : runtime.wordAt(word, offset), length, flags);
}

/** {@linkcode send} from memory at `address`. */
export function sendAt(fd: number, address: Address, length: number, flags: number): number {
  if (address !== sendAddress) {
    sendAddress = address;
    sendWord = runtime.word(address);
  }
  return sysAddressed.send(fd, sendWord, length, flags);
}

/** Ends one or both directions. */
export function shutdown(fd: number, how: number): number {
  const result = sys.shutdown(fd, how);
  return result < 0 ? -errno[0]! : result;
}

/** Writes the local sockaddr into `address` and returns its length. */
export function getsockname(fd: number, address: Uint8Array): number {
  lengthCell[0] = address.length;
  const result = sys.getsockname(fd, address, lengthBytes);
  return result < 0 ? -errno[0]! : Math.min(lengthCell[0]!, address.length);
}

/** Writes the peer's sockaddr into `address` and returns its length. */
export function getpeername(fd: number, address: Uint8Array): number {
  lengthCell[0] = address.length;
  const result = sys.getpeername(fd, address, lengthBytes);
  return result < 0 ? -errno[0]! : Math.min(lengthCell[0]!, address.length);
}

/** Sets an integer option. */
export function setSocketOption(fd: number, level: number, option: number, value: number): number {
  cell[0] = value;
  const result = sys.setsockopt(fd, level, option, cellBytes, 4);
  return result < 0 ? -errno[0]! : result;
}

/** Sets an option whose value is a struct, or where it may be null takes it back. */
export function setSocketOptionBytes(fd: number, level: number, option: number, value: Uint8Array | null): number {
  const result = sys.setsockopt(fd, level, option, value, value === null ? 0 : value.length);
  return result < 0 ? -errno[0]! : result;
}

/** Reads an integer option; the value may itself be negative only where the option's may. */
export function getSocketOption(fd: number, level: number, option: number): number {
  lengthCell[0] = 4;
  const result = sys.getsockopt(fd, level, option, cellBytes, lengthBytes);
  return result < 0 ? -errno[0]! : cell[0]!;
}

/** Reads an option whose value is a struct into `value`. Returns how many bytes it has. */
export function getSocketOptionBytes(fd: number, level: number, option: number, value: Uint8Array): number {
  lengthCell[0] = value.length;
  const result = sys.getsockopt(fd, level, option, value, lengthBytes);
  return result < 0 ? -errno[0]! : lengthCell[0]!;
}

/** A struct accept_filter_arg of FreeBSD (`sys/socket.h`) that names a filter. */
export function acceptFilter(name: string): Uint8Array {
  // 16 bytes of name, then 240 of arguments.
  const bytes = allocate(256);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  return bytes;
}

/** Takes the socket's pending error (SO_ERROR): a positive errno, 0 when there is none, or `-errno` when the call failed. */
export function takeSocketError(fd: number): number {
  return getSocketOption(fd, SOL_SOCKET, SO_ERROR);
}
