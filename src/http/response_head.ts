import { headersOver, type HttpHeaders } from "./headers.ts";
import { latin1 } from "../core/latin1.ts";
import { ReceivedFields } from "./received_fields.ts";

/**
 * The status line and the header section of one response. It stays valid for ever: it refers to the bytes that arrived, which nobody
 * overwrites, and makes strings when they are asked for. One that is kept for long should be told to {@linkcode retain}.
 */
export class ResponseHead {
  /** The status code, 100 to 999; one above 599 is to be treated like 500 (RFC 9110 section 15). */
  readonly status: number;
  /** The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1. */
  readonly versionMinor: number;
  /**
   * Whether the connection may serve another request, as far as version and Connection field say: the default of HTTP/1.1, and
   * where it was agreed on with HTTP/1.0. That a body ends with the connection is not seen here, but from the parser's `bodyExpected`.
   */
  readonly keepAlive: boolean;
  /** Whether the Connection field names Upgrade and an Upgrade field is there (RFC 9110 section 7.8). */
  readonly upgrades: boolean;

  #bytes: Uint8Array;
  #reasonStart: number;
  #reasonEnd: number;
  #fieldsStart: number;
  #fieldsEnd: number;
  #fields: ReceivedFields | undefined = undefined;
  #headers: HttpHeaders | undefined = undefined;

  /** For the parser. Offsets point into `bytes`. */
  constructor(
    bytes: Uint8Array,
    status: number,
    versionMinor: number,
    reasonStart: number,
    reasonEnd: number,
    fieldsStart: number,
    fieldsEnd: number,
    keepAlive: boolean,
    upgrades: boolean,
  ) {
    this.status = status;
    this.versionMinor = versionMinor;
    this.keepAlive = keepAlive;
    this.upgrades = upgrades;
    this.#bytes = bytes;
    this.#reasonStart = reasonStart;
    this.#reasonEnd = reasonEnd;
    this.#fieldsStart = fieldsStart;
    this.#fieldsEnd = fieldsEnd;
  }

  /** The reason phrase as it came, which means nothing and may be empty (RFC 9112 section 4). */
  get reason(): string {
    return latin1(this.#bytes, this.#reasonStart, this.#reasonEnd);
  }

  /** Whether another response to the same request follows: 100 to 199, but not 101 (RFC 9110 section 15.2). */
  get isInterim(): boolean {
    return this.status < 200 && this.status !== 101;
  }

  /** The header fields. */
  get headers(): HttpHeaders {
    return this.#headers ??= headersOver(this.#receivedFields());
  }

  /**
   * Copies the head out of the memory it was received in, so that a response that is kept does not keep a whole read buffer alive.
   * What was made from the head before, such as {@linkcode headers}, follows.
   */
  retain(): void {
    const start = this.#reasonStart;
    const copy = new Uint8Array(new ArrayBuffer(this.#fieldsEnd - start));
    copy.set(this.#bytes.subarray(start, this.#fieldsEnd));
    this.#bytes = copy;
    this.#reasonStart = 0;
    this.#reasonEnd -= start;
    this.#fieldsStart -= start;
    this.#fieldsEnd -= start;
    this.#fields?.moveTo(copy, this.#fieldsStart);
  }

  #receivedFields(): ReceivedFields {
    return this.#fields ??= new ReceivedFields(this.#bytes, this.#fieldsStart, this.#fieldsEnd);
  }
}
