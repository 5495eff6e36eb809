/**
 * Parses HTTP/1.1 requests: bytes in, events out. It reads no socket and calls nobody back; whoever owns the connection
 * asks for the next event when it is ready for one, which is all that back-pressure and pipelining need.
 */
import { FACT_CODED, FACT_LENGTH } from "./framing.ts";
import { RequestHead } from "./head.ts";
import { HeadReader } from "./head_reader.ts";
import { type HttpLeniency, type HttpLimits, httpLimits } from "./limits.ts";
import { MessageParser, type ParserEvent } from "./message_parser.ts";
import { SCAN_FAULT, SCAN_MORE } from "./parse_tables.ts";

export { BODY, type BodyFraming, END, ERROR, HEAD, NEED_MORE, type ParserEvent } from "./message_parser.ts";

const NO_LENIENCY: HttpLeniency = Object.freeze({});

/**
 * A pull parser for the requests of one connection (RFC 9112), strict unless told otherwise.
 *
 * The bytes given to {@linkcode next} must never be overwritten afterwards, since heads refer to them. Every request
 * gives HEAD, any number of BODY, then END; after END the parser is ready for the next request. ERROR is final until
 * {@linkcode reset}.
 *
 * @example
 * ```ts
 * import { BODY, ERROR, HEAD, NEED_MORE, RequestParser } from "@evbase/evbase/http";
 *
 * const parser = new RequestParser();
 * const bytes = new TextEncoder().encode("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
 * let at = 0;
 * for (;;) {
 *   const event = parser.next(bytes, at, bytes.length);
 *   at = parser.position;
 *   if (event === HEAD) console.log(parser.head.method, parser.head.target); // GET /hello
 *   else if (event === BODY) console.log(bytes.subarray(parser.bodyStart, parser.bodyEnd));
 *   else if (event === ERROR) throw parser.error;
 *   else if (event === NEED_MORE) break;
 * }
 * ```
 */
export class RequestParser extends MessageParser {
  readonly #heads: HeadReader;
  #head: RequestHead | undefined = undefined;

  /**
   * Makes a parser. Limits from {@linkcode httpLimits} are taken as they are, so that connections can share one object.
   *
   * @throws {RangeError} when a limit is not a whole number in its range.
   */
  constructor(
    limits?: Partial<HttpLimits>,
    leniency: HttpLeniency = NO_LENIENCY,
  ) {
    const resolved = httpLimits(limits);
    super("request", resolved, leniency);
    this.#heads = new HeadReader(resolved, leniency);
  }

  /**
   * The head of the current request: a fresh object for each, valid for ever. The parser itself lets go of it at the
   * first {@linkcode next} after END, even one without bytes. It is also there after an ERROR in or about the body.
   *
   * @throws {TypeError} when no head has been parsed.
   */
  get head(): RequestHead {
    return this.#head ??= this.makeHead();
  }

  /**
   * @internal A head that is not kept for who asks next, and so is young garbage soon: referring to it from here would cost a collector of
   * generations more than making it.
   */
  makeHead(): RequestHead {
    const text = this.#heads.head;
    if (text === undefined) throw new TypeError("Cannot read the request head: none has been parsed");
    return new RequestHead(text);
  }

  /** Whether {@linkcode head} can be read. */
  get hasHead(): boolean {
    return this.#heads.head !== undefined;
  }

  /** @internal The bit of the method of the current request, also of one that was refused; 0 while that is not known. */
  get methodId(): number {
    return this.#heads.methodId;
  }

  /** Forgets everything about the current message, also an error, and waits for the beginning of another one. */
  override reset(): void {
    super.reset();
    this.#heads.reset();
    this.#head = undefined;
  }

  /** @internal */
  protected override get headBegun(): boolean {
    return this.#heads.begun;
  }

  /** @internal */
  protected override readHead(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const heads = this.#heads;
    this.#head = undefined;
    const result = heads.read(bytes, start, end);
    if (result === SCAN_MORE) return this.needMore(end);
    if (result === SCAN_FAULT) return this.refuse(heads.position, heads.fault);
    if ((heads.facts & FACT_CODED) !== 0) return this.beginChunked(heads.position);
    if ((heads.facts & FACT_LENGTH) !== 0) return this.beginLength(heads.position, heads.contentLength);
    return this.beginNone(heads.position);
  }
}
