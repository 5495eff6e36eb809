/**
 * Parses HTTP/1.1 requests: bytes in, events out. It reads no socket and calls nobody back; whoever owns the connection
 * asks for the next event when it is ready for one, which is all that back-pressure and pipelining need.
 */
import { CHUNK_DATA, CHUNK_FAULT, CHUNK_MORE, ChunkedDecoder } from "./chunked.ts";
import { FACT_CODED, FACT_LENGTH } from "./framing.ts";
import type { RequestHead } from "./head.ts";
import { HeadReader } from "./head_reader.ts";
import type { HttpHeaders } from "./headers.ts";
import { type HttpLeniency, type HttpLimits, httpLimits } from "./limits.ts";
import { HttpParseError, type HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_FAULT, SCAN_MORE } from "./parse_tables.ts";
import { TrailerReader } from "./trailers.ts";

/** All bytes were consumed and the parser wants more. */
export const NEED_MORE = 0;
/** A request line and its header section are complete. */
export const HEAD = 1;
/** A piece of the body is there. */
export const BODY = 2;
/** The request is complete; the next one may follow at `position`. */
export const END = 3;
/** The bytes are no acceptable request; the connection has to be closed after the reply. */
export const ERROR = 4;

/** What {@linkcode RequestParser.next} can answer. */
export type ParserEvent =
  | typeof NEED_MORE
  | typeof HEAD
  | typeof BODY
  | typeof END
  | typeof ERROR;

/** How the length of a body is known: there is none, by Content-Length, or by chunks (RFC 9112 section 6.3). */
export type BodyFraming = "none" | "length" | "chunked";

