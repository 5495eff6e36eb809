import type { DnsAnswer } from "./answer.ts";
import { EVDNS_CLASS_INET, EVDNS_TYPE_A } from "./constants.ts";

/**
 * What most answers are: one address under the name that was asked for. As that it is remembered, in a third of the objects that the answer
 * consists of, since moving the others about is what remembering costs: a collector of garbage copies each twice before it lets it be.
 *
 * @internal
 */
export class LoneAddress {
  readonly #name: string;
  readonly #address: string;
  readonly #ttl: number;
  readonly #isAuthentic: boolean;

  private constructor(name: string, address: string, ttl: number, isAuthentic: boolean) {
    this.#name = name;
    this.#address = address;
    this.#ttl = ttl;
    this.#isAuthentic = isAuthentic;
  }

  /** An answer as such; null when there is more to it. */
  static of({ name, canonicalName, type, records, ttl, isAuthentic, isTruncated }: DnsAnswer): LoneAddress | null {
    const record = records[0];
    if (record === undefined || records.length > 1 || record.type !== type || isTruncated) return null;
    const { data } = record;
    const isAddress = data.kind === "A" || data.kind === "AAAA";
    if (!isAddress || record.class !== EVDNS_CLASS_INET || record.ttl !== ttl) return null;
    return record.name === name && canonicalName === name
      ? new LoneAddress(name, data.address, ttl, isAuthentic)
      : null;
  }

  /** The answer again, when `ageSeconds` have passed. */
  answer(type: number, ageSeconds: number): DnsAnswer {
    const name = this.#name;
    const ttl = Math.max(0, this.#ttl - ageSeconds);
    const kind = type === EVDNS_TYPE_A ? "A" : "AAAA";
    return {
      name,
      canonicalName: name,
      type,
      records: [{ name, type, class: EVDNS_CLASS_INET, ttl, data: { kind, address: this.#address } }],
      ttl,
      isAuthentic: this.#isAuthentic,
      isTruncated: false,
      isFromCache: true,
    };
  }
}
