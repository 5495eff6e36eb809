import { ConnectionError, EvBuffer } from "../core/mod.ts";
import type { RequestHead } from "./head.ts";
import { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_HEAD } from "./methods.ts";
import type { HttpReply } from "./reply.ts";
import { type ConnectionField, TUNNEL, UNSTATED } from "./reply_head.ts";
import type { StreamedBody } from "./reply_streamed.ts";
import type { HttpConnection, RequestConnection } from "./request_connection.ts";
import { isBodyless, isContentless, isSuccessful } from "./status.ts";

/** Methods to which some replies have no body whatever their fields say. */
const MAYBE_BODYLESS = EVHTTP_REQ_HEAD | EVHTTP_REQ_CONNECT;

/** How far a reply is. */
export const OPEN = 0, STREAMING = 1, FINISHED = 2;

/**
 * How far a reply is, what its head will say, and what becomes of it when the client goes.
 *
 * The fields of all layers of a request are here, and none of them has `#private` members: one is made for each request, and every layer
 * with an initializer or a private name is a constructor of its own to run, which cost a third of a microsecond together.
 */
export abstract class ReplyState {
  /** Request line and header fields as they came. */
  declare readonly head: RequestHead;
  /**
   * Called once when the connection ends before the reply was complete; nothing can be sent any more then. A client that
   * merely ends its side of the connection may still want its reply, and does not count (see `allowHalfClose`).
   */
  declare onClose: (() => void) | undefined;
  /**
   * Called once, when the request is over: with true when all of its reply has been handed to the system
   * (evhttp_request_set_on_complete_cb), with false when that will never come about, since the connection has ended, by `abort()` say, or
   * the server has answered instead of the handler. With false it may come before the reply, as `onClose` does, or when there will never be
   * one. Not called after `takeOver()`. To be set before the reply is complete.
   */
  declare onComplete: ((isSent: boolean) => void) | undefined;

  /** @internal What it came by. */
  declare protected readonly link: RequestConnection;
  /** How far it is. */
  declare protected state: number;
  /** Whether the connection is to live on. */
  declare protected keepAlive: boolean;
  /** Whether nothing can be sent any more. */
  declare protected gone: boolean;
  /** The fields of the reply, once there are any. */
  declare protected fields: HttpHeaders | null;
  /** Called whenever everything sent by `replyChunk()` so far has left for the client. */
  declare onDrain: (() => void) | undefined;
  /** @internal The body that is under way, when it comes in pieces. */
  declare protected streamed: StreamedBody | null;
  /** Made for whoever asks for {@linkcode ReplyState.signal}. */
  declare protected aborter: AbortController | null;

  /** @internal */
  constructor(link: RequestConnection, head: RequestHead) {
    this.link = link;
    this.head = head;
    this.onClose = undefined;
    this.onComplete = undefined;
    this.state = OPEN;
    this.keepAlive = true;
    this.gone = false;
    this.fields = null;
    this.onDrain = undefined;
    this.streamed = null;
    this.aborter = null;
  }

  /** The connection it came by (evhttp_request_get_connection). */
  get connection(): HttpConnection {
    return this.link;
  }

  /** Header fields of the reply, to be filled before it begins. */
  get replyHeaders(): HttpHeaders {
    return this.fields ??= new HttpHeaders();
  }

  /** Whether the reply has begun. */
  get replyStarted(): boolean {
    return this.state !== OPEN;
  }

  /** Whether the reply is complete, or can no longer be given. */
  get finished(): boolean {
    return this.state === FINISHED || this.gone;
  }

  /**
   * Aborted when {@linkcode ReplyState.onClose} would be called, and by {@linkcode ReplyState.abort}, with a {@linkcode ConnectionError};
   * for work that is done on behalf of the client.
   */
  get signal(): AbortSignal {
    if (this.aborter === null) {
      this.aborter = new AbortController();
      if (this.gone) this.aborter.abort(goneError());
    }
    return this.aborter.signal;
  }

  /** Asks for the connection to be closed after this reply. */
  closeAfterReply(): void {
    this.keepAlive = false;
  }

  /**
   * Cuts the connection, which tells the client that a reply under way will not be completed. What was replied before leaves as far as the
   * kernel takes it at once. `onClose` is not called: whoever calls this knows. The signal is aborted, and `onComplete` told.
   */
  abort(): void {
    if (this.finished) return;
    this.gone = true;
    try {
      this.link.abort();
    } finally {
      this.tellGone();
    }
  }

  /** @internal The connection is gone. */
  connectionLost(): void {
    if (this.finished) return;
    this.gone = true;
    try {
      this.onClose?.();
    } finally {
      this.tellGone();
    }
  }

  /** @internal */
  private tellGone(): void {
    this.aborter?.abort(goneError());
    this.endInVain();
  }

