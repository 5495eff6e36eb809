import { authorityEnd, authorityStart } from "./authority.ts";
import { headersOver, type HttpHeaders } from "./headers.ts";
import { latin1 } from "../core/latin1.ts";
import { methodName } from "./methods.ts";
import { ReceivedFields } from "./received_fields.ts";

/** The connection stays open after the reply. */
export const HEAD_KEEP_ALIVE = 1;
/** The client waits for 100 before it sends the body. */
export const HEAD_EXPECT_CONTINUE = 2;
/** The client expects something that is not known here. */
export const HEAD_EXPECT_UNKNOWN = 4;
/** The client offers to change the protocol. */
export const HEAD_UPGRADE = 8;
/** The target is a whole URI. */
export const HEAD_ABSOLUTE = 16;

/**
 * The request line and the header section of one request. It stays valid for ever: it refers to the bytes that arrived,
 * which nobody overwrites, and makes strings when they are asked for. One that is kept for long should be told to
 * {@linkcode retain}.
 */
export class RequestHead {
  /**
   * The method's bit (`EVHTTP_REQ_GET` and so on), or 0 for a method without one; then {@linkcode method} has its name.
   */
  readonly methodId: number;
  /** The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1. */
  readonly versionMinor: number;

  readonly #flags: number;
  #bytes: Uint8Array;
  #start: number;
  #targetStart: number;
  #targetEnd: number;
  #fieldsStart: number;
  #fieldsEnd: number;
  #target: string | undefined = undefined;
  #fields: ReceivedFields | undefined = undefined;
  #headers: HttpHeaders | undefined = undefined;

  /** For the parser. Offsets point into `bytes`; `flags` is a sum of the `HEAD_*` bits. */
  constructor(
    bytes: Uint8Array,
    start: number,
    targetStart: number,
    targetEnd: number,
    fieldsStart: number,
    fieldsEnd: number,
    methodId: number,
    versionMinor: number,
    flags: number,
  ) {
    this.methodId = methodId;
    this.versionMinor = versionMinor;
    this.#flags = flags;
    this.#bytes = bytes;
    this.#start = start;
    this.#targetStart = targetStart;
    this.#targetEnd = targetEnd;
    this.#fieldsStart = fieldsStart;
    this.#fieldsEnd = fieldsEnd;
  }

  /** The method, spelled as it arrived. */
  get method(): string {
    return methodName(this.methodId) ??
      latin1(this.#bytes, this.#start, this.#targetStart - 1);
  }

  /** The request target, spelled as it arrived (RFC 9112 section 3.2). */
  get target(): string {
    return this.#target ??= latin1(
      this.#bytes,
      this.#targetStart,
      this.#targetEnd,
    );
  }

  /**
   * The path of the target as it arrived, percent-encoded, without the query: "/" when a whole URI has none, "*" for a
   * target in asterisk form, and "" for CONNECT, whose target is an authority.
   */
  get path(): string {
    const { start, end } = this.#pathRange();
    if (start === end) return this.#isOriginOrAbsolute() ? "/" : "";
    return latin1(this.#bytes, start, end);
  }

  /** What follows the first "?" of the target, without it; undefined when there is no "?". */
  get query(): string | undefined {
    const { end } = this.#pathRange();
    return end < this.#targetEnd ? latin1(this.#bytes, end + 1, this.#targetEnd) : undefined;
  }

  /** The header fields. */
  get headers(): HttpHeaders {
    return this.#headers ??= headersOver(this.#receivedFields());
  }

  /** Whether the connection may serve another request: the default of HTTP/1.1, and on request with HTTP/1.0. */
  get keepAlive(): boolean {
    return (this.#flags & HEAD_KEEP_ALIVE) !== 0;
  }

  /** Whether the client waits for a 100 before it sends the body. Never true for HTTP/1.0 (RFC 9110 section 10.1.1). */
  get expectContinue(): boolean {
    return (this.#flags & HEAD_EXPECT_CONTINUE) !== 0;
  }

  /** Whether the client expects something other than 100-continue, which a server answers with 417. */
  get expectUnknown(): boolean {
    return (this.#flags & HEAD_EXPECT_UNKNOWN) !== 0;
  }

  /**
   * The host and port the request is for: the authority of a target that is a whole URI, which overrides the Host field
   * (RFC 9112 section 3.2.2), or else the Host field; undefined when there is neither.
   */
  get host(): string | undefined {
    if ((this.#flags & HEAD_ABSOLUTE) === 0) return this.headers.get("host");
    const start = authorityStart(
      this.#bytes,
      this.#targetStart,
      this.#targetEnd,
    );
    return latin1(
      this.#bytes,
      start,
      authorityEnd(this.#bytes, start, this.#targetEnd),
    );
  }

  /**
   * The protocols of the Upgrade field, in the client's order of preference and joined by ", "; undefined unless the
   * Connection field names Upgrade too and the version is 1.1 (RFC 9110 section 7.8).
   */
  get upgrade(): string | undefined {
    return (this.#flags & HEAD_UPGRADE) === 0 ? undefined : this.headers.getAll("upgrade").join(", ");
  }

  /** Whether {@linkcode upgrade} says anything: the client offers to go on with another protocol. */
  get isUpgrade(): boolean {
    return (this.#flags & HEAD_UPGRADE) !== 0;
  }

  /**
   * Copies the head out of the memory it was received in, so that a request that is answered late does not keep a whole
   * read buffer alive. What was made from the head before, such as {@linkcode headers}, follows. A second call copies
   * again but is otherwise harmless.
   */
  retain(): void {
    const delta = -this.#start;
    const length = this.#fieldsEnd + delta;
    const copy = new Uint8Array(new ArrayBuffer(length));
    copy.set(this.#bytes.subarray(this.#start, this.#fieldsEnd));
    this.#bytes = copy;
    this.#start = 0;
    this.#targetStart += delta;
    this.#targetEnd += delta;
    this.#fieldsStart += delta;
    this.#fieldsEnd += delta;
    this.#fields?.moveTo(copy, this.#fieldsStart);
  }

  #receivedFields(): ReceivedFields {
    return this.#fields ??= new ReceivedFields(
      this.#bytes,
      this.#fieldsStart,
      this.#fieldsEnd,
    );
  }

  #isOriginOrAbsolute(): boolean {
    return (this.#flags & HEAD_ABSOLUTE) !== 0 ||
      this.#bytes[this.#targetStart] === 0x2f;
  }

  #pathRange(): { start: number; end: number } {
    const bytes = this.#bytes;
    const targetEnd = this.#targetEnd;
    let start = this.#targetStart;
    if ((this.#flags & HEAD_ABSOLUTE) !== 0) {
      start = authorityEnd(
        bytes,
        authorityStart(bytes, start, targetEnd),
        targetEnd,
      );
    } else if (bytes[start] !== 0x2f && bytes[start] !== 0x2a) {
      start = targetEnd;
    }
    let end = start;
    while (end < targetEnd && bytes[end] !== 0x3f) end++;
    return { start, end };
  }
}
