import { EvBuffer, type SocketAddress } from "../core/mod.ts";
import type { RequestHead } from "./head.ts";
import { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
import { EVHTTP_REQ_HEAD } from "./methods.ts";
import { CHUNKED, type ConnectionField, type ReplyHead, UNSTATED } from "./reply_head.ts";
import { isBodyless, reasonPhrase } from "./status.ts";

/** What a body can be given as. Text is sent as UTF-8; a buffer is emptied. */
export type ReplyBody = string | Uint8Array | EvBuffer;

/** A part of an open file to send, see {@linkcode HttpRequest.replyFile}. */
export interface FileBody {
  /** The descriptor; it must stay open until the reply has been sent. */
  readonly fd: number;
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
  /** Close the descriptor afterwards. */
  readonly closeOnFree?: boolean | undefined;
}

/** What a request needs of the connection it came by. @internal */
export interface RequestConnection {
  readonly output: EvBuffer;
  readonly heads: ReplyHead;
  readonly remoteAddress: SocketAddress | undefined;
  /** Whether the connection may live on after this reply. */
  readonly mayKeepAlive: boolean;
  /** A reply has begun or grown: whatever is queued may be sent. */
  replyGrew(): void;
  /** The reply is complete; the next request may be served. */
  replyEnded(request: HttpRequest, keepAlive: boolean): void;
  /** The reply cannot be completed: the client must see that, by the end of the connection. */
  abort(): void;
}

const OPEN = 0, STREAMING = 1, FINISHED = 2;
const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

/**
 * One request and its reply (libevent's evhttp_request on the server side). A handler gets it when the request has
 * arrived completely, and answers by one of the `reply` methods, at once or later. Requests of one connection are served
 * one after the other, in the order in which they came.
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
export class HttpRequest {
  /** Request line and header fields as they came. */
  readonly head: RequestHead;
  /** Trailer fields of a chunked body, if there were any. */
  trailers: HttpHeaders | undefined = undefined;
  /**
   * Called once when the connection ends before the reply was complete; nothing can be sent any more then. A client that
   * merely ends its side of the connection may still want its reply, and does not count.
   */
  onClose: (() => void) | undefined = undefined;

  /** Called whenever everything sent by {@linkcode HttpRequest.replyChunk} so far has left for the client. */
  onDrain: (() => void) | undefined = undefined;

  readonly #connection: RequestConnection;
  #body: EvBuffer | null = null;
  #replyHeaders: HttpHeaders | null = null;
  #state = OPEN;
  #chunked = false;
  // Whether the reply has no body, whatever the handler sends (HEAD, 204, 304).
  #bodyDropped = false;
  // Bytes of the declared Content-Length that are still to come; Infinity when none was declared.
  #lengthLeft = Infinity;
  #keepAlive = true;
  #gone = false;

  /** @internal */
  constructor(connection: RequestConnection, head: RequestHead) {
    this.#connection = connection;
    this.head = head;
  }

  /** The method, such as `GET`. */
  get method(): string {
    return this.head.method;
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

  /** The header fields as they came. */
  get headers(): HttpHeaders {
    return this.head.headers;
  }

  /** The body, all of it; empty when there was none. */
  get body(): EvBuffer {
    return this.#body ??= new EvBuffer();
  }

  /** The client's address; undefined once the connection is closed. */
  get remoteAddress(): SocketAddress | undefined {
    return this.#connection.remoteAddress;
  }

  /** Header fields of the reply, to be filled before it begins. */
  get replyHeaders(): HttpHeaders {
    return this.#replyHeaders ??= new HttpHeaders();
  }

  /** Whether the reply has begun. */
  get replyStarted(): boolean {
    return this.#state !== OPEN;
  }

  /** Whether the reply is complete, or can no longer be given. */
  get finished(): boolean {
    return this.#state === FINISHED || this.#gone;
  }

  /** Asks for the connection to be closed after this reply. */
  closeAfterReply(): void {
    this.#keepAlive = false;
  }

  /**
   * Sends a whole reply (evhttp_send_reply). Content-Length, Date and, for a body whose type is not given, Content-Type are
   * added. Without effect when the client has gone.
   *
   * @param status 200 to 599.
   * @param headers fields besides those of {@linkcode HttpRequest.replyHeaders}.
   * @throws {Error} when a reply has begun already.
   * @throws {RangeError} for another status.
   */
  reply(status: number, body: ReplyBody = NOTHING, headers?: HttpHeadersInit): void {
    if (!this.#begin(status, headers)) {
      drop(body);
      return;
    }
    if (typeof body === "string" && this.#replyPlainText(status, body)) return;
    const bytes = bytesOf(body);
    this.#writeHead(status, undefined, bytes.length);
    if (this.#mayHaveBody(status)) this.#send(bytes);
    else drop(bytes);
    this.#finish();
  }

  /**
   * Sends a part of a file as a whole reply; its bytes go from the kernel's cache to the socket (sendfile). When this throws,
   * the descriptor is still the caller's.
   *
   * @throws as {@linkcode HttpRequest.reply}, and {RangeError} when descriptor, offset or length is not a whole number.
   */
  replyFile(status: number, file: FileBody, headers?: HttpHeadersInit): void {
    checkFile(file);
    const begun = this.#begin(status, headers);
    if (begun) this.#writeHead(status, undefined, file.length);
    const options = { closeOnFree: file.closeOnFree === true };
    if (begun && this.#mayHaveBody(status)) {
      this.#connection.output.addFile(file.fd, file.offset, file.length, options);
    } else {
      // The descriptor is ours to close even if nothing of it is sent.
      new EvBuffer().addFile(file.fd, 0, 0, options);
    }
    if (begun) this.#finish();
  }

  /**
   * Sends an error page (evhttp_send_error) with the status's standard phrase, and an explanation if there is one, escaped.
   *
   * @throws as {@linkcode HttpRequest.reply}.
   */
  replyError(status: number, explanation: string = ""): void {
    this.replyHeaders.set("Content-Type", "text/html;charset=utf-8");
    this.reply(status, errorPage(status, explanation));
  }

  /**
   * Begins a reply whose body comes in pieces (evhttp_send_reply_start): in chunks for HTTP/1.1, up to the end of the
   * connection for HTTP/1.0, or as is when the header fields name a Content-Length.
   *
   * @throws as {@linkcode HttpRequest.reply}, and {RangeError} for a Content-Length that is no number.
   */
  replyStart(status: number, headers?: HttpHeadersInit): void {
    if (!this.#begin(status, headers)) return;
    this.#bodyDropped = !this.#mayHaveBody(status);
    const declared = this.#replyHeaders?.get("content-length");
    let length = UNSTATED;
    if (declared !== undefined) {
      length = Number(declared);
      if (!/^\d+$/.test(declared) || !Number.isSafeInteger(length)) {
        throw new RangeError(`Cannot start a reply: Content-Length "${declared}" is no length`);
      }
      if (!this.#bodyDropped) this.#lengthLeft = length;
    } else if (this.#bodyDropped) {
      // The head ends the reply.
    } else if (this.head.versionMinor >= 1) {
      this.#chunked = true;
      length = CHUNKED;
    } else {
      this.#keepAlive = false;
    }
    this.#writeHead(status, undefined, length);
    this.#connection.replyGrew();
  }

  /**
   * Sends a piece of the body. Empty pieces are ignored, and all of them where the reply has no body (HEAD, 204, 304: they
   * end with their head whatever their fields say, RFC 9112 section 6.3), or when the client has gone.
   *
   * @returns how many bytes wait to be sent by now: a producer faster than its client should stop when they are many, and
   * go on when {@linkcode HttpRequest.onDrain} is called.
   * @throws {Error} before {@linkcode HttpRequest.replyStart}, after the end.
   * @throws {RangeError} for more bytes than the declared Content-Length.
   */
  replyChunk(piece: ReplyBody): number {
    const bytes = bytesOf(piece);
    if (!this.#gone && this.#state !== STREAMING) {
      throw new Error("Cannot send a chunk: the reply has not begun, or is complete");
    }
    const { output } = this.#connection;
    if (this.#gone || this.#bodyDropped) {
      drop(bytes);
      return this.#gone ? 0 : output.length;
    }
    if (bytes.length === 0) return output.length;
    if (bytes.length > this.#lengthLeft) {
      throw new RangeError(`Cannot send ${bytes.length} bytes: the declared Content-Length leaves ${this.#lengthLeft}`);
    }
    this.#lengthLeft -= bytes.length;
    if (this.#chunked) output.addAscii(`${bytes.length.toString(16)}\r\n`);
    this.#send(bytes);
    if (this.#chunked) output.addAscii("\r\n");
    this.#connection.replyGrew();
    return output.length;
  }

  /**
   * Ends a reply begun by {@linkcode HttpRequest.replyStart} (evhttp_send_reply_end). When fewer bytes came than were declared,
   * the connection is cut, since the client could not tell otherwise.
   */
  replyEnd(): void {
    if (this.#gone) return;
    if (this.#state !== STREAMING) throw new Error("Cannot end a reply: it has not begun, or is complete");
    if (this.#lengthLeft > 0 && this.#lengthLeft !== Infinity) {
      this.#state = FINISHED;
      this.#connection.abort();
      return;
    }
    if (this.#chunked) this.#connection.output.addAscii("0\r\n\r\n");
    this.#finish();
  }

  /** Cuts the connection, which tells the client that a reply under way will not be completed. */
  abort(): void {
    if (this.finished) return;
    this.#gone = true;
    this.#connection.abort();
  }

  /** @internal The connection is gone. */
  connectionLost(): void {
    if (this.finished) return;
    this.#gone = true;
    this.onClose?.();
  }

  /** @internal Frees the body. */
  release(): void {
    this.#body?.close();
  }

  /** Checks and prepares; false when there is nobody to reply to. */
  #begin(status: number, headers: HttpHeadersInit | undefined): boolean {
    if (this.#state !== OPEN) throw new Error("Cannot reply: a reply has begun already");
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`Cannot reply with status ${status}: final replies have 200 to 599`);
    }
    if (headers !== undefined) {
      for (const [name, value] of new HttpHeaders(headers)) this.replyHeaders.add(name, value);
    }
    return !this.#gone;
  }

  /** The short way for the most common reply: ASCII text, no fields of its own, on a connection that lives on. */
  #replyPlainText(status: number, text: string): boolean {
    const { heads, output } = this.#connection;
    if (text === "" || !this.#mayHaveBody(status) || !this.#isPlain()) return false;
    if (!heads.writePlainText(output, status, text)) return false;
    this.#finish();
    return true;
  }

  /** Whether nothing but the length has to be said in the head. */
  #isPlain(): boolean {
    return this.#keepAlive && this.#replyHeaders === null && this.head.versionMinor >= 1 &&
      this.#connection.mayKeepAlive;
  }

  #writeHead(status: number, reason: string | undefined, length: number): void {
    // From here on bytes are on their way, so that after a failure only the end of the connection can tell the client.
    this.#state = STREAMING;
    const connection = this.#connection;
    if (!connection.mayKeepAlive || this.#replyHeaders?.get("connection")?.toLowerCase() === "close") {
      this.#keepAlive = false;
    }
    if (length > 0 && !isBodyless(status) && this.#isPlain()) {
      connection.heads.writePlain(connection.output, status, length);
      return;
    }
    const field: ConnectionField = !this.#keepAlive ? "close" : this.head.versionMinor === 0 ? "keep-alive" : "";
    const stated = isBodyless(status) ? UNSTATED : length;
    connection.heads.write(connection.output, status, reason, this.#replyHeaders, stated, field);
  }

  #mayHaveBody(status: number): boolean {
    return this.head.methodId !== EVHTTP_REQ_HEAD && !isBodyless(status);
  }

  #send(bytes: Uint8Array | EvBuffer): void {
    if (bytes instanceof EvBuffer) this.#connection.output.addBuffer(bytes);
    else this.#connection.output.add(bytes);
  }

  #finish(): void {
    this.#state = FINISHED;
    this.#connection.replyEnded(this, this.#keepAlive);
  }
}

/** @throws {TypeError} for a buffer that could not be emptied. */
function bytesOf(body: ReplyBody): Uint8Array | EvBuffer {
  if (typeof body === "string") return encoder.encode(body);
  if (body instanceof EvBuffer && body.isFrontFrozen) throw new TypeError("Cannot send a buffer: its front is frozen");
  return body;
}

/** A buffer is emptied, also when nobody gets its bytes. */
function drop(body: ReplyBody): void {
  if (body instanceof EvBuffer) body.drain(body.length);
}

/** Anything else would say one length and send another. */
function checkFile({ fd, offset, length }: FileBody): void {
  for (const [name, value] of Object.entries({ fd, offset, length })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot reply with a file: ${name} must be a whole number, zero or more, not ${value}`);
    }
  }
}

/** A small HTML page for an error reply. */
export function errorPage(status: number, explanation: string): string {
  const phrase = reasonPhrase(status);
  const title = `${status} ${phrase}`;
  const more = explanation === "" ? "" : `<p>${escapeHtml(explanation)}</p>\n`;
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body><h1>${title}</h1>\n${more}</body></html>\n`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#039;",
  "&": "&amp;",
};

/** Escapes the five characters that mean something in HTML (evhttp_htmlescape). */
export function escapeHtml(text: string): string {
  return text.replace(/[<>"'&]/g, (character) => ESCAPES[character]!);
}
