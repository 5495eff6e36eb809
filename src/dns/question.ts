import { type DnsAnswer, readAnswer } from "./answer.ts";
import { DNS_ERR_FORMAT, DNS_ERR_NOTIMPL, DNS_FLAG_TRUNCATED, DNS_RCODE_BADVERS } from "./constants.ts";
import { DnsError } from "./dns_error.ts";
import { type DnsMessage, dnsRcode } from "./message.ts";
import type { NameServer } from "./name_server.ts";
import { questionBytes, withRandomCase } from "./query_message.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import { Transmission, type TransmissionOwner } from "./transmission.ts";

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
  /**
   * The name server to ask next: of those that are up, else of those that are down, the one with the fewest `asked`; undefined when all
   * are in `except`.
   */
  pick(asked: ReadonlyMap<NameServer, number>, except: ReadonlySet<NameServer>): NameServer | undefined;
  /** It is over, and was told to its listeners. */
  questionOver(question: Question, outcome: DnsAnswer | DnsError | null): void;
}

/** How a question is asked. */
export interface QuestionWay {
  /** Over TCP only. */
  readonly useTcp: boolean;
  /** Make do with cut answers. */
  readonly ignoreTruncation: boolean;
  /** Neither take the answer from the cache nor put it there. */
  readonly noCache: boolean;
}

/**
 * A question that name servers are asked, one after the other, until one has an answer. All who want to know the same at one time share
 * it: who asked the same thing many times at once would give a forger as many chances to guess an id.
 */
export class Question implements TransmissionOwner {
  /** The name in the letters of who asked first. */
  readonly name: string;
  /** The type of the records. */
  readonly type: number;
  /** What it is known by among the questions at hand. */
  readonly key: string;
  /** How it is asked. */
  readonly way: QuestionWay;
  readonly #owner: QuestionOwner;
  readonly #listeners = new Set<QuestionListener>();
  readonly #plain: Uint8Array<ArrayBuffer>;
  readonly #open = new Set<Transmission>();
  readonly #asked = new Map<NameServer, number>();
  // Those who have given their last word.
  readonly #done = new Set<NameServer>();
  #unanswered = 0;
  #error: DnsError | null = null;
  // How often it was begun anew.
  #round = 0;

  /** @throws {RangeError} when `name` is none. */
  constructor(owner: QuestionOwner, key: string, name: string, type: number, way: QuestionWay) {
    this.#owner = owner;
    this.key = key;
    this.name = name;
    this.type = type;
    this.way = way;
    this.#plain = questionBytes(name, type);
  }

  /** Tells somebody as well. */
  listen(listener: QuestionListener): void {
    this.#listeners.add(listener);
  }

  /** Somebody does not want to know any more; the last one of them ends it. */
  leave(listener: QuestionListener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.reset();
    this.#owner.questionOver(this, null);
  }

  /** Begins to ask. */
  start(): void {
    this.#askNext();
  }

  /** Forgets whom it has asked; it may be started again. */
  reset(): void {
    for (const transmission of this.#open) transmission.forget();
    this.#open.clear();
    this.#round++;
    this.#asked.clear();
    this.#done.clear();
    this.#unanswered = 0;
    this.#error = null;
  }

  /** Ends it. */
  end(outcome: DnsAnswer | DnsError): void {
    this.reset();
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    this.#owner.questionOver(this, outcome);
    for (const listener of listeners) listener.questionEnded(outcome);
  }

  #askNext(): void {
    const { attempts } = this.#owner.settings;
    const server = this.#unanswered >= attempts ? undefined : this.#owner.pick(this.#asked, this.#done);
    if (server === undefined) {
      const hasServers = this.#asked.size > 0;
      return this.end(this.#error ?? new DnsError(hasServers ? "DNS_TIMEOUT" : "DNS_NO_SERVERS", this.name));
    }
    const asked = this.#asked.get(server) ?? 0;
    this.#asked.set(server, asked + 1);
    // Something on the way may drop queries with EDNS without a word, so the second one is without, unless it is known to get through.
    const withEdns = !server.refusesEdns && (asked === 0 || server.knowsEdns);
    this.#ask(server, this.way.useTcp || this.#owner.isTcpOnly, withEdns);
  }

  #ask(server: NameServer, overTcp: boolean, withEdns: boolean, isAfterTruncation: boolean = false): void {
    const { randomizeCase, ednsUdpBytes } = this.#owner.settings;
    // A connection cannot be forged from elsewhere.
    const question = randomizeCase && !overTcp ? withRandomCase(this.#plain) : this.#plain;
    const udpBytes = withEdns ? ednsUdpBytes : 512;
    const plainQuestion = this.#plain;
    const transmission = new Transmission(this, server, question, {
      overTcp,
      udpBytes,
      isAfterTruncation,
      plainQuestion,
    });
    this.#open.add(transmission);
    server.send(transmission);
  }

  #forget(transmission: Transmission): void {
    transmission.forget();
    this.#open.delete(transmission);
  }

