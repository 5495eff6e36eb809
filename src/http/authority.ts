/** Hosts with ports, read from bytes: in the Host field, in CONNECT, and in a target that is a whole URI. */
import { parseIpv6 } from "../core/ip_text.ts";
import { latin1 } from "../core/latin1.ts";
import { BYTE_CLASS, equalsIgnoringCase, HEX_DIGIT, HOST_BYTE, LOWER_CASE, NOT_HEX } from "./parse_tables.ts";

const SLASH = 0x2f;
const COLON = 0x3a;
const QUESTION_MARK = 0x3f;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const PERCENT = 0x25;
const MAX_PORT = 65535;
const LONGEST_ADDRESS = 45;

/** Where the authority of an http or https URI begins, or -1 if `bytes[start..end)` does not begin like one. */
export function authorityStart(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 7 && equalsIgnoringCase(bytes, start, start + 7, "http://")) return start + 7;
  if (end - start > 8 && equalsIgnoringCase(bytes, start, start + 8, "https://")) return start + 8;
  return -1;
}

/** Where the authority that begins at `start` ends: at the path, the query or the end of the URI. */
export function authorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && bytes[p] !== SLASH && bytes[p] !== QUESTION_MARK) p++;
  return p;
}

/**
 * Says whether `bytes[start..end)` is `uri-host [ ":" port ]` (RFC 9110 section 7.2): a registered name or IPv4
 * address, which may be empty, or an IPv6 address in brackets, and a port of digits, which may be empty, up to 65535.
 */
export function isHostAndPort(bytes: Uint8Array, start: number, end: number): boolean {
  const colon = hostEnd(bytes, start, end);
  return colon >= 0 && portFrom(bytes, colon, end, 0) >= 0;
}

/** CONNECT names a host that is not empty and a port that is not empty either (RFC 9112 section 3.2.3). */
export function isHostWithPort(bytes: Uint8Array, start: number, end: number): boolean {
  const colon = hostEnd(bytes, start, end);
  return colon > start && portFrom(bytes, colon, end, -1) >= 0;
}

/** Whether a host with an optional port, well-formed, is not empty; an http URI without one is invalid (RFC 9110 section 4.2.1). */
export function namesHost(bytes: Uint8Array, start: number, end: number): boolean {
  return start < end && bytes[start] !== COLON;
}

/** The port of a host with one, both well-formed. */
export function portOf(bytes: Uint8Array, start: number, end: number): number {
  return portFrom(bytes, hostEnd(bytes, start, end), end, -1);
}

/** Whether two hosts with optional ports, both well-formed, are the same, where a port that is left out is `defaultPort`. */
export function isSameHost(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number,
  defaultPort: number,
): boolean {
  const colon = hostEnd(bytes, start, end);
  const otherColon = hostEnd(bytes, otherStart, otherEnd);
  const length = colon - start;
  if (otherColon - otherStart !== length) return false;
  for (let i = 0; i < length; i++) {
    if (LOWER_CASE[bytes[start + i]!] !== LOWER_CASE[bytes[otherStart + i]!]) return false;
  }
  return portFrom(bytes, colon, end, defaultPort) === portFrom(bytes, otherColon, otherEnd, defaultPort);
}

/** The port that follows at `colon`, `missing` where none does, or -1 for what is no port. */
function portFrom(bytes: Uint8Array, colon: number, end: number, missing: number): number {
  if (colon === end) return missing;
  if (bytes[colon] !== COLON) return -1;
  if (colon + 1 === end) return missing;
  let port = 0;
  for (let p = colon + 1; p < end; p++) {
    const digit = bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
    if (port > MAX_PORT) return -1;
  }
  return port;
}

/**
 * Where the host that starts at `start` ends: at a byte that cannot belong to it, or at `end`. Returns -1 if it is
 * malformed.
 */
function hostEnd(bytes: Uint8Array, start: number, end: number): number {
  if (start < end && bytes[start] === OPEN_BRACKET) return bracketsEnd(bytes, start, end);
  let p = start;
  for (; p < end; p++) {
    const byte = bytes[p]!;
    if ((BYTE_CLASS[byte]! & HOST_BYTE) !== 0) continue;
    if (byte !== PERCENT) return p;
    if (end - p < 3 || HEX_DIGIT[bytes[p + 1]!] === NOT_HEX || HEX_DIGIT[bytes[p + 2]!] === NOT_HEX) return -1;
    p += 2;
  }
  return p;
}

/** Where the brackets around an IPv6 address end, or -1 if there is none in them. */
function bracketsEnd(bytes: Uint8Array, start: number, end: number): number {
  const longest = Math.min(end, start + LONGEST_ADDRESS + 2);
  let p = start + 1;
  while (p < longest && bytes[p] !== CLOSE_BRACKET) p++;
  return p < longest && parseIpv6(latin1(bytes, start + 1, p)) !== null ? p + 1 : -1;
}
