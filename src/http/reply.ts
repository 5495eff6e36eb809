import { type BufferEvent, ConnectionError, EvBuffer } from "../core/mod.ts";
import { errorPage } from "./error_page.ts";
import type { RequestHead } from "./head.ts";
import { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_HEAD } from "./methods.ts";
import { bytesOf, checkFile, drop, type FileBody, type ReplyBody } from "./reply_body.ts";
import { CHUNKED, type ConnectionField, TUNNEL, UNSTATED } from "./reply_head.ts";
import type { RequestConnection } from "./request_connection.ts";
import { isBodyless } from "./status.ts";

const OPEN = 0, STREAMING = 1, FINISHED = 2;
const NOTHING = new Uint8Array(0);

/** The answering half of an {@linkcode HttpRequest}. */
export abstract class HttpReply {
  /** Request line and header fields as they came. */
  readonly head: RequestHead;
  /**
   * Called once when the connection ends before the reply was complete; nothing can be sent any more then. A client that
   * merely ends its side of the connection may still want its reply, and does not count.
   */
  onClose: (() => void) | undefined = undefined;

  /** Called whenever everything sent by {@linkcode HttpReply.replyChunk} so far has left for the client. */
  onDrain: (() => void) | undefined = undefined;

  /** @internal What it came by. */
  protected readonly connection: RequestConnection;
  /** Whether nothing can be sent any more. */
  protected gone = false;
  #replyHeaders: HttpHeaders | null = null;
  #state = OPEN;
  #chunked = false;
  // Whether the reply has no body, whatever the handler sends (HEAD, 204, 304).
  #bodyDropped = false;
  // Bytes of the declared Content-Length that are still to come; Infinity when none was declared.
  #lengthLeft = Infinity;
  #keepAlive = true;

