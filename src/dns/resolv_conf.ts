import { type IpSocketAddress, ipSocketAddress, parseSocketAddress } from "../core/mod.ts";
import { interfaceIndex } from "../ffi/mod.ts";
import { dnsNameBytes } from "./name.ts";
import { linesOfWords } from "./text_file.ts";

/** Where the system says how names are looked up. */
export const RESOLV_CONF_PATH = "/etc/resolv.conf";
/** The port of name servers. */
export const DNS_PORT = 53;

/** Bytes of the file that are read. */
export const RESOLV_CONF_BYTES_MAX: number = 256 * 1024;
/** Name servers of it that are used. */
export const NAMESERVERS_MAX = 32;
/** Domains of it that are searched. */
export const SEARCH_DOMAINS_MAX = 32;
const OPTIONS_MAX = 64;

/** What a resolv.conf says. */
export interface ResolvConf {
  /** The name servers in their order; at most 32. */
  readonly nameservers: readonly IpSocketAddress[];
  /** The domains that short names are looked up in, in their order, without dots at their ends; at most 32. Undefined where nothing is said of them. */
  readonly search: readonly string[] | undefined;
  /** The options as they are written, such as `["ndots", "2"]` and `["rotate", ""]`; at most 64. */
  readonly options: readonly (readonly [name: string, value: string])[];
}

/**
 * Reads the text of a resolv.conf (resolv.conf(5)).
 *
 * What it does not understand it reads over, as all do: an address that is none, a domain that is no name, a keyword that is not
 * known. Of several `search` and `domain` lines the last one holds; options add up. Besides an address a name server may have a port,
 * as in libevent: `192.0.2.1:5353`, `[2001:db8::1]:5353`.
 */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: IpSocketAddress[] = [];
  const options: (readonly [string, string])[] = [];
  let search: string[] | undefined;
  for (const [keyword, ...values] of linesOfWords(text, true)) {
    switch (keyword) {
      case "nameserver": {
        const address = values[0] === undefined ? undefined : nameserverAddress(values[0], DNS_PORT);
        if (address !== undefined && nameservers.length < NAMESERVERS_MAX) nameservers.push(address);
        break;
      }
      case "domain":
        search = domainsOf(values.slice(0, 1));
        break;
      case "search":
        search = domainsOf(values);
        break;
      case "options":
        options.push(...values.map(optionOf).slice(0, OPTIONS_MAX - options.length));
    }
  }
  return { nameservers, search, options };
}

/**
 * A name server's address from text: an address, with an interface's name or number behind `%` where it has a scope, and perhaps a port.
 *
 * @returns undefined when it is none.
 *
 * @internal
 */
export function nameserverAddress(text: string, defaultPort: number): IpSocketAddress | undefined {
  const plain = ipSocketAddress(text, defaultPort, scopeOf);
  if (plain !== undefined) return plain;
  try {
    const address = parseSocketAddress(text, scopeOf);
    if (address.family === "unix") return undefined;
    return address.port === 0 ? { ...address, port: defaultPort } : address;
  } catch {
    return undefined;
  }
}

function scopeOf(zone: string): number {
  if (/^\d{1,9}$/.test(zone)) return Number(zone);
  return Math.max(0, interfaceIndex(zone));
}

function domainsOf(words: readonly string[]): string[] {
  return words.map(searchDomain).filter((domain) => domain !== undefined).slice(0, SEARCH_DOMAINS_MAX);
}

/** A domain without the dots around it; undefined when it is the root, or none at all. @internal */
export function searchDomain(text: string): string | undefined {
  const domain = text.replace(/^\.+|\.+$/g, "");
  if (domain === "") return undefined;
  try {
    dnsNameBytes(domain);
    return domain;
  } catch {
    return undefined;
  }
}

function optionOf(word: string): readonly [string, string] {
  const colon = word.indexOf(":");
  return colon < 0 ? [word, ""] : [word.slice(0, colon), word.slice(colon + 1)];
}
