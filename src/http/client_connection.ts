import type { BufferEvent, EventBase, SocketAddress } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { setNoDelay } from "../core/tcp_options.ts";
import { tellSoon } from "../core/tell_soon.ts";
import { runAll } from "../core/run_all.ts";
import { hostField } from "./client_authority.ts";
import { HttpClientError } from "./client_error.ts";
import {
  HttpClientRequest,
  type HttpRequestCallback,
  type HttpRequestOptions,
  type RequestOwner,
} from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { type ClientSettings, clientSettings, type HttpClientConnectionOptions } from "./client_settings.ts";
import { ClientStream, type ClientStreamOwner } from "./client_stream.ts";
import { Dialer } from "./dialer.ts";
import type { StreamTarget } from "./connector_options.ts";

/**
 * A client's connection to one server (libevent's evhttp_connection): requests wait in a queue, one is under way at a time, and the
 * connection is made when the first one needs it, kept for the next, and made anew when it was lost.
 *
 * What comes back is handed over when it is complete, or piece by piece to those who want that; see {@linkcode HttpRequestOptions}.
 * Requests may be made, cancelled and the connection closed from inside every callback.
 *
 * @example
 * ```ts
 * import { EventBase, HttpClientConnection, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => request.reply(200, "hello"));
 * const { port } = server.listen({ port: 0 });
 * using connection = new HttpClientConnection(base, { host: "127.0.0.1", port });
 * connection.request("/", {}, (response, error) => {
 *   console.log(error ?? response!.text()); // hello
 *   base.loopBreak();
 * });
 * await base.run();
 * ```
 */
export class HttpClientConnection implements Disposable {
  /** The loop it lives on. */
  readonly base: EventBase;
  /** Where it connects to. */
  readonly target: StreamTarget;
  /** Called when the connection to the server was lost or given up, whether a request was under way or not (evhttp_connection_set_closecb). */
  onClose: (() => void) | null = null;
  /** @internal Called when there is nothing left to do. */
  whenIdle: (() => void) | null = null;

  readonly #settings: ClientSettings;
  readonly #authority: string;
  readonly #queue: HttpClientRequest[] = [];
  readonly #dialer: Dialer;
  #stream: ClientStream | null = null;
  #isClosed = false;
  #closesWhenDone = false;
  readonly #switched = new Set<HttpClientResponse>();
  // Whoever waits for a response would wait for ever once the base is closed.
  readonly #dependent: { close(): void } = { close: () => this.close() };

