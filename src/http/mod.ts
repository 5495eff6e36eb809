/**
 * HTTP/1.1: a strict parser that eats bytes ({@linkcode RequestParser}), header maps, and a server on an event base
 * ({@linkcode HttpServer}).
 *
 * @module
 */

export { openStream, StreamOpening, type StreamOwner } from "./connector.ts";
export type { ConnectorOptions, ProxyOptions, StreamTarget } from "./connector_options.ts";
export { type ProxyCredentials } from "./http_tunnel.ts";
export { ProxyError, type ProxyErrorCode, type ProxyErrorFacts } from "./proxy_error.ts";
export { contentType } from "./content_types.ts";
export { httpDate, parseHttpDate } from "./date.ts";
export { RequestHead } from "./head.ts";
export { escapeHtml } from "./html_escape.ts";
export { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
export { DEFAULT_HTTP_LIMITS, type HttpLeniency, type HttpLimits, httpLimits } from "./limits.ts";
export * from "./methods.ts";
export { HttpParseError, type HttpParseErrorCode, type HttpParseStatus } from "./parse_error.ts";
export { BODY, type BodyFraming, END, ERROR, HEAD, NEED_MORE, type ParserEvent, RequestParser } from "./parser.ts";
export { ResponseHead } from "./response_head.ts";
export { ResponseParser } from "./response_parser.ts";
export { MessageParser } from "./message_parser.ts";
export { HttpReply } from "./reply.ts";
export { ReplyState } from "./reply_state.ts";
export { type ReplySource, StreamedReply } from "./reply_streamed.ts";
export type { HttpConnection } from "./request_connection.ts";
export type { ContentCoding } from "./accept_encoding.ts";
export type { CompressionOptions } from "./compression.ts";
export type { ErrorPage, ErrorPageMaker } from "./error_page.ts";
export type { CustomMethod } from "./server_methods.ts";
export type { DrainOptions } from "./server_drain.ts";
export type { FileBody, ReplyBody } from "./reply_body.ts";
export { HttpRequest } from "./request.ts";
export { HttpHost, type RouteOptions } from "./http_host.ts";
export { HttpServer } from "./server.ts";
export type { HttpListenOptions, HttpTransport, StreamMaker } from "./server_listening.ts";
export type { HttpHandler, HttpServerOptions, HttpTimeouts } from "./server_options.ts";
export {
  decodeUri,
  percentDecode,
  percentDecodeBytes,
  type PercentDecodeOptions,
  percentEncode,
  type PercentEncodeOptions,
} from "./percent_coding.ts";
export {
  EVHTTP_URI_QUERY_LAST_VAL,
  EVHTTP_URI_QUERY_NONCONFORMANT,
  parseQuery,
  QUERY_PARAMETERS_MAX,
  QueryError,
  type QueryErrorCode,
  type QueryOptions,
} from "./query.ts";
export { QueryParameters, type QueryParametersInit } from "./query_parameters.ts";
export { type FetchHandler, serve, type ServeInfo, type ServeOptions } from "./serve.ts";
export { StaticFiles, type StaticFilesOptions } from "./static_files.ts";
export { isBodyless, reasonPhrase } from "./status.ts";
export { Uri, URI_CHARACTERS_MAX, type UriOptions } from "./uri.ts";
export { UriError, type UriErrorCode } from "./uri_error.ts";
export { EVHTTP_URI_HOST_STRIP_BRACKETS, EVHTTP_URI_NONCONFORMANT, EVHTTP_URI_UNIX_SOCKET } from "./uri_parts.ts";
export * from "./client_error.ts";
export { HttpClient } from "./client.ts";
export { HttpClientCall } from "./client_call.ts";
export type { HttpClientOptions, HttpClientRequestOptions } from "./client_options.ts";
export type { FetchInit } from "./fetch.ts";
export { HttpClientConnection } from "./client_connection.ts";
export { HttpClientRequest, type HttpRequestCallback, type HttpRequestOptions } from "./client_request.ts";
export { HttpClientResponse } from "./client_response.ts";
export type { HttpClientConnectionOptions } from "./client_settings.ts";
export type { UploadBody, UploadSource } from "./upload_body.ts";
