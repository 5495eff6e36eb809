import {
  DNS_CLASS_ANY,
  DNS_ERR_NOTEXIST,
  DNS_ERR_REFUSED,
  EVDNS_CLASS_INET,
  EVDNS_FLAGS_AA,
  EVDNS_QTYPE_ALL,
  EVDNS_TYPE_A,
  EVDNS_TYPE_AAAA,
  EVDNS_TYPE_CNAME,
  EVDNS_TYPE_NS,
  EVDNS_TYPE_SOA,
} from "./constants.ts";
import type { DnsServerAnswer } from "./dns_server_request.ts";
import type { DnsHandler, WireHandler } from "./dns_server_options.ts";
import { type DnsQuestion, type DnsRecord, dnsRecord } from "./message.ts";
import { dnsLabels, isDnsName, isSameDnsName, normalDnsName } from "./name.ts";
import type { PlainQuery } from "./plain_query.ts";
import type { SoaData } from "./record_data.ts";
import { WireAnswers } from "./wire_answers.ts";
import { parseZoneFile, type ZoneFileOptions } from "./zone_file.ts";
import { type ZoneNode, ZoneNodes } from "./zone_nodes.ts";

/** Aliases followed for one question. */
const ALIASES_MAX = 16;
const DS_TYPE = 43;
/** Response code: the name would be too long (RFC 6672 section 2.2). */
const YXDOMAIN = 6;
/** In questions: OPT, and what asks for transfers and mail records of old; a zone has no such records. */
const META_TYPES_FROM = 249, META_TYPES_TO = 254, OPT_TYPE = 41;

/**
 * The records of a zone, and the answers to questions about it (RFC 1034 section 4.3.2): aliases are followed inside the zone, names below
 * `*` are made up (RFC 4592), delegations answered with their servers and addresses, and what is not there with the SOA record that
 * says how long to remember it (RFC 2308).
 *
 * @example
 * ```ts
 * import { DnsServer, EventBase, Zone, zoneHandler } from "@evbase/evbase";
 *
 * const zone = Zone.parse(`
 *   $ORIGIN example.org.
 *   $TTL 1h
 *   @    SOA ns root 1 1d 2h 4w 5m
 *        NS  ns
 *   ns   A   192.0.2.53
 *   www  A   192.0.2.80
 * `.replace(/^ {2}/gm, ""));
 * using base = new EventBase();
 * using server = new DnsServer(base, {}, zoneHandler([zone]));
 * console.log(`dig @127.0.0.1 -p ${server.listen({ port: 0 }).port} www.example.org`);
 * base.loopExit(100); // A real server leaves this out.
 * base.dispatch();
 * ```
 */
export class Zone {
  /** The name of the zone. */
  readonly origin: string;
  readonly #nodes: ZoneNodes;
  readonly #apex: ZoneNode;
  readonly #negative: DnsRecord;
  readonly #known = new WireAnswers();

  /**
   * Takes the records of a zone; the name of its SOA record is that of the zone.
   *
   * @throws {ZoneFileError} when there is not exactly one SOA record, a record outside, or an alias beside other records.
   */
  constructor(records: readonly DnsRecord[]) {
    this.#nodes = new ZoneNodes(records);
    this.origin = this.#nodes.origin;
    this.#apex = this.#nodes.find(normalDnsName(this.origin))!;
    const soa = this.#apex.records(EVDNS_TYPE_SOA)[0]!;
    this.#negative = { ...soa, ttl: Math.min(soa.ttl, (soa.data as SoaData).minimum) };
  }

  /**
   * Reads a zone file; see {@linkcode parseZoneFile}.
   *
   * @throws {ZoneFileError} where something is wrong.
   */
  static parse(text: string, options: ZoneFileOptions = {}): Zone {
    return new Zone(parseZoneFile(text, options));
  }

  /** Whether a name is the zone's own or below it, delegated ones included. @throws {RangeError} when the text is no name. */
  covers(name: string): boolean {
    return this.#nodes.covers(normalDnsName(name));
  }

