import { EVENT_LOG_DEBUG, type LogCallback } from "../core/mod.ts";
import { SystemError } from "../ffi/mod.ts";
import { type DnsAnswer, readAnswer } from "./answer.ts";
import { DNS_ERR_FORMAT, DNS_ERR_NOTIMPL, DNS_FLAG_TRUNCATED, DNS_RCODE_BADVERS } from "./constants.ts";
import { DnsError } from "./dns_error.ts";
import { type DnsMessage, dnsRcode } from "./message.ts";
import { AskedServers } from "./asked_servers.ts";
import type { NameServer } from "./name_server.ts";
import { dnsTypeName } from "./record_type.ts";
import { questionKind, type QuestionWay } from "./question_way.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import type { NameEntry } from "./name_table.ts";
import { Transmission, type TransmissionOwner } from "./transmission.ts";
import { WireQuestion } from "./wire_question.ts";

/** What a system call is refused with that this process or system is out of. */
const LACKS: readonly string[] = ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"];

/** Whether an answer to a query with EDNS says that EDNS was not understood: with EDNS it would not (RFC 6891 section 7). */
function isAgainstEdns(message: DnsMessage): boolean {
  const rcode = dnsRcode(message);
  return message.edns === undefined && (rcode === DNS_ERR_FORMAT || rcode === DNS_ERR_NOTIMPL);
}

/** Who wants to know. */
export interface QuestionListener {
  /** What has come of it. */
  questionEnded(outcome: DnsAnswer | DnsError): void;
}

/** Who asks questions. */
export interface QuestionOwner {
  /** The settings in force. */
  readonly settings: DnsResolverSettings;
  /** Whether everything goes over TCP, because it is to be encrypted. */
  readonly isTcpOnly: boolean;
  /** Told what happens to queries; undefined when nobody wants to know. */
  readonly notes: LogCallback | undefined;
  /**
   * The name server to ask next: of those that are up, else of those that are down, the one that was asked the fewest times; undefined when
   * all have given their last word.
   */
  pick(asked: AskedServers): NameServer | undefined;
  /** It is over, and was told to its listeners. */
  questionOver(question: Question, outcome: DnsAnswer | DnsError | null): void;
}

/**
 * A question that name servers are asked, one after the other, until one has an answer. All who want to know the same at one time share
 * it: who asked the same thing many times at once would give a forger as many chances to guess an id.
 */
export class Question implements TransmissionOwner, NameEntry<Question> {
  /** The name in the letters of who asked first. */
  readonly name: string;
  readonly key: string;
  readonly hash: number;
  readonly kind: number;
  sibling: Question | null = null;
  /** How many were asked before it. */
  readonly serial: number;
  /** The type of the records. */
  readonly type: number;
  /** How it is asked. */
  readonly way: QuestionWay;
  /** Whether it is being asked, and does not wait for its turn. */
  isActive = false;
  readonly #owner: QuestionOwner;
  readonly #asked = new AskedServers();
  // Nearly always it is one who wants to know, so further ones have a place of their own.
  #listener: QuestionListener | null;
  #listeners: Set<QuestionListener> | null = null;
  // The first of the queries that may still be answered; each knows the next.
  #open: Transmission | null = null;
  #unanswered = 0;
  // Asked with EDNS, and not known to get that.
  #triedWithEdns: NameServer | null = null;
  #error: DnsError | null = null;
  // How often it was begun anew.
  #round = 0;

  /**
   * @param serial how many were asked before it.
   * @param key the name in normal form.
   * @param hash the hash of that.
   */
  constructor(
    owner: QuestionOwner,
    serial: number,
    key: string,
    hash: number,
    name: string,
    type: number,
    way: QuestionWay,
    listener: QuestionListener,
  ) {
    this.#owner = owner;
    this.serial = serial;
    this.key = key;
    this.hash = hash;
    this.kind = questionKind(type, way);
    this.name = name;
    this.type = type;
    this.way = way;
    this.#listener = listener;
  }

