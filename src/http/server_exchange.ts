import type { BufferEvent } from "../core/mod.ts";
import { EV_READ } from "../core/mod.ts";
import type { TypedPage } from "./error_page.ts";
import { HttpHeaders } from "./headers.ts";
import { EVHTTP_REQ_HEAD } from "./methods.ts";
import type { RequestParser } from "./parser.ts";
import type { HttpReply } from "./reply.ts";
import type { HttpRequest } from "./request.ts";
import { PAUSED_BY_HANDLER, PAUSED_FULL, type RequestConnection } from "./request_connection.ts";
import { CLIENT_BIT, ServerClient } from "./server_client.ts";
import { IDLE, READING_BODY, SERVING } from "./server_stream.ts";
import { REFERENCE_MIN, type WaitingBytes } from "./waiting_bytes.ts";

/** Bytes are being parsed. */
export const PARSING: number = CLIENT_BIT;
/** Bytes had come behind the request that is being served, or was served last. */
export const MORE_CAME: number = CLIENT_BIT << 1;
/** The head of a request has come, and not all of its body. */
export const BODY_PENDING: number = CLIENT_BIT << 2;
/** A handler is at work meanwhile. */
export const STREAMED: number = CLIENT_BIT << 3;
/** The client was not told to send the body, and need not do so once it has its reply, or the head of it (RFC 9110 section 10.1.1). */
export const BODY_UNASKED: number = CLIENT_BIT << 6;
/** A reply was complete while bytes were parsed, with whose end the time until the next request begins: once for all in one read. */
export const ANSWERED: number = CLIENT_BIT << 7;
/** Of what was received last, something is still referred to. */
export const REFERRED_TO: number = CLIENT_BIT << 8;
/** The client has to wait with the rest of its body. */
export const PAUSED: number = PAUSED_BY_HANDLER | PAUSED_FULL;

/** So much of a body that nobody wants any more is worth waiting for, to keep the connection. */
const DISCARDED_BYTES_MAX = 64 * 1024;

const encoder = new TextEncoder();

/**
 * The request of a client that is being read or served, and what becomes of the connection with its reply. {@linkcode ServerConnection}
 * adds where requests come from.
 *
 * @internal
 */
export abstract class ServerExchange extends ServerClient implements RequestConnection {
  /** From the first byte of a request to its last. */
  protected parser: RequestParser | null = null;
  /** What is being read, or served. */
  protected request: HttpRequest | null = null;
  /** Bytes that came while a request was being served. */
  protected waiting: WaitingBytes | null = null;

  /** Goes on with what was put aside, once there is room for replies, and then with reading; not while bytes are being parsed. */
  protected abstract goOn(): void;

  /** Reads again, unless the client sends no more. */
  protected readAgain(): void {
    this.watchPeer(false);
    if (!this.inputEnded && (this.stream.enabled & EV_READ) === 0) this.stream.enable(EV_READ);
  }

  get mayKeepAlive(): boolean {
    // What came before the end of the stream is still answered.
    const wasLast = this.inputEnded && this.waiting === null && !this.is(MORE_CAME);
    return !this.lastReply && !wasLast && this.request !== null && this.request.head.keepAlive && !this.core.closing;
  }

  get isBodyComplete(): boolean {
    return !this.is(BODY_PENDING);
  }

  get isBodyRead(): boolean {
    // Whether what comes behind that head is its body or the next request, nobody can tell.
    if (this.is(BODY_UNASKED)) return false;
    return !this.is(BODY_PENDING) || this.parser!.bodyBytesLeft <= DISCARDED_BYTES_MAX;
  }

  protected override get isServing(): boolean {
    return this.phase === SERVING || (this.is(STREAMED | PAUSED) && this.request !== null);
  }

  protected override get isHeldUp(): boolean {
    return this.is(PAUSED) || this.waiting !== null || this.isBackedUp();
  }

  errorPage(status: number, explanation: string, request: HttpReply): TypedPage {
    return this.core.pages.make(status, explanation, request);
  }

  /** Answers 503 and closes: the server has as many connections as it may. */
  refuse(): void {
    this.fail(503, "Too many connections");
  }

  /** Closes it if no request has begun; else the reply to that will be the last one. */
  closeIfIdle(): void {
    if (this.phase !== IDLE || this.waiting !== null) return;
    // A client that still takes its reply may be sending the next request, which would make the end a reset.
    if (this.output.length > 0) this.finish(true);
    else this.close();
  }

  override close(): void {
    if (this.closed) return;
    // Replies that are queued may still wait for those of other clients. What cannot be sent is not always queued any more.
    const { stream } = this;
    const isSent = (stream.queuedBytes === 0 && stream.error === null) || stream.sendLast();
    const request = this.request;
    // Before the output is given up: who is given memory back, and ends the reply then, does so in vain.
    this.request = null;
    let isOurs = true;
    try {
      isOurs = this.release();
    } finally {
      // Whatever somebody may have thrown who was given memory back.
      if (isOurs) this.#tellEnd(request, isSent);
    }
  }

