import type { SocketAddress } from "../core/mod.ts";
import {
  DNS_FLAG_AUTHENTIC_DATA,
  DNS_FLAG_RECURSION_AVAILABLE,
  DNS_FLAG_RECURSION_DESIRED,
  DNS_FLAG_RESPONSE,
  EVDNS_ADDITIONAL_SECTION,
  EVDNS_ANSWER_SECTION,
  EVDNS_AUTHORITY_SECTION,
  EVDNS_FLAGS_AA,
} from "./constants.ts";
import { type Edns, EDNS_FLAG_DNSSEC_OK, type EdnsOption } from "./edns.ts";
import { type DnsMessage, type DnsQuestion, type DnsRecord, dnsRecord } from "./message.ts";
import { PlainQuery } from "./plain_query.ts";
import { ECHOED_FLAGS } from "./answer_frame.ts";
import { isPadded, PADDING } from "./padding.ts";
import { reverseDnsName } from "./reverse_name.ts";

const OWN_FLAGS = EVDNS_FLAGS_AA | DNS_FLAG_RECURSION_AVAILABLE | DNS_FLAG_AUTHENTIC_DATA;

const NOTHING: readonly never[] = [];

/** The way back to a client. @internal */
export interface DnsRoute {
  /** Who asks. */
  readonly remoteAddress: SocketAddress;
  /** How it asks. */
  readonly transport: "udp" | "tcp" | "tls";
  /**
   * Writes an answer, which {@linkcode DnsRoute.finish} is to send at once. Nothing has happened when this throws.
   *
   * @param query whose question the answer has in place of its own, and `name` the name of that, if it is known.
   */
  write(reply: DnsMessage, query: PlainQuery | null, name: string | undefined): void;
  /** Sends what was written, or nothing at all; told once. Answers whether it is on its way. Handlers of other queries may be called meanwhile. */
  finish(hasReply: boolean): boolean;
}

/** What a whole answer consists of; see {@linkcode DnsServerRequest.answer}. */
export interface DnsServerAnswer {
  /** Response code; {@linkcode DNS_ERR_NONE} by default. */
  readonly rcode?: number | undefined;
  /** {@linkcode EVDNS_FLAGS_AA}, {@linkcode DNS_FLAG_RECURSION_AVAILABLE} and {@linkcode DNS_FLAG_AUTHENTIC_DATA}, joined by `|`. */
  readonly flags?: number | undefined;
  /** Answers. */
  readonly answers?: readonly DnsRecord[] | undefined;
  /** Who is responsible. */
  readonly authorities?: readonly DnsRecord[] | undefined;
  /** What may help besides. */
  readonly additionals?: readonly DnsRecord[] | undefined;
}

/**
 * A query that waits for its answer (libevent's evdns_server_request). Records are added, then {@linkcode DnsServerRequest.respond} sends them;
 * or {@linkcode DnsServerRequest.answer} does both.
 *
 * What it says of the query may be read until it is answered and its handler has returned, or the promise of its handler is settled.
 */
export class DnsServerRequest {
  // Most queries are such that nothing is made of them before somebody wants to see it.
  readonly #plain: PlainQuery | null;
  #query: DnsMessage | null;
  #question: DnsQuestion | null = null;
  readonly #route: DnsRoute;
  readonly #ednsUdpSize: number;
  #flags = 0;
  // Made for their first record, since most answers are in one section.
  readonly #sections: (DnsRecord[] | undefined)[] = [undefined, undefined, undefined];
  #options: readonly EdnsOption[] = NOTHING;
  #isDone = false;

  /** @internal */
  constructor(query: DnsMessage | PlainQuery, route: DnsRoute, ednsUdpSize: number) {
    const isPlain = query instanceof PlainQuery;
    this.#plain = isPlain ? query : null;
    this.#query = isPlain ? null : query;
    this.#route = route;
    this.#ednsUdpSize = ednsUdpSize;
  }

  /** The whole query. */
  get query(): DnsMessage {
    return this.#query ??= this.#plain!.message(this.question);
  }

