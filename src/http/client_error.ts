/** A request took too long: no byte came, or none could be sent, for a while. */
export const EVREQ_HTTP_TIMEOUT = 0;
/** The server has closed the connection before its response was complete. */
export const EVREQ_HTTP_EOF = 1;
/** The response is malformed. */
export const EVREQ_HTTP_INVALID_HEADER = 2;
/** The connection has failed, or a body could not be had. */
export const EVREQ_HTTP_BUFFER_ERROR = 3;
/** The request was cancelled on this side. */
export const EVREQ_HTTP_REQUEST_CANCEL = 4;
/** The head or the body of the response is longer than its limit. */
export const EVREQ_HTTP_DATA_TOO_LONG = 5;

/** Why a request of a client has not come about. Codes are stable; messages are not. */
export type HttpClientErrorCode =
  /** No byte came, or none could be sent, within the read or write timeout. */
  | "HTTP_TIMEOUT"
  /** The server has closed the connection before its response was complete; `cause` says so if one had begun. */
  | "HTTP_EOF"
  /** The response is malformed; `cause` is the {@linkcode HttpParseError}. */
  | "HTTP_INVALID_RESPONSE"
  /** The connection has failed; `cause` is a `SystemError`, or what TLS had to say. */
  | "HTTP_CONNECTION_FAILED"
  /** The source of the request's body has failed; `cause` is what it has thrown. */
  | "HTTP_BODY_FAILED"
  /** It was cancelled on this side; `cause` is the reason of a signal, or what one of its callbacks has thrown. */
  | "HTTP_CANCELLED"
  /** Nobody has read the body of a response to `fetch()` for `unreadTimeoutMs`. */
  | "HTTP_UNREAD"
  /** The head or the body of the response is longer than its limit. */
  | "HTTP_DATA_TOO_LONG"
  /** There is no connection; `cause` says why. */
  | "HTTP_CONNECT_FAILED"
  /** The connection, or the client, was closed on this side. */
  | "HTTP_CLOSED"
  /** More requests wait than may. */
  | "HTTP_QUEUE_FULL"
  /** There were more redirects than may be followed. */
  | "HTTP_TOO_MANY_REDIRECTS"
  /** A redirect cannot be followed: its Location is none, or the body cannot be sent twice. */
  | "HTTP_BAD_REDIRECT"
  /** The body of the response cannot be decoded. */
  | "HTTP_BAD_ENCODING";

const KINDS: Readonly<Partial<Record<HttpClientErrorCode, number>>> = {
  HTTP_TIMEOUT: EVREQ_HTTP_TIMEOUT,
  HTTP_EOF: EVREQ_HTTP_EOF,
  HTTP_INVALID_RESPONSE: EVREQ_HTTP_INVALID_HEADER,
  HTTP_CONNECTION_FAILED: EVREQ_HTTP_BUFFER_ERROR,
  HTTP_BODY_FAILED: EVREQ_HTTP_BUFFER_ERROR,
  HTTP_CANCELLED: EVREQ_HTTP_REQUEST_CANCEL,
  HTTP_CLOSED: EVREQ_HTTP_REQUEST_CANCEL,
  HTTP_UNREAD: EVREQ_HTTP_REQUEST_CANCEL,
  HTTP_DATA_TOO_LONG: EVREQ_HTTP_DATA_TOO_LONG,
};

/** Why there is no response to a request, or not all of it. */
export class HttpClientError extends Error {
  /** Always `HttpClientError`. */
  override readonly name: string = "HttpClientError";
  /** The stable code to branch on. */
  readonly code: HttpClientErrorCode;
  /** The `EVREQ_HTTP_` number that evhttp has for it; -1 for what it has none for. */
  readonly kind: number;

  /** Describes what went wrong; `message` completes "Cannot ...". */
  constructor(code: HttpClientErrorCode, message: string, cause?: unknown) {
    const because = cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : "";
    super(`Cannot ${message}${because} (${code})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.kind = KINDS[code] ?? -1;
  }
}
