import { CHUNK_DATA, CHUNK_FAULT, CHUNK_MORE, ChunkedDecoder } from "./chunked.ts";
import type { HttpHeaders } from "./headers.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { HttpParseError, type HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_FAULT, SCAN_MORE } from "./parse_tables.ts";
import { TrailerReader } from "./trailers.ts";

/** All bytes were consumed and the parser wants more. */
export const NEED_MORE = 0;
/** The first line and the header section of a message are complete. */
export const HEAD = 1;
/** A piece of the body is there. */
export const BODY = 2;
/** The message is complete; the next one may follow at `position`. */
export const END = 3;
/** The bytes are no acceptable message; nothing behind them can be trusted. */
export const ERROR = 4;

/** What {@linkcode MessageParser.next} can answer. */
export type ParserEvent =
  | typeof NEED_MORE
  | typeof HEAD
  | typeof BODY
  | typeof END
  | typeof ERROR;

/**
 * How the length of a body is known: there is none, by Content-Length, by chunks, or, for a response, by the end of the
 * connection (RFC 9112 section 6.3).
 */
export type BodyFraming = "none" | "length" | "chunked" | "close";

const IN_HEAD = 0;
const LENGTH_BODY = 1;
const CHUNKED_BODY = 2;
const TRAILERS = 3;
const COMPLETE = 4;
const FAILED = 5;
const CLOSE_BODY = 6;

/** What requests and responses have in common: everything behind the head (RFC 9112 sections 6 and 7). */
export abstract class MessageParser {
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
  /** After HEAD: the length of the body in bytes; 0 when there is none and -1 when it is not known beforehand. */
  contentLength = 0;
  /** After END of a chunked body: its trailer fields, or undefined when there were none. */
  trailers: HttpHeaders | undefined = undefined;
  /** After ERROR: why. */
  error: HttpParseError | undefined = undefined;

  readonly #kind: "request" | "response";
  readonly #limits: HttpLimits;
  readonly #leniency: HttpLeniency;
  #state = IN_HEAD;
  #remaining = 0;
  // Made for the first chunked body: most connections never see one.
  #chunks: ChunkedDecoder | undefined = undefined;
  #trailers: TrailerReader | undefined = undefined;

  /** @internal */
  constructor(kind: "request" | "response", limits: HttpLimits, leniency: HttpLeniency) {
    this.#kind = kind;
    this.#limits = limits;
    this.#leniency = leniency;
  }

  /** Whether a message has begun and END has not been given, so that the end of the stream now would cut it off. */
  get inMessage(): boolean {
    return this.#state === IN_HEAD ? this.headBegun : this.#state !== FAILED;
  }