  /** The query as it has come, if it is of the usual kind. @internal */
  get plain(): PlainQuery | null {
    return this.#plain;
  }

  /** What is asked. Queries have exactly one question (RFC 9619); where other opcodes have none, it is the root's. */
  get question(): DnsQuestion {
    return this.#question ??= this.#plain?.question() ?? this.query.questions[0] ?? { name: ".", type: 0, class: 0 };
  }

  /** All that is asked. */
  get questions(): readonly DnsQuestion[] {
    return this.query.questions;
  }

  /** What the client says by EDNS. */
  get edns(): Edns | undefined {
    return this.query.edns;
  }

  /** What the message is for, usually {@linkcode DNS_OPCODE_QUERY}. */
  get opcode(): number {
    return this.#queryFlags >> 11 & 15;
  }

  /** Whether the client wants the server to ask others. */
  get recursionDesired(): boolean {
    return (this.#queryFlags & DNS_FLAG_RECURSION_DESIRED) !== 0;
  }

  get #queryFlags(): number {
    return this.#plain?.flags ?? this.query.flags;
  }

  /** How it came. */
  get transport(): "udp" | "tcp" | "tls" {
    return this.#route.transport;
  }

  /** Who asks (evdns_server_request_get_requesting_addr). */
  get remoteAddress(): SocketAddress {
    return this.#route.remoteAddress;
  }

  /** Whether it was answered, dropped or given up. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Sets what the answer says about itself (evdns_server_request_set_flags): {@linkcode EVDNS_FLAGS_AA},
   * {@linkcode DNS_FLAG_RECURSION_AVAILABLE} and {@linkcode DNS_FLAG_AUTHENTIC_DATA}, joined by `|`.
   *
   * @throws {RangeError} for other flags, which are not the handler's to set.
   */
  setFlags(flags: number): void {
    if ((flags & ~OWN_FLAGS) !== 0) throw new RangeError(`Cannot set flags 0x${flags.toString(16)} of a DNS answer`);
    this.#flags = flags;
  }

  /** Puts options of EDNS into the answer. Without EDNS in the query they are left out. */
  setEdnsOptions(options: readonly EdnsOption[]): void {
    this.#options = options;
  }

  /**
   * Adds a record (evdns_server_request_add_reply).
   *
   * @param section {@linkcode EVDNS_ANSWER_SECTION}, {@linkcode EVDNS_AUTHORITY_SECTION} or {@linkcode EVDNS_ADDITIONAL_SECTION}.
   * @throws {RangeError} when there is no such section.
   * @throws {Error} when it is answered already.
   */
  add(section: number, record: DnsRecord): void {
    if (section !== 0 && section !== 1 && section !== 2) {
      throw new RangeError(`Cannot add a record to section ${section} of a DNS answer`);
    }
    if (this.#isDone) throw new Error("Cannot add a record to a DNS request that was answered, dropped or given up");
    const records = this.#sections[section];
    if (records === undefined) this.#sections[section] = [record];
    else records.push(record);
  }

  /** Adds IPv4 addresses as answers, a record each (evdns_server_request_add_a_reply). */
  addA(name: string, addresses: string | readonly string[], ttl: number): void {
    this.#addAddresses(name, "A", addresses, ttl);
  }

  /** Adds IPv6 addresses as answers, a record each (evdns_server_request_add_aaaa_reply). */
  addAaaa(name: string, addresses: string | readonly string[], ttl: number): void {
    this.#addAddresses(name, "AAAA", addresses, ttl);
  }

  #addAddresses(name: string, kind: "A" | "AAAA", addresses: string | readonly string[], ttl: number): void {
    if (typeof addresses === "string") {
      this.add(EVDNS_ANSWER_SECTION, dnsRecord(name, ttl, { kind, address: addresses }));
      return;
    }
    for (const address of addresses) this.add(EVDNS_ANSWER_SECTION, dnsRecord(name, ttl, { kind, address }));
  }

