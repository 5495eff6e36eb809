/**
 * Options of TCP sockets. What sets one returns 0 or `-errno`; what reads one returns its value, 1 and 0 for on and off, or
 * `-errno`. -ENOPROTOOPT is what a system that lacks an option says.
 *
 * @module
 */

import { acceptFilter, getSocketOption, os, setSocketOption, setSocketOptionBytes } from "../ffi/mod.ts";
import { checkInt, getSwitch } from "./socket_options.ts";

const c = os.constants;
const { ENOPROTOOPT } = os.errno as Record<"ENOPROTOOPT", number>;

/** Sends small pieces at once instead of gathering them (TCP_NODELAY). */
export function setNoDelay(fd: number, on: boolean): number {
  return setSocketOption(fd, c.IPPROTO_TCP, c.TCP_NODELAY, on ? 1 : 0);
}

/** Reads what {@linkcode setNoDelay} sets. */
export function getNoDelay(fd: number): number {
  return getSwitch(fd, c.IPPROTO_TCP, c.TCP_NODELAY);
}

/** When and how often an idle TCP connection is probed. */
export interface KeepAlive {
  /** Seconds of silence before the first probe. */
  readonly idleSeconds: number;
  /** Seconds between probes. */
  readonly intervalSeconds: number;
  /** Probes without an answer before the connection is given up. */
  readonly count: number;
}

/**
 * The probes that libevent makes of one number: after so many seconds of silence, then three at intervals of a third of
 * it, so that a dead connection is given up after twice the time (evutil_set_tcp_keepalive).
 *
 * @throws {RangeError} when `seconds` is not a positive integer.
 */
export function keepAliveAfter(seconds: number): KeepAlive {
  checkInt("the seconds before a keep-alive probe", seconds, 1);
  return { idleSeconds: seconds, intervalSeconds: Math.max(Math.floor(seconds / 3), 1), count: 3 };
}

/**
 * Turns keep-alive probes on (SO_KEEPALIVE and its TCP settings), or off.
 *
 * @param keepAlive the settings, or the seconds that {@linkcode keepAliveAfter} makes them of, or false: no probes.
 * @returns 0 or the first `-errno`.
 * @throws {RangeError} when the number of seconds is not a positive integer.
 */
export function setKeepAlive(fd: number, keepAlive: KeepAlive | number | false): number {
  if (keepAlive === false) return setSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 0);
  const { idleSeconds, intervalSeconds, count } = typeof keepAlive === "number" ? keepAliveAfter(keepAlive) : keepAlive;
  let result = setSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 1);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE, idleSeconds);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL, intervalSeconds);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT, count);
  return result;
}

/** Reads what {@linkcode setKeepAlive} sets: the settings, false where there are no probes, or `-errno`. */
export function getKeepAlive(fd: number): KeepAlive | false | number {
  const on = getSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE);
  if (on <= 0) return on === 0 ? false : on;
  const idleSeconds = getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE);
  const intervalSeconds = getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL);
  const count = getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT);
  const failed = Math.min(idleSeconds, intervalSeconds, count);
  return failed < 0 ? failed : { idleSeconds, intervalSeconds, count };
}

/**
 * Has a listening socket hold connections back until their first bytes have come, so that accepting and reading take one
 * wake-up (evutil_make_tcp_listen_socket_deferred): TCP_DEFER_ACCEPT on Linux; on FreeBSD the accept filter `dataready`, which
 * is -ENOENT unless its kernel module accf_data is loaded; `-ENOPROTOOPT` on macOS, which has nothing of the kind.
 *
 * @param seconds how long to hold a silent connection back at most, roughly, on Linux; 1 by default as in libevent, 0: not
 *   at all. A connection that is still silent then is accepted, or dropped by older kernels.
 * @throws {RangeError} when `seconds` is no C int.
 */
export function setDeferredAccept(fd: number, seconds: number = 1): number {
  checkInt("the seconds to defer accepting", seconds, 0);
  if (c.TCP_DEFER_ACCEPT !== 0) return setSocketOption(fd, c.IPPROTO_TCP, c.TCP_DEFER_ACCEPT, seconds);
  if (c.SO_ACCEPTFILTER === 0) return -ENOPROTOOPT;
  return setSocketOptionBytes(fd, c.SOL_SOCKET, c.SO_ACCEPTFILTER, seconds === 0 ? null : acceptFilter("dataready"));
}

/** Reads for how many seconds accepting is deferred, as Linux has rounded them; `-ENOPROTOOPT` elsewhere. */
export function getDeferredAccept(fd: number): number {
  return c.TCP_DEFER_ACCEPT === 0 ? -ENOPROTOOPT : getSocketOption(fd, c.IPPROTO_TCP, c.TCP_DEFER_ACCEPT);
}

/**
 * Lets a listening socket take data with the first segment from clients that were here before (TCP_FASTOPEN, RFC 7413).
 * Whether the kernel does so is a setting of the system (on Linux `net.ipv4.tcp_fastopen`).
 *
 * @param pendingMax how many such connections may be under way on Linux; elsewhere anything but 0 switches it on.
 * @throws {RangeError} when `pendingMax` is no C int.
 */
export function setFastOpen(fd: number, pendingMax: number): number {
  return setSocketOption(
    fd,
    c.IPPROTO_TCP,
    c.TCP_FASTOPEN,
    checkInt("the length of the fast open queue", pendingMax, 0),
  );
}

/** Reads what {@linkcode setFastOpen} sets. */
export function getFastOpen(fd: number): number {
  return getSocketOption(fd, c.IPPROTO_TCP, c.TCP_FASTOPEN);
}

/**
 * Gives a connection up when data it sent stays unacknowledged for so long (TCP_USER_TIMEOUT, RFC 5482; Linux only,
 * `-ENOPROTOOPT` elsewhere).
 *
 * @param milliseconds 0: as the system sees fit.
 * @throws {RangeError} when `milliseconds` is no C int.
 */
export function setUserTimeoutMs(fd: number, milliseconds: number): number {
  checkInt("a TCP user timeout", milliseconds, 0);
  if (c.TCP_USER_TIMEOUT === 0) return -ENOPROTOOPT;
  return setSocketOption(fd, c.IPPROTO_TCP, c.TCP_USER_TIMEOUT, milliseconds);
}

/** Reads what {@linkcode setUserTimeoutMs} sets. */
export function getUserTimeoutMs(fd: number): number {
  return c.TCP_USER_TIMEOUT === 0 ? -ENOPROTOOPT : getSocketOption(fd, c.IPPROTO_TCP, c.TCP_USER_TIMEOUT);
}
