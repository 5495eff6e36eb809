/** Everything a parser can refuse: a stable code, the status a server answers with, and what to tell a person. */

/** Why a message was refused. Codes are stable; messages are not. */
export type HttpParseErrorCode =
  | "HTTP_TOO_MANY_EMPTY_LINES"
  | "HTTP_BAD_LINE_END"
  | "HTTP_BAD_METHOD"
  | "HTTP_METHOD_TOO_LONG"
  | "HTTP_BAD_TARGET"
  | "HTTP_TARGET_TOO_LONG"
  | "HTTP_BAD_VERSION"
  | "HTTP_VERSION_UNSUPPORTED"
  | "HTTP_BAD_HEADER_NAME"
  | "HTTP_BAD_HEADER_VALUE"
  | "HTTP_FOLDED_HEADER"
  | "HTTP_HEADERS_TOO_LARGE"
  | "HTTP_TOO_MANY_HEADERS"
  | "HTTP_MISSING_HOST"
  | "HTTP_DUPLICATE_HOST"
  | "HTTP_BAD_HOST"
  | "HTTP_HOST_MISMATCH"
  | "HTTP_BAD_CONTENT_LENGTH"
  | "HTTP_DUPLICATE_CONTENT_LENGTH"
  | "HTTP_BAD_TRANSFER_ENCODING"
  | "HTTP_UNSUPPORTED_TRANSFER_ENCODING"
  | "HTTP_LENGTH_AND_CHUNKED"
  | "HTTP_BODY_TOO_LARGE"
  | "HTTP_BAD_CHUNK_SIZE"
  | "HTTP_BAD_CHUNK_EXTENSION"
  | "HTTP_CHUNK_EXTENSIONS_TOO_LARGE"
  | "HTTP_BAD_CHUNK_END"
  | "HTTP_TRAILERS_TOO_LARGE"
  | "HTTP_TOO_MANY_TRAILERS"
  | "HTTP_FORBIDDEN_TRAILER"
  | "HTTP_BAD_STATUS"
  | "HTTP_BAD_REASON"
  | "HTTP_REASON_TOO_LONG"
  | "HTTP_TOO_MANY_INTERIM"
  | "HTTP_TRUNCATED";

/** The statuses a refused request is answered with. */
export type HttpParseStatus = 400 | 413 | 414 | 431 | 501 | 505;

const FAULTS: Readonly<
  Record<HttpParseErrorCode, readonly [HttpParseStatus, string]>
> = {
  HTTP_TOO_MANY_EMPTY_LINES: [
    400,
    "too many empty lines before the request line",
  ],
  HTTP_BAD_LINE_END: [400, "a line does not end in CR LF"],
  HTTP_BAD_METHOD: [400, "the method is not a token followed by one space"],
  HTTP_METHOD_TOO_LONG: [501, "the method is longer than the limit"],
  HTTP_BAD_TARGET: [
    400,
    "the request target is malformed or does not suit the method",
  ],
  HTTP_TARGET_TOO_LONG: [414, "the request target is longer than the limit"],
  HTTP_BAD_VERSION: [400, "the first line has no HTTP version in its place"],
  HTTP_VERSION_UNSUPPORTED: [505, "the HTTP version is neither 1.0 nor 1.1"],
  HTTP_BAD_HEADER_NAME: [
    400,
    "a field name is not a token followed directly by a colon",
  ],
  HTTP_BAD_HEADER_VALUE: [400, "a field value holds a control character"],
  HTTP_FOLDED_HEADER: [400, "a field line starts with a blank"],
  HTTP_HEADERS_TOO_LARGE: [431, "the header section is longer than the limit"],
  HTTP_TOO_MANY_HEADERS: [431, "there are more header fields than the limit"],
  HTTP_MISSING_HOST: [400, "an HTTP/1.1 request has no Host field"],
  HTTP_DUPLICATE_HOST: [400, "there is more than one Host field"],
  HTTP_BAD_HOST: [400, "the Host field is not a host with an optional port"],
  HTTP_HOST_MISMATCH: [400, "the request target names another host than the Host field"],
  HTTP_BAD_CONTENT_LENGTH: [
    400,
    "Content-Length is not a decimal number below 2^53",
  ],
  HTTP_DUPLICATE_CONTENT_LENGTH: [
    400,
    "there is more than one Content-Length field",
  ],
  HTTP_BAD_TRANSFER_ENCODING: [
    400,
    "Transfer-Encoding does not end in a single chunked, or the version is HTTP/1.0",
  ],
  HTTP_UNSUPPORTED_TRANSFER_ENCODING: [
    501,
    "Transfer-Encoding names a coding other than chunked",
  ],
  HTTP_LENGTH_AND_CHUNKED: [
    400,
    "both Content-Length and Transfer-Encoding are present",
  ],
  HTTP_BODY_TOO_LARGE: [413, "the body is longer than the limit"],
  HTTP_BAD_CHUNK_SIZE: [
    400,
    "a chunk does not start with its size in hexadecimal digits",
  ],
  HTTP_BAD_CHUNK_EXTENSION: [400, "a chunk extension is malformed"],
  HTTP_CHUNK_EXTENSIONS_TOO_LARGE: [
    413,
    "the chunk extensions are longer than the limit",
  ],
  HTTP_BAD_CHUNK_END: [400, "the data of a chunk is not followed by CR LF"],
  HTTP_TRAILERS_TOO_LARGE: [
    431,
    "the trailer section is longer than the limit",
  ],
  HTTP_TOO_MANY_TRAILERS: [431, "there are more trailer fields than the limit"],
  HTTP_FORBIDDEN_TRAILER: [
    400,
    "a trailer field belongs into the header section",
  ],
  HTTP_BAD_STATUS: [400, "the status code is not three digits from 100 on, with one space before and after"],
  HTTP_BAD_REASON: [400, "the reason phrase holds a control character"],
  HTTP_REASON_TOO_LONG: [400, "the reason phrase is longer than the limit"],
  HTTP_TOO_MANY_INTERIM: [400, "there are more interim responses than the limit"],
  HTTP_TRUNCATED: [400, "the connection ended in the middle of it"],
};

/**
 * A message the peer got wrong. Nothing after it on the connection can be trusted, so the connection has to be closed.
 */
export class HttpParseError extends Error {
  /** Always "HttpParseError". */
  override readonly name: string = "HttpParseError";
  /** The stable code to branch on. */
  readonly code: HttpParseErrorCode;
  /** The status to answer a request with before closing; for a response it means nothing. */
  readonly status: HttpParseStatus;

  /** Makes the error for `code`; `what` names the thing being parsed, such as "request". */
  constructor(code: HttpParseErrorCode, what: string) {
    const [status, message] = FAULTS[code];
    super(`Cannot parse ${what}: ${message} (${code})`);
    this.code = code;
    this.status = status;
  }
}
