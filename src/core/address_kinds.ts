/**
 * What kind of address a socket address is, and which of two comes first.
 *
 * An IPv4-mapped IPv6 address (`::ffff:127.0.0.1`) is judged as the IPv4 address that it stands for, since that is where its
 * packets go; a check that overlooked it could be walked around.
 *
 * @module
 */

import { parseIpv4, parseIpv6, type SocketAddress } from "../ffi/mod.ts";

/** The bytes that are judged: four for IPv4 and IPv4-mapped addresses, sixteen for other IPv6 ones, none for Unix sockets. */
function judgedBytes(address: SocketAddress): Uint8Array | null {
  const bytes = hostBytes(address);
  return bytes?.length === 16 && isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/** The host's bytes in network order; null for Unix sockets. */
function hostBytes(address: SocketAddress): Uint8Array | null {
  if (address.family === "unix") return null;
  const bytes = address.family === "ipv4" ? parseIpv4(address.host) : parseIpv6(address.host);
  if (bytes !== null) return bytes;
  const kind = address.family === "ipv4" ? "IPv4" : "IPv6";
  throw new TypeError(`Cannot judge "${address.host}": it is not an ${kind} address`);
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && isZero(bytes, 0, 10);
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (bytes[index] !== 0) return false;
  return true;
}

/**
 * Whether an address leads back to this host: `127.0.0.0/8` or `::1` (evutil_sockaddr_is_loopback_).
 *
 * @throws {TypeError} when the host is not an address of its family.
 */
export function isLoopback(address: SocketAddress): boolean {
  const bytes = judgedBytes(address);
  if (bytes === null) return false;
  return bytes.length === 4 ? bytes[0] === 127 : isZero(bytes, 0, 15) && bytes[15] === 1;
}

/**
 * Whether an address stands for all of a host's addresses: `0.0.0.0` or `::`.
 *
 * @throws {TypeError} when the host is not an address of its family.
 */
export function isUnspecified(address: SocketAddress): boolean {
  const bytes = judgedBytes(address);
  return bytes !== null && isZero(bytes, 0, bytes.length);
}

/**
 * Whether an address is valid on one link only: `169.254.0.0/16` or `fe80::/10`.
 *
 * @throws {TypeError} when the host is not an address of its family.
 */
export function isLinkLocal(address: SocketAddress): boolean {
  const bytes = judgedBytes(address);
  if (bytes === null) return false;
  return bytes.length === 4 ? bytes[0] === 169 && bytes[1] === 254 : bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}

/**
 * Whether an address names a group: `224.0.0.0/4` or `ff00::/8`.
 *
 * @throws {TypeError} when the host is not an address of its family.
 */
export function isMulticast(address: SocketAddress): boolean {
  const bytes = judgedBytes(address);
  if (bytes === null) return false;
  return bytes.length === 4 ? (bytes[0]! & 0xf0) === 0xe0 : bytes[0] === 0xff;
}

/**
 * Whether an address says nothing about reaching the Internet, in the sense in which libevent looks at the addresses of this
 * host (evutil_v4addr_is_local_, evutil_v6addr_is_local_): unspecified, loopback, link-local or multicast, and for IPv6 also
 * unique local (`fc00::/7`), site-local (`fec0::/10`) and whatever begins with 64 zero bits. Private IPv4 addresses are not
 * local: translated, they lead out.
 *
 * @throws {TypeError} when the host is not an address of its family.
 */
export function isLocal(address: SocketAddress): boolean {
  if (address.family === "unix") return true;
  if (isUnspecified(address) || isLoopback(address) || isLinkLocal(address) || isMulticast(address)) return true;
  const bytes = judgedBytes(address)!;
  if (bytes.length === 4) return false;
  return isZero(bytes, 0, 8) || (bytes[0]! & 0xfe) === 0xfc || bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0xc0;
}

/** What a comparison of socket addresses looks at. */
export interface CompareSocketAddressesOptions {
  /** Whether different ports make different addresses; true by default. */
  readonly ports?: boolean | undefined;
}

const order = { unix: 0, ipv4: 1, ipv6: 2 };

/**
 * Compares two addresses (evutil_sockaddr_cmp), for equality and for sorting: by family (Unix, IPv4, IPv6), then by the
 * number that the host is, whatever way it is written, or the path, then by scope, then by port. Flow labels do not matter.
 *
 * @returns 0 when they are equal, a negative number when `one` comes first, a positive one when `other` does.
 * @throws {TypeError} when a host is not an address of its family.
 */
export function compareSocketAddresses(
  one: SocketAddress,
  other: SocketAddress,
  options: CompareSocketAddressesOptions = {},
): number {
  if (one.family === "unix" || other.family === "unix") {
    if (one.family !== other.family) return order[one.family] - order[other.family];
    const [path, otherPath] = [(one as { path: string }).path, (other as { path: string }).path];
    return path === otherPath ? 0 : path < otherPath ? -1 : 1;
  }
  if (one.family !== other.family) return order[one.family] - order[other.family];
  const [bytes, otherBytes] = [hostBytes(one)!, hostBytes(other)!];
  for (let index = 0; index < bytes.length; index++) {
    const difference = bytes[index]! - otherBytes[index]!;
    if (difference !== 0) return difference;
  }
  if (one.family === "ipv6" && other.family === "ipv6" && one.scope !== other.scope) return one.scope - other.scope;
  return options.ports === false ? 0 : one.port - other.port;
}
