import type { DnsAnswer } from "./answer.ts";
import { DnsError } from "./dns_error.ts";
import { normalDnsName } from "./name.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";

interface Entry {
  readonly answer: DnsAnswer | DnsError;
  readonly storedMs: number;
  readonly endMs: number;
}

/** Under this type it stands that there is no such name at all. */
const NO_NAME = 0;

/**
 * Answers, and what has none, until their time is over. They are looked over when somebody asks and dropped when there are too many, so
 * there is no timer that could keep a loop alive. Times are those of the loop.
 */
export class AnswerCache {
  // From the one that was not asked for the longest to the one asked for last.
  readonly #entries = new Map<string, Entry>();
  #records = 0;

  /** How many there are, those whose time is over included. */
  get size(): number {
    return this.#entries.size;
  }

  /** What is known, with what is left of its TTL. */
  find(name: string, type: number, nowMs: number): DnsAnswer | DnsError | undefined {
    const key = normalDnsName(name);
    const entry = this.#take(`${type} ${key}`, nowMs) ?? this.#take(`${NO_NAME} ${key}`, nowMs);
    if (entry === undefined) return undefined;
    const { answer } = entry;
    if (answer instanceof DnsError) {
      const ttl = Math.floor((entry.endMs - nowMs) / 1000);
      return new DnsError(answer.code, name, { rcode: answer.rcode, ttl });
    }
    const age = Math.floor((nowMs - entry.storedMs) / 1000);
    const records = age === 0
      ? answer.records
      : answer.records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - age) }));
    return { ...answer, records, ttl: Math.max(0, answer.ttl - age), isFromCache: true };
  }

  #take(key: string, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.endMs > nowMs) {
      this.#entries.set(key, entry);
      return entry;
    }
    this.#records -= weightOf(entry);
    return undefined;
  }

  /** Remembers an answer, or that there is none, for as long as it says and the settings allow. */
  store(name: string, type: number, answer: DnsAnswer | DnsError, settings: DnsResolverSettings, nowMs: number): void {
    const seconds = lifetime(answer, settings);
    if (seconds <= 0) return;
    const isNoName = answer instanceof DnsError && answer.code === "DNS_NXDOMAIN";
    const key = `${isNoName ? NO_NAME : type} ${normalDnsName(name)}`;
    this.#drop(key);
    const entry = { answer, storedMs: nowMs, endMs: nowMs + seconds * 1000 };
    this.#entries.set(key, entry);
    this.#records += weightOf(entry);
    this.limit(settings.cacheRecordsMax);
  }

  /** Forgets what is too much. */
  limit(recordsMax: number): void {
    if (this.#records <= recordsMax) return;
    for (const key of this.#entries.keys()) {
      this.#drop(key);
      if (this.#records <= recordsMax) return;
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#records -= weightOf(entry);
  }

  /** Forgets all about a name, or about one type of it. */
  delete(name: string, types: readonly number[]): void {
    const key = normalDnsName(name);
    for (const type of [...types, NO_NAME]) this.#drop(`${type} ${key}`);
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#records = 0;
  }
}

/** What it counts for. */
function weightOf({ answer }: Entry): number {
  return answer instanceof DnsError ? 1 : answer.records.length;
}

function lifetime(answer: DnsAnswer | DnsError, settings: DnsResolverSettings): number {
  if (!(answer instanceof DnsError)) {
    return answer.isTruncated ? 0 : Math.max(settings.cacheTtlMin, Math.min(answer.ttl, settings.cacheTtlMax));
  }
  const isFact = answer.code === "DNS_NXDOMAIN" || answer.code === "DNS_NODATA";
  return isFact ? Math.min(answer.ttl ?? 0, settings.cacheNegativeTtlMax) : 0;
}
