import { dnsLabels, isDnsName } from "./name.ts";

/**
 * The names that a name may stand for, in the order in which they are tried: with fewer dots than `ndots` the domains come first
 * and the name as it is last, otherwise the other way round. A name with a dot at its end stands for itself alone.
 *
 * @internal
 */
export function searchedNames(name: string, domains: readonly string[], ndots: number): string[] {
  if (domains.length === 0) return [name];
  const labels = dnsLabels(name).length;
  if (/(?:^|[^\\])(?:\\\\)*\.$/.test(name) || labels === 0) return [name];
  // A name that is too long with a domain behind it is no reason not to try the others.
  const longer = domains.map((domain) => `${name}.${domain}`).filter(isDnsName);
  return labels - 1 >= ndots ? [name, ...longer] : [...longer, name];
}
