import type { DnsAnswer } from "./answer.ts";
import { DnsError } from "./dns_error.ts";
import { LoneAddress } from "./lone_address.ts";
import type { DnsRecord } from "./message.ts";
import { normalDnsName } from "./name.ts";
import { type NameEntry, nameHash, NameTable } from "./name_table.ts";
import type { DnsData } from "./record_data.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";

/** What even an empty array of bytes takes. */
const STRING_BYTES = 64;
/** Under this type it stands that there is no such name at all. */
const NO_NAME = 0;

/** What is known of a name and a type. */
class Entry implements NameEntry<Entry> {
  sibling: Entry | null = null;
  /** The one that was last asked for before it. */
  older: Entry | null = null;
  /** The one that was first asked for after it. */
  newer: Entry | null = null;
  readonly key: string;
  readonly hash: number;
  /** The type, or {@linkcode NO_NAME}. */
  readonly kind: number;
  readonly answer: DnsAnswer | DnsError | LoneAddress;
  readonly storedMs: number;
  readonly endMs: number;
  /** What it counts for. */
  readonly weight: number;

  constructor(key: string, hash: number, kind: number, answer: DnsAnswer | DnsError, storedMs: number, endMs: number) {
    this.key = key;
    this.hash = hash;
    this.kind = kind;
    this.answer = answer instanceof DnsError ? answer : LoneAddress.of(answer) ?? answer;
    this.storedMs = storedMs;
    this.endMs = endMs;
    this.weight = answer instanceof DnsError ? 1 : weightOf(answer.records);
  }
}

/** So many bytes of data count as one more record. */
const BYTES_OF_ONE = 256;

function weightOf(records: readonly DnsRecord[]): number {
  let weight = records.length;
  for (let index = 0; index < records.length; index++) {
    const bytes = bytesOf(records[index]!.data);
    if (bytes >= BYTES_OF_ONE) weight += Math.floor(bytes / BYTES_OF_ONE);
  }
  return weight;
}

/** About how many bytes of data there are whose number a stranger chooses. */
function bytesOf(data: DnsData): number {
  switch (data.kind) {
    case "TXT":
    case "SPF":
      return data.strings.reduce((sum, { length }) => sum + STRING_BYTES + length, 0);
    case "SVCB":
    case "HTTPS":
      return data.params.reduce((sum, { value }) => sum + STRING_BYTES + value.length, 0);
    case "CAA":
      return data.value.length;
    case "unknown":
      return data.bytes.length;
    default:
      return 0;
  }
}

/**
 * Answers, and what has none, until their time is over. They are looked over when somebody asks and dropped when there are too many, so
 * there is no timer that could keep a loop alive. Times are those of the loop.
 *
 * Entries are in a list from the one that was not asked for the longest to the one asked for last: the first key of a map, which would tell
 * as well, is found the later the more were deleted before it, and a full cache deletes with every answer.
 */
export class AnswerCache {
  readonly #entries = new NameTable<Entry>();
  #oldest: Entry | null = null;
  #newest: Entry | null = null;
  #records = 0;

  /** How many there are, those whose time is over included. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * What is known, with what is left of its TTL.
   *
   * @param key the name in normal form.
   * @param hash the hash of that.
   */
  find(
    name: string,
    type: number,
    nowMs: number,
    key: string = normalDnsName(name),
    hash: number = nameHash(key),
  ): DnsAnswer | DnsError | undefined {
    const entry = this.#take(key, hash, type, nowMs) ?? this.#take(key, hash, NO_NAME, nowMs);
    if (entry === null) return undefined;
    const { answer } = entry;
    if (answer instanceof DnsError) {
      const ttl = Math.floor((entry.endMs - nowMs) / 1000);
      const canonicalName = answer.canonicalName === answer.host ? name : answer.canonicalName;
      return new DnsError(answer.code, name, { rcode: answer.rcode, ttl, canonicalName });
    }
    const age = Math.floor((nowMs - entry.storedMs) / 1000);
    if (answer instanceof LoneAddress) return answer.answer(type, age);
    const records = age === 0
      ? answer.records
      : answer.records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - age) }));
    return { ...answer, records, ttl: Math.max(0, answer.ttl - age), isFromCache: true };
  }

  /** An entry that somebody asks for; null when there is none, or its time is over. */
  #take(key: string, hash: number, kind: number, nowMs: number): Entry | null {
    const entry = this.#entries.find(key, hash, kind);
    if (entry === null) return null;
    if (entry.endMs <= nowMs) {
      this.#drop(entry);
      return null;
    }
    this.#unlink(entry);
    this.#append(entry);
    return entry;
  }

  /**
   * Remembers an answer, or that there is none, for as long as it says and the settings allow.
   *
   * @param key the name in normal form.
   * @param hash the hash of that.
   */
  store(
    name: string,
    type: number,
    answer: DnsAnswer | DnsError,
    settings: DnsResolverSettings,
    nowMs: number,
    key: string = normalDnsName(name),
    hash: number = nameHash(key),
  ): void {
    const seconds = lifetime(answer, settings);
    if (seconds <= 0) return;
    // An alias of a name that does not exist does exist itself.
    const isNoName = answer instanceof DnsError && answer.code === "DNS_NXDOMAIN" &&
      answer.canonicalName === answer.host;
    const kind = isNoName ? NO_NAME : type;
    const before = this.#entries.find(key, hash, kind);
    if (before !== null) this.#drop(before);
    // Whole milliseconds, of which V8 needs no object to hold each; nothing is remembered longer for it.
    const storedMs = Math.floor(nowMs);
    const entry = new Entry(key, hash, kind, answer, storedMs, storedMs + seconds * 1000);
    // It would only drive out the others.
    if (entry.weight > settings.cacheRecordsMax) return;
    this.#entries.add(entry);
    this.#append(entry);
    this.#records += entry.weight;
    this.limit(settings.cacheRecordsMax);
  }

  #append(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: Entry): void {
    const { older, newer } = entry;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    entry.older = entry.newer = null;
  }

  /** Forgets what is too much. */
  limit(recordsMax: number): void {
    while (this.#records > recordsMax && this.#oldest !== null) this.#drop(this.#oldest);
  }

  #drop(entry: Entry): void {
    this.#unlink(entry);
    this.#entries.delete(entry);
    this.#records -= entry.weight;
  }

  /** Forgets all about a name, or about some types of it. */
  delete(name: string, types: readonly number[]): void {
    const key = normalDnsName(name);
    const hash = nameHash(key);
    for (const kind of [...types, NO_NAME]) {
      const entry = this.#entries.find(key, hash, kind);
      if (entry !== null) this.#drop(entry);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#oldest = this.#newest = null;
    this.#records = 0;
  }
}

function lifetime(answer: DnsAnswer | DnsError, settings: DnsResolverSettings): number {
  if (!(answer instanceof DnsError)) {
    return answer.isTruncated ? 0 : Math.max(settings.cacheTtlMin, Math.min(answer.ttl, settings.cacheTtlMax));
  }
  const isFact = answer.code === "DNS_NXDOMAIN" || answer.code === "DNS_NODATA";
  return isFact ? Math.min(answer.ttl ?? 0, settings.cacheNegativeTtlMax) : 0;
}