  /**
   * Adds the name of an address as an answer (evdns_server_request_add_ptr_reply).
   *
   * @param of the address, or the name that stands for it.
   */
  addPtr(of: string, target: string, ttl: number): void {
    this.add(EVDNS_ANSWER_SECTION, dnsRecord(reverseDnsName(of) ?? of, ttl, { kind: "PTR", target }));
  }

  /** Adds an alias as an answer (evdns_server_request_add_cname_reply). */
  addCname(name: string, target: string, ttl: number): void {
    this.add(EVDNS_ANSWER_SECTION, dnsRecord(name, ttl, { kind: "CNAME", target }));
  }

  /** Adds everything, and responds. See {@linkcode DnsServerRequest.respond}. */
  answer(answer: DnsServerAnswer): boolean {
    if (answer.flags !== undefined) this.setFlags(answer.flags);
    for (const record of answer.answers ?? NOTHING) this.add(EVDNS_ANSWER_SECTION, record);
    for (const record of answer.authorities ?? NOTHING) this.add(EVDNS_AUTHORITY_SECTION, record);
    for (const record of answer.additionals ?? NOTHING) this.add(EVDNS_ADDITIONAL_SECTION, record);
    return this.respond(answer.rcode);
  }

  /**
   * Sends the answer (evdns_server_request_respond), with the question, and with EDNS if the query has it. What does not fit is cut.
   *
   * @param rcode the response code, 0 to 4095; {@linkcode DNS_ERR_NONE} by default. Those from 16 on need EDNS in the query, and become
   * SERVFAIL without.
   * @returns false when it was too late: answered, dropped or given up before, or the client has gone.
   * @throws {TypeError} or {RangeError} when the answer cannot be written: a name is none, a number out of range. Nothing is sent then.
   */
  respond(rcode: number = 0): boolean {
    if (!Number.isInteger(rcode) || rcode < 0 || rcode > 4095) {
      throw new RangeError(`Cannot respond with code ${rcode}: it must be a whole number from 0 to 4095`);
    }
    if (this.#isDone) return false;
    this.#route.write(this.#reply(rcode), this.#plain, this.#question?.name);
    // The next query of the connection may have its turn in there, and its handler look at this one.
    this.#isDone = true;
    return this.#route.finish(true);
  }

  #reply(rcode: number): DnsMessage {
    const plain = this.#plain;
    const { id, flags } = plain ?? this.query;
    const [answers = NOTHING, authorities = NOTHING, additionals = NOTHING] = this.#sections;
    const ednsFlags = plain === null ? this.query.edns?.flags ?? -1 : plain.udpSize < 0 ? -1 : plain.ednsFlags;
    const lowRcode = rcode > 15 && ednsFlags < 0 ? 2 : rcode & 15;
    return {
      id,
      flags: DNS_FLAG_RESPONSE | flags & ECHOED_FLAGS | this.#flags | lowRcode,
      questions: plain === null ? this.query.questions : NOTHING,
      answers,
      authorities,
      additionals,
      edns: ednsFlags < 0 ? undefined : {
        udpSize: this.#ednsUdpSize,
        version: 0,
        flags: ednsFlags & EDNS_FLAG_DNSSEC_OK,
        extendedRcode: rcode >> 4,
        options: this.#wantsPadding() ? [...this.#options, PADDING] : this.#options,
      },
    };
  }

  /** Whether who watches the connection shall not learn by its length what is answered (RFC 7830 section 4). */
  #wantsPadding(): boolean {
    if (this.#plain !== null || this.#route.transport !== "tls" || !isPadded(this.query.edns)) return false;
    return !this.#options.some(({ code }) => code === PADDING.code);
  }

  /** It is needed still, and the memory of the query is used for others now. @internal */
  keep(): void {
    this.#plain?.keep();
  }

  /** Answers with nothing but a response code, whatever was added. @internal */
  fail(rcode: number): void {
    if (this.#isDone) return;
    this.#sections.fill(undefined);
    this.#flags = 0;
    this.#options = NOTHING;
    this.respond(rcode);
  }

  /** Gives no answer (evdns_server_request_drop). */
  drop(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#route.finish(false);
  }
}
