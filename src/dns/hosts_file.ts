import { formatIpv4, formatIpv6, type HostAddress, ipSocketAddress, parseIpv4, parseIpv6 } from "../core/mod.ts";
import { interfaceIndex } from "../ffi/mod.ts";
import { normalDnsName } from "./name.ts";
import { linesOfWords } from "./text_file.ts";

/** Where the system keeps names that need no name server. */
export const HOSTS_PATH = "/etc/hosts";

/** Bytes of the file that are read. */
export const HOSTS_BYTES_MAX: number = 16 * 1024 * 1024;

/** What a hosts file says about a name. */
export interface HostsEntry {
  /** The first name of its first line. */
  readonly canonicalName: string;
  /** Its addresses in the order of the file, each once. */
  readonly addresses: readonly HostAddress[];
}

/**
 * The names of a hosts file (hosts(5)) and their addresses.
 *
 * @example
 * ```ts
 * import { HostsTable } from "@evbase/evbase";
 *
 * const hosts = HostsTable.parse("192.0.2.1 www.example.com www # a comment\n2001:db8::1 www\n");
 * console.log(hosts.find("WWW")?.addresses.map(({ host }) => host)); // [ "192.0.2.1", "2001:db8::1" ]
 * console.log(hosts.namesOf("192.0.2.1")); // [ "www.example.com", "www" ]
 * ```
 */
export class HostsTable {
  readonly #byName = new Map<string, { canonicalName: string; addresses: HostAddress[] }>();
  readonly #byAddress = new Map<string, string[]>();

  /** Reads the text of a hosts file. Lines without an address, and words that are no names, are read over. */
  static parse(text: string): HostsTable {
    const table = new HostsTable();
    for (const [address, ...names] of linesOfWords(text)) table.#addLine(address!, names);
    return table;
  }

  /** What is known where there is no such file: the loopback addresses of `localhost`, as in libevent. */
  static localhostOnly(): HostsTable {
    return HostsTable.parse("127.0.0.1 localhost\n::1 localhost\n");
  }

  /** How many names there are. */
  get size(): number {
    return this.#byName.size;
  }

  /** What there is about a name, whatever the case of its letters. */
  find(name: string): HostsEntry | undefined {
    const key = keyOf(name);
    return key === undefined ? undefined : this.#byName.get(key);
  }

  /** The names of an address, in the order of the file. */
  namesOf(address: string): readonly string[] {
    return this.#byAddress.get(normalAddress(address)) ?? [];
  }

  #addLine(text: string, names: readonly string[]): void {
    const address = ipSocketAddress(text, 0, (zone) => /^\d{1,9}$/.test(zone) ? Number(zone) : interfaceIndex(zone));
    if (address === undefined) return;
    const scope = address.family === "ipv6" && address.scope > 0 ? { scope: address.scope } : {};
    const host: HostAddress = { host: address.host, ...scope };
    const known = names.filter((name) => keyOf(name) !== undefined);
    if (known.length === 0) return;
    for (const name of known) this.#add(keyOf(name)!, known[0]!, host);
    const key = normalAddress(address.host);
    const before = this.#byAddress.get(key);
    if (before === undefined) this.#byAddress.set(key, known);
    else before.push(...known.filter((name) => !before.includes(name)).slice(0, NAMES_PER_ADDRESS_MAX - before.length));
  }

  #add(key: string, canonicalName: string, address: HostAddress): void {
    const entry = this.#byName.get(key);
    if (entry === undefined) {
      this.#byName.set(key, { canonicalName, addresses: [address] });
      return;
    }
    const { addresses } = entry;
    // Long lists of names to block give all of them one address; one name with very many is nobody's wish.
    if (addresses.length >= ADDRESSES_PER_NAME_MAX) return;
    if (!addresses.some(({ host, scope }) => host === address.host && scope === address.scope)) addresses.push(address);
  }
}

const ADDRESSES_PER_NAME_MAX = 64;
const NAMES_PER_ADDRESS_MAX = 64;

/** What a name is found by; undefined when it is none. */
function keyOf(name: string): string | undefined {
  try {
    return normalDnsName(name);
  } catch {
    return undefined;
  }
}

function normalAddress(text: string): string {
  const four = parseIpv4(text);
  if (four !== null) return formatIpv4(four);
  const six = parseIpv6(text);
  return six === null ? text : formatIpv6(six);
}
