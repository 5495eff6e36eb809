import { os, setSocketOption } from "../ffi/mod.ts";

const c = os.constants;

/** Sends small pieces at once instead of gathering them (TCP_NODELAY). Returns 0 or `-errno`. */
export function setNoDelay(fd: number, on: boolean): number {
  return setSocketOption(fd, c.IPPROTO_TCP, c.TCP_NODELAY, on ? 1 : 0);
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

/** Turns keep-alive probes on (SO_KEEPALIVE and its TCP settings), or off. Returns 0 or the first `-errno`. */
export function setKeepAlive(fd: number, keepAlive: KeepAlive | false): number {
  if (keepAlive === false) return setSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 0);
  let result = setSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE, 1);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE, keepAlive.idleSeconds);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL, keepAlive.intervalSeconds);
  if (result >= 0) result = setSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT, keepAlive.count);
  return result;
}

/** Lets a listening address be taken again at once after its last owner (SO_REUSEADDR). Returns 0 or `-errno`. */
export function setReuseAddress(fd: number): number {
  return setSocketOption(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
}

/** Lets several sockets listen on one address and share its connections (SO_REUSEPORT, on FreeBSD SO_REUSEPORT_LB). Returns 0 or `-errno`. */
export function setReusePort(fd: number): number {
  return setSocketOption(fd, c.SOL_SOCKET, c.SO_REUSEPORT_LB !== 0 ? c.SO_REUSEPORT_LB : c.SO_REUSEPORT, 1);
}

/** Restricts an IPv6 socket to IPv6, or lets it serve IPv4 too (IPV6_V6ONLY). Returns 0 or `-errno`. */
export function setIpv6Only(fd: number, on: boolean): number {
  return setSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, on ? 1 : 0);
}
