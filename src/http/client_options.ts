import type { HttpClientConnectionOptions } from "./client_settings.ts";
import type { HttpRequestOptions } from "./client_request.ts";
import type { ProxyOptions } from "./connector_options.ts";
import type { HttpHeadersInit } from "./headers.ts";

/** How an `HttpClient` behaves. Times are in milliseconds; Infinity: for ever. */
export interface HttpClientOptions extends Omit<HttpClientConnectionOptions, "proxy" | "tlsHostname" | "maxQueued"> {
  /** Connections to one origin at a time; 6 by default. */
  readonly maxConnectionsPerHost?: number | undefined;
  /** Connections in all; 256 by default. */
  readonly maxConnections?: number | undefined;
  /** Requests that wait for a connection; further ones end with `HTTP_QUEUE_FULL`. 10,000 by default. */
  readonly maxWaiting?: number | undefined;
  /** How long a connection is kept that has nothing to do; 30 s by default. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * How long a response to `fetch()` may wait for its reader when as much of its body has come as is kept, 64 KiB; then it fails with
   * `HTTP_UNREAD`, and its connection is free. 5 minutes by default.
   */
  readonly unreadTimeoutMs?: number | undefined;
  /** Fields of every request that has none of the same name. */
  readonly headers?: HttpHeadersInit | undefined;
  /**
   * The proxy to go through, or what decides that for each URL. An HTTP proxy is asked for `http:` URLs directly, and for a tunnel to
   * `https:` ones. Connections are shared by proxies that are the same in all they say.
   */
  readonly proxy?: ProxyOptions | ((url: URL) => ProxyOptions | null) | undefined;
  /** How many redirects `request()` follows; none by default. `fetch()` follows 20. */
  readonly maxRedirects?: number | undefined;
  /** Whether `request()` asks for compressed bodies and decodes those it collects. False by default; `fetch()` does so always. */
  readonly decompress?: boolean | undefined;
  /** Bytes that may come of each byte of a compressed body, once there are more than 1 MiB; 200 by default. */
  readonly maxDecompressionRatio?: number | undefined;
}

/** What a request of an `HttpClient` says, and who hears of its response. */
export interface HttpClientRequestOptions extends HttpRequestOptions {
  /** Connects to a Unix socket instead of the URL's host. */
  readonly unixPath?: string | undefined;
  /** Instead of that of the client. */
  readonly maxRedirects?: number | undefined;
  /** Instead of that of the client. What `onData` gets is never decoded, and then nothing compressed is asked for. */
  readonly decompress?: boolean | undefined;
}

/** Bytes and bounds, checked. */
export interface ClientBounds {
  readonly maxRedirects: number;
  readonly decompress: boolean;
  readonly maxDecompressionRatio: number;
}

export function clientBounds(options: HttpClientOptions): ClientBounds {
  return {
    maxRedirects: notNegative("maxRedirects", options.maxRedirects ?? 0),
    decompress: options.decompress === true,
    maxDecompressionRatio: atLeastOne("maxDecompressionRatio", options.maxDecompressionRatio ?? 200),
  };
}

export function atLeastOne(name: string, value: number): number {
  if (value >= 1) return value;
  throw new RangeError(`Cannot set ${name} to ${value}: expected a number from 1 on`);
}

export function notNegative(name: string, value: number): number {
  if (value >= 0) return value;
  throw new RangeError(`Cannot set ${name} to ${value}: expected a number from 0 on`);
}
