import { HttpClientError } from "./client_error.ts";
import { framingOf, type RequestFraming } from "./client_head.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
import {
  EVHTTP_REQ_DELETE,
  EVHTTP_REQ_GET,
  EVHTTP_REQ_HEAD,
  EVHTTP_REQ_OPTIONS,
  EVHTTP_REQ_PROPFIND,
  EVHTTP_REQ_PUT,
  EVHTTP_REQ_TRACE,
  methodId,
  methodName,
} from "./methods.ts";
import { PreparedBody, type UploadBody } from "./upload_body.ts";
import type { ResponseHead } from "./response_head.ts";

/** Methods that may be sent again when nobody knows whether they have arrived (RFC 9110 section 9.2.2). */
const IDEMPOTENT = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_PUT |
  EVHTTP_REQ_DELETE | EVHTTP_REQ_PROPFIND;

/**
 * What a request says, and who hears of its response while that comes. What one of these callbacks throws ends the request, as
 * {@linkcode HttpClientRequest.cancel} does, and becomes the `cause` of the error.
 */
export interface HttpRequestOptions {
  /** The method, by its name or its `EVHTTP_REQ_` bit; GET by default. */
  readonly method?: string | number | undefined;
  /** Fields, which are sent in their order. Host, Content-Length and Transfer-Encoding are added as needed. */
  readonly headers?: HttpHeadersInit | undefined;
  /** The body; one of unknown length is sent in chunks, or must be as long as a Content-Length among the fields says. */
  readonly body?: UploadBody | null | undefined;
  /** Sends the body only when the server has asked for it by 100, or has said nothing for a second (RFC 9110 section 10.1.1). */
  readonly expectContinue?: boolean | undefined;
  /** Whether it may be sent again where a kept connection turns out to be closed; by default what the method says. */
  readonly idempotent?: boolean | undefined;
  /** Longest body of the response in bytes, or Infinity; that of the connection by default, and Infinity with `onData`. */
  readonly maxBodyBytes?: number | undefined;
  /** Cancels it. */
  readonly signal?: AbortSignal | undefined;
  /** Told of interim responses (1xx). */
  readonly onInterim?: ((head: ResponseHead, request: HttpClientRequest) => void) | undefined;
  /** Told when the head of the response is there; false cancels the request (evhttp_request_set_header_cb). */
  readonly onHead?: ((response: HttpClientResponse, request: HttpClientRequest) => boolean | void) | undefined;
  /**
   * Gets the pieces of the body as they come, which is not collected then (evhttp_request_set_chunked_cb). The bytes are not overwritten
   * later, but share memory with others: copy what is kept for long, and transfer it nowhere.
   */
  readonly onData?: ((bytes: Uint8Array, response: HttpClientResponse, request: HttpClientRequest) => void) | undefined;
}

/** Told once how a request has ended: with a complete response, or with the reason why there is none. */
export type HttpRequestCallback = (response: HttpClientResponse | null, error: HttpClientError | null) => void;

/** Whoever has a request at the moment. */
export interface RequestOwner {
  cancelRequest(request: HttpClientRequest, error: HttpClientError): void;
  pauseResponse(request: HttpClientRequest): void;
  resumeResponse(request: HttpClientRequest): void;
}

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A fragment is no part of it (RFC 9112 section 3.2). */
const TARGET = /^[\x21\x22\x24-\x7e]+$/;

/** A request of a client, from when it is made until its end. */
export class HttpClientRequest {
  /** The method's name. */
  readonly method: string;
  /** The method's `EVHTTP_REQ_` bit; 0 for one without. */
  readonly methodId: number;
  /** The request target (RFC 9112 section 3.2). */
  readonly target: string;
  /** The fields as they were given. */
  readonly headers: HttpHeaders;
  /** @internal */
  readonly body: PreparedBody;
  /** @internal */
  readonly framing: RequestFraming;
  /** @internal */
  readonly options: HttpRequestOptions;
  /** @internal How often it was begun. */
  attempts = 0;
  /** @internal Whether nothing is read for the time being. */
  isPaused = false;
  /** @internal Its number among those that wait for a connection of a pool. */
  ticket = 0;
  /** @internal Whether the body of the response is of no use, which shows in its head. */
  dropsBody = false;
  #owner: RequestOwner | null = null;
  #callback: HttpRequestCallback | null;
  readonly #onAbort = (): void => this.cancel(this.options.signal!.reason);

