import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "../core/ip_text.ts";
import { dnsLabels, normalDnsName } from "./name.ts";

/**
 * The name whose PTR record names an address: `1.2.0.192.in-addr.arpa` for 192.0.2.1, and thirty-two nibbles under `ip6.arpa` (RFC 1035
 * section 3.5, RFC 3596 section 2.5).
 *
 * @returns undefined when `address` is none.
 */
export function reverseDnsName(address: string): string | undefined {
  const v4 = parseIpv4(address);
  if (v4 !== null) return `${v4[3]}.${v4[2]}.${v4[1]}.${v4[0]}.in-addr.arpa`;
  const v6 = parseIpv6(address);
  if (v6 === null) return undefined;
  let text = "";
  for (let at = 15; at >= 0; at--) text += `${(v6[at]! & 15).toString(16)}.${(v6[at]! >> 4).toString(16)}.`;
  return `${text}ip6.arpa`;
}

/** The address that a reverse name stands for; undefined when it is not the name of a whole address. */
export function addressOfReverseName(name: string): string | undefined {
  const labels = dnsLabels(normalDnsName(name)).reverse();
  if (labels.shift() !== "arpa") return undefined;
  const kind = labels.shift();
  if (kind === "in-addr" && labels.length === 4) {
    const bytes = parseIpv4(labels.join("."));
    return bytes === null ? undefined : formatIpv4(bytes);
  }
  if (kind !== "ip6" || labels.length !== 32 || !labels.every((label) => /^[0-9a-f]$/.test(label))) return undefined;
  const bytes = new Uint8Array(16);
  for (let at = 0; at < 16; at++) bytes[at] = parseInt(labels[at * 2]! + labels[at * 2 + 1]!, 16);
  return formatIpv6(bytes);
}
