/**
 * Options of sockets of any kind. What sets one returns 0 or `-errno`; what reads one returns its value, 1 and 0 for on and
 * off, or `-errno`.
 *
 * @module
 */

import {
  allocate,
  getSocketOption,
  getSocketOptionBytes,
  os,
  setSocketOption,
  setSocketOptionBytes,
} from "../ffi/mod.ts";

const c = os.constants;
const { ENOTSUP } = os.errno as Record<"ENOTSUP", number>;
const REUSE_PORT = c.SO_REUSEPORT_LB !== 0 ? c.SO_REUSEPORT_LB : c.SO_REUSEPORT;

/**
 * A number on its way into a C int, which would lose what does not fit.
 *
 * @internal
 */
export function checkInt(what: string, value: number, min: number, max: number = 0x7fffffff): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`Cannot use ${value} as ${what}: it must be an integer from ${min} to ${max}`);
}

/** Reads an option that is on or off: systems say on in different numbers. @internal */
export function getSwitch(fd: number, level: number, option: number): number {
  return Math.min(getSocketOption(fd, level, option), 1);
}

/** Lets a listening address be taken again at once after its last owner (SO_REUSEADDR; evutil_make_listen_socket_reuseable). */
export function setReuseAddress(fd: number, on: boolean = true): number {
  return setSocketOption(fd, c.SOL_SOCKET, c.SO_REUSEADDR, on ? 1 : 0);
}

/** Reads what {@linkcode setReuseAddress} sets. */
export function getReuseAddress(fd: number): number {
  return getSwitch(fd, c.SOL_SOCKET, c.SO_REUSEADDR);
}

/**
 * Lets several sockets listen on one address and share its connections (SO_REUSEPORT, on FreeBSD SO_REUSEPORT_LB;
 * evutil_make_listen_socket_reuseable_port). On macOS sockets can have one address but do not share, so there this is
 * `-ENOTSUP`, as in libevent.
 */
export function setReusePort(fd: number, on: boolean = true): number {
  return os.name === "darwin" ? -ENOTSUP : setSocketOption(fd, c.SOL_SOCKET, REUSE_PORT, on ? 1 : 0);
}

/** Reads what {@linkcode setReusePort} sets. */
export function getReusePort(fd: number): number {
  return getSwitch(fd, c.SOL_SOCKET, REUSE_PORT);
}

/**
 * Restricts an IPv6 socket to IPv6, or lets it serve IPv4 too (IPV6_V6ONLY; evutil_make_listen_socket_ipv6only and
 * evutil_make_listen_socket_not_ipv6only).
 */
export function setIpv6Only(fd: number, on: boolean): number {
  return setSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, on ? 1 : 0);
}

/** Reads what {@linkcode setIpv6Only} sets. */
export function getIpv6Only(fd: number): number {
  return getSwitch(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY);
}

/**
 * Asks for room for so many bytes that were sent but not yet acknowledged (SO_SNDBUF). The kernel has limits of its own;
 * Linux doubles the number for its bookkeeping, and reads it back doubled.
 *
 * @throws {RangeError} when `bytes` is no C int.
 */
export function setSendBufferBytes(fd: number, bytes: number): number {
  return setSocketOption(fd, c.SOL_SOCKET, c.SO_SNDBUF, checkInt("the size of a send buffer", bytes, 0));
}

/** Reads the size of the send buffer, in bytes. */
export function getSendBufferBytes(fd: number): number {
  return getSocketOption(fd, c.SOL_SOCKET, c.SO_SNDBUF);
}

/**
 * Asks for room for so many bytes that were received but not yet read (SO_RCVBUF); like {@linkcode setSendBufferBytes}. For
 * TCP it is to be set before listening or connecting, since the window's scale is agreed on then.
 *
 * @throws {RangeError} when `bytes` is no C int.
 */
export function setReceiveBufferBytes(fd: number, bytes: number): number {
  return setSocketOption(fd, c.SOL_SOCKET, c.SO_RCVBUF, checkInt("the size of a receive buffer", bytes, 0));
}

/** Reads the size of the receive buffer, in bytes. */
export function getReceiveBufferBytes(fd: number): number {
  return getSocketOption(fd, c.SOL_SOCKET, c.SO_RCVBUF);
}

const lingerBytes = allocate(os.structs.linger.size);
const linger = new Int32Array(lingerBytes.buffer);

/**
 * Makes closing a TCP socket reset its connection at once, so that unsent bytes are dropped, the peer meets ECONNRESET and
 * nothing of it stays in TIME_WAIT (SO_LINGER with no time). Off, closing lets the kernel send what is left. SO_LINGER with a
 * time is left out: it makes `close` block.
 */
export function setResetOnClose(fd: number, on: boolean): number {
  linger[0] = on ? 1 : 0;
  linger[1] = 0;
  return setSocketOptionBytes(fd, c.SOL_SOCKET, c.SO_LINGER, lingerBytes);
}

/** Reads what {@linkcode setResetOnClose} sets; 0 also for a socket that lingers for some time. */
export function getResetOnClose(fd: number): number {
  const result = getSocketOptionBytes(fd, c.SOL_SOCKET, c.SO_LINGER, lingerBytes);
  if (result < 0) return result;
  return linger[0] !== 0 && linger[1] === 0 ? 1 : 0;
}

/** 1 for a socket that listens, 0 for one that does not (SO_ACCEPTCONN), or `-errno`. */
export function isListening(fd: number): number {
  return getSwitch(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN);
}

/** The type of a socket, a SOCK_ number of this system (SO_TYPE), or `-errno`; -ENOTSOCK for what is no socket. */
export function getSocketType(fd: number): number {
  return getSocketOption(fd, c.SOL_SOCKET, c.SO_TYPE);
}