  /** @internal The client had gone before the reply was complete: whoever wants to know that it is over is told, if that was not done. */
  endInVain(): void {
    const { onComplete } = this;
    if (!this.gone || onComplete === undefined) return;
    // A handler may have set it only after that, and try more than once.
    this.onComplete = undefined;
    // What the server has said to the client instead may still be on its way, and does not count.
    this.link.afterSent(() => onComplete(false));
  }

  /** Checks and prepares; false when there is nobody to reply to. */
  protected begin(status: number, headers: HttpHeadersInit | undefined): boolean {
    if (this.state !== OPEN) throw new Error("Cannot reply: a reply has begun already");
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`Cannot reply with status ${status}: final replies have 200 to 599`);
    }
    this.prepare(headers);
    return !this.gone;
  }

  /** Only after all fields have been checked is any of them there. */
  protected prepare(headers: HttpHeadersInit | undefined): void {
    if (this.state !== OPEN) throw new Error("Cannot reply: a reply has begun already");
    if (headers === undefined) return;
    if (this.fields === null) {
      this.fields = new HttpHeaders(headers);
      return;
    }
    for (const [name, value] of new HttpHeaders(headers)) this.replyHeaders.add(name, value);
  }

  /** Whether nothing but the length has to be said in the head. */
  protected isPlain(): boolean {
    return this.keepAlive && this.fields === null && this.head.versionMinor >= 1 &&
      this.link.mayKeepAlive && this.link.isBodyRead;
  }

  /** Queues the head. `isWhole`: the whole reply follows, so that what the client is still sending stays unread. */
  protected writeHead(status: number, length: number, isWhole: boolean): void {
    // From here on bytes are on their way, so that after a failure only the end of the connection can tell the client.
    this.state = STREAMING;
    const { link, fields } = this;
    if (fields !== null) link.compression?.dropIdentity(fields);
    const isTunnel = this.head.methodId === EVHTTP_REQ_CONNECT && isSuccessful(status);
    const isLast = isTunnel || !link.mayKeepAlive || (isWhole && !link.isBodyRead);
    if (isLast || (fields !== null && asksToClose(fields))) this.keepAlive = false;
    if (length > 0 && !isContentless(status) && this.isPlain()) {
      link.heads.writePlain(link.output, status, length);
      return;
    }
    const stated = isTunnel ? TUNNEL : isBodyless(status) ? UNSTATED : isContentless(status) ? 0 : length;
    link.heads.write(link.output, status, undefined, fields, stated, this.connectionField());
  }

  /** @internal What the Connection field has to say. */
  private connectionField(): ConnectionField {
    // A list of protocols, as in 426, counts for this connection only, which has to be said (RFC 9110 section 7.8).
    const upgrade = this.fields?.has("upgrade") === true;
    if (!this.keepAlive) return upgrade ? "close, Upgrade" : "close";
    if (this.head.versionMinor === 0) return "keep-alive";
    return upgrade ? "Upgrade" : "";
  }

  /**
   * Whether a reply with this status has a body. What follows a 2xx to CONNECT is the tunnel's (RFC 9110 section 9.3.6): who replies instead
   * of taking the connection over says nothing there, and what the client says is no request.
   */
  protected mayHaveBody(status: number): boolean {
    const { methodId } = this.head;
    if ((methodId & MAYBE_BODYLESS) === 0) return !isContentless(status);
    return methodId === EVHTTP_REQ_CONNECT && !isSuccessful(status) && !isContentless(status);
  }

  /** Queues a part of the body. */
  protected send(bytes: Uint8Array | EvBuffer): void {
    if (bytes instanceof EvBuffer) this.link.output.addBuffer(bytes);
    else this.link.output.add(bytes);
  }

  /** Queues all of the body, right behind the head: what leaves at once need not be copied. */
  protected sendWhole(bytes: Uint8Array | EvBuffer): void {
    if (bytes instanceof EvBuffer) this.link.output.addBuffer(bytes);
    else this.link.writeCopy(bytes);
  }

  /** All of it is queued. */
  protected finish(): void {
    this.state = FINISHED;
    if (this.onComplete !== undefined) this.link.afterSent(this.onComplete);
    this.link.replyEnded(this as unknown as HttpReply, this.keepAlive);
  }
}

/** Whether one of the options of the connection is `close` (RFC 9110 section 7.6.1). */
function asksToClose(fields: HttpHeaders): boolean {
  if (!fields.has("connection")) return false;
  return fields.getAll("connection").join().split(",").some((option) => option.trim().toLowerCase() === "close");
}

/** The error of whoever has something for a client that has gone. @internal */
export function goneError(): ConnectionError {
  return new ConnectionError("CLOSED", "Cannot go on with the reply: the client has gone");
}
