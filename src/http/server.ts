import { type BufferEvent, type EventBase, Listener, SystemError } from "../core/mod.ts";
import { HttpHost, type RouteOptions } from "./http_host.ts";
import { httpLimits } from "./limits.ts";
import { METHOD_NAMES } from "./methods.ts";
import { ReplyHead } from "./reply_head.ts";
import type { HttpRequest } from "./request.ts";
import { ParserPool } from "./parser_pool.ts";
import { PhaseLists } from "./phase_lists.ts";
import { ServerConnection } from "./server_connection.ts";
import type { ServerCore } from "./server_core.ts";
import {
  checkTransport,
  type HttpListenOptions,
  type HttpTransport,
  openTransport,
  type StreamMaker,
} from "./server_listening.ts";
import {
  ALLOWED_METHODS,
  CONNECTIONS_MAX,
  type HttpHandler,
  type HttpServerOptions,
  type HttpTimeouts,
  OUTPUT_BYTES_MAX,
  positive,
  timeout,
} from "./server_options.ts";
import type { ServerStream } from "./server_stream.ts";
import { TakenOver } from "./taken_over.ts";

/** Connections over the limit that are told so at once; each takes a descriptor for up to some seconds. */
const REFUSALS_MAX = 128;

/** What a peer, or the way to it, can do to a connection. */
const PEER_ERRORS: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  // The end of a connection that was not announced, as many clients leave.
  "TLS_TRUNCATED",
]);

/**
 * An HTTP/1.1 server (libevent's evhttp) on an event base: strict parsing, keep-alive, pipelined requests answered in
 * order with one system call per batch, limits and timeouts on everything a client controls.
 *
 * A request goes to the handler of its exact path, if {@linkcode HttpServer.route} gave it one, else to the general one,
 * else it gets 404.
 */
export class HttpServer extends HttpHost implements Disposable {
  /** The base it lives on. */
  readonly base: EventBase;
  readonly #core: ServerCore;
  readonly #listeners: Listener[] = [];
  // Those that are served, which `lists` of the core holds.
  #connectionCount = 0;
  // Those over the limit, which are only told so.
  readonly #refused = new Set<ServerStream>();
  // Streams that handlers have taken over.
  readonly #taken = new TakenOver();
  readonly #maxConnections: number;
  readonly #onError: (error: unknown, request: HttpRequest) => void;
  readonly #makeStream: StreamMaker | undefined;
  #closing = false;

  /**
   * Makes a server that listens nowhere yet.
   *
   * @param handler answers what no route does (evhttp_set_gencb).
   * @param handling how it is called.
   * @throws {RangeError} for limits and times that are no numbers above zero.
   * @throws {TypeError} for a server name or content type that no header field can have.
   */
  constructor(base: EventBase, options: HttpServerOptions = {}, handler?: HttpHandler, handling?: RouteOptions) {
    super(handler, handling);
    this.base = base;
    this.#makeStream = options.makeStream;
    this.#maxConnections = positive("maxConnections", options.maxConnections ?? CONNECTIONS_MAX);
    this.#onError = options.onError ?? reportError;
    this.#core = this.#makeCore(options);
  }

  #makeCore(options: HttpServerOptions): ServerCore {
    const isClosing = (): boolean => this.#closing;
    const allowed = options.allowedMethods ?? ALLOWED_METHODS;
    const type = options.defaultContentType;
    const timeouts: HttpTimeouts = {
      keepAliveTimeoutMs: timeout("keepAliveTimeoutMs", options),
      headerTimeoutMs: timeout("headerTimeoutMs", options),
      bodyTimeoutMs: timeout("bodyTimeoutMs", options),
      writeTimeoutMs: timeout("writeTimeoutMs", options),
    };
    return {
      heads: new ReplyHead(this.base, type === undefined ? "text/plain;charset=utf-8" : type, options.serverName ?? ""),
      parsers: new ParserPool(httpLimits(options.limits), options.leniency ?? {}),
      timeouts,
      lists: new PhaseLists(this.base, timeouts),
      maxOutputBytes: positive("maxOutputBytes", options.maxOutputBytes ?? OUTPUT_BYTES_MAX),
      get closing() {
        return isClosing();
      },
      allowField: METHOD_NAMES.filter((_name, index) => (allowed & 1 << index) !== 0).join(", "),
      isAllowed: (head) => (head.methodId & allowed) !== 0,
      handle: (request) => this.#handle(request),
      failed: (error, request) => this.#handlerFailed(error, request),
      report: (error, request) => this.#onError(error, request),
      connectionFailed: (error) => {
        if (PEER_ERRORS.has(error.code)) return;
        // Whoever scans ports makes errors of TLS by the hundred: they are for those who ask.
        if (options.onConnectionError !== undefined) options.onConnectionError(error);
        else if (error instanceof SystemError) console.error(error);
      },
      connectionTaken: (stream) => {
        this.#connectionCount--;
        this.#taken.add(stream);
      },
      connectionClosed: (connection) => {
        if (!this.#refused.delete(connection)) this.#connectionCount--;
      },
    };
  }

  /**
   * How many connections are served (evhttp_get_connection_count), those that handlers have taken over included until they are closed;
   * those that were refused do not count.
   */
  get connectionCount(): number {
    return this.#connectionCount + this.#taken.count;
  }