  /** Tells somebody as well. */
  listen(listener: QuestionListener): void {
    (this.#listeners ??= new Set()).add(listener);
  }

  /** Somebody does not want to know any more; the last one of them ends it. */
  leave(listener: QuestionListener): void {
    if (listener === this.#listener) this.#listener = null;
    else if (this.#listeners?.delete(listener) !== true) return;
    if (this.#listener !== null || (this.#listeners !== null && this.#listeners.size > 0)) return;
    this.reset();
    this.#owner.questionOver(this, null);
  }

  /** The normal form is the one that is written. */
  get writtenName(): string | undefined {
    return this.key === this.name ? this.name : undefined;
  }

  /** Begins to ask. */
  start(): void {
    this.#askNext();
  }

  /** Forgets whom it has asked; it may be started again. */
  reset(): void {
    for (let open = this.#open; open !== null; open = open.next) open.forget();
    this.#open = null;
    this.#round++;
    this.#asked.clear();
    this.#unanswered = 0;
    this.#error = null;
  }

  /** Ends it. */
  end(outcome: DnsAnswer | DnsError): void {
    this.reset();
    const [first, others] = [this.#listener, this.#listeners];
    this.#listener = this.#listeners = null;
    this.#owner.questionOver(this, outcome);
    first?.questionEnded(outcome);
    if (others !== null) { for (const listener of others) listener.questionEnded(outcome); }
  }

  #askNext(): void {
    const { attempts, ednsUdpBytes } = this.#owner.settings;
    const server = this.#unanswered >= attempts ? undefined : this.#owner.pick(this.#asked);
    if (server === undefined) {
      const code = this.#asked.isEmpty ? "DNS_NO_SERVERS" : "DNS_TIMEOUT";
      return this.end(this.#error ?? new DnsError(code, this.name));
    }
    const isFirst = this.#asked.count(server) === 0;
    this.#asked.add(server);
    // Something on the way may drop queries with EDNS without a word, also those to other servers, so behind one that was not answered all are
    // without, unless they are known to get through.
    const isTried = isFirst && this.#unanswered === 0;
    const withEdns = !server.refusesEdns && (isTried || server.knowsEdns);
    if (withEdns && !server.knowsEdns && ednsUdpBytes > 512) this.#triedWithEdns = server;
    this.#ask(server, this.way.useTcp || this.#owner.isTcpOnly, withEdns);
  }

  #ask(server: NameServer, overTcp: boolean, withEdns: boolean, isAfterTruncation: boolean = false): void {
    const { settings, notes } = this.#owner;
    if (notes !== undefined && !this.#note(notes, `Asking ${this.#query(server, overTcp, withEdns)}`)) return;
    const { randomizeCase, ednsUdpBytes } = settings;
    // A connection cannot be forged from elsewhere.
    const question = WireQuestion.take(this.name, this.type, randomizeCase && !overTcp);
    const udpBytes = withEdns ? ednsUdpBytes : 512;
    const transmission = new Transmission(this, server, question, overTcp, udpBytes, isAfterTruncation);
    transmission.next = this.#open;
    this.#open = transmission;
    server.send(transmission);
  }

  /** Who is asked what, and how. */
  #query({ label }: NameServer, overTcp: boolean, withEdns: boolean): string {
    return `${label} over ${overTcp ? "TCP" : "UDP"} ${withEdns ? "with" : "without"} EDNS for ${this.#label}`;
  }

  get #label(): string {
    return `${this.name} ${dnsTypeName(this.type)}`;
  }

  /** Notes something. False when the log hook has put an end to this question, or begun it anew. */
  #note(notes: LogCallback, text: string): boolean {
    const round = this.#round;
    notes(EVENT_LOG_DEBUG, text);
    return round === this.#round;
  }

  #forget(transmission: Transmission): void {
    transmission.forget();
    if (this.#open === transmission) {
      this.#open = transmission.next;
      return;
    }
    for (let open = this.#open; open !== null; open = open.next) {
      if (open.next === transmission) open.next = transmission.next;
    }
  }

  /** Whether the time of a query still runs; of one to `server`, if that is given. */
  #isAsking(server?: NameServer): boolean {
    for (let open = this.#open; open !== null; open = open.next) {
      if (open.deadlineList !== null && (server === undefined || open.server === server)) return true;
    }
    return false;
  }

  answered(transmission: Transmission, message: DnsMessage): void {
    const { server, overTcp, udpBytes } = transmission;
    if (!this.#isHeardFrom(server)) return;
    if (udpBytes > 512) {
      const isVersion = dnsRcode(message) === DNS_RCODE_BADVERS;
      if (isVersion || isAgainstEdns(message)) {
        // One that has answered with EDNS before has some other reason.
        server.refusesEdns ||= isVersion || !server.knowsEdns;
        this.#forget(transmission);
        return this.#ask(server, overTcp, false, transmission.isAfterTruncation);
      }
      if (message.edns !== undefined) server.knowsEdns = true;
    } else if (server === this.#triedWithEdns && !overTcp) {
      server.missedEdns();
    }
    const isCut = (message.flags & DNS_FLAG_TRUNCATED) !== 0 && !overTcp;
    if (isCut && !this.way.ignoreTruncation) return this.#askOverTcp(transmission);
    const outcome = readAnswer(message, this.name, this.type, this.way.authenticData);
    if (!(outcome instanceof DnsError) || outcome.code === "DNS_NXDOMAIN" || outcome.code === "DNS_NODATA") {
      return this.end(outcome);
    }
    this.#goOn(transmission, outcome);
  }

  garbled(transmission: Transmission, cause: unknown, isCut: boolean): void {
    if (!this.#isHeardFrom(transmission.server)) return;
    if (isCut && !this.way.ignoreTruncation) return this.#askOverTcp(transmission);
    this.#goOn(transmission, new DnsError(isCut ? "DNS_TRUNCATED" : "DNS_BAD_ANSWER", this.name, { cause }));
  }

  /** The answer over UDP was cut. */
  #askOverTcp(transmission: Transmission): void {
    const { server, udpBytes } = transmission;
    this.#forget(transmission);
    if (!this.#isAsking(server)) this.#ask(server, true, udpBytes > 512, true);
  }

  /** A server has said something that is no answer: its last word. The next one may do better. */
  #goOn(transmission: Transmission, error: DnsError): void {
    const { notes } = this.#owner;
    const { label } = transmission.server;
    if (notes !== undefined && !this.#note(notes, `${label} does not help with ${this.#label}: ${error.code}`)) return;
    // An error that a server has told says more than that another one was silent; the first one is that of the preferred server.
    if (this.#error === null || this.#error.code === "DNS_UNREACHABLE") this.#error = error;
    this.#asked.finish(transmission.server);
    this.#forget(transmission);
    if (!this.#isAsking()) this.#askNext();
  }

  /** A server has answered something. False when that, by the log hook, has put an end to this question, or begun it anew. */
  #isHeardFrom(server: NameServer): boolean {
    const round = this.#round;
    server.isHeardOf();
    return round === this.#round;
  }

  /** A server has not answered. False as above. */
  #isMissedBy(server: NameServer): boolean {
    const round = this.#round;
    server.isMissed();
    return round === this.#round;
  }

  wrongCase(transmission: Transmission): void {
    const { server, udpBytes } = transmission;
    for (let open = this.#open; open !== null; open = open.next) if (open.server === server && open.overTcp) return;
    const { notes } = this.#owner;
    if (notes !== undefined && !this.#note(notes, `${server.label} has answered in other letters: ${this.#label}`)) {
      return;
    }
    // Either it is forged or the server does not keep the case. Over TCP neither matters; meanwhile the right answer may come as well.
    this.#ask(server, true, udpBytes > 512);
  }

  failed(transmission: Transmission, cause: unknown): void {
    const { server, isAfterTruncation } = transmission;
    const { notes } = this.#owner;
    if (notes !== undefined && !this.#note(notes, `${server.label} cannot be asked for ${this.#label}: ${cause}`)) {
      return;
    }
    this.#forget(transmission);
    // An answer over UDP may still come, or another server is asked already.
    if (this.#isAsking()) return;
    this.#error ??= new DnsError(isAfterTruncation ? "DNS_TRUNCATED" : "DNS_UNREACHABLE", this.name, { cause });
    // What is wanting here says nothing about the server.
    const isInnocent = isAfterTruncation || isLack(cause);
    if (!isInnocent && !this.#isMissedBy(server)) return;
    this.#asked.finish(server);
    this.#askNext();
  }

  timedOut(transmission: Transmission): void {
    const { server, overTcp, isAfterTruncation } = transmission;
    const { notes } = this.#owner;
    if (notes !== undefined && !this.#note(notes, `${server.label} is silent about ${this.#label}`)) return;
    // Over UDP a late answer is as good as any; a connection that says nothing is not kept.
    if (overTcp) {
      this.#forget(transmission);
      server.retireTcp();
    }
    if (this.#isAsking()) return;
    if (isAfterTruncation) this.#error ??= new DnsError("DNS_TRUNCATED", this.name);
    if (!this.#isMissedBy(server)) return;
    this.#unanswered++;
    this.#askNext();
  }
}

function isLack(error: unknown): boolean {
  return error instanceof SystemError && LACKS.includes(error.code);
}
