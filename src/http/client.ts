import type { EventBase } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { HttpClientCall } from "./client_call.ts";
import type { HttpClientError } from "./client_error.ts";
import {
  atLeastOne,
  type ClientBounds,
  clientBounds,
  type HttpClientOptions,
  type HttpClientRequestOptions,
  notNegative,
} from "./client_options.ts";
import { Router } from "./client_origin.ts";
import { ClientPool } from "./client_pool.ts";
import type { HttpRequestCallback } from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { clientSettings } from "./client_settings.ts";
import { httpUrl } from "./client_url.ts";
import { type FetchInit, type FetchSetting, fetchWith } from "./fetch.ts";
import { HttpHeaders } from "./headers.ts";

/**
 * Makes requests to any number of servers over connections that are kept and shared: HTTP/1.1 directly, over TLS, Unix sockets and
 * proxies.
 *
 * TLS is a value, as it is for servers: `https:` URLs take the option `tls`, a `TlsContext` of a client, and names take a `resolver`.
 *
 * @example
 * ```ts
 * import { EventBase, HttpClient, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => request.reply(200, `you asked for ${request.target}`));
 * const { port } = server.listen({ port: 0 });
 * using client = new HttpClient(base);
 * const done = client.request(`http://127.0.0.1:${port}/a`)
 *   .then((response) => console.log(response.status, response.text())) // 200 you asked for /a
 *   .finally(() => base.loopBreak());
 * await base.run();
 * await done;
 * ```
 */
export class HttpClient implements Disposable {
  /** The loop it lives on. */
  readonly base: EventBase;
  readonly #pool: ClientPool;
  readonly #router: Router;
  readonly #headers: HttpHeaders;
  readonly #bounds: ClientBounds;
  readonly #maxBodyBytes: number;
  readonly #switched = new Set<HttpClientResponse>();
  readonly #fetchSetting: FetchSetting;

  /**
   * Makes one without connections.
   *
   * @throws {TypeError} or {RangeError} for options that are none.
   */
  constructor(base: EventBase, options: HttpClientOptions = {}) {
    this.base = base;
    this.#bounds = clientBounds(options);
    this.#router = new Router(options);
    this.#headers = new HttpHeaders(options.headers);
    this.#fetchSetting = {
      base,
      headers: this.#headers,
      makeCall: (url, options, callback) => this.#call(url, options, callback),
      maxRatio: this.#bounds.maxDecompressionRatio,
      unreadTimeoutMs: atLeastOne("unreadTimeoutMs", options.unreadTimeoutMs ?? 300_000),
      working: (by) => reactorOf(base).countVirtual(by),
    };
    const { proxy: _proxy, ...connection } = options;
    this.#maxBodyBytes = clientSettings(connection).maxBodyBytes;
    this.#pool = new ClientPool(base, {
      maxConnectionsPerHost: atLeastOne("maxConnectionsPerHost", options.maxConnectionsPerHost ?? 6),
      maxConnections: atLeastOne("maxConnections", options.maxConnections ?? 256),
      maxWaiting: notNegative("maxWaiting", options.maxWaiting ?? 10_000),
      idleTimeoutMs: atLeastOne("idleTimeoutMs", options.idleTimeoutMs ?? 30_000),
      idleKeepsLoop: options.idleKeepsLoop === true,
    });
  }

  /** Connections, in use and kept. */
  get connectionCount(): number {
    return this.#pool.connectionCount;
  }

  /** Connections that are kept and have nothing to do. */
  get idleCount(): number {
    return this.#pool.idleCount;
  }

  /** Requests that wait for a connection. */
  get waitingCount(): number {
    return this.#pool.waitingCount;
  }

  /**
   * Makes a request and collects the response. It is rejected with an {@linkcode HttpClientError}, or with the reason of an aborted signal.
   *
   * @throws {TypeError} by rejection, for a URL, method, field or body that is none, and for `https:` without the option `tls`.
   */
  request(url: string | URL, options?: HttpClientRequestOptions): Promise<HttpClientResponse>;
  /** The same by callback, which is called once; it works inside `dispatch()` as well. */
  request(url: string | URL, options: HttpClientRequestOptions, callback: HttpRequestCallback): HttpClientCall;
  request(
    url: string | URL,
    options: HttpClientRequestOptions = {},
    callback?: HttpRequestCallback,
  ): Promise<HttpClientResponse> | HttpClientCall {
    if (callback !== undefined) return this.#call(url, options, callback);
    return new Promise((resolve, reject) => {
      const { signal } = options;
      signal?.throwIfAborted();
      this.#call(url, options, (response, error) => {
        if (response !== null) resolve(response);
        else reject(signal?.aborted === true ? signal.reason : error);
      });
    });
  }

  /**
   * Does what the function of the same name of the Fetch standard does: the response is there as soon as its head is, and its body is read
   * from the server no faster than it is taken. It follows redirects and decodes what is compressed.
   *
   * A body that is not wanted is best cancelled. Otherwise a long one keeps its connection in use until the response was collected as garbage,
   * or nothing was read of it for `unreadTimeoutMs`.
   *
   * @throws {TypeError} by rejection, as the standard says, and so does reading the body; `cause` is the {@linkcode HttpClientError}. Also for
   * an `integrity`, which is not checked, and a 101, after which nobody could go on: `request()` hands out the stream.
   * @throws {RangeError} by rejection, for a `maxBodyBytes` or `unreadTimeoutMs` that is none.
   */
  fetch(input: string | URL | Request, init?: FetchInit): Promise<Response> {
    return fetchWith(this.#fetchSetting, input, init);
  }

  /** Closes the connections that have nothing to do. */
  closeIdle(): void {
    this.#pool.closeIdle();
  }

  /** Closes all connections; requests that are not over end with `HTTP_CLOSED`. Closing twice is harmless. */
  close(): void {
    for (const response of this.#switched) response.closeUntaken();
    this.#switched.clear();
    this.#pool.close();
  }

  /** Same as {@linkcode HttpClient.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #call(url: string | URL, options: HttpClientRequestOptions, callback: HttpRequestCallback): HttpClientCall {
    const setting = {
      pool: this.#pool,
      router: this.#router,
      bounds: this.#bounds,
      headers: this.#headers,
      maxBodyBytes: this.#maxBodyBytes,
    };
    return new HttpClientCall(setting, httpUrl(url), options, (response, error) => {
      if (response?.isSwitched === true) this.#keepSwitched(response);
      callback(response, error as HttpClientError);
    });
  }

  /** Streams that nobody takes are closed with the client. */
  #keepSwitched(response: HttpClientResponse): void {
    for (const other of this.#switched) {
      if (!other.isSwitched) this.#switched.delete(other);
    }
    this.#switched.add(response);
  }
}
