import { EvBuffer, type SocketAddress } from "../core/mod.ts";
import type { HttpHeaders } from "./headers.ts";
import { hostnameOf } from "./host_name.ts";
import { HttpReply } from "./reply.ts";
import { FINISHED } from "./reply_state.ts";
import { RequestBody } from "./request_body.ts";

const decoder = new TextDecoder();

/**
 * One request and its reply (libevent's evhttp_request on the server side). A handler gets it when the request has
 * arrived completely, or with `streamBody` when its head has, and
 * answers by one of the `reply` methods, at once or later. Requests of one connection are served one after the other, in the
 * order in which they came.
 *
 * @example
 * ```ts
 * import { EventBase, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => {
 *   if (request.path === "/") request.reply(200, "Hello, World!");
 *   else request.replyError(404);
 * });
 * console.log(`http://127.0.0.1:${server.listen({ port: 0 }).port}/`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class HttpRequest extends HttpReply {
  // Declared only: most requests have no body, and need no place for one (see ReplyState).
  /** Trailer fields of a chunked body, if there were any. */
  declare trailers: HttpHeaders | undefined;
  declare private buffer: EvBuffer | undefined;
  // Made for handlers that take the body piece by piece.
  declare private taker: RequestBody | undefined;
  // Whether something of the body was left when the reply was complete, and nobody had asked to take it piece by piece.
  declare private wasUnread: boolean | undefined;

  /** The method, such as `GET`. */
  get method(): string {
    return this.head.method;
  }

  /** The method's bit: `EVHTTP_REQ_GET` and so on, or that of one of the server's `customMethods` (evhttp_request_get_command). */
  get methodId(): number {
    const { methodId } = this.head;
    return methodId !== 0 ? methodId : this.link.customMethod(this.head.method);
  }

  /** The request target as it came. */
  get target(): string {
    return this.head.target;
  }

  /** The target's path as it came: percent-encoded, without the query. */
  get path(): string {
    return this.head.path;
  }

  /** What follows the first `?` of the target; undefined without one. */
  get query(): string | undefined {
    return this.head.query;
  }

  /**
   * The host that the request is for, without the port (evhttp_request_get_host): that of the target of CONNECT, or of one that is a
   * whole URI, else of the Host field; "" when there is neither.
   */
  get hostname(): string {
    return hostnameOf(this.head.host ?? "");
  }

  /** The header fields as they came. */
  get headers(): HttpHeaders {
    return this.head.headers;
  }

  /** The client's address; undefined once the connection is closed. */
  get remoteAddress(): SocketAddress | undefined {
    return this.link.remoteAddress;
  }

  /** The body: all of it, or for a handler with `streamBody` what has come and was not taken; empty when there was none. */
  get body(): EvBuffer {
    return this.buffer ??= new EvBuffer();
  }

  /** Whether all of the body has come. */
  get bodyComplete(): boolean {
    // After the reply the connection has other requests; of one without a taker all had come.
    return this.taker === undefined ? this.state === FINISHED || this.link.isBodyComplete : this.taker.isComplete;
  }

  /**
   * Gets each piece of the body as it comes, instead of {@linkcode HttpRequest.body} (evhttp_request_set_chunked_cb); for handlers with
   * `streamBody`, and to be set before they return, or in `onNewRequest`. The piece lies where it was received and is never overwritten;
   * whoever keeps it keeps up to 64 KiB with it.
   */
  get onBody(): ((piece: Uint8Array) => void) | undefined {
    return this.taker?.onPiece;
  }

  /** Sets it. */
  set onBody(callback: ((piece: Uint8Array) => void) | undefined) {
    this.take().onPiece = callback;
  }

  /**
   * Called when the body is complete, after the last piece, and also when there is none; only for handlers with `streamBody`, and to be set
   * before they return, or in `onNewRequest`.
   */
  get onBodyEnd(): (() => void) | undefined {
    return this.taker?.onEnd;
  }

  /** Sets it. */
  set onBodyEnd(callback: (() => void) | undefined) {
    this.take().onEnd = callback;
  }

  /**
   * Has the client wait with the rest of the body; nothing but {@linkcode HttpRequest.resumeBody} or the reply ends that. A client that
   * resets the connection meanwhile is noticed, one that ends its side is when the rest is read: it may have sent all of the body before.
   * With `allowHalfClose: false` it counts as gone at once.
   */
  pauseBody(): void {
    this.take().pause(true);
  }

  /** Goes on with the body. */
  resumeBody(): void {
    this.take().pause(false);
  }

  /**
   * Waits for the next piece of the body; null at its end. While nobody asks, the client has to wait after some 64 KiB.
   *
   * @throws {ConnectionError} by rejection, `CLOSED`, when the rest will not come: the client has gone, has broken the rules or a limit, or
   * the reply was complete before.
   * @throws {BaseClosedError} by rejection, when the base is closed meanwhile.
   * @throws {TypeError} by rejection, when somebody waits already, or a callback gets the body.
   */
  readBody(): Promise<Uint8Array | null> {
    return this.take().read();
  }

  /** What is still to be read of the body, all of it; not more than the server's `maxBodyBytes`. */
  bytes(): Promise<Uint8Array> {
    return this.take().readAll();
  }

  /** As {@linkcode HttpRequest.bytes}, as text in UTF-8. */
  async text(): Promise<string> {
    return decoder.decode(await this.bytes());
  }

  /** The body as a stream that pulls; always the same one. Cancelling it lets the rest go by. */
  get bodyStream(): ReadableStream<Uint8Array> {
    return this.take().stream;
  }

  /** The body piece by piece: `for await (const piece of request)`. Leaving the loop early lets the rest go by. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const reading = this.take();
    try {
      for (let piece = await reading.read(); piece !== null; piece = await reading.read()) yield piece;
    } finally {
      if (!reading.isComplete) reading.discard();
    }
  }

  /** @internal What takes the body piece by piece. */
  private take(): RequestBody {
    return this.taker ??= this.makeTaker();
  }

  /** @internal */
  private makeTaker(): RequestBody {
    const reading = new RequestBody(this.link, this.body, this.bodyComplete);
    if (this.wasUnread === true) reading.lost(true);
    return reading;
  }

  /** @internal The body is to come while the handler is at work already. */
  streamBody(): void {
    this.take().isStreamed = true;
  }

  /** @internal What reads the body while it comes, or null. */
  get reading(): RequestBody | null {
    return this.taker ?? null;
  }

  /** @internal */
  override connectionLost(): void {
    try {
      super.connectionLost();
    } finally {
      this.bodyLost();
    }
  }

  /** @internal What is still to come of the body, if anything, is nobody's any more. */
  bodyLost(): void {
    if (!this.link.isBodyComplete) this.taker ??= new RequestBody(this.link, this.body, false);
    this.taker?.lost();
  }

  /** @internal Frees the body. */
  release(): void {
    this.taker?.lost();
    const { buffer } = this;
    if (buffer === undefined) return;
    if (buffer.length > 0) this.wasUnread = true;
    buffer.close();
  }
}