  /** A server has its place: its sockets lead to it. */
  protected override get isTaken(): boolean {
    return true;
  }

  /** What it listens on (evhttp_foreach_bound_socket). */
  get listeners(): readonly Listener[] {
    return [...this.#listeners];
  }

  /**
   * Listens on an address or Unix path, or adopts a listening descriptor; may be called several times
   * (evhttp_bind_socket, evhttp_accept_socket).
   *
   * @throws {SystemError} when the address cannot be had.
   * @throws {TypeError} for a secure layer that is a client's.
   * @throws {Error} when the server was closed.
   */
  listen(options: HttpListenOptions): Listener {
    checkTransport(options);
    this.#assertOpen("listen");
    const listener = new Listener(this.base, options, this.#acceptor(options));
    this.#listeners.push(listener);
    return listener;
  }

  /**
   * Serves the connections of a listener that exists already, which is the server's to close from now on (evhttp_bind_listener).
   *
   * @throws {TypeError} for a listener of another base, or a secure layer that is a client's.
   * @throws {Error} when the server was closed.
   */
  adoptListener(listener: Listener, options: HttpTransport & Pick<HttpListenOptions, "onError"> = {}): void {
    checkTransport(options);
    this.#assertOpen("listen");
    if (listener.base !== this.base) throw new TypeError("Cannot listen: the listener lives on another base");
    listener.setCallback(this.#acceptor(options));
    if (!this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  /**
   * Stops listening there and closes the listener; connections that came by it stay (evhttp_del_accept_socket).
   *
   * @returns whether it was one of ours.
   */
  unlisten(listener: Listener): boolean {
    const at = this.#listeners.indexOf(listener);
    if (at < 0) return false;
    this.#listeners.splice(at, 1);
    listener.close();
    return true;
  }

  #acceptor(options: HttpTransport & Pick<HttpListenOptions, "onError">): (fd: number, listener: Listener) => void {
    return (fd, listener) => {
      try {
        this.accept(fd, options);
      } catch (error) {
        // One connection that cannot be watched (select is full, say) is no reason to stop serving the others.
        if (!(error instanceof SystemError)) throw error;
        options.onError?.(error, listener);
      }
    };
  }

  /**
   * Serves a connected socket, which becomes the server's to close, also when this throws.
   *
   * @throws {SystemError} when the socket cannot be watched.
   * @throws {Error} when the server was closed; and what `makeStream` throws.
   */
  accept(fd: number, transport: HttpTransport = {}): void {
    this.serveStream(openTransport(this.base, fd, transport, this.#makeStream));
  }

  /**
   * Serves a stream of any kind, which becomes the server's to close, also when this throws.
   *
   * @throws {SystemError} when it cannot be watched.
   * @throws {TypeError} for one that lives on another base.
   * @throws {Error} when the server was closed.
   */
  serveStream(stream: BufferEvent): void {
    try {
      if (stream.base !== this.base) throw new TypeError("Cannot serve a stream that lives on another base");
      this.#assertOpen("accept a connection");
      this.#adopt(stream);
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  #assertOpen(action: string): void {
    if (this.#closing) throw new Error(`Cannot ${action}: the server is closed`);
  }

  #adopt(stream: BufferEvent): void {
    if (this.#hasRoom()) {
      new ServerConnection(this.#core, stream);
      this.#connectionCount++;
    } else if (this.#refused.size < REFUSALS_MAX) {
      const connection = new ServerConnection(this.#core, stream);
      this.#refused.add(connection);
      connection.refuse();
    } else {
      stream.close();
    }
  }

  #hasRoom(): boolean {
    const served = this.#connectionCount;
    // Who is closed among those that were taken over is looked for only when that decides it.
    return served + this.#taken.countMax < this.#maxConnections || served + this.#taken.count < this.#maxConnections;
  }

  /** Stops listening and closes every connection at once (evhttp_free). Closing twice is harmless. */
  close(): void {
    this.#closing = true;
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#core.lists.close();
    this.#taken.close();
  }

  /** Same as {@linkcode HttpServer.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #handle(request: HttpRequest): void {
    const handler = this.routeOf(request)?.handler;
    if (handler === undefined) {
      request.replyError(404, `There is nothing at ${request.target}`);
      return;
    }
    try {
      const pending: unknown = handler(request);
      // A handler may return anything where nothing is asked for, such as the result of its last call.
      if (!isThenable(pending)) return;
      pending.then(undefined, (error: unknown) => this.#handlerFailed(error, request));
    } catch (error) {
      this.#handlerFailed(error, request);
    }
  }

  #handlerFailed(error: unknown, request: HttpRequest): void {
    try {
      if (request.finished) return;
      if (request.replyStarted) {
        request.abort();
        return;
      }
      // Fields of the reply that was meant, such as Content-Encoding, would be wrong for this one.
      request.replyHeaders.clear();
      request.replyError(500);
    } finally {
      this.#onError(error, request);
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === "object" && typeof (value as { then?: unknown }).then === "function";
}

function reportError(error: unknown, request: HttpRequest): void {
  console.error(`Error while serving ${request.method} ${request.target}:`, error);
}
