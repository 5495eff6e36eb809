/**
 * What RFC 6724 says about addresses by their bits. All of it is about IPv6 addresses of sixteen bytes; an IPv4 address stands there as
 * `::ffff:` and its own four bytes.
 */
import { parseIpv4, parseIpv6 } from "../core/ip_text.ts";

/** How far an address reaches (RFC 4007), as the numbers of multicast scopes (RFC 4291 section 2.7). */
export const SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14;

/** A line of the policy table. @internal */
export interface Policy {
  readonly prefix: Uint8Array;
  readonly bits: number;
  readonly precedence: number;
  readonly label: number;
}

function policy(prefix: string, bits: number, precedence: number, label: number): Policy {
  return { prefix: parseIpv6(prefix)!, bits, precedence, label };
}

const LOOPBACK: Policy = policy("::1", 128, 50, 0);
const MAPPED_IPV4: Policy = policy("::ffff:0:0", 96, 35, 4);

/** The default table (RFC 6724 section 2.1), longer prefixes first. */
const POLICIES: readonly Policy[] = [
  LOOPBACK,
  MAPPED_IPV4,
  policy("::", 96, 1, 3),
  policy("2001::", 32, 5, 5),
  policy("2002::", 16, 30, 2),
  policy("3ffe::", 16, 1, 12),
  policy("fec0::", 10, 1, 11),
  policy("fc00::", 7, 3, 13),
  policy("::", 0, 40, 1),
];

/** The sixteen bytes of an address, its scope left out; undefined when it is none. @internal */
export function addressBytes(text: string): Uint8Array | undefined {
  const percent = text.indexOf("%");
  const host = percent < 0 ? text : text.slice(0, percent);
  const four = parseIpv4(host);
  if (four === null) return parseIpv6(host) ?? undefined;
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...four);
}

/** Whether it is an IPv4 address. @internal */
export function isMappedIpv4(address: Uint8Array): boolean {
  return policyOf(address) === MAPPED_IPV4;
}

/** How many bits two addresses have in common from the start. @internal */
export function commonBits(one: Uint8Array, other: Uint8Array): number {
  for (let index = 0; index < 16; index++) {
    const differing = one[index]! ^ other[index]!;
    if (differing !== 0) return index * 8 + Math.clz32(differing) - 24;
  }
  return 128;
}

/** What the table says of an address. @internal */
export function policyOf(address: Uint8Array): Policy {
  return POLICIES.find(({ prefix, bits }) => commonBits(address, prefix) >= bits)!;
}

/** How far an address reaches (RFC 6724 section 3.1 and 3.2). @internal */
export function scopeOf(address: Uint8Array): number {
  if (isMappedIpv4(address)) {
    const isLocal = address[12] === 127 || (address[12] === 169 && address[13] === 254);
    return isLocal ? SCOPE_LINK : SCOPE_GLOBAL;
  }
  if (address[0] === 0xff) return address[1]! & 15;
  const ten = address[0]! << 2 | address[1]! >> 6;
  if (ten === 0xfe80 >> 6 || policyOf(address) === LOOPBACK) return SCOPE_LINK;
  return ten === 0xfec0 >> 6 ? SCOPE_SITE : SCOPE_GLOBAL;
}
