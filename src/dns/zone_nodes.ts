import { formatIpv6, parseIpv6 } from "../core/ip_text.ts";
import { EVDNS_TYPE_CNAME, EVDNS_TYPE_NS, EVDNS_TYPE_SOA } from "./constants.ts";
import type { DnsRecord } from "./message.ts";
import { isNormalNameIn, normalDnsName, parentDnsName } from "./name.ts";
import { dnsDataText } from "./record_text.ts";
import { dnsTypeName, dnsTypeNumber } from "./record_type.ts";
import { ZoneFileError } from "./zone_file_error.ts";

const DNAME_TYPE = 39;
const NO_RECORDS: readonly DnsRecord[] = [];

/** The records of one name; none where only names below have some. @internal */
export class ZoneNode {
  readonly #sets = new Map<number, DnsRecord[]>();

  /** Its records of a type. */
  records(type: number): readonly DnsRecord[] {
    return this.#sets.get(type) ?? NO_RECORDS;
  }

  /** Its records of whatever type came first. */
  get firstSet(): readonly DnsRecord[] {
    return this.#sets.values().next().value ?? NO_RECORDS;
  }

  /** Its types. */
  get types(): Iterable<number> {
    return this.#sets.keys();
  }

  /** Adds one. */
  add(record: DnsRecord): void {
    const set = this.#sets.get(record.type);
    if (set === undefined) this.#sets.set(record.type, [record]);
    else set.push(record);
  }

  /** Gives the records of each type one TTL, the least (RFC 2181 section 5.2). */
  evenTtls(): void {
    for (const [type, set] of this.#sets) {
      const ttl = set.reduce((least, one) => Math.min(least, one.ttl), Infinity);
      if (set.some((one) => one.ttl !== ttl)) this.#sets.set(type, set.map((one) => ({ ...one, ttl })));
    }
  }
}

/** Types that may stand beside an alias: what DNSSEC says about it (RFC 4034 section 3, RFC 4035 section 2.5). */
const BESIDE_ALIAS: ReadonlySet<number> = new Set([EVDNS_TYPE_CNAME, dnsTypeNumber("RRSIG")!, dnsTypeNumber("NSEC")!]);

/** What tells records of one name and type apart. Names in data are the same in any case of their letters. */
function dataKey({ data }: DnsRecord): string {
  const text = dnsDataText(data);
  if ("address" in data) return formatIpv6(parseIpv6(data.address.includes(":") ? data.address : `::${data.address}`)!);
  return "target" in data || data.kind === "MX" || data.kind === "SOA" ? text.toLowerCase() : text;
}

/**
 * The names of a zone by their normal form, with those between them that have no records.
 *
 * @internal
 */
export class ZoneNodes {
  /** The name of the zone. */
  readonly origin: string;
  readonly #apexKey: string;
  readonly #nodes = new Map<string, ZoneNode>();
  // Most zones have neither, and then no name's parents need be looked at.
  #hasDelegations = false;
  #hasRedirections = false;

  /** @throws {ZoneFileError} when the records are no zone. */
  constructor(records: readonly DnsRecord[]) {
    const starts = records.filter(({ type }) => type === EVDNS_TYPE_SOA);
    if (starts.length !== 1) throw new ZoneFileError("ZONE_BAD_CONTENT", 0, `there are ${starts.length} SOA records`);
    this.origin = starts[0]!.name;
    this.#apexKey = normalDnsName(this.origin);
    const known = new Set<string>();
    for (const record of records) {
      const key = normalDnsName(record.name);
      if (!isNormalNameIn(key, this.#apexKey)) {
        throw new ZoneFileError("ZONE_BAD_CONTENT", 0, `${record.name} is not in ${this.origin}`);
      }
      const identity = `${key} ${record.type} ${dataKey(record)}`;
      // The same record twice is one record (RFC 2181 section 5).
      if (!known.has(identity)) this.#nodeFor(key).add(record);
      known.add(identity);
    }
    for (const [key, node] of this.#nodes) {
      node.evenTtls();
      this.#check(key, node);
    }
  }

  #check(key: string, node: ZoneNode): void {
    this.#hasDelegations ||= key !== this.#apexKey && node.records(EVDNS_TYPE_NS).length > 0;
    this.#hasRedirections ||= node.records(DNAME_TYPE).length > 0;
    const fail = (what: string): never => {
      throw new ZoneFileError("ZONE_BAD_CONTENT", 0, `${key} has ${what}`);
    };
    for (const type of [EVDNS_TYPE_CNAME, DNAME_TYPE]) {
      if (node.records(type).length > 1) fail(`more than one ${dnsTypeName(type)} record`);
    }
    if (node.records(EVDNS_TYPE_CNAME).length === 0) return;
    for (const type of node.types) {
      if (!BESIDE_ALIAS.has(type)) fail(`an alias, and a record of type ${dnsTypeName(type)}`);
    }
  }

  #nodeFor(key: string): ZoneNode {
    let node = this.#nodes.get(key);
    if (node !== undefined) return node;
    this.#nodes.set(key, node = new ZoneNode());
    // Everything above, up to the zone itself, exists as well.
    if (key !== this.#apexKey) this.#nodeFor(parentDnsName(key));
    return node;
  }

  /** Whether a name in normal form is the zone's or below. */
  covers(key: string): boolean {
    return isNormalNameIn(key, this.#apexKey);
  }

  /** Whether a name that is found is all there is to know of it: no other name says what becomes of it. */
  get isFlat(): boolean {
    return !this.#hasDelegations && !this.#hasRedirections;
  }

  /** The node of a name. */
  find(key: string): ZoneNode | undefined {
    return this.#nodes.get(key);
  }

  /** The node of the `*` that stands for a name that does not exist (RFC 4592). */
  wildcard(key: string): ZoneNode | undefined {
    let above = parentDnsName(key);
    while (!this.#nodes.has(above)) above = parentDnsName(above);
    return this.#nodes.get(above === "." ? "*" : `*.${above}`);
  }

  /**
   * Where responsibility for a name goes to somebody else: the topmost name with NS records below the zone's own.
   *
   * @param isParentAsked what is asked for at that name itself is on this side of the cut.
   */
  delegation(key: string, isParentAsked: boolean): ZoneNode | undefined {
    let found: ZoneNode | undefined;
    if (!this.#hasDelegations) return undefined;
    for (let at = key; at !== this.#apexKey; at = parentDnsName(at)) {
      const node = this.#nodes.get(at);
      if (node === undefined || node.records(EVDNS_TYPE_NS).length === 0) continue;
      if (at !== key || !isParentAsked) found = node;
    }
    return found;
  }

  /** The DNAME record that stands above a name and redirects it. */
  redirection(key: string): DnsRecord | undefined {
    let found: DnsRecord | undefined;
    if (!this.#hasRedirections) return undefined;
    for (let at = key; at !== this.#apexKey;) {
      at = parentDnsName(at);
      found = this.#nodes.get(at)?.records(DNAME_TYPE)[0] ?? found;
    }
    return found;
  }
}
