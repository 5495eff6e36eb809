import { EVENT_LOG_WARN, type EventBase, type SocketAddress } from "../core/mod.ts";
import { DeadlineList, type DeadlineMember } from "../core/deadline_list.ts";
import { reactorOf } from "../core/event_base.ts";
import { log } from "../core/log.ts";
import { DNS_ERR_SERVERFAILED, DNS_FLAG_TRUNCATED, DNS_OPCODE_QUERY } from "./constants.ts";
import { type DnsRoute, DnsServerRequest } from "./dns_server_request.ts";
import type { DnsServerLimits, WireHandler } from "./dns_server_options.ts";
import { type DnsMessage, writeMessage } from "./message.ts";
import { MessageWriter } from "./message_writer.ts";
import { padAnswer, PADDING } from "./padding.ts";
import { PlainQuery } from "./plain_query.ts";
import { takeQuery } from "./query_intake.ts";

const LOG_INTERVAL_MS = 1000;

/** Where a query has come from, for the time that it is handled and maybe longer. @internal */
export interface QuerySource {
  readonly remoteAddress: SocketAddress;
  readonly transport: "udp" | "tcp" | "tls";
  /** Most bytes of an answer to a query; its client takes `udpSize` as it says by EDNS, or has said nothing: -1. */
  answerBytesMax(udpSize: number): number;
  /** The query is not answered yet: what will be needed later, since this is for the next one then. */
  keep(): QuerySource;
  /** Sends `reply[0..length)`, which is valid during the call, or for null nothing. Answers whether it is on its way. */
  finish(reply: Uint8Array | null, length: number): boolean;
}

/** A query that is waited for, in the order of their deadlines. */
class Pending implements DeadlineMember<Pending> {
  deadlineList: DeadlineList<Pending> | null = null;
  deadlineMs = -Infinity;
  deadlineNext: Pending | null = null;
  deadlinePrevious: Pending | null = null;
  readonly request: DnsServerRequest;
  readonly #expired: (request: DnsServerRequest) => void;

  constructor(request: DnsServerRequest, expired: (request: DnsServerRequest) => void) {
    this.request = request;
    this.#expired = expired;
  }

  deadlinePassed(): void {
    this.#expired(this.request);
  }
}

/** The way back of one query. */
class Route implements DnsRoute {
  /** Its place among those that are waited for. */
  pending: Pending | null = null;
  readonly #requests: ServerRequests;
  #source: QuerySource;
  readonly #bytesMax: number;

  constructor(requests: ServerRequests, source: QuerySource, bytesMax: number) {
    this.#requests = requests;
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  get remoteAddress(): SocketAddress {
    return this.#source.remoteAddress;
  }

  get transport(): DnsRoute["transport"] {
    return this.#source.transport;
  }

  /** It is needed longer than the call of the handler. */
  keep(): void {
    this.#source = this.#source.keep();
  }

  write(reply: DnsMessage, query: PlainQuery | null, name: string | undefined): void {
    // An answer that cannot be written throws here, and the query goes on waiting.
    this.#requests.write(reply, query, name, this.#bytesMax);
  }

  finish(hasReply: boolean): boolean {
    try {
      return this.#requests.send(hasReply, this.#source);
    } finally {
      if (this.pending !== null) this.#requests.settled(this.pending);
    }
  }
}

/**
 * The queries of a server, from their bytes to the bytes of their answers, whatever they came by.
 *
 * @internal
 */
export class ServerRequests {
  readonly limits: DnsServerLimits;
  readonly counts = {
    received: 0,
    ignored: 0,
    malformed: 0,
    handled: 0,
    answered: 0,
    truncated: 0,
    failed: 0,
    overload: 0,
    limited: 0,
    refusedConnections: 0,
    displacedConnections: 0,
  };
  /** Queries that are not answered though their handler has returned. */
  pendingCount = 0;
  readonly #base: EventBase;
  readonly #handler: WireHandler;
  readonly #onError: ((error: unknown, request: DnsServerRequest) => void) | undefined;
  readonly #onEmpty: () => void;
  readonly #waiting: DeadlineList<Pending>;
  readonly #writer = new MessageWriter(4096);
  #loggedMs = -Infinity;
  #isClosed = false;

  constructor(
    base: EventBase,
    limits: DnsServerLimits,
    handler: WireHandler,
    onError: ((error: unknown, request: DnsServerRequest) => void) | undefined,
    onEmpty: () => void,
  ) {
    this.limits = limits;
    this.#base = base;
    this.#handler = handler;
    this.#onError = onError;
    this.#onEmpty = onEmpty;
    this.#waiting = new DeadlineList(base, limits.answerTimeoutMs);
  }

