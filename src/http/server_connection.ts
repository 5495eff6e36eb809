import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  type ByteSink,
  EV_READ,
  type EvBuffer,
  type SocketAddress,
  type SocketBufferEvent,
} from "../core/mod.ts";
import { LazyTimer } from "../core/lazy_timer.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE, RequestParser } from "./parser.ts";
import { CHUNKED, type ReplyHead } from "./reply_head.ts";
import { errorPage, HttpRequest, type RequestConnection } from "./request.ts";
import type { ServerCore } from "./server.ts";
import { HttpHeaders } from "./headers.ts";

/** What a connection is waiting for; it decides what its timer means. */
const IDLE = 0, READING_HEAD = 1, READING_BODY = 2, SERVING = 3, LINGERING = 4, CLOSED = 5;

/** Body pieces from this size on are referred to where they were received; smaller ones are copied, since each pins a slab. */
const REFERENCE_MIN = 16 * 1024;
/** How long a closing connection waits for more of what the client is sending, so that its last reply is not lost to a reset. */
const LINGER_MS = 1000;
/** How long it goes on reading at most, however fast more comes. */
const LINGER_TOTAL_MS = 10_000;

/**
 * One client: bytes become requests, one after the other, and the server's handler answers them.
 *
 * @internal
 */
export class ServerConnection implements ByteSink, RequestConnection {
  readonly heads: ReplyHead;
  readonly output: EvBuffer;
  readonly #core: ServerCore;
  readonly #stream: SocketBufferEvent;
  readonly #parser: RequestParser;
  readonly #timer: LazyTimer;
  #phase = IDLE;
  #request: HttpRequest | null = null;
  // Bytes that came while a request was being served: they wait where they were received.
  #waiting: Uint8Array | null = null;
  #waitingStart = 0;
  #waitingEnd = 0;
  #parsing = false;
  // Whether bytes had come behind the request that is being served, or was served last.
  #moreCame = false;
  #inputEnded = false;
  #lastReply = false;
  // While LINGERING: whether to close as soon as everything is sent, and until when to read on otherwise.
  #closeWhenSent = false;
  #lingerEndMs = Infinity;

  constructor(core: ServerCore, stream: SocketBufferEvent) {
    this.#core = core;
    this.heads = core.heads;
    this.output = stream.output;
    this.#stream = stream;
    this.#parser = new RequestParser(core.limits, core.leniency);
    this.#timer = new LazyTimer(stream.base, () => this.#timedOut());
    stream.setSink(this);
    stream.setCallbacks({ write: () => this.#drained(), event: (what) => this.#streamEvent(what) });
    stream.setTimeouts(-1, core.timeouts.writeTimeoutMs);
    stream.enable(EV_READ);
    this.#wait(IDLE);
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.#stream.remoteAddress;
  }

  get mayKeepAlive(): boolean {
    // What came before the end of the stream is still answered.
    const wasLast = this.#inputEnded && this.#waiting === null && !this.#moreCame;
    return !this.#lastReply && !wasLast && this.#request !== null && this.#request.head.keepAlive &&
      !this.#core.closing;
  }

  /** Answers 503 and closes: the server has as many connections as it may. */
  refuse(): void {
    this.#fail(503, "Too many connections");
  }

  close(): void {
    if (this.#phase === CLOSED) return;
    this.#phase = CLOSED;
    this.#timer.close();
    this.#core.connectionClosed(this);
    this.#stream.close();
    this.#waiting = null;
    const request = this.#request;
    this.#request = null;
    if (request === null) return;
    try {
      request.connectionLost();
    } catch (error) {
      // Nothing is left to be done for this client, and others must not suffer.
      this.#core.report(error, request);
    } finally {
      request.release();
    }
  }

  // Bytes in

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase === LINGERING) {
      this.#lingerOn();
      return;
    }
    // What waits comes first, also when there is room for replies again by now.
    if (this.#phase === SERVING || this.#waiting !== null || this.#isBackedUp()) {
      this.#putAside(bytes, start, end);
      this.#stream.disable(EV_READ);
      return;
    }
    this.#parse(bytes, start, end);
  }

  #parse(bytes: Uint8Array, start: number, end: number): void {
    this.#parsing = true;
    try {
      this.#parseAll(bytes, start, end);
    } catch (error) {
      // Handlers do not get here, only what `onError` throws; where the parser was is lost with it.
      this.close();
      throw error;
    } finally {
      this.#parsing = false;
    }
  }