  /** The answer to a question; REFUSED for what the zone is not asked about. */
  answer(question: DnsQuestion): DnsServerAnswer {
    const isMeta = question.type === OPT_TYPE || (question.type >= META_TYPES_FROM && question.type <= META_TYPES_TO);
    const isInternet = question.class === EVDNS_CLASS_INET || question.class === DNS_CLASS_ANY;
    let owner = question.name;
    let key = normalDnsName(owner);
    // Looked up once: finding a name costs more than all that follows.
    let found = this.#nodes.find(key);
    const isOurs = found !== undefined || this.#nodes.covers(key);
    if (isMeta || !isInternet || !isOurs) return { rcode: DNS_ERR_REFUSED };
    const answers: DnsRecord[] = [];
    const visited: string[] = [];
    for (;;) {
      visited.push(key);
      const cut = this.#nodes.delegation(key, question.type === DS_TYPE);
      if (cut !== undefined) return this.#referral(cut, answers);
      const dname = this.#nodes.redirection(key);
      const node = dname === undefined ? found ?? this.#nodes.wildcard(key) : undefined;
      const next = dname === undefined
        ? this.#alias(node, owner, question.type, answers)
        : redirect(dname, owner, answers);
      if (next === null) return { rcode: YXDOMAIN, flags: EVDNS_FLAGS_AA, answers };
      if (next === undefined) return this.#end(node, owner, question.type, answers);
      key = normalDnsName(owner = next);
      found = this.#nodes.find(key);
      const leadsOut = found === undefined && !this.#nodes.covers(key);
      // What lies outside is asked elsewhere; what leads in circles has been answered with what there is.
      if (leadsOut || visited.length > ALIASES_MAX || visited.includes(key)) return { flags: EVDNS_FLAGS_AA, answers };
    }
  }

  /** @internal Writes an answer that was given before; see {@linkcode WireAnswers.write}. */
  writeAnswer(query: PlainQuery, into: Uint8Array, bytesMax: number, udpSize: number): number {
    return this.#known.write(query, into, bytesMax, udpSize);
  }

  /**
   * Remembers an answer as bytes, where it consists of the records of a name that exists and nothing else. So there can be no more than the zone
   * has sets of records, whatever is asked.
   *
   * @internal
   */
  learn(
    query: PlainQuery,
    question: DnsQuestion,
    { answers = [], authorities, additionals = [] }: DnsServerAnswer,
  ): void {
    const kind = answers[0]?.data.kind;
    if (!this.#nodes.isFlat || (kind !== "A" && kind !== "AAAA" && kind !== "TXT")) return;
    if (question.class !== EVDNS_CLASS_INET || authorities !== undefined || additionals.length > 0) return;
    const set = this.#nodes.find(normalDnsName(question.name))?.records(question.type);
    // The first one may be an alias instead, and names below `*` are made up without end.
    if (set === undefined || set.length !== answers.length || set[0]!.data !== answers[0]!.data) return;
    this.#known.add(query, set);
  }

  /** Follows an alias, unless it is asked for itself. */
  #alias(node: ZoneNode | undefined, owner: string, type: number, answers: DnsRecord[]): string | undefined {
    if (type === EVDNS_TYPE_CNAME || type === EVDNS_QTYPE_ALL) return undefined;
    const alias = node?.records(EVDNS_TYPE_CNAME)[0];
    // Signatures, which may stand beside it, are its own.
    if (alias?.data.kind !== "CNAME" || node!.records(type).length > 0) return undefined;
    answers.push(named(alias, owner));
    return alias.data.target;
  }

