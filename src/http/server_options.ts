import type { ConnectionFailure } from "../core/mod.ts";
import type { CompressionOptions } from "./compression.ts";
import type { ErrorPageMaker } from "./error_page.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { EVHTTP_REQ_DELETE, EVHTTP_REQ_GET, EVHTTP_REQ_HEAD, EVHTTP_REQ_POST, EVHTTP_REQ_PUT } from "./methods.ts";
import type { CustomMethod } from "./server_methods.ts";
import type { StreamMaker } from "./server_listening.ts";
import type { HttpRequest } from "./request.ts";

/** Answers a request, at once or later. What it throws, or rejects with, becomes a 500 if no reply has begun. */
export type HttpHandler = (request: HttpRequest) => void | Promise<void>;

/** How long a server waits, in milliseconds; Infinity: for ever. */
export interface HttpTimeouts {
  /** For the next request on an idle connection, which is closed then, or up to 1/128 later; 75 s by default. */
  readonly keepAliveTimeoutMs: number;
  /** For a whole head, from its first byte; 408 then. 20 s by default. */
  readonly headerTimeoutMs: number;
  /** For the next piece of a body; 408 then. 30 s by default. */
  readonly bodyTimeoutMs: number;
  /** For a client to take any of its reply; the connection is cut then. 30 s by default. */
  readonly writeTimeoutMs: number;
}

/** How an {@linkcode HttpServer} behaves. */
export interface HttpServerOptions extends Partial<HttpTimeouts> {
  /** Limits of the parser; see {@linkcode HttpLimits} for the defaults. */
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Deviations from the RFC to accept; none by default. */
  readonly leniency?: HttpLeniency | undefined;
  /** Methods that reach handlers, as `EVHTTP_REQ_` bits; GET, POST, HEAD, PUT and DELETE by default. Others get 405, unknown ones 501. */
  readonly allowedMethods?: number | undefined;
  /** Makes the streams of clients, where a listener has no maker of its own (evhttp_set_bevcb). */
  readonly makeStream?: StreamMaker | undefined;
  /** Methods besides those that have a bit (evhttp_set_ext_method_cmp); they have to be allowed, too. */
  readonly customMethods?: readonly CustomMethod[] | undefined;
  /** Connections served at once; further ones get 503, or nothing when very many come. 10,000 by default. */
  readonly maxConnections?: number | undefined;
  /** Bytes of replies that may wait for a slow client before its next request is taken up; 1 MiB by default. */
  readonly maxOutputBytes?: number | undefined;
  /** Content-Type of bodies whose reply names none; null: say nothing. `text/plain;charset=utf-8` by default. */
  readonly defaultContentType?: string | null | undefined;
  /** Value of the Server field; none by default. */
  readonly serverName?: string | undefined;
  /** Compress replies whose clients accept that; false by default, see {@linkcode CompressionOptions} for why and how. */
  readonly compression?: CompressionOptions | boolean | undefined;
  /**
   * Whether a client that ends its side of the connection while its request is being served still gets its reply, as TCP allows; true by
   * default. False: such a client counts as gone, which is all that most clients that go away ever show.
   */
  readonly allowHalfClose?: boolean | undefined;
  /**
   * Asked about every request when its head has come, before its body (evhttp_set_newreqcb, evhttp_request_set_header_cb). It may answer the
   * request, or take its body, by {@linkcode HttpRequest.onBody} or what waits for it. False: the connection is dropped without a reply.
   */
  readonly onNewRequest?: ((request: HttpRequest) => boolean | void) | undefined;
  /**
   * Asked when a client waits for 100 before it sends a body, whose length the server has found acceptable. It may answer the request
   * instead (413, say). False: 417. No 100 is sent behind the beginning of a reply, for which `onNewRequest` may be the reason, too: the
   * connection ends with that reply then.
   */
  readonly onContinue?: ((request: HttpRequest) => boolean | void) | undefined;
  /** Makes the bodies of error replies, also of those that the server gives by itself (evhttp_set_errorcb). */
  readonly onErrorPage?: ErrorPageMaker | undefined;
  /** Told what handlers throw; `console.error` by default. */
  readonly onError?: ((error: unknown, request: HttpRequest | undefined) => void) | undefined;
  /**
   * Told of a connection that ended for a reason of this system's, such as one that could not be watched (ENOSPC), or by an error of
   * TLS; by default the former go to `console.error`. What clients do to their own connections (ECONNRESET, EPIPE, ...) is no news.
   */
  readonly onConnectionError?: ((error: ConnectionFailure) => void) | undefined;
}

const TIMEOUTS: HttpTimeouts = {
  keepAliveTimeoutMs: 75_000,
  headerTimeoutMs: 20_000,
  bodyTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
};
export const ALLOWED_METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE;
export const CONNECTIONS_MAX = 10_000;
export const OUTPUT_BYTES_MAX = 1024 * 1024;

export function positive(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`Cannot set ${name} to ${value}: expected a number above zero`);
  return value;
}

/** All times, those that are not given from `others`. */
export function allTimeouts(options: Partial<HttpTimeouts>, others: HttpTimeouts = TIMEOUTS): HttpTimeouts {
  const time = (name: keyof HttpTimeouts): number => positive(name, options[name] ?? others[name]);
  return {
    keepAliveTimeoutMs: time("keepAliveTimeoutMs"),
    headerTimeoutMs: time("headerTimeoutMs"),
    bodyTimeoutMs: time("bodyTimeoutMs"),
    writeTimeoutMs: time("writeTimeoutMs"),
  };
}
