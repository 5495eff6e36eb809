import { BaseClosedError, type BufferEvent, type EventBase, Listener, SystemError } from "../core/mod.ts";
import { BaseEnd } from "./base_end.ts";
import { HttpHost, type RouteOptions } from "./http_host.ts";
import { Compression } from "./compression.ts";
import { ErrorPages } from "./error_page.ts";
import { httpLimits } from "./limits.ts";
import { ReplyHead } from "./reply_head.ts";
import type { HttpRequest } from "./request.ts";
import { ParserPool } from "./parser_pool.ts";
import { PEER_ERRORS } from "./peer_errors.ts";
import { PhaseLists } from "./phase_lists.ts";
import { ServerConnection } from "./server_connection.ts";
import type { ServerCore } from "./server_core.ts";
import { type DrainOptions, untilDrained } from "./server_drain.ts";
import { ServerMethods } from "./server_methods.ts";
import {
  checkTransport,
  type HttpListenOptions,
  type HttpTransport,
  openTransport,
  type StreamMaker,
} from "./server_listening.ts";
import {
  ALLOWED_METHODS,
  allTimeouts,
  CONNECTIONS_MAX,
  type HttpHandler,
  type HttpServerOptions,
  type HttpTimeouts,
  OUTPUT_BYTES_MAX,
  positive,
} from "./server_options.ts";
import type { ServerStream } from "./server_stream.ts";
import { TakenOver } from "./taken_over.ts";