  /** How many bytes of the body are still to come; Infinity where that is not said beforehand. */
  get bodyBytesLeft(): number {
    if (this.#state === LENGTH_BODY) return this.#remaining;
    return this.#state === CHUNKED_BODY || this.#state === TRAILERS || this.#state === CLOSE_BODY ? Infinity : 0;
  }

  /** Forgets everything about the current message, also an error, and waits for the beginning of another one. */
  reset(): void {
    this.#state = IN_HEAD;
    this.trailers = undefined;
    this.error = undefined;
  }

  /** Parses `bytes[start..end)` up to the next event; {@linkcode position} then says how far it got. */
  next(bytes: Uint8Array, start: number, end: number): ParserEvent {
    switch (this.#state) {
      case IN_HEAD:
        return this.readHead(bytes, start, end);
      case LENGTH_BODY:
        return this.#takeBody(start, end);
      case CHUNKED_BODY:
        return this.#decodeChunks(bytes, start, end);
      case TRAILERS:
        return this.#readTrailers(bytes, start, end);
      case COMPLETE:
        return this.#finish(start);
      case CLOSE_BODY:
        return this.#takeUntilClose(start, end);
      default:
        this.position = start;
        return ERROR;
    }
  }

  /** Whether a head has begun and not ended. */
  protected abstract get headBegun(): boolean;

  /** Reads up to the end of a head, and then calls one of the four below. */
  protected abstract readHead(bytes: Uint8Array, start: number, end: number): ParserEvent;

  /** The head is complete and has no body behind it. */
  protected beginNone(position: number): ParserEvent {
    this.bodyExpected = "none";
    this.contentLength = 0;
    return this.#begin(position, COMPLETE);
  }

  /** The head is complete and says how long the body is. */
  protected beginLength(position: number, length: number): ParserEvent {
    this.bodyExpected = "length";
    this.contentLength = this.#remaining = length;
    if (length > this.#limits.maxBodyBytes) return this.refuse(position, "HTTP_BODY_TOO_LARGE");
    return this.#begin(position, length === 0 ? COMPLETE : LENGTH_BODY);
  }

  /** The head is complete, and the body comes in chunks. */
  protected beginChunked(position: number): ParserEvent {
    this.bodyExpected = "chunked";
    this.contentLength = -1;
    this.#chunks ??= new ChunkedDecoder(this.#limits);
    this.#chunks.reset();
    return this.#begin(position, CHUNKED_BODY);
  }

  /** The head is complete, and the body ends with the connection. */
  protected beginUntilClose(position: number): ParserEvent {
    this.bodyExpected = "close";
    this.contentLength = -1;
    this.#remaining = this.#limits.maxBodyBytes;
    return this.#begin(position, CLOSE_BODY);
  }

  #begin(position: number, state: number): ParserEvent {
    this.trailers = undefined;
    this.#state = state;
    this.position = position;
    return HEAD;
  }

  #takeBody(start: number, end: number): ParserEvent {
    const length = Math.min(end - start, this.#remaining);
    if (length === 0) return this.needMore(end);
    this.#remaining -= length;
    if (this.#remaining === 0) this.#state = COMPLETE;
    this.bodyStart = start;
    this.position = this.bodyEnd = start + length;
    return BODY;
  }

  #takeUntilClose(start: number, end: number): ParserEvent {
    if (start === end) return this.needMore(end);
    if (this.#remaining === 0) return this.refuse(start, "HTTP_BODY_TOO_LARGE");
    // What is within the limit is passed on first, so that it does not matter how the bytes came.
    const length = Math.min(end - start, this.#remaining);
    this.#remaining -= length;
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
    if (result === CHUNK_MORE) return this.needMore(end);
    if (result === CHUNK_FAULT) return this.refuse(chunks.position, chunks.fault);
    this.#trailers ??= new TrailerReader(this.#limits, this.#leniency);
    this.#trailers.reset();
    this.#state = TRAILERS;
    return this.#readTrailers(bytes, chunks.position, end);
  }

  #readTrailers(bytes: Uint8Array, start: number, end: number): ParserEvent {
    const reader = this.#trailers!;
    const result = reader.read(bytes, start, end);
    if (result === SCAN_MORE) return this.needMore(end);
    if (result === SCAN_FAULT) return this.refuse(reader.position, reader.fault);
    this.trailers = reader.trailers;
    // Both would otherwise stay alive with the reader until the next chunked body.
    reader.reset();
    return this.#finish(reader.position);
  }

  /** All of the bytes are used up. */
  protected needMore(end: number): ParserEvent {
    this.position = end;
    return NEED_MORE;
  }

  #finish(position: number): ParserEvent {
    this.position = position;
    this.#state = IN_HEAD;
    return END;
  }

  /** The message is none; nothing more is parsed before {@linkcode reset}. */
  protected refuse(position: number, code: HttpParseErrorCode): ParserEvent {
    this.position = position;
    this.#state = FAILED;
    this.error = new HttpParseError(code, this.#kind);
    return ERROR;
  }

  /** The stream has ended; END if that is how the body ends, ERROR if it cuts a message off, NEED_MORE between two. */
  protected endOfStream(): ParserEvent {
    if (this.#state === CLOSE_BODY || this.#state === COMPLETE) return this.#finish(this.position);
    if (this.#state === FAILED) return ERROR;
    return this.inMessage ? this.refuse(this.position, "HTTP_TRUNCATED") : NEED_MORE;
  }
}
