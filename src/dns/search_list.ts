import { hostName } from "../ffi/mod.ts";
import { dnsLabels, isDnsName } from "./name.ts";
import { searchDomain } from "./resolv_conf.ts";

/**
 * What is searched where a resolv.conf says nothing of it: the domain that this host's name has behind its first dot, if it has one (resolv.conf(5)).
 *
 * @internal
 */
export function domainsOfHost(name: string = hostName()): string[] {
  const dot = name.indexOf(".");
  const domain = dot < 0 ? undefined : searchDomain(name.slice(dot));
  return domain === undefined ? [] : [domain];
}

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
