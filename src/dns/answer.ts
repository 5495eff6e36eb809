import {
  DNS_ERR_NONE,
  DNS_ERR_NOTEXIST,
  DNS_FLAG_AUTHENTIC_DATA,
  DNS_FLAG_RECURSION_AVAILABLE,
  DNS_FLAG_TRUNCATED,
  EVDNS_CLASS_INET,
  EVDNS_FLAGS_AA,
  EVDNS_QTYPE_ALL,
  EVDNS_TYPE_CNAME,
} from "./constants.ts";
import { codeOfRcode, DnsError } from "./dns_error.ts";
import { type DnsMessage, dnsRcode, type DnsRecord } from "./message.ts";
import { normalDnsName } from "./name.ts";

/** What a name server has answered to a question. */
export interface DnsAnswer {
  /** The name that was found: with the search domain, where one was needed. */
  readonly name: string;
  /** Its name where all aliases end; the owner of the records. */
  readonly canonicalName: string;
  /** The type that was asked for. */
  readonly type: number;
  /** The records of that type, at least one; for {@linkcode EVDNS_QTYPE_ALL} all there are. */
  readonly records: readonly DnsRecord[];
  /** How many seconds all of it may be remembered: the least TTL of the records and aliases. */
  readonly ttl: number;
  /**
   * Whether the name server says that it has verified all of it by DNSSEC (RFC 4035). Always false unless
   * {@linkcode DnsResolverSettings.authenticData} is set.
   */
  readonly isAuthentic: boolean;
  /** Whether there was more, which was lost. */
  readonly isTruncated: boolean;
  /** Whether it was remembered from an earlier lookup. */
  readonly isFromCache: boolean;
}

/** So often the answers are gone through; whoever has more aliases in a row gets a map of them. */
const SEARCHES_MAX = 16;

/**
 * What a response says to a question that it was found to answer.
 *
 * @param trustsAuthentic whether its word that it was verified counts.
 * @returns a {@linkcode DnsError} where there is no answer in it; one with the code `DNS_NXDOMAIN` or `DNS_NODATA` is final, with others
 * somebody else may do better.
 *
 * @internal
 */
export function readAnswer(
  message: DnsMessage,
  name: string,
  type: number,
  trustsAuthentic: boolean = false,
): DnsAnswer | DnsError {
  const rcode = dnsRcode(message);
  if (rcode !== DNS_ERR_NONE && rcode !== DNS_ERR_NOTEXIST) return new DnsError(codeOfRcode(rcode), name, { rcode });
  const isTruncated = (message.flags & DNS_FLAG_TRUNCATED) !== 0;
  const chain = followAliases(message, name, type);
  if (chain === null) return new DnsError("DNS_BAD_ANSWER", name, { rcode });
  const records = rcode === DNS_ERR_NONE ? chain.records : [];
  if (records.length === 0) {
    // It is the name where the aliases end that does not exist, or has no such records (RFC 2308 section 2).
    const facts = { rcode, canonicalName: chain.end, ttl: negativeTtl(message, chain.ttl) };
    if (rcode === DNS_ERR_NOTEXIST) return new DnsError("DNS_NXDOMAIN", name, facts);
    if (isTruncated) return new DnsError("DNS_TRUNCATED", name, { rcode });
    if (isLame(message)) return new DnsError("DNS_LAME", name, { rcode });
    return new DnsError("DNS_NODATA", name, facts);
  }
  return {
    name,
    canonicalName: chain.end,
    type,
    records,
    ttl: leastTtl(records, chain.ttl),
    isAuthentic: trustsAuthentic && (message.flags & DNS_FLAG_AUTHENTIC_DATA) !== 0,
    isTruncated,
    isFromCache: false,
  };
}

/** Whether it says nothing but who else to ask, which is no business of ours (RFC 1034 section 4.3.1). */
function isLame({ flags, answers, authorities }: DnsMessage): boolean {
  if ((flags & (EVDNS_FLAGS_AA | DNS_FLAG_RECURSION_AVAILABLE)) !== 0 || answers.length > 0) return false;
  return !authorities.some(({ data }) => data.kind === "SOA");
}