  /**
   * @internal
   * @throws {TypeError} for a method, target, field or body that is none.
   * @throws {RangeError} for a `maxBodyBytes` that is no number of bytes.
   */
  constructor(target: string, options: HttpRequestOptions, callback: HttpRequestCallback) {
    const { method = "GET", headers, body, signal, maxBodyBytes = Infinity } = options;
    const name = typeof method === "number" ? methodName(method) : method;
    if (name === undefined || !METHOD.test(name)) {
      throw new TypeError(`Cannot send a request: ${JSON.stringify(method)} is no method`);
    }
    if (!TARGET.test(target)) throw new TypeError(`Cannot send a request: ${JSON.stringify(target)} is no target`);
    this.method = name;
    this.methodId = methodId(name);
    this.target = target;
    if (!(maxBodyBytes >= 0)) {
      throw new RangeError(`Cannot set maxBodyBytes to ${maxBodyBytes}: expected a number of bytes, or Infinity`);
    }
    this.headers = new HttpHeaders(headers);
    checkFraming(this.headers);
    this.body = new PreparedBody(body);
    this.options = options;
    this.#callback = callback;
    this.framing = framingOf(this);
    signal?.addEventListener("abort", this.#onAbort);
  }

  /** Whether it has ended: its callback was called, or is about to be. */
  get isOver(): boolean {
    return this.#callback === null;
  }

  /** @internal Whether it offers to change the protocol. */
  get offersUpgrade(): boolean {
    return this.headers.has("upgrade");
  }

  /** @internal Whether it says that no other one will follow by the same connection. */
  get wantsClose(): boolean {
    const { headers } = this;
    return headers.has("connection") &&
      headers.getAll("connection").some((value) => /(?:^|,)\s*close\s*(?:,|$)/i.test(value));
  }

  /** @internal Whether it may be sent a second time. */
  get isRepeatable(): boolean {
    return (this.options.idempotent ?? (this.methodId & IDEMPOTENT) !== 0) && this.body.isRepeatable;
  }

  /**
   * Ends it, in whatever state it is (evhttp_cancel_request). One that is under way takes its connection along, since the rest of the
   * response would follow. The callback gets an error with the code `HTTP_CANCELLED`. Harmless when it is over.
   *
   * @param reason becomes the error's `cause`.
   */
  cancel(reason?: unknown): void {
    const owner = this.#owner;
    if (this.isOver || owner === null) return;
    owner.cancelRequest(
      this,
      new HttpClientError("HTTP_CANCELLED", `finish ${this.describe()}: it was cancelled`, reason),
    );
  }

  /** Reads no more of the response for the time being; the read timeout does not run meanwhile. */
  pause(): void {
    if (this.isPaused || this.isOver) return;
    this.isPaused = true;
    this.#owner?.pauseResponse(this);
  }

  /** Reads on after {@linkcode HttpClientRequest.pause}. */
  resume(): void {
    if (!this.isPaused || this.isOver) return;
    this.isPaused = false;
    this.#owner?.resumeResponse(this);
  }

  /** @internal */
  describe(): string {
    return `${this.method} ${this.target.length > 100 ? `${this.target.slice(0, 100)}...` : this.target}`;
  }

  /** @internal Gives it to somebody. */
  ownedBy(owner: RequestOwner): void {
    this.#owner = owner;
  }

  /** @internal It has ended. Calls back, once. */
  settle(response: HttpClientResponse | null, error: HttpClientError | null): void {
    const callback = this.#callback;
    if (callback === null) return;
    this.abandon();
    this.body.dismissSource();
    callback(response, error);
  }

  /** @internal Ends it without a word, for whoever throws instead. */
  abandon(): void {
    this.#callback = null;
    this.#owner = null;
    this.options.signal?.removeEventListener("abort", this.#onAbort);
    this.body.close();
  }
}

/** How long a body is, and where it ends, is ours to say. */
function checkFraming(headers: HttpHeaders): void {
  if (headers.has("transfer-encoding")) {
    throw new TypeError(
      "Cannot send a request with a Transfer-Encoding of its own: bodies of unknown length are sent in chunks anyway",
    );
  }
  for (const name of ["host", "content-length"]) {
    if (headers.getAll(name).length > 1) throw new TypeError(`Cannot send a request with more than one ${name} field`);
  }
}
