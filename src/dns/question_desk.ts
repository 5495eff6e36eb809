import {
  compareSocketAddresses,
  EVENT_LOG_DEBUG,
  type EventBase,
  type IpSocketAddress,
  type LogCallback,
} from "../core/mod.ts";
import { DeadlineList } from "../core/deadline_list.ts";
import { isDebugLogged, log } from "../core/log.ts";
import type { DnsAnswer } from "./answer.ts";
import { AnswerCache } from "./answer_cache.ts";
import { DnsError } from "./dns_error.ts";
import { normalDnsName } from "./name.ts";
import { NameServer, type NameServerSurroundings } from "./name_server.ts";
import { nameHash, NameTable } from "./name_table.ts";
import type { AskedServers } from "./asked_servers.ts";
import { OwnPorts } from "./own_ports.ts";
import { Question, type QuestionListener, type QuestionOwner } from "./question.ts";
import { questionKind, type QuestionWay, questionWay } from "./question_way.ts";
import { DEFAULT_SETTINGS, type DnsResolverSettings } from "./resolver_options.ts";
import type { TcpWay } from "./tcp_channel.ts";
import type { Transmission } from "./transmission.ts";

/** Without a hook of its own, what a resolver has to say is for whoever hunts a fault. */
const noteForAll: LogCallback = (_level, message) => log(EVENT_LOG_DEBUG, message);

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
  readonly #log: LogCallback | undefined;
  readonly #surroundings: NameServerSurroundings;
  readonly #times: DeadlineList<Transmission>;
  #servers: NameServer[] = [];
  #turn = 0;
  // All questions that are not over.
  readonly #questions = new NameTable<Question>();
  readonly #waiting = new Set<Question>();
  #active = 0;
  #asked = 0;
  #isPumping = false;
  /** Whether it was closed: nothing may be asked any more. */
  isClosed = false;

  /** @param log told what happens to name servers, and to queries; without it that is noted for who hunts a fault. */
  constructor(base: EventBase, way: TcpWay, log: LogCallback | undefined) {
    this.#base = base;
    this.#log = log;
    this.#times = new DeadlineList(base, DEFAULT_SETTINGS.timeoutMs);
    const settings = (): DnsResolverSettings => this.settings;
    this.#surroundings = {
      base,
      way,
      ports: new OwnPorts(),
      times: this.#times,
      log: log ?? noteForAll,
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

  get notes(): LogCallback | undefined {
    return this.#log ?? (isDebugLogged() ? noteForAll : undefined);
  }

  /** Questions that are being asked. */
  get activeCount(): number {
    return this.#active;
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
    for (const question of this.#inOrder()) {
      if (!question.isActive) continue;
      question.isActive = false;
      question.reset();
      this.#waiting.add(question);
    }
    for (const question of before) this.#waiting.add(question);
    this.#active = 0;
    for (const server of this.#servers) server.close();
    this.#servers = [];
  }

  /** Changes settings: for queries from now on, and for sockets too. */
  change(settings: Partial<DnsResolverSettings>): void {
    const before = this.settings;
    this.settings = { ...before, ...settings };
    for (const query of [...this.#servers].flatMap((server) => server.renewSockets())) {
      // Unless its time is over, or it was forgotten since one before it failed.
      if (query.deadlineList !== null) query.server.send(query);
    }
    // What was asked in one way does not say what would be answered in the other.
    if (!this.settings.cache || this.settings.authenticData !== before.authenticData) this.cache.clear();
    this.cache.limit(this.settings.cacheRecordsMax);
    this.pump();
  }

  /**
   * Has a question asked; the answer is told to `listener`, perhaps before this returns.
   *
   * @returns the question, for {@linkcode Question.leave}; null when there is an answer already.
   */
  ask(name: string, type: number, way: QuestionWay, listener: QuestionListener): Question | null {
    if (this.isClosed) {
      // The log hook has closed it, between two names of a lookup.
      listener.questionEnded(new DnsError("DNS_SHUTDOWN", name));
      return null;
    }
    const { settings } = this;
    const key = normalDnsName(name);
    const noCache = way.noCache || !settings.cache;
    const hash = nameHash(key);
    const known = noCache ? undefined : this.cache.find(name, type, this.#base.now(), key, hash);
    if (known !== undefined) {
      listener.questionEnded(known);
      return null;
    }
    const ourWay = questionWay(
      way.useTcp || settings.useTcp,
      way.ignoreTruncation || settings.ignoreTruncation,
      noCache,
      settings.authenticData,
    );
    const same = this.#questions.find(key, hash, questionKind(type, ourWay));
    if (same !== null) {
      same.listen(listener);
      return same;
    }
    const hasRoom = this.#hasRoom();
    if (!hasRoom && this.#waiting.size >= settings.waitingMax) {
      listener.questionEnded(new DnsError("DNS_QUEUE_FULL", name));
      return null;
    }
    const question = new Question(this, this.#asked++, key, hash, name, type, ourWay, listener);
    this.#questions.add(question);
    if (hasRoom && this.#waiting.size === 0) {
      this.#start(question);
    } else {
      this.#waiting.add(question);
      this.pump();
    }
    return question;
  }

  #hasRoom(): boolean {
    return !this.isSuspended && this.#active < this.settings.maxInflight;
  }

  /** Begins with what waits, as far as there is room. */
  pump(): void {
    // What is over as soon as it begins makes room for the next one: that is begun with here, and not by a call inside of this one for each that waits.
    if (this.#waiting.size === 0 || this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (const question of this.#waiting) {
        if (!this.#hasRoom()) return;
        this.#waiting.delete(question);
        this.#start(question);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #start(question: Question): void {
    question.isActive = true;
    this.#active++;
    question.start();
  }

  pick(asked: AskedServers): NameServer | undefined {
    const servers = this.#servers;
    const first = this.settings.rotate && asked.isEmpty ? this.#turn++ % Math.max(1, servers.length) : 0;
    let best: NameServer | undefined;
    let bestRank = Infinity;
    for (let index = 0; index < servers.length; index++) {
      const server = servers[(first + index) % servers.length]!;
      if (asked.isDone(server)) continue;
      // One that is up goes before one that is down, however often it was asked.
      const rank = asked.count(server) + (server.isDown ? 1000 : 0);
      if (rank >= bestRank) continue;
      best = server;
      bestRank = rank;
    }
    return best;
  }

  questionOver(question: Question, outcome: DnsAnswer | DnsError | null): void {
    this.#questions.delete(question);
    const { isActive, key, hash, name, type, way } = question;
    if (isActive) this.#active--;
    else this.#waiting.delete(question);
    question.isActive = false;
    // What was asked under the other setting would be no answer under this one.
    if (outcome !== null && !way.noCache && this.settings.cache && way.authenticData === this.settings.authenticData) {
      this.cache.store(name, type, outcome, this.settings, this.#base.now(), key, hash);
    }
    if (isActive && !this.isClosed) this.pump();
  }

  /** All questions, from the one that was asked first. */
  #inOrder(): Question[] {
    return this.#questions.all().sort((one, other) => one.serial - other.serial);
  }

  /** Ends everything: what is asked fails with `DNS_SHUTDOWN`. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isSuspended = true;
    for (const question of this.#inOrder()) question.end(new DnsError("DNS_SHUTDOWN", question.name));
    for (const server of this.#servers) server.close();
    this.#servers = [];
    this.#times.close();
  }
}