  /** Whether the time of a query still runs; of one to `server`, if that is given. */
  #isAsking(server?: NameServer): boolean {
    for (const other of this.#open) {
      if (other.deadlineList !== null && (server === undefined || other.server === server)) return true;
    }
    return false;
  }

  answered(transmission: Transmission, message: DnsMessage): void {
    const { server, overTcp, udpBytes } = transmission;
    server.isHeardOf();
    const rcode = dnsRcode(message);
    if (udpBytes > 512) {
      if (rcode === DNS_ERR_FORMAT || rcode === DNS_ERR_NOTIMPL || rcode === DNS_RCODE_BADVERS) {
        server.refusesEdns = true;
        this.#forget(transmission);
        return this.#ask(server, overTcp, false, transmission.isAfterTruncation);
      }
      if (message.edns !== undefined) server.knowsEdns = true;
    }
    const isCut = (message.flags & DNS_FLAG_TRUNCATED) !== 0 && !overTcp;
    if (isCut && !this.way.ignoreTruncation) {
      this.#forget(transmission);
      if (!this.#isAsking(server)) this.#ask(server, true, udpBytes > 512, true);
      return;
    }
    const outcome = readAnswer(message, this.name, this.type);
    if (!(outcome instanceof DnsError) || outcome.code === "DNS_NXDOMAIN" || outcome.code === "DNS_NODATA") {
      return this.end(outcome);
    }
    this.#goOn(transmission, outcome);
  }

  garbled(transmission: Transmission, cause: unknown): void {
    transmission.server.isHeardOf();
    this.#goOn(transmission, new DnsError("DNS_BAD_ANSWER", this.name, { cause }));
  }

  /** A server has said something that is no answer: its last word. The next one may do better. */
  #goOn(transmission: Transmission, error: DnsError): void {
    // An error that a server has told says more than that another one was silent; the first one is that of the preferred server.
    if (this.#error === null || this.#error.code === "DNS_UNREACHABLE") this.#error = error;
    this.#done.add(transmission.server);
    this.#forget(transmission);
    if (!this.#isAsking()) this.#askNext();
  }

  /** A server has not answered. False when that, by the log hook, has put an end to this question, or begun it anew. */
  #isMissedBy(server: NameServer): boolean {
    const round = this.#round;
    server.isMissed();
    return round === this.#round;
  }

  wrongCase(transmission: Transmission): void {
    const { server, udpBytes } = transmission;
    for (const other of this.#open) if (other.server === server && other.overTcp) return;
    // Either it is forged or the server does not keep the case. Over TCP neither matters; meanwhile the right answer may come as well.
    this.#ask(server, true, udpBytes > 512);
  }

  failed(transmission: Transmission, cause: unknown): void {
    const { server, isAfterTruncation } = transmission;
    this.#forget(transmission);
    // An answer over UDP may still come, or another server is asked already.
    if (this.#isAsking()) return;
    this.#error ??= new DnsError(isAfterTruncation ? "DNS_TRUNCATED" : "DNS_UNREACHABLE", this.name, { cause });
    if (!isAfterTruncation && !this.#isMissedBy(server)) return;
    this.#done.add(server);
    this.#askNext();
  }

  timedOut(transmission: Transmission): void {
    const { server, overTcp, isAfterTruncation } = transmission;
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