/** Connections over the limit that are told so at once; each takes a descriptor for up to some seconds. */
const REFUSALS_MAX = 128;

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
  #maxConnections: number;
  readonly #onError: (error: unknown, request: HttpRequest | undefined) => void;
  readonly #makeStream: StreamMaker | undefined;
  // Nobody else would tell those whose requests wait for their handlers.
  readonly #baseEnd: BaseEnd;
  #closed = false;

  /**
   * Makes a server that listens nowhere yet.
   *
   * @param handler answers what no route does (evhttp_set_gencb).
   * @param handling how it is called.
   * @throws {RangeError} for limits and times that are no numbers above zero, and methods that are no bits.
   * @throws {TypeError} for a server name or content type that no header field can have.
   */
  constructor(base: EventBase, options: HttpServerOptions = {}, handler?: HttpHandler, handling?: RouteOptions) {
    super(handler, handling);
    this.base = base;
    this.#makeStream = options.makeStream;
    this.#maxConnections = positive("maxConnections", options.maxConnections ?? CONNECTIONS_MAX);
    this.#onError = options.onError ?? reportError;
    this.#core = this.#makeCore(options);
    this.#baseEnd = new BaseEnd(base, () => this.#closeOwn());
  }

  #makeCore(options: HttpServerOptions): ServerCore {
    const type = options.defaultContentType === undefined ? "text/plain;charset=utf-8" : options.defaultContentType;
    const { compression = false, onNewRequest, onContinue } = options;
    const timeouts = allTimeouts(options);
    const report = (error: unknown, request: HttpRequest | undefined): void => this.#onError(error, request);
    return {
      server: this,
      heads: new ReplyHead(this.base, type, options.serverName ?? ""),
      pages: new ErrorPages(options.onErrorPage, report),
      compression: compression === false ? null : new Compression(
        compression === true ? {} : compression,
        type,
        (error, reply) => report(error, reply as HttpRequest),
      ),
      parsers: new ParserPool(httpLimits(options.limits), options.leniency ?? {}),
      timeouts,
      lists: new PhaseLists(this.base, timeouts),
      methods: new ServerMethods(options.allowedMethods ?? ALLOWED_METHODS, options.customMethods),
      maxOutputBytes: positive("maxOutputBytes", options.maxOutputBytes ?? OUTPUT_BYTES_MAX),
      allowHalfClose: options.allowHalfClose !== false,
      closing: false,
      asksAboutRequests: onNewRequest !== undefined,
      isWelcome: (request) => this.#asks(onNewRequest, request),
      mayContinue: (request) => this.#asks(onContinue, request),
      routeOf: (request) => this.routeOf(request),
      handle: (request) => this.#handle(request),
      failed: (error, request) => this.#handlerFailed(error, request),
      report,
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

  /** Most connections served at once (evhttp_set_max_connections); those that are there stay. */
  get maxConnections(): number {
    return this.#maxConnections;
  }

  /** @throws {RangeError} when it is no number above zero. */
  set maxConnections(count: number) {
    this.#maxConnections = positive("maxConnections", count);
  }

  /** How long is waited for what (evhttp_set_timeout_tv, evhttp_set_read_timeout_tv, evhttp_set_write_timeout_tv). */
  get timeouts(): HttpTimeouts {
    return { ...this.#core.timeouts };
  }

  /**
   * Sets times, also for the connections that there are, for which they begin now; those left out stay as they are.
   *
   * @throws {RangeError} when one is no number above zero.
   */
  setTimeouts(times: Partial<HttpTimeouts>): void {
    const core = this.#core;
    core.timeouts = allTimeouts(times, core.timeouts);
    core.lists.setTimeouts(this.base, core.timeouts);
    if (times.writeTimeoutMs === undefined) return;
    core.lists.forEach((connection) => connection.setWriteTimeout(core.timeouts.writeTimeoutMs));
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

  #acceptor(options: HttpTransport): (fd: number, listener: Listener) => void {
    return (fd, listener) => {
      try {
        this.#serve(
          openTransport(this.base, fd, options, this.#makeStream, listener.handsOutPrepared),
          options.tls !== undefined,
        );
      } catch (error) {
        // One connection that cannot be watched (select is full, say) is no reason to stop serving the others.
        if (!(error instanceof SystemError)) throw error;
        listener.reportError(error);
      }
    };
  }

  /**
   * Serves a connected socket, which becomes the server's to close, also when this throws.
   *
   * @throws {SystemError} when the socket cannot be watched.
   * @throws {RangeError} for what is no descriptor.
   * @throws {Error} when the server was closed; and what `makeStream` throws.
   */
  accept(fd: number, transport: HttpTransport = {}): void {
    // A stream without a socket, which is one to be connected, would count as a client that never goes.
    if (!Number.isSafeInteger(fd) || fd < 0) throw new RangeError(`Cannot accept a connection: ${fd} is no descriptor`);
    this.#serve(openTransport(this.base, fd, transport, this.#makeStream, false), transport.tls !== undefined);
  }

  /**
   * Serves a stream of any kind, which becomes the server's to close, also when this throws. What is in its input already counts as
   * received, such as what came behind a line of the PROXY protocol.
   *
   * @throws {SystemError} when it cannot be watched.
   * @throws {TypeError} for one that lives on another base.
   * @throws {Error} when the server was closed.
   */
  serveStream(stream: BufferEvent): void {
    this.#serve(stream, false)?.takeEarly();
  }

  /** Undefined: the connection is one too many, or was closed already. */
  #serve(stream: BufferEvent, isSecure: boolean): ServerConnection | undefined {
    try {
      if (stream.base !== this.base) throw new TypeError("Cannot serve a stream that lives on another base");
      this.#assertOpen("accept a connection");
      // Of one that was closed nobody would hear any more: it would count until it has been idle for long enough.
      return stream.closed ? undefined : this.#adopt(stream, isSecure);
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  #assertOpen(action: string): void {
    if (this.#core.closing) throw new Error(`Cannot ${action}: the server is closed`);
  }

  #adopt(stream: BufferEvent, isSecure: boolean): ServerConnection | undefined {
    if (this.#hasRoom()) {
      this.#connectionCount++;
      return new ServerConnection(this.#core, stream, isSecure);
    }
    if (this.#refused.size < REFUSALS_MAX) {
      const connection = new ServerConnection(this.#core, stream, isSecure);
      this.#refused.add(connection);
      connection.refuse();
    } else {
      stream.close();
    }
    return undefined;
  }

  #hasRoom(): boolean {
    const served = this.#connectionCount;
    // Who is closed among those that were taken over is looked for only when that decides it.
    return served + this.#taken.countMax < this.#maxConnections || served + this.#taken.count < this.#maxConnections;
  }

  /**
   * Ends gracefully: stops listening and closes idle connections at once; what has begun is answered, with `Connection: close`, and what
   * was taken over is waited for, whose owners should end it, and so are clients that have their last reply and do not close, for a second
   * without anything from them: to cut them could cost them that reply. What is left when the time is up is cut, and the server is closed then.
   * Nothing of this happens while the loop does not run; closing the base ends it at once.
   *
   * @returns whether everything has ended by itself.
   * @throws {RangeError} when the time is none.
   */
  async drain(options: DrainOptions = {}): Promise<boolean> {
    const isDrained = (): boolean => this.#closed || (this.connectionCount === 0 && this.#refused.size === 0);
    const waiting = untilDrained(this.base, isDrained, options);
    this.#core.closing = true;
    this.#stopListening();
    this.#core.lists.forEach((connection) => connection.closeIfIdle());
    try {
      return await waiting;
    } finally {
      this.close();
    }
  }

  #stopListening(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  /**
   * Stops listening and closes every connection at once (evhttp_free). Closing twice is harmless. When the base is closed, that happens by
   * itself, but for what was taken over, whose owners are told.
   */
  close(): void {
    this.#core.closing = this.#closed = true;
    this.#baseEnd.close();
    this.#closeOwn();
    this.#taken.close();
  }

  #closeOwn(): void {
    this.#stopListening();
    this.#core.lists.close();
  }

  /** Same as {@linkcode HttpServer.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Asks about a request whose head has come; what the callback throws is answered for. */
  #asks(callback: ((request: HttpRequest) => boolean | void) | undefined, request: HttpRequest): boolean {
    try {
      return callback?.(request) !== false;
    } catch (error) {
      this.#handlerFailed(error, request);
      return true;
    }
  }

  #handle(request: HttpRequest): void {
    const handler = this.routeOf(request)?.handler;
    if (handler === undefined) {
      // Who was asked about it may have begun to answer, and goes on with that.
      if (!request.replyStarted) request.replyError(404, `There is nothing at ${request.target}`);
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
    } catch (failure) {
      // Nobody can be answered any more then, and it may be what has made the handler fail.
      if (!(failure instanceof BaseClosedError)) throw failure;
    } finally {
      this.#onError(error, request);
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === "object" && typeof (value as { then?: unknown }).then === "function";
}

function reportError(error: unknown, request: HttpRequest | undefined): void {
  console.error(
    `Error while serving ${request === undefined ? "a client" : `${request.method} ${request.target}`}:`,
    error,
  );
}