  /**
   * Makes one that is not connected yet.
   *
   * @throws {TypeError} or {RangeError} for a target or an option that is none.
   */
  constructor(base: EventBase, target: StreamTarget, options: HttpClientConnectionOptions = {}) {
    this.base = base;
    this.target = target;
    this.#settings = clientSettings(options);
    this.#authority = hostField(target, options.tls !== undefined);
    this.#dialer = new Dialer(base, target, options, this.#settings, {
      connected: (stream) => {
        this.#connected(stream);
        this.#next();
      },
      gaveUp: (error) =>
        this.#failAll((request) => new HttpClientError("HTTP_CONNECT_FAILED", `send ${request.describe()}`, error)),
    });
  }

  /**
   * Goes on with a stream that is connected already (evhttp_connection_base_bufferevent_reuse_new), which is the connection's to close
   * from then on. When it has ended, another one is made to `target`.
   */
  static over(
    stream: BufferEvent,
    target: StreamTarget,
    options: HttpClientConnectionOptions = {},
  ): HttpClientConnection {
    const connection = new HttpClientConnection(stream.base, target, options);
    connection.#connected(stream);
    return connection;
  }

  /** Whether there is a connection to the server, kept or in use. */
  get isConnected(): boolean {
    return this.#stream !== null;
  }

  /** Requests that are not over, the one under way included. */
  get pendingCount(): number {
    return this.#queue.length;
  }

  /** Whether {@linkcode HttpClientConnection.close} was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** The stream to the server, while there is one (evhttp_connection_get_bufferevent). Look at it, but leave its callbacks alone. */
  get stream(): BufferEvent | null {
    return this.#stream === null ? null : this.#stream.stream;
  }

  /** The server's address, while connected (evhttp_connection_get_addr). */
  get remoteAddress(): SocketAddress | undefined {
    return (this.stream as { readonly remoteAddress?: SocketAddress } | null)?.remoteAddress;
  }

  /**
   * Makes a request (evhttp_make_request). The callback is called once, from the loop or from inside whatever ends the request, with the
   * complete response or with the reason why there is none.
   *
   * @param path the request target: a path with its query, "*" for OPTIONS, host and port for CONNECT.
   * @throws {TypeError} for a method, target, field or body that is none; {RangeError} for an address that is none.
   */
  request(path: string, options: HttpRequestOptions, callback: HttpRequestCallback): HttpClientRequest {
    const request = new HttpClientRequest(path, options, callback);
    this.add(request);
    return request;
  }

  /**
   * As {@linkcode HttpClientConnection.request}, as a promise. It is rejected with an {@linkcode HttpClientError}, or with the reason of an
   * aborted signal.
   */
  send(path: string, options: HttpRequestOptions = {}): Promise<HttpClientResponse> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      this.request(path, options, (response, error) => {
        if (response !== null) resolve(response);
        else reject(options.signal?.aborted === true ? options.signal.reason : error);
      });
    });
  }

  /** @internal `asked`: inside a call of the user's, who is told of mistakes at once; else the request is. */
  add(request: HttpClientRequest, asked: boolean = true): void {
    const { signal } = request.options;
    request.ownedBy(this.#requestOwner);
    const refusal = this.#isClosed || this.#closesWhenDone
      ? new HttpClientError("HTTP_CLOSED", `send ${request.describe()}: the connection was closed on this side`)
      : this.#queue.length >= this.#settings.maxQueued
      ? new HttpClientError("HTTP_QUEUE_FULL", `send ${request.describe()}: ${this.#queue.length} requests are waiting`)
      : signal?.aborted === true
      ? new HttpClientError("HTTP_CANCELLED", `send ${request.describe()}: it was cancelled`, signal.reason)
      : null;
    if (refusal !== null) return this.#refuse(request, refusal);
    this.#queue.push(request);
    if (this.#queue.length > 1) return;
    reactorOf(this.base).dependents.add(this.#dependent);
    this.#next(asked);
  }

  /** Tells from the loop, or when the base is closed. */
  #refuse(request: HttpClientRequest, error: HttpClientError): void {
    tellSoon(this.base, () => request.settle(null, error));
  }

  /** Closes once all requests made so far are over (evhttp_connection_free_on_completion). */
  closeWhenDone(): void {
    this.#closesWhenDone = true;
    if (this.#queue.length === 0) this.close();
  }

  /** Closes at once; requests that are not over end with `HTTP_CLOSED`. Closing twice is harmless. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    reactorOf(this.base).dependents.delete(this.#dependent);
    this.#dialer.close();
    const stream = this.#stream;
    this.#stream = null;
    stream?.close();
    for (const response of this.#switched) response.closeUntaken();
    this.#switched.clear();
    this.#failAll((request) =>
      new HttpClientError("HTTP_CLOSED", `finish ${request.describe()}: the connection was closed on this side`)
    );
  }

  /** @internal Closes, but for streams that speak another protocol now: somebody else looks after those. */
  retire(): void {
    this.#switched.clear();
    this.close();
  }

  /** Same as {@linkcode HttpClientConnection.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  // Requests

  readonly #requestOwner: RequestOwner = {
    cancelRequest: (request, error) => {
      const at = this.#queue.indexOf(request);
      if (at < 0) return;
      this.#queue.splice(at, 1);
      try {
        if (this.#stream?.request === request) this.#drop();
        else if (this.#queue.length === 0) this.#dialer.cancel();
      } finally {
        this.#settle(request, null, error);
      }
    },
    pauseResponse: (request) => {
      if (this.#stream?.request === request) this.#stream.pause();
    },
    resumeResponse: (request) => {
      if (this.#stream?.request === request) this.#stream.resume();
    },
  };

  /** Ends a request, then goes on with the next, whatever its callback does. */
  #settle(request: HttpClientRequest, response: HttpClientResponse | null, error: HttpClientError | null): void {
    try {
      // Before the callback, which may want to use this connection for its next request.
      if (this.#queue.length === 0 && !this.#isClosed) this.whenIdle?.();
    } finally {
      try {
        request.settle(response, error);
      } finally {
        this.#next();
      }
    }
  }

  /** Ends all requests. Every callback is called, whatever others throw. */
  #failAll(errorOf: (request: HttpClientRequest) => HttpClientError): void {
    const requests = this.#queue.splice(0);
    try {
      runAll(requests.map((request) => () => request.settle(null, errorOf(request))));
    } finally {
      this.#next();
    }
  }

  /** Begins the next request, if there is one and nothing is under way. `asked`: inside a call of the user's. */
  #next(asked: boolean = false): void {
    if (this.#isClosed) return;
    const request = this.#queue[0];
    if (request === undefined) {
      reactorOf(this.base).dependents.delete(this.#dependent);
      if (this.#closesWhenDone) this.close();
      else this.whenIdle?.();
      return;
    }
    const stream = this.#stream;
    if (stream === null) return this.#dial(asked);
    if (stream.request !== null) return;
    let isUsable = false;
    try {
      isUsable = stream.checkUsable();
    } finally {
      if (!isUsable) this.#leave(asked);
    }
    // What is read meanwhile may call somebody who cancels the request, or makes others.
    if (isUsable && stream.request === null && this.#queue[0] === request) stream.begin(request, this.#authority);
  }

  /** Goes on with another stream. */
  #leave(asked: boolean): void {
    try {
      // It may have ended while it was looked at, which was told then.
      if (this.#stream !== null) this.#drop();
    } finally {
      this.#next(asked);
    }
  }

  // The stream

  #dial(asked: boolean): void {
    try {
      this.#dialer.dial();
    } catch (error) {
      // Whoever has asked is told of a mistake at once; whoever waits in the queue by callback.
      const request = this.#queue.shift()!;
      if (asked) {
        request.abandon();
        throw error;
      }
      this.#settle(request, null, new HttpClientError("HTTP_CONNECT_FAILED", `send ${request.describe()}`, error));
    }
  }

  #connected(stream: BufferEvent): void {
    // What is sent in pieces must not wait for the acknowledgement of the piece before. Unix sockets know nothing of that.
    if (stream.fd >= 0 && !("unixPath" in this.target)) setNoDelay(stream.fd, true);
    this.#stream = new ClientStream(stream, this.#settings, this.#streamOwner);
  }

  /** Closes the stream. */
  #drop(): void {
    const stream = this.#stream;
    this.#stream = null;
    stream?.close();
    this.onClose?.();
  }

  readonly #streamOwner: ClientStreamOwner = {
    responded: (request, response, reusable) => {
      this.#queue.shift();
      if (response.isSwitched) this.#keepSwitched(response);
      try {
        if (!reusable) this.#drop();
      } finally {
        this.#settle(request, response, null);
      }
    },
    failed: (request, error, stale) => {
      try {
        this.#drop();
      } finally {
        if (stale && request.isRepeatable && request.attempts < 2) {
          this.#next();
        } else {
          if (this.#queue[0] === request) this.#queue.shift();
          this.#settle(request, null, error);
        }
      }
    },
    idleEnded: () => this.#drop(),
  };

  /** Streams that nobody takes are closed with the connection. */
  #keepSwitched(response: HttpClientResponse): void {
    for (const other of this.#switched) {
      if (!other.isSwitched) this.#switched.delete(other);
    }
    this.#switched.add(response);
  }
}
