import { HttpClientError } from "./client_error.ts";
import type { HttpClientRequest } from "./client_request.ts";
import type { HttpParseError, HttpParseErrorCode } from "./parse_error.ts";

/** What is too long, in the words of evhttp, among what a parser refuses. */
const TOO_LONG: ReadonlySet<HttpParseErrorCode> = new Set([
  "HTTP_HEADERS_TOO_LARGE",
  "HTTP_TOO_MANY_HEADERS",
  "HTTP_REASON_TOO_LONG",
  "HTTP_BODY_TOO_LARGE",
  "HTTP_CHUNK_EXTENSIONS_TOO_LARGE",
  "HTTP_TRAILERS_TOO_LARGE",
  "HTTP_TOO_MANY_TRAILERS",
  "HTTP_TOO_MANY_INTERIM",
]);

/** The parser has refused a response. */
export function responseFailure(request: HttpClientRequest, error: HttpParseError): HttpClientError {
  const code = TOO_LONG.has(error.code) ? "HTTP_DATA_TOO_LONG" : "HTTP_INVALID_RESPONSE";
  return new HttpClientError(code, `finish ${request.describe()}`, error);
}

/** The connection has failed under a request. */
export function streamFailure(request: HttpClientRequest, error: Error | null): HttpClientError {
  return new HttpClientError("HTTP_CONNECTION_FAILED", `finish ${request.describe()}`, error ?? undefined);
}