  /** Takes the query in `bytes[0..length)`, which is finished now or later. */
  take(bytes: Uint8Array, length: number, source: QuerySource): void {
    const { counts, limits } = this;
    counts.received++;
    const plain = limits.opcodes.has(DNS_OPCODE_QUERY) ? PlainQuery.read(bytes, length) : null;
    if (plain !== null) {
      if (!this.#answerAtOnce(plain, source)) this.#accept(plain, plain.udpSize, undefined, source);
      return;
    }
    const intake = takeQuery(length === bytes.length ? bytes : bytes.subarray(0, length), limits);
    if (intake === null) {
      counts.ignored++;
      source.finish(null, 0);
    } else if ("reply" in intake) {
      if (intake.isMalformed) counts.malformed++;
      if (source.finish(intake.reply, intake.reply.length)) counts.answered++;
    } else {
      this.#accept(intake.message, intake.message.edns?.udpSize ?? -1, intake.rcode, source);
    }
  }

  /** Answers from what the handler knows as bytes. */
  #answerAtOnce(query: PlainQuery, source: QuerySource): boolean {
    const { writeAnswer } = this.#handler;
    if (writeAnswer === undefined) return false;
    const { bytes } = this.#writer;
    const bytesMax = Math.min(bytes.length, source.answerBytesMax(query.udpSize));
    const length = writeAnswer(query, bytes, bytesMax, this.limits.ednsUdpSize);
    // What has to be cut is cut between records, elsewhere.
    if (length === 0) return false;
    this.counts.handled++;
    if (source.finish(bytes, length)) this.counts.answered++;
    return true;
  }

  #accept(query: DnsMessage | PlainQuery, udpSize: number, rcode: number | undefined, source: QuerySource): void {
    if (rcode === undefined && this.pendingCount >= this.limits.maxPending) {
      this.counts.overload++;
      source.finish(null, 0);
      return;
    }
    const route = new Route(this, source, source.answerBytesMax(udpSize));
    const request = new DnsServerRequest(query, route, this.limits.ednsUdpSize);
    if (rcode !== undefined) {
      request.respond(rcode);
      return;
    }
    this.counts.handled++;
    const goesOn = this.#call(request);
    // A handler may look at what it has answered until its promise is settled.
    if (goesOn || !request.isDone) {
      route.keep();
      request.keep();
    }
    if (request.isDone || this.#isClosed) return;
    const pending = new Pending(request, (late) => this.#fail(late));
    route.pending = pending;
    this.pendingCount++;
    this.#waiting.add(pending);
  }

  /** Writes an answer. */
  write(reply: DnsMessage, query: PlainQuery | null, name: string | undefined, bytesMax: number): void {
    if (this.#isClosed) return;
    const writer = this.#writer;
    writeMessage(writer, reply, bytesMax, query, name);
    const { edns } = reply;
    if (edns !== undefined && edns.options.at(-1) === PADDING) padAnswer(writer, edns);
  }

  /** Sends the answer that was just written, or none. */
  send(hasReply: boolean, source: QuerySource): boolean {
    // Without a loop nothing is sent and no connection looked after; it is too late for an answer, which is no fault of a handler.
    if (this.#isClosed || reactorOf(this.#base).closed) return false;
    if (!hasReply) return source.finish(null, 0);
    const writer = this.#writer;
    const isCut = (writer.bytes[2]! & DNS_FLAG_TRUNCATED >> 8) !== 0;
    const sent = source.finish(writer.bytes, writer.length);
    if (sent) this.counts.answered++;
    if (sent && isCut) this.counts.truncated++;
    return sent;
  }

  /** Has a query handled; answers whether its handler goes on behind the call. */
  #call(request: DnsServerRequest): boolean {
    try {
      const promise = this.#handler(request);
      if (typeof promise?.then !== "function") return false;
      promise.then(() => this.#fail(request), (error) => this.#handlerFailed(error, request));
      return true;
    } catch (error) {
      this.#handlerFailed(error, request);
      return false;
    }
  }

  #handlerFailed(error: unknown, request: DnsServerRequest): void {
    this.#fail(request);
    if (this.#onError !== undefined) {
      this.#onError(error, request);
      return;
    }
    const nowMs = this.#base.now();
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    log(EVENT_LOG_WARN, `A handler of DNS queries has failed: ${error instanceof Error ? error.stack : error}`);
  }

  /** Answers in the handler's stead, if it has not. */
  #fail(request: DnsServerRequest): void {
    if (request.isDone || this.#isClosed) return;
    this.counts.failed++;
    request.fail(DNS_ERR_SERVERFAILED);
  }

  /** A query that was waited for has been finished. */
  settled(pending: Pending): void {
    if (this.#isClosed) return;
    pending.deadlineList?.remove(pending);
    this.pendingCount--;
    if (this.pendingCount === 0) this.#onEmpty();
  }

  /** Gives all of them up. */
  close(): void {
    this.#isClosed = true;
    for (let head = this.#waiting.head; head !== null; head = this.#waiting.head) this.#waiting.remove(head);
    this.pendingCount = 0;
    this.#waiting.close();
  }
}