  #tellEnd(request: HttpRequest | null, isSent: boolean): void {
    this.waiting = null;
    // Not given back, since it may be at work just now.
    this.parser = null;
    if (request !== null) this.#lose(request);
    this.tellClosed(isSent);
  }

  #lose(request: HttpRequest): void {
    try {
      request.connectionLost();
    } catch (error) {
      // Nothing is left to be done for this client, and others must not suffer.
      this.core.report(error, request);
    } finally {
      request.release();
    }
  }

  pauseBody(reason: number, isPaused: boolean): void {
    // Whoever hears that the request is lost may still have it in hand.
    if (this.request === null || !this.is(BODY_PENDING)) return;
    if (this.is(PAUSED) === isPaused && this.is(reason) === isPaused) return;
    this.mark(reason, isPaused);
    if (this.is(PAUSED)) {
      this.stream.disable(EV_READ);
      this.watchPeer(true);
      // Also when only the head has been seen: nobody may take the connection for an idle one.
      this.phase = READING_BODY;
      this.unhurry();
    } else {
      this.wait(READING_BODY);
      if (this.is(PARSING)) this.readAgain();
      else this.goOn();
    }
  }

  replyEnded(reply: HttpReply, keepAlive: boolean): void {
    const request = this.request;
    if (request === null || reply !== request) return;
    const isBodyPending = this.is(BODY_PENDING);
    const isBodyRead = !this.is(BODY_PENDING | BODY_UNASKED) || this.isBodyRead;
    this.request = null;
    if (isBodyPending) request.bodyLost();
    request.release();
    this.mark(PAUSED, false);
    // The server may have begun to drain since the head of the reply was sent.
    if (!keepAlive || !isBodyRead || this.core.closing) {
      // A client that had not said that this is its last request may be sending the next one.
      const unread = this.waiting !== null || this.is(MORE_CAME | BODY_PENDING) || request.head.keepAlive;
      this.waiting = null;
      this.finish(unread);
      return;
    }
    if (isBodyPending) {
      this.wait(READING_BODY);
      // A pause ends with the reply, and there may be nothing left to be sent after which reading would go on.
      if (this.is(PARSING)) this.readAgain();
    } else if (this.is(PARSING)) {
      this.phase = IDLE;
      this.mark(ANSWERED, true);
    } else {
      this.wait(IDLE);
    }
    if (!this.is(PARSING)) this.goOn();
  }

  takeOver(): BufferEvent {
    const request = this.request;
    const waiting = this.waiting;
    this.request = null;
    this.waiting = null;
    request?.release();
    const stream = this.giveAway();
    if (waiting === null) return stream;
    const { input } = stream;
    input.unfreezeBack();
    if (waiting.end - waiting.start < REFERENCE_MIN) input.addSlice(waiting.bytes, waiting.start, waiting.end);
    else input.addReferencePart(waiting.bytes, waiting.start, waiting.end - waiting.start);
    input.freezeBack();
    return stream;
  }

  abort(): void {
    try {
      // The replies before it are complete, and whoever gets a part of this one knows that there is more.
      this.stream.flush();
    } finally {
      this.close();
    }
  }

  protected override fail(status: number, explanation: string, fields: Readonly<Record<string, string>> = {}): void {
    const request = this.request;
    this.request = null;
    this.waiting = null;
    // A request that nobody could understand may still have said that it wants no body.
    const isHead = (request?.head ?? this.parser)?.methodId === EVHTTP_REQ_HEAD;
    const hadBegun = hasBegun(request);
    // What it has to say about the rest of a body would be taken for the reply to the next request.
    const hasEnded = request === null && this.is(BODY_PENDING);
    if (!hadBegun && !hasEnded) {
      const { body, contentType } = this.core.pages.make(status, explanation, request ?? undefined);
      if (this.closed) {
        // By the maker of the page, which has left the request to us.
        if (request !== null) this.#lose(request);
        return;
      }
      // The maker may have answered by itself, too.
      if (!hasBegun(request)) {
        const headers = new HttpHeaders({ "Content-Type": contentType, ...fields });
        const bytes = typeof body === "string" ? encoder.encode(body) : body;
        this.heads.write(this.output, status, undefined, headers, bytes.length, "close");
        if (!isHead) this.output.add(bytes);
      }
    }
    if (request !== null) this.#lose(request);
    if (this.closed) return;
    if (hadBegun) this.close();
    else this.finish(true);
  }

  override write(): void {
    this.tellSent();
    super.write();
  }

  protected override outputSent(): void {
    const request = this.request;
    if (request !== null && request.onDrain !== undefined) {
      try {
        request.onDrain();
      } catch (error) {
        this.core.failed(error, request);
      }
    }
    this.goOn();
  }
}

function hasBegun(request: HttpRequest | null): boolean {
  return request !== null && request.replyStarted;
}
