import { addressBytes, commonBits, isMappedIpv4, policyOf, scopeOf } from "./address_policy.ts";

/** Bits of an IPv6 address that name a network; the others are the host's, and say nothing about how near it is. */
const NETWORK_BITS = 64;

/** Addresses that are sorted: each costs the kernel some questions, and nobody tries more of them. @internal */
export const SORTED_MAX = 64;

/** An address, and how it is with the address that this host would speak from. */
interface Destination {
  readonly text: string;
  readonly hasSource: boolean;
  readonly isScopeSame: boolean;
  readonly isLabelSame: boolean;
  readonly precedence: number;
  readonly scope: number;
  /** Bits in common with the source; -1 where they are not compared. */
  readonly common: number;
}

function destination(text: string, sourceText: string | undefined): Destination {
  const address = addressBytes(text);
  if (address === undefined) throw new TypeError(`Cannot sort "${text}": it is not an address`);
  const source = sourceText === undefined ? undefined : addressBytes(sourceText);
  const { precedence, label } = policyOf(address);
  const scope = scopeOf(address);
  return {
    text,
    hasSource: source !== undefined,
    isScopeSame: source !== undefined && scopeOf(source) === scope,
    isLabelSame: source !== undefined && policyOf(source).label === label,
    precedence,
    scope,
    // Of IPv4 addresses it would always be the same one that comes first, and no load is shared then.
    common: source === undefined || isMappedIpv4(address) ? -1 : Math.min(commonBits(source, address), NETWORK_BITS),
  };
}

/** Negative when `one` is to be tried before `other`: the first rule that tells them apart decides. */
function compare(one: Destination, other: Destination): number {
  // Rules 1, 2, 5 and 6.
  if (one.hasSource !== other.hasSource) return one.hasSource ? -1 : 1;
  if (one.isScopeSame !== other.isScopeSame) return one.isScopeSame ? -1 : 1;
  if (one.isLabelSame !== other.isLabelSame) return one.isLabelSame ? -1 : 1;
  if (one.precedence !== other.precedence) return other.precedence - one.precedence;
  // Rules 8 and 9; by rule 10 the order stays as it is otherwise.
  if (one.scope !== other.scope) return one.scope - other.scope;
  return one.common < 0 || other.common < 0 ? 0 : other.common - one.common;
}

/**
 * Puts addresses into the order in which a client should try them (RFC 6724 section 6): first those that can be reached, then those that the
 * address this host would speak from suits best.
 *
 * Rules 3, 4 and 7 are left out: whether a source is deprecated, belongs to a mobile host's home, or goes through a tunnel, a socket does not
 * tell. Rule 9 is about IPv6 alone, and about networks.
 *
 * @param sourceOf the address that this host would speak from to one, or undefined when there is no way there.
 * @returns a new list; what is behind the first {@linkcode SORTED_MAX} stays there.
 * @throws {TypeError} when one is no address.
 *
 * @internal
 */
export function sortAddresses(
  addresses: readonly string[],
  sourceOf: (address: string) => string | undefined,
): string[] {
  if (addresses.length < 2) return [...addresses];
  const head = addresses.slice(0, SORTED_MAX).map((text) => destination(text, sourceOf(text)));
  return [...head.sort(compare).map(({ text }) => text), ...addresses.slice(SORTED_MAX)];
}
