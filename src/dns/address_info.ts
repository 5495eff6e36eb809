import { ipSocketAddress, type NameLookupAnswer, type NameLookupHints } from "../core/mod.ts";
import { interfaceIndex, os } from "../ffi/mod.ts";
import type { FoundAddresses, IpFamily } from "./address_lookup.ts";
import { isConfigured } from "./configured_families.ts";
import { DnsError } from "./dns_error.ts";
import type { ServicesTable } from "./services_file.ts";

const { SOCK_STREAM, SOCK_DGRAM } = os.constants;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** A kind of socket that addresses are wanted for, and its port. */
interface SocketKind {
  readonly type: number;
  readonly protocol: number;
  readonly port: number;
}

/**
 * The kinds of sockets that hints and a service leave.
 *
 * @throws {DnsError} `DNS_NO_SERVICE` when no such service is known.
 * @throws {RangeError} when the port is none.
 *
 * @internal
 */
export function socketKinds(
  service: string | number | null,
  hints: NameLookupHints,
  services: () => ServicesTable,
): SocketKind[] {
  const kinds = [
    { type: SOCK_STREAM, name: "stream", protocol: IPPROTO_TCP, word: "tcp" },
    { type: SOCK_DGRAM, name: "datagram", protocol: IPPROTO_UDP, word: "udp" },
  ] as const;
  const wanted = kinds.filter(({ name, protocol }) =>
    (hints.type === undefined || hints.type === name) && (!hints.protocol || hints.protocol === protocol)
  );
  const found: SocketKind[] = [];
  for (const { type, protocol, word } of wanted) {
    const port = portOf(service) ??
      (hints.numericService === true ? undefined : services().port(String(service), word));
    if (port !== undefined) found.push({ type, protocol, port });
  }
  if (found.length === 0) throw new DnsError("DNS_NO_SERVICE", String(service));
  return found;
}

function portOf(service: string | number | null): number | undefined {
  if (service === null || service === "") return 0;
  if (typeof service === "string" && !/^\d+$/.test(service)) return undefined;
  const port = Number(service);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  if (typeof service === "string") return undefined;
  throw new RangeError(`Cannot use ${service} as a port: it must be an integer from 0 to 65535`);
}

/** The families whose addresses are to be looked up. @internal */
export function familiesWanted(hints: NameLookupHints): IpFamily[] {
  const { family, mapped } = hints;
  const wanted: IpFamily[] = family === undefined
    ? ["ipv4", "ipv6"]
    : family === "ipv6" && mapped === true
    ? ["ipv6", "ipv4"]
    : [family];
  if (hints.configured !== true) return wanted;
  const configured = wanted.filter(isConfigured);
  // A host without a way out is asked about for its own network, or for a test.
  return configured.length === 0 ? wanted : configured;
}

/** The addresses of this host that stand for no name: to bind with `passive`, else to connect to. @internal */
export function ownAddresses({ passive }: NameLookupHints): FoundAddresses {
  return passive === true
    ? { canonicalName: "", ipv4: ["0.0.0.0"], ipv6: ["::"] }
    : { canonicalName: "", ipv4: ["127.0.0.1"], ipv6: ["::1"] };
}

/**
 * What a host that is an address stands for: itself; undefined when it is none.
 *
 * @internal
 */
export function literalAddresses(host: string): FoundAddresses | undefined {
  const address = ipSocketAddress(host, 0, (zone) => /^\d{1,9}$/.test(zone) ? Number(zone) : interfaceIndex(zone));
  if (address === undefined) return undefined;
  if (address.family === "ipv4") return { canonicalName: host, ipv4: [address.host], ipv6: [] };
  const text = address.scope === 0 ? address.host : `${address.host}%${address.scope}`;
  return { canonicalName: host, ipv4: [], ipv6: [text] };
}

/**
 * The answers of getaddrinfo: each address once for each kind of socket, IPv4 first as in libevent, or in the order that `sorted` gives them.
 *
 * @returns an error where no address is of a family that was asked for.
 *
 * @internal
 */
export function answersOf(
  host: string,
  found: FoundAddresses,
  kinds: readonly SocketKind[],
  hints: NameLookupHints,
  sorted: (addresses: readonly string[]) => readonly string[],
): NameLookupAnswer[] | DnsError {
  const addresses: string[] = [];
  if (hints.family !== "ipv6") addresses.push(...found.ipv4);
  if (hints.family !== "ipv4") addresses.push(...found.ipv6);
  if (hints.family === "ipv6" && hints.mapped === true && (found.ipv6.length === 0 || hints.all === true)) {
    addresses.push(...found.ipv4.map((address) => `::ffff:${address}`));
  }
  if (addresses.length === 0) return new DnsError("DNS_NODATA", host);
  const answers = sorted(addresses).flatMap((text) =>
    kinds.map(({ type, protocol, port }): NameLookupAnswer => ({
      address: ipSocketAddress(text, port)!,
      type,
      protocol,
    }))
  );
  if (hints.canonicalName === true) answers[0] = { ...answers[0]!, canonicalName: found.canonicalName };
  return answers;
}