  #end(node: ZoneNode | undefined, owner: string, type: number, answers: DnsRecord[]): DnsServerAnswer {
    // Of all types one is enough to say that the name exists (RFC 8482).
    const found = type === EVDNS_QTYPE_ALL ? node?.firstSet ?? [] : node?.records(type) ?? [];
    if (found.length === 0) {
      const rcode = node === undefined ? DNS_ERR_NOTEXIST : 0;
      return { rcode, flags: EVDNS_FLAGS_AA, answers, authorities: [this.#negative] };
    }
    // The name as it was asked for: who asks may compare letter by letter.
    for (const record of found) answers.push(named(record, owner));
    return { flags: EVDNS_FLAGS_AA, answers, additionals: this.#addresses(found) };
  }

  #referral(cut: ZoneNode, answers: DnsRecord[]): DnsServerAnswer {
    const authorities = cut.records(EVDNS_TYPE_NS);
    // An answer that begins with aliases of ours is ours as far as it goes.
    const flags = answers.length > 0 ? EVDNS_FLAGS_AA : 0;
    return { flags, answers, authorities, additionals: this.#addresses(authorities) };
  }

  /** The addresses, as far as they are known here, of the hosts that records name. */
  #addresses(records: readonly DnsRecord[]): DnsRecord[] {
    // Of these no other type names a host.
    const { kind } = records[0]!.data;
    if (kind === "A" || kind === "AAAA" || kind === "TXT") return [];
    const hosts = new Set<string>();
    for (const { data } of records) {
      if (data.kind === "NS" || data.kind === "SRV" || data.kind === "SVCB" || data.kind === "HTTPS") {
        hosts.add(data.target);
      } else if (data.kind === "MX") hosts.add(data.exchange);
    }
    return [...hosts].flatMap((host) => {
      const node = this.covers(host) ? this.#nodes.find(normalDnsName(host)) : undefined;
      return node === undefined ? [] : [...node.records(EVDNS_TYPE_A), ...node.records(EVDNS_TYPE_AAAA)];
    });
  }
}

/** The same record under a name that is spelled as it was asked for. */
function named(record: DnsRecord, name: string): DnsRecord {
  if (name === record.name) return record;
  const { type, class: recordClass, ttl, data } = record;
  return { name, type, class: recordClass, ttl, data };
}

/** Answers for everything below a DNAME record with a name below its target (RFC 6672); null where that would be too long. */
function redirect(dname: DnsRecord, owner: string, answers: DnsRecord[]): string | null {
  const { target } = dname.data as { target: string };
  const labels = dnsLabels(owner);
  const kept = labels.slice(0, labels.length - dnsLabels(dname.name).length);
  const name = target === "." ? kept.join(".") : `${kept.join(".")}.${target}`;
  if (!answers.includes(dname)) answers.push(dname);
  if (!isDnsName(name)) return null;
  answers.push(dnsRecord(owner, dname.ttl, { kind: "CNAME", target: name }));
  return name;
}

/** A handler that answers for zones: for each question the one it belongs to most closely, REFUSED where there is none. */
export function zoneHandler(zones: readonly Zone[]): DnsHandler {
  const byDepth = [...zones].sort((one, other) => dnsLabels(other.origin).length - dnsLabels(one.origin).length);
  const closest = ({ name, type }: DnsQuestion): Zone | undefined => {
    // A lone zone looks itself whether the name is one of its own.
    if (byDepth.length === 1) return byDepth[0];
    const own = byDepth.find((one) => one.covers(name));
    if (type !== DS_TYPE || own === undefined || !isSameDnsName(name, own.origin)) return own;
    // A zone's DS records are in the zone above (RFC 4035 section 3.1.4.1).
    return byDepth.find((one) => one.covers(name) && one !== own) ?? own;
  };
  const handler: WireHandler = (request) => {
    const { question, plain } = request;
    const zone = closest(question);
    const answer = zone?.answer(question) ?? { rcode: DNS_ERR_REFUSED };
    request.answer(answer);
    if (plain !== null && zone !== undefined && byDepth.length === 1) zone.learn(plain, question, answer);
  };
  const [lone] = byDepth;
  if (byDepth.length !== 1 || lone === undefined) return handler;
  const writeAnswer: WireHandler["writeAnswer"] = (query, into, bytesMax, udpSize) =>
    lone.writeAnswer(query, into, bytesMax, udpSize);
  return Object.assign(handler, { writeAnswer });
}
