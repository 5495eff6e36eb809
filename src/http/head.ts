import { headersOver, type HttpHeaders } from "./headers.ts";
import {
  HEAD_EXPECT_CONTINUE,
  HEAD_EXPECT_UNKNOWN,
  HEAD_KEEP_ALIVE,
  HEAD_UPGRADE,
  type RequestText,
} from "./request_text.ts";

/**
 * The request line and the header section of one request. It stays valid for ever: it refers to the bytes that arrived,
 * which nobody overwrites, and makes strings when they are asked for. One that is kept for long should be told to
 * {@linkcode retain}.
 */
export class RequestHead {
  readonly #text: RequestText;
  #headers: HttpHeaders | undefined = undefined;

  /** @internal */
  constructor(text: RequestText) {
    this.#text = text;
  }

  /**
   * The method's bit (`EVHTTP_REQ_GET` and so on), or 0 for a method without one; then {@linkcode method} has its name.
   */
  get methodId(): number {
    return this.#text.methodId;
  }

  /** The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1. */
  get versionMinor(): number {
    return this.#text.versionMinor;
  }

  /** The method, spelled as it arrived. */
  get method(): string {
    return this.#text.method;
  }

  /** The request target, spelled as it arrived (RFC 9112 section 3.2). */
  get target(): string {
    return this.#text.target;
  }

  /**
   * The path of the target as it arrived, percent-encoded, without the query: "/" when a whole URI has none, "*" for a
   * target in asterisk form, and "" for CONNECT, whose target is an authority.
   */
  get path(): string {
    return this.#text.path;
  }

  /** What follows the first "?" of the target, without it; undefined when there is no "?". */
  get query(): string | undefined {
    return this.#text.query;
  }

  /** The header fields. */
  get headers(): HttpHeaders {
    return this.#headers ??= headersOver(this.#text.fields);
  }

  /** Whether the connection may serve another request: the default of HTTP/1.1, and on request with HTTP/1.0. */
  get keepAlive(): boolean {
    return (this.#text.flags & HEAD_KEEP_ALIVE) !== 0;
  }

  /** Whether the client waits for a 100 before it sends the body. Never true for HTTP/1.0 (RFC 9110 section 10.1.1). */
  get expectContinue(): boolean {
    return (this.#text.flags & HEAD_EXPECT_CONTINUE) !== 0;
  }

  /** Whether the client expects something other than 100-continue, which a server answers with 417. */
  get expectUnknown(): boolean {
    return (this.#text.flags & HEAD_EXPECT_UNKNOWN) !== 0;
  }

  /**
   * The host and port the request is for: the target of CONNECT, or the authority of a target that is a whole URI, which override
   * the Host field (RFC 9112 sections 3.3 and 3.2.2), or else the Host field; undefined when there is neither.
   */
  get host(): string | undefined {
    return this.#text.authority ?? this.headers.get("host");
  }

  /**
   * The protocols of the Upgrade field, in the client's order of preference and joined by ", "; undefined unless the
   * Connection field names Upgrade too and the version is 1.1 (RFC 9110 section 7.8).
   */
  get upgrade(): string | undefined {
    return this.isUpgrade ? this.headers.getAll("upgrade").join(", ") : undefined;
  }

  /** Whether {@linkcode upgrade} says anything: the client offers to go on with another protocol. */
  get isUpgrade(): boolean {
    return (this.#text.flags & HEAD_UPGRADE) !== 0;
  }

  /**
   * Whether it refers to nothing but memory of its own: it was told to {@linkcode retain}, or is the same as one that was, byte by byte.
   */
  get isRetained(): boolean {
    return this.#text.isOwn;
  }

  /**
   * Copies the head out of the memory it was received in, so that a request that is answered late does not keep a whole
   * read buffer alive. What was made from the head before, such as {@linkcode headers}, follows.
   */
  retain(): void {
    this.#text.retain();
  }
}