  /** @internal */
  constructor(connection: RequestConnection, head: RequestHead) {
    this.connection = connection;
    this.head = head;
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
    return this.#state === FINISHED || this.gone;
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
      this.connection.output.addFile(file.fd, file.offset, file.length, options);
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
    if (!this.gone && this.#state !== STREAMING) {
      throw new Error("Cannot send a chunk: the reply has not begun, or is complete");
    }
    const { output } = this.connection;
    if (this.gone || this.#bodyDropped) {
      drop(bytes);
      return this.gone ? 0 : output.length;
    }
    if (bytes.length === 0) return output.length;
    if (bytes.length > this.#lengthLeft) {
      throw new RangeError(`Cannot send ${bytes.length} bytes: the declared Content-Length leaves ${this.#lengthLeft}`);
    }
    this.#lengthLeft -= bytes.length;
    if (this.#chunked) output.addAscii(`${bytes.length.toString(16)}\r\n`);
    this.#send(bytes);
    if (this.#chunked) output.addAscii("\r\n");
    return output.length;
  }

  /**
   * Ends a reply begun by {@linkcode HttpRequest.replyStart} (evhttp_send_reply_end). When fewer bytes came than were declared,
   * the connection is cut, since the client could not tell otherwise.
   */
  replyEnd(): void {
    if (this.gone) return;
    if (this.#state !== STREAMING) throw new Error("Cannot end a reply: it has not begun, or is complete");
    if (this.#lengthLeft > 0 && this.#lengthLeft !== Infinity) {
      this.#state = FINISHED;
      this.connection.abort();
      return;
    }
    if (this.#chunked) this.connection.output.addAscii("0\r\n\r\n");
    this.#finish();
  }

  /**
   * Ends HTTP on this connection and hands its stream to the caller: to speak another protocol that the client has offered
   * (101, RFC 9110 section 7.8), or for a tunnel that it has asked for (200 to CONNECT, section 9.3.6; the server has to allow
   * that method).
   *
   * The head is queued in the output. What has come behind the request is in the input, about which nobody calls back; reading is
   * disabled, and no timeouts, callbacks or sinks of ours are left. The stream is the caller's to close. Until it is, it counts as
   * a connection of the server, and closing the server closes it.
   *
   * @param status 101 for a request that offers to upgrade, whose first protocol becomes the Upgrade field unless there is one;
   * 200 for CONNECT.
   * @param headers fields besides those of {@linkcode HttpReply.replyHeaders}.
   * @throws {TypeError} when the request is not one for this status.
   * @throws {ConnectionError} `CLOSED`, when the client has gone.
   * @throws {Error} when a reply has begun already.
   */
  takeOver(status: 101 | 200, headers?: HttpHeadersInit): BufferEvent {
    const { head, connection } = this;
    if (status !== 101 && status !== 200) {
      throw new RangeError(`Cannot take a connection over with status ${status}: 101 or 200 is needed`);
    }
    const upgrade = head.methodId === EVHTTP_REQ_CONNECT ? undefined : head.upgrade;
    if (status === 101 ? upgrade === undefined : head.methodId !== EVHTTP_REQ_CONNECT) {
      const needed = status === 101 ? "offers no other protocol" : "is not CONNECT";
      throw new TypeError(`Cannot take a connection over with status ${status}: the request ${needed}`);
    }
    this.#prepare(headers);
    if (this.gone) throw new ConnectionError("CLOSED", "Cannot take a connection over: the client has gone");
    const fields = this.replyHeaders;
    if (upgrade !== undefined && !fields.has("upgrade")) fields.set("Upgrade", upgrade.split(",")[0]!.trim());
    this.#state = FINISHED;
    connection.heads.write(connection.output, status, undefined, fields, TUNNEL, status === 101 ? "Upgrade" : "");
    return connection.takeOver();
  }

  /** Cuts the connection, which tells the client that a reply under way will not be completed. */
  abort(): void {
    if (this.finished) return;
    this.gone = true;
    this.connection.abort();
  }

  /** @internal The connection is gone. */
  connectionLost(): void {
    if (this.finished) return;
    this.gone = true;
    this.onClose?.();
  }

  /** Checks and prepares; false when there is nobody to reply to. */
  #begin(status: number, headers: HttpHeadersInit | undefined): boolean {
    if (this.#state !== OPEN) throw new Error("Cannot reply: a reply has begun already");
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`Cannot reply with status ${status}: final replies have 200 to 599`);
    }
    this.#prepare(headers);
    return !this.gone;
  }

  /** Only after all fields have been checked is any of them there. */
  #prepare(headers: HttpHeadersInit | undefined): void {
    if (this.#state !== OPEN) throw new Error("Cannot reply: a reply has begun already");
    if (headers === undefined) return;
    for (const [name, value] of new HttpHeaders(headers)) this.replyHeaders.add(name, value);
  }

  /** The short way for the most common reply: ASCII text, no fields of its own, on a connection that lives on. */
  #replyPlainText(status: number, text: string): boolean {
    const { heads, output } = this.connection;
    if (text === "" || !this.#mayHaveBody(status) || !this.#isPlain()) return false;
    if (!heads.writePlainText(output, status, text)) return false;
    this.#finish();
    return true;
  }

  /** Whether nothing but the length has to be said in the head. */
  #isPlain(): boolean {
    return this.#keepAlive && this.#replyHeaders === null && this.head.versionMinor >= 1 &&
      this.connection.mayKeepAlive;
  }

  #writeHead(status: number, reason: string | undefined, length: number): void {
    // From here on bytes are on their way, so that after a failure only the end of the connection can tell the client.
    this.#state = STREAMING;
    const connection = this.connection;
    if (!connection.mayKeepAlive || this.#replyHeaders?.get("connection")?.toLowerCase() === "close") {
      this.#keepAlive = false;
    }
    if (length > 0 && !isBodyless(status) && this.#isPlain()) {
      connection.heads.writePlain(connection.output, status, length);
      return;
    }
    const field = this.#connectionField();
    const stated = isBodyless(status) ? UNSTATED : length;
    connection.heads.write(connection.output, status, reason, this.#replyHeaders, stated, field);
  }

  #connectionField(): ConnectionField {
    // A list of protocols, as in 426, counts for this connection only, which has to be said (RFC 9110 section 7.8).
    const upgrade = this.#replyHeaders?.has("upgrade") === true;
    if (!this.#keepAlive) return upgrade ? "close, Upgrade" : "close";
    if (this.head.versionMinor === 0) return "keep-alive";
    return upgrade ? "Upgrade" : "";
  }

  #mayHaveBody(status: number): boolean {
    return this.head.methodId !== EVHTTP_REQ_HEAD && !isBodyless(status);
  }

  #send(bytes: Uint8Array | EvBuffer): void {
    if (bytes instanceof EvBuffer) this.connection.output.addBuffer(bytes);
    else this.connection.output.add(bytes);
  }

  #finish(): void {
    this.#state = FINISHED;
    this.connection.replyEnded(this, this.#keepAlive);
  }
}
