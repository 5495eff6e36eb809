import { compareSocketAddresses, type EventBase, type IpSocketAddress, type LogCallback } from "../core/mod.ts";
import { DeadlineList } from "../core/deadline_list.ts";
import type { DnsAnswer } from "./answer.ts";
import { AnswerCache } from "./answer_cache.ts";
import { DnsError } from "./dns_error.ts";
import { normalDnsName } from "./name.ts";
import { NameServer, type NameServerSurroundings } from "./name_server.ts";
import { Question, type QuestionListener, type QuestionOwner, type QuestionWay } from "./question.ts";
import { DEFAULT_SETTINGS, type DnsResolverSettings } from "./resolver_options.ts";
import type { TcpWay } from "./tcp_channel.ts";
import type { Transmission } from "./transmission.ts";

/**
 * The questions at hand and the name servers there are to ask: so many questions at one time, and others wait.
 *
 * @internal
 */
export class QuestionDesk implements QuestionOwner {
  /** The settings in force; replaced as a whole. */
  settings: DnsResolverSettings = DEFAULT_SETTINGS;
  /** What has been found out. */
  readonly cache: AnswerCache = new AnswerCache();
  /** Whether nobody is asked for the time being. */
  isSuspended = false;
  readonly #base: EventBase;
  readonly #surroundings: NameServerSurroundings;
  readonly #times: DeadlineList<Transmission>;
  #servers: NameServer[] = [];
  #turn = 0;
  // All questions that are not over, by what is asked.
  readonly #questions = new Map<string, Question>();
  readonly #active = new Set<Question>();
  readonly #waiting = new Set<Question>();
  #isClosed = false;

  constructor(base: EventBase, way: TcpWay, log: LogCallback) {
    this.#base = base;
    this.#times = new DeadlineList(base, DEFAULT_SETTINGS.timeoutMs);
    const settings = (): DnsResolverSettings => this.settings;
    this.#surroundings = {
      base,
      way,
      times: this.#times,
      log,
      get settings(): DnsResolverSettings {
        return settings();
      },
    };
  }

  /** The name servers, in their order. */
  get servers(): readonly NameServer[] {
    return this.#servers;
  }

  /** Whether everything is encrypted, and so goes over TCP. */
  get isTcpOnly(): boolean {
    return this.#surroundings.way.tls !== undefined;
  }

  /** Questions that are being asked. */
  get activeCount(): number {
    return this.#active.size;
  }

  /** Questions that wait. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Adds a name server behind the others; answers whether it is a new one. */
  addServer(address: IpSocketAddress): boolean {
    if (this.#servers.some((server) => compareSocketAddresses(server.address, address) === 0)) return false;
    this.#servers.push(new NameServer(address, this.#surroundings));
    return true;
  }

  /** Removes all name servers; what they were asked waits, at the front. */
  clearServers(): void {
    const before = [...this.#waiting];
    this.#waiting.clear();
    for (const question of this.#active) {
      question.reset();
      this.#waiting.add(question);
    }
    for (const question of before) this.#waiting.add(question);
    this.#active.clear();
    for (const server of this.#servers) server.close();
    this.#servers = [];
  }

  /** Changes settings: for queries from now on, and for sockets too. */
  change(settings: Partial<DnsResolverSettings>): void {
    this.settings = { ...this.settings, ...settings };
    for (const server of this.#servers) server.renewSockets();
    if (!this.settings.cache) this.cache.clear();
    this.cache.limit(this.settings.cacheRecordsMax);
    this.pump();
  }

  /**
   * Has a question asked; the answer is told to `listener`, perhaps before this returns.
   *
   * @returns the question, for {@linkcode Question.leave}; null when there is an answer already.
   */
  ask(name: string, type: number, way: QuestionWay, listener: QuestionListener): Question | null {
    const { settings } = this;
    const noCache = way.noCache || !settings.cache;
    const known = !noCache ? this.cache.find(name, type, this.#base.now()) : undefined;
    if (known !== undefined) {
      listener.questionEnded(known);
      return null;
    }
    const useTcp = way.useTcp || settings.useTcp;
    const ignoreTruncation = way.ignoreTruncation || settings.ignoreTruncation;
    const key = `${type} ${useTcp ? "t" : "u"}${ignoreTruncation ? "i" : ""}${noCache ? "n" : ""} ${
      normalDnsName(name)
    }`;
    const same = this.#questions.get(key);
    if (same !== undefined) {
      same.listen(listener);
      return same;
    }
    if (this.#waiting.size >= settings.waitingMax && !this.#hasRoom()) {
      listener.questionEnded(new DnsError("DNS_QUEUE_FULL", name));
      return null;
    }
    const question = new Question(this, key, name, type, { useTcp, ignoreTruncation, noCache });
    question.listen(listener);
    this.#questions.set(key, question);
    this.#waiting.add(question);
    this.pump();
    return question;
  }

  #hasRoom(): boolean {
    return !this.isSuspended && this.#active.size < this.settings.maxInflight;
  }

  /** Begins with what waits, as far as there is room. */
  pump(): void {
    for (const question of this.#waiting) {
      if (!this.#hasRoom()) return;
      this.#waiting.delete(question);
      this.#active.add(question);
      question.start();
    }
  }

  pick(asked: ReadonlyMap<NameServer, number>, except: ReadonlySet<NameServer>): NameServer | undefined {
    const servers = this.#servers;
    const first = this.settings.rotate && asked.size === 0 ? this.#turn++ % Math.max(1, servers.length) : 0;
    let best: NameServer | undefined;
    let bestRank = Infinity;
    for (let index = 0; index < servers.length; index++) {
      const server = servers[(first + index) % servers.length]!;
      if (except.has(server)) continue;
      // One that is up goes before one that is down, however often it was asked.
      const rank = (asked.get(server) ?? 0) + (server.isDown ? 1000 : 0);
      if (rank >= bestRank) continue;
      best = server;
      bestRank = rank;
    }
    return best;
  }

  questionOver(question: Question, outcome: DnsAnswer | DnsError | null): void {
    this.#questions.delete(question.key);
    this.#waiting.delete(question);
    const wasActive = this.#active.delete(question);
    if (outcome !== null && !question.way.noCache && this.settings.cache) {
      this.cache.store(question.name, question.type, outcome, this.settings, this.#base.now());
    }
    if (wasActive && !this.#isClosed) this.pump();
  }

  /** Ends everything: what is asked fails with `DNS_SHUTDOWN`. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.isSuspended = true;
    for (const question of [...this.#questions.values()]) {
      question.end(new DnsError("DNS_SHUTDOWN", question.name));
    }
    for (const server of this.#servers) server.close();
    this.#servers = [];
    this.#times.close();
  }
}