/** How long it may be remembered that there is nothing (RFC 2308 section 5), behind aliases that last so long; undefined: not at all. */
function negativeTtl({ authorities }: DnsMessage, aliasTtl: number): number | undefined {
  for (const { data, ttl } of authorities) if (data.kind === "SOA") return Math.min(ttl, data.minimum, aliasTtl);
  return undefined;
}

interface AliasChain {
  readonly records: readonly DnsRecord[];
  readonly end: string;
  readonly ttl: number;
}

/**
 * The records of the name, or of whatever it is an alias of. Others have no business in the answer, and are not believed. Null where aliases
 * lead in a circle.
 */
function followAliases({ answers }: DnsMessage, name: string, type: number): AliasChain | null {
  const section = new AnswerSection(answers);
  let end = name;
  let ttl = Infinity;
  if (type === EVDNS_QTYPE_ALL) return { records: section.recordsOf(name, undefined), end, ttl };
  // Unless they lead in a circle, each of the answers leads on once at most.
  for (let aliases = 0; aliases <= answers.length; aliases++) {
    const records = section.recordsOf(end, type);
    if (records.length > 0 || type === EVDNS_TYPE_CNAME) return { records, end, ttl };
    const alias = section.aliasOf(end);
    if (alias === undefined || alias.data.kind !== "CNAME") return { records, end, ttl };
    end = alias.data.target;
    ttl = Math.min(ttl, alias.ttl);
  }
  return null;
}

/** The answers of a message, by name: each name is brought into its normal form once at most, however many aliases lead through them. */
class AnswerSection {
  readonly #records: readonly DnsRecord[];
  readonly #keys: string[] = [];
  #searches = 0;
  // For long chains: the records of the internet by type and name.
  #index: Map<string, DnsRecord[]> | null = null;

  constructor(records: readonly DnsRecord[]) {
    this.#records = records;
  }

  /** The records of one name, with the name in our own letters: those of the answer may be the random ones of the question. */
  recordsOf(name: string, type: number | undefined): readonly DnsRecord[] {
    const records = this.#records;
    // Mostly it is all of them, and nothing is to be changed.
    let same = 0;
    while (same < records.length && records[same]!.name === name && isOfType(records[same]!, type)) same++;
    if (same === records.length) return records;
    if (type !== undefined && this.#searches++ >= SEARCHES_MAX) {
      return this.#indexed(name, type).map((record) => ({ ...record, name }));
    }
    const found: DnsRecord[] = [];
    let key: string | undefined;
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!;
      if (!isOfType(record, type)) continue;
      if (record.name === name) {
        found.push(record);
        continue;
      }
      key ??= normalDnsName(name);
      if ((this.#keys[index] ??= normalDnsName(record.name)) === key) found.push({ ...record, name });
    }
    return found;
  }

  /** What a name is an alias of. */
  aliasOf(name: string): DnsRecord | undefined {
    const isLong = this.#searches >= SEARCHES_MAX;
    return (isLong ? this.#indexed(name, EVDNS_TYPE_CNAME) : this.recordsOf(name, EVDNS_TYPE_CNAME))[0];
  }

  #indexed(name: string, type: number): readonly DnsRecord[] {
    return (this.#index ??= this.#indexOfAll()).get(`${type} ${normalDnsName(name)}`) ?? [];
  }

  #indexOfAll(): Map<string, DnsRecord[]> {
    const index = new Map<string, DnsRecord[]>();
    this.#records.forEach((record, at) => {
      if (record.class !== EVDNS_CLASS_INET) return;
      const key = `${record.type} ${this.#keys[at] ??= normalDnsName(record.name)}`;
      const before = index.get(key);
      if (before === undefined) index.set(key, [record]);
      else before.push(record);
    });
    return index;
  }
}

/** Whether a record is of the internet, and of a type if that is given. */
function isOfType(record: DnsRecord, type: number | undefined): boolean {
  return record.class === EVDNS_CLASS_INET && (type === undefined || record.type === type);
}

function leastTtl(records: readonly DnsRecord[], most: number): number {
  let least = most;
  for (let index = 0; index < records.length; index++) least = Math.min(least, records[index]!.ttl);
  return least;
}
