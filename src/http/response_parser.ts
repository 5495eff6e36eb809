import { FACT_CODED, FACT_LENGTH } from "./framing.ts";
import { type HttpLeniency, type HttpLimits, httpLimits } from "./limits.ts";
import { MessageParser, type ParserEvent } from "./message_parser.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET, EVHTTP_REQ_HEAD } from "./methods.ts";
import { SCAN_FAULT, SCAN_MORE } from "./parse_tables.ts";
import type { ResponseHead } from "./response_head.ts";
import { ResponseHeadReader } from "./response_head_reader.ts";
import { isBodyless, isSuccessful } from "./status.ts";

const NO_LENIENCY: HttpLeniency = Object.freeze({});

/**
 * A pull parser for the responses that come by one connection (RFC 9112), strict unless told otherwise; the counterpart of
 * `RequestParser`, with the same events.
 *
 * The bytes given to {@linkcode next} must never be overwritten afterwards, since heads refer to them. Every response, interim ones
 * (1xx) included, gives HEAD, any number of BODY, then END. How long a body is depends on what was asked, so
 * {@linkcode ResponseParser.expect} has to be told the method of each request before its response comes. ERROR is final until
 * {@linkcode reset}.
 *
 * After END of a 101, or of a 2xx to CONNECT, the bytes from `position` on belong to another protocol and are not to be given to it.
 *
 * @example
 * ```ts
 * import { EVHTTP_REQ_GET, HEAD, ResponseParser } from "@evbase/evbase/http";
 *
 * const parser = new ResponseParser();
 * parser.expect(EVHTTP_REQ_GET);
 * const bytes = new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
 * const event = parser.next(bytes, 0, bytes.length);
 * console.log(event === HEAD, parser.head.status, parser.contentLength); // true 200 2
 * ```
 */
export class ResponseParser extends MessageParser {
  readonly #heads: ResponseHeadReader;
  readonly #maxInterim: number;
  #method = EVHTTP_REQ_GET;
  #interimCount = 0;

  /**
   * Makes a parser. Limits from {@linkcode httpLimits} are taken as they are.
   *
   * @throws {RangeError} when a limit is not a whole number in its range.
   */
  constructor(limits?: Partial<HttpLimits>, leniency: HttpLeniency = NO_LENIENCY) {
    const resolved = httpLimits(limits);
    super("response", resolved, leniency);
    this.#heads = new ResponseHeadReader(resolved, leniency);
    this.#maxInterim = resolved.maxInterimResponses;
  }

  /**
   * The head of the current response: a fresh object for each, valid for ever. The parser itself lets go of it at the first
   * {@linkcode next} after END, even one without bytes.
   *
   * @throws {TypeError} when no head has been parsed.
   */
  get head(): ResponseHead {
    const head = this.#heads.head;
    if (head === undefined) throw new TypeError("Cannot read the response head: none has been parsed");
    return head;
  }

  /** Whether {@linkcode head} can be read. */
  get hasHead(): boolean {
    return this.#heads.head !== undefined;
  }

  /**
   * Says what the next response is an answer to, as an `EVHTTP_REQ_` bit, 0 for a method without one: those to HEAD and CONNECT have
   * bodies of their own kind. GET at first.
   */
  expect(methodId: number): void {
    this.#method = methodId;
    this.#heads.answersConnect = methodId === EVHTTP_REQ_CONNECT;
    this.#interimCount = 0;
  }

  /**
   * Says that the stream has ended. END if that is how the body ends, or it was complete and not asked for; NEED_MORE if no
   * response has begun; ERROR (`HTTP_TRUNCATED`) if one was cut off.
   */
  inputEnded(): ParserEvent {
    return this.endOfStream();
  }

  /** Forgets everything about the current message, also an error, and waits for the beginning of another one. */
  override reset(): void {
    super.reset();
    this.#heads.reset();
    this.#interimCount = 0;
  }

  /** @internal */
  protected override get headBegun(): boolean {
    return this.#heads.begun;
  }

  /** @internal */
  protected override readHead(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const heads = this.#heads;
    const result = heads.read(bytes, start, end);
    if (result === SCAN_MORE) return this.needMore(end);
    const { position } = heads;
    if (result === SCAN_FAULT) return this.refuse(position, heads.fault);
    const { status, isInterim } = heads.head!;
    if (!isInterim) this.#interimCount = 0;
    else if (++this.#interimCount > this.#maxInterim) return this.refuse(position, "HTTP_TOO_MANY_INTERIM");
    // RFC 9112 section 6.3, in its order; what contradicts itself was refused with the head.
    if (this.#hasNoBody(status)) return this.beginNone(position);
    if ((heads.facts & FACT_CODED) !== 0) return this.beginChunked(position);
    if ((heads.facts & FACT_LENGTH) !== 0) return this.beginLength(position, heads.contentLength);
    return this.beginUntilClose(position);
  }

  #hasNoBody(status: number): boolean {
    if (this.#method === EVHTTP_REQ_HEAD || isBodyless(status)) return true;
    return this.#method === EVHTTP_REQ_CONNECT && isSuccessful(status);
  }
}