const IN_HEAD = 0;
const LENGTH_BODY = 1;
const CHUNKED_BODY = 2;
const TRAILERS = 3;
const COMPLETE = 4;
const FAILED = 5;

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
 * const parser = new RequestParser();
 * const bytes = new TextEncoder().encode("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
 * let at = 0;
 * for (;;) {
 *   const event = parser.next(bytes, at, bytes.length);
 *   at = parser.position;
 *   if (event === HEAD) console.log(parser.head.method, parser.head.target);
 *   else if (event === BODY) console.log(bytes.subarray(parser.bodyStart, parser.bodyEnd));
 *   else if (event === ERROR) throw parser.error;
 *   else if (event === NEED_MORE) break;
 * }
 * ```
 */
export class RequestParser {
  /**
   * The first byte not consumed by the last {@linkcode next}; after NEED_MORE it is always `end`. After ERROR, where
   * the fault is.
   */
  position = 0;
  /** After BODY: where the piece begins in the bytes given to {@linkcode next}. */
  bodyStart = 0;
  /** After BODY: where the piece ends in the bytes given to {@linkcode next}. Never equal to `bodyStart`. */
  bodyEnd = 0;
  /** After HEAD: how the body's length is known. */
  bodyExpected: BodyFraming = "none";
  /** After HEAD: the length of the body in bytes; 0 when there is none and -1 when it comes in chunks. */
  contentLength = 0;
  /** After END of a chunked body: its trailer fields, or undefined when there were none. */
  trailers: HttpHeaders | undefined = undefined;
  /** After ERROR: why. */
  error: HttpParseError | undefined = undefined;

  readonly #limits: HttpLimits;
  readonly #leniency: HttpLeniency;
  readonly #heads: HeadReader;
  #state = IN_HEAD;
  #remaining = 0;
  // Made for the first chunked body: most connections never see one.
  #chunks: ChunkedDecoder | undefined = undefined;
  #trailers: TrailerReader | undefined = undefined;

  /**
   * Makes a parser. Limits from {@linkcode httpLimits} are taken as they are, so that connections can share one object.
   *
   * @throws {RangeError} when a limit is not a whole number in its range.
   */
  constructor(
    limits?: Partial<HttpLimits>,
    leniency: HttpLeniency = NO_LENIENCY,
  ) {
    this.#limits = httpLimits(limits);
    this.#leniency = leniency;
    this.#heads = new HeadReader(this.#limits, leniency);
  }

  /**
   * The head of the current request: a fresh object for each, valid for ever. The parser itself lets go of it at the
   * first {@linkcode next} after END, even one without bytes. It is also there after an ERROR in or about the body.
   *
   * @throws {TypeError} when no head has been parsed.
   */
  get head(): RequestHead {
    const head = this.#heads.head;
    if (head === undefined) throw new TypeError("Cannot read the request head: none has been parsed");
    return head;
  }

  /** Whether {@linkcode head} can be read. */
  get hasHead(): boolean {
    return this.#heads.head !== undefined;
  }

  /** Whether a request has begun and END has not been given, so that the end of the stream now would cut it off. */
  get inMessage(): boolean {
    return this.#state === IN_HEAD ? this.#heads.begun : this.#state !== FAILED;
  }

  /** Forgets everything about the current request, also an error, and waits for the beginning of another one. */
  reset(): void {
    this.#state = IN_HEAD;
    this.#heads.reset();
    this.trailers = undefined;
    this.error = undefined;
  }

  /** Parses `bytes[start..end)` up to the next event; {@linkcode position} then says how far it got. */
  next(bytes: Uint8Array, start: number, end: number): ParserEvent {
    switch (this.#state) {
      case IN_HEAD:
        return this.#readHead(bytes, start, end);
      case LENGTH_BODY:
        return this.#takeBody(start, end);
      case CHUNKED_BODY:
        return this.#decodeChunks(bytes, start, end);
      case TRAILERS:
        return this.#readTrailers(bytes, start, end);
      case COMPLETE:
        return this.#finish(start);
      default:
        this.position = start;
        return ERROR;
    }
  }

  #readHead(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const heads = this.#heads;
    const result = heads.read(bytes, start, end);
    if (result === SCAN_MORE) return this.#needMore(end);
    if (result === SCAN_FAULT) return this.#fail(heads.position, heads.fault);
    this.trailers = undefined;
    if ((heads.facts & FACT_CODED) !== 0) {
      this.bodyExpected = "chunked";
      this.contentLength = -1;
      this.#chunks ??= new ChunkedDecoder(this.#limits);
      this.#chunks.reset();
      this.#state = CHUNKED_BODY;
    } else if ((heads.facts & FACT_LENGTH) !== 0) {
      const length = heads.contentLength;
      this.bodyExpected = "length";
      this.contentLength = this.#remaining = length;
      if (length > this.#limits.maxBodyBytes) return this.#fail(heads.position, "HTTP_BODY_TOO_LARGE");
      this.#state = length === 0 ? COMPLETE : LENGTH_BODY;
    } else {
      this.bodyExpected = "none";
      this.contentLength = 0;
      this.#state = COMPLETE;
    }
    this.position = heads.position;
    return HEAD;
  }

  #takeBody(start: number, end: number): ParserEvent {
    const length = Math.min(end - start, this.#remaining);
    if (length === 0) return this.#needMore(end);
    this.#remaining -= length;
    if (this.#remaining === 0) this.#state = COMPLETE;
    this.bodyStart = start;
    this.position = this.bodyEnd = start + length;
    return BODY;
  }

  #decodeChunks(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const chunks = this.#chunks!;
    const result = chunks.next(bytes, start, end);
    if (result === CHUNK_DATA) {
      this.bodyStart = chunks.dataStart;
      this.position = this.bodyEnd = chunks.dataEnd;
      return BODY;
    }
    if (result === CHUNK_MORE) return this.#needMore(end);
    if (result === CHUNK_FAULT) return this.#fail(chunks.position, chunks.fault);
    this.#trailers ??= new TrailerReader(this.#limits, this.#leniency);
    this.#trailers.reset();
    this.#state = TRAILERS;
    return this.#readTrailers(bytes, chunks.position, end);
  }

  #readTrailers(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const reader = this.#trailers!;
    const result = reader.read(bytes, start, end);
    if (result === SCAN_MORE) return this.#needMore(end);
    if (result === SCAN_FAULT) return this.#fail(reader.position, reader.fault);
    this.trailers = reader.trailers;
    // Both would otherwise stay alive with the reader until the next chunked body.
    reader.reset();
    return this.#finish(reader.position);
  }

  #needMore(end: number): ParserEvent {
    this.position = end;
    return NEED_MORE;
  }

  #finish(position: number): ParserEvent {
    this.position = position;
    this.#state = IN_HEAD;
    return END;
  }

  #fail(position: number, code: HttpParseErrorCode): ParserEvent {
    this.position = position;
    this.#state = FAILED;
    this.error = new HttpParseError(code, "request");
    return ERROR;
  }
}