  #parseAll(bytes: Uint8Array, start: number, end: number): void {
    const parser = this.#parser;
    let at = start;
    for (;;) {
      const event = parser.next(bytes, at, end);
      at = parser.position;
      if (event === HEAD) {
        this.#beginRequest();
      } else if (event === BODY) {
        this.#addBody(bytes, parser.bodyStart, parser.bodyEnd);
      } else if (event === END) {
        this.#moreCame = at < end;
        this.#serve();
        if (this.#isOver()) break;
        if (this.#phase === SERVING || (at < end && this.#isBackedUp())) {
          if (at < end) this.#putAside(bytes, at, end);
          break;
        }
        if (at === end) {
          // The parser still refers to the head, and so to a whole slab, which an idle connection must not keep.
          parser.reset();
          break;
        }
      } else if (event === NEED_MORE) {
        this.#waitForMore();
        break;
      } else if (event === ERROR) {
        const { status, message } = parser.error!;
        this.#fail(status, message);
        break;
      }
      if (this.#isOver()) break;
    }
  }

  #beginRequest(): void {
    const { head, bodyExpected, contentLength } = this.#parser;
    const request = new HttpRequest(this, head);
    this.#request = request;
    if (head.expectUnknown) {
      this.#fail(417, "Unknown expectation");
    } else if (!this.#core.isAllowed(head)) {
      this.#refuseMethod(request);
    } else if (head.expectContinue && bodyExpected !== "none" && (contentLength > 0 || contentLength === CHUNKED)) {
      this.output.addAscii("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }

  #refuseMethod(request: HttpRequest): void {
    if (request.head.methodId === 0) this.#fail(501, `Method ${request.method.slice(0, 64)} is not implemented`);
    else this.#fail(405, `Method ${request.method} is not allowed`, { Allow: this.#core.allowField });
  }

  #addBody(bytes: Uint8Array, start: number, end: number): void {
    const body = this.#request!.body;
    const piece = bytes.subarray(start, end);
    if (piece.length >= REFERENCE_MIN) body.addReference(piece);
    else body.add(piece);
  }

  /** Not all of a message has come: the client has a limited time for the rest. */
  #waitForMore(): void {
    if (!this.#parser.inMessage) {
      if (this.#phase !== IDLE) this.#wait(IDLE);
      return;
    }
    if (this.#request === null || this.#parser.bodyExpected === "none") {
      // The time for a head runs from its first byte, however many follow one by one.
      if (this.#phase !== READING_HEAD) this.#wait(READING_HEAD);
    } else {
      this.#wait(READING_BODY);
    }
    if (this.#inputEnded) this.#fail(400, "The request is incomplete");
  }

  #serve(): void {
    const request = this.#request!;
    request.trailers = this.#parser.trailers;
    this.#phase = SERVING;
    this.#timer.clear();
    this.#core.handle(request);
    // A reply that comes later must not keep the memory of a whole read alive.
    if (!request.finished && this.#phase === SERVING) request.head.retain();
  }

  #putAside(bytes: Uint8Array, start: number, end: number): void {
    const waiting = this.#waiting;
    if (waiting === null && end - start >= REFERENCE_MIN) {
      this.#waiting = bytes;
      this.#waitingStart = start;
      this.#waitingEnd = end;
      return;
    }
    // Little is copied, since it may wait for long and pins a slab. Reading is switched off at the second call, so at most
    // two reads are joined.
    const before = waiting === null ? 0 : this.#waitingEnd - this.#waitingStart;
    const joined = new Uint8Array(new ArrayBuffer(before + end - start));
    if (waiting !== null) joined.set(waiting.subarray(this.#waitingStart, this.#waitingEnd));
    joined.set(bytes.subarray(start, end), before);
    this.#waiting = joined;
    this.#waitingStart = 0;
    this.#waitingEnd = joined.length;
  }

  /** Goes on with what was put aside, once there is room for replies. */
  #resume(): void {
    if (this.#phase === SERVING || this.#isOver() || this.#isBackedUp() || this.#parsing) return;
    const bytes = this.#waiting;
    if (bytes !== null) {
      this.#waiting = null;
      this.#parse(bytes, this.#waitingStart, this.#waitingEnd);
    }
    if (!this.#isOver() && this.#waiting === null) this.#readOn();
  }

  #readOn(): void {
    if (this.#inputEnded) this.#endIfIdle();
    else if (this.#phase !== SERVING && !this.#isBackedUp()) this.#stream.enable(EV_READ);
  }

  /** Whether no further request will be taken up. */
  #isOver(): boolean {
    return this.#phase === CLOSED || this.#phase === LINGERING;
  }

  /** A client that does not read its replies gets no new ones. */
  #isBackedUp(): boolean {
    return this.output.length >= this.#core.maxOutputBytes;
  }

  // Replies out

  replyGrew(): void {
    this.#stream.flushSoon();
  }

  replyEnded(request: HttpRequest, keepAlive: boolean): void {
    if (request !== this.#request) return;
    this.#request = null;
    request.release();
    if (!keepAlive) {
      // A client that had not said that this is its last request may be sending the next one.
      this.#finish(this.#waiting !== null || this.#moreCame || request.head.keepAlive);
      return;
    }
    this.#wait(IDLE);
    if (!this.#parsing) this.#resume();
  }

  abort(): void {
    this.close();
  }

  /** Answers with an error page and closes; the client may still be sending. */
  #fail(status: number, explanation: string, fields: Readonly<Record<string, string>> = {}): void {
    const request = this.#request;
    this.#request = null;
    request?.release();
    if (request?.replyStarted === true) {
      this.close();
      return;
    }
    const page = errorPage(status, explanation);
    const headers = new HttpHeaders({ "Content-Type": "text/html;charset=utf-8", ...fields });
    this.heads.write(this.output, status, undefined, headers, page.length, "close");
    if (request?.method !== "HEAD") this.output.add(page);
    this.#finish(true);
  }

  /** No request after this one. `unread`: the client has sent, or is sending, what we will not read. */
  #finish(unread: boolean): void {
    this.#lastReply = true;
    this.#phase = LINGERING;
    this.#waiting = null;
    // The write timeout watches over a client that takes its last reply; however long that is, it may.
    this.#timer.clear();
    this.#closeWhenSent = !unread || this.#inputEnded;
    if (this.#closeWhenSent) this.#stream.disable(EV_READ);
    else this.#stream.enable(EV_READ);
    if (this.output.length === 0) this.#drained();
    else this.#stream.flushSoon();
  }

  /** Everything queued has been sent. */
  #drained(): void {
    if (this.#phase === LINGERING) {
      this.#goodbye();
      return;
    }
    // The time until the next request runs from when the client has its reply.
    if (this.#phase === IDLE) this.#wait(IDLE);
    const request = this.#request;
    if (request !== null && request.onDrain !== undefined) {
      try {
        request.onDrain();
      } catch (error) {
        this.#core.failed(error, request);
      }
    }
    this.#resume();
  }

  /** The last reply is out. */
  #goodbye(): void {
    if (this.#closeWhenSent) {
      this.close();
      return;
    }
    // Closing with unread bytes would send a reset, which may overtake the reply: say goodbye first and read on a while.
    this.#stream.endWriting();
    this.#lingerEndMs = this.#stream.base.now() + LINGER_TOTAL_MS;
    this.#lingerOn();
  }

  /** Waits a little longer for the client to stop sending; not before it has its reply. */
  #lingerOn(): void {
    if (this.#lingerEndMs === Infinity) return;
    this.#timer.set(Math.max(0, Math.min(LINGER_MS, this.#lingerEndMs - this.#stream.base.now())));
  }

  // Ends and times

  #streamEvent(what: number): void {
    if ((what & BEV_EVENT_EOF) === 0) {
      const error = (what & BEV_EVENT_ERROR) === 0 ? null : this.#stream.error;
      this.close();
      if (error !== null) this.#core.connectionFailed(error);
      return;
    }
    this.#inputEnded = true;
    if (this.#phase !== LINGERING) this.#endIfIdle();
    else if (this.output.length === 0) this.close();
    else this.#closeWhenSent = true;
  }

  /** The client sends no more: what it asked for is still answered, if it was complete. */
  #endIfIdle(): void {
    if (this.#phase === SERVING || this.#waiting !== null) return;
    if (this.#parser.inMessage) this.#fail(400, "The request is incomplete");
    else if (this.output.length > 0) this.#finish(false);
    else this.close();
  }

  #wait(phase: number): void {
    this.#phase = phase;
    const { keepAliveTimeoutMs, headerTimeoutMs, bodyTimeoutMs } = this.#core.timeouts;
    this.#timer.set(phase === IDLE ? keepAliveTimeoutMs : phase === READING_HEAD ? headerTimeoutMs : bodyTimeoutMs);
  }

  #timedOut(): void {
    if (this.#phase === READING_HEAD || this.#phase === READING_BODY) {
      this.#fail(408, "The request did not arrive in time");
    } else if (this.#phase === IDLE && this.output.length > 0) {
      // The client is not idle, it is taking a long reply; the write timeout watches over that.
      this.#wait(IDLE);
    } else {
      this.close();
    }
  }
}
