import { type BufferEvent, type ByteSink, EV_READ } from "../core/mod.ts";
import { errorPage } from "./error_page.ts";
import { HttpHeaders } from "./headers.ts";
import { EVHTTP_REQ_CONNECT } from "./methods.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE, type RequestParser } from "./parser.ts";
import { CHUNKED } from "./reply_head.ts";
import { HttpRequest } from "./request.ts";
import type { RequestConnection } from "./request_connection.ts";
import type { ServerCore } from "./server_core.ts";
import { IDLE, LINGERING, OWN_BIT, READING_BODY, READING_HEAD, ServerStream, SERVING } from "./server_stream.ts";
import { REFERENCE_MIN, WaitingBytes } from "./waiting_bytes.ts";

/** Bytes are being parsed. */
const PARSING = OWN_BIT;
/** Bytes had come behind the request that is being served, or was served last. */
const MORE_CAME = OWN_BIT << 1;

/**
 * One client: bytes become requests, one after the other, and the server's handler answers them.
 *
 * @internal
 */
export class ServerConnection extends ServerStream implements ByteSink, RequestConnection {
  // From the first byte of a request to its last.
  #parser: RequestParser | null = null;
  #request: HttpRequest | null = null;
  // Bytes that came while a request was being served.
  #waiting: WaitingBytes | null = null;

  constructor(core: ServerCore, stream: BufferEvent) {
    super(core, stream);
    stream.setSink(this);
    stream.setCallbacks(this);
    stream.setTimeouts(-1, core.timeouts.writeTimeoutMs);
    stream.enable(EV_READ);
    this.wait(IDLE);
  }

  get mayKeepAlive(): boolean {
    // What came before the end of the stream is still answered.
    const wasLast = this.inputEnded && this.#waiting === null && !this.is(MORE_CAME);
    return !this.lastReply && !wasLast && this.#request !== null && this.#request.head.keepAlive && !this.core.closing;
  }

  /** Answers 503 and closes: the server has as many connections as it may. */
  refuse(): void {
    this.fail(503, "Too many connections");
  }

  override close(): void {
    if (!this.release()) return;
    this.#waiting = null;
    // Not given back, since it may be at work just now.
    this.#parser = null;
    const request = this.#request;
    this.#request = null;
    if (request === null) return;
    try {
      request.connectionLost();
    } catch (error) {
      // Nothing is left to be done for this client, and others must not suffer.
      this.core.report(error, request);
    } finally {
      request.release();
    }
  }

  // Bytes in

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.phase === LINGERING) {
      this.lingerOn();
      return;
    }
    // What waits comes first, also when there is room for replies again by now.
    if (this.phase === SERVING || this.#waiting !== null || this.isBackedUp()) {
      this.#putAside(bytes, start, end);
      this.stream.disable(EV_READ);
      return;
    }
    this.#parse(bytes, start, end);
  }

  #parse(bytes: Uint8Array, start: number, end: number): void {
    this.mark(PARSING, true);
    try {
      this.#parseAll(bytes, start, end);
    } catch (error) {
      // Handlers do not get here, only what `onError` throws; where the parser was is lost with it.
      this.close();
      throw error;
    } finally {
      this.mark(PARSING, false);
    }
  }

  #parseAll(received: Uint8Array, start: number, receivedEnd: number): void {
    let parser = this.#parser ??= this.core.parsers.take();
    let bytes = received;
    let at = start;
    let end = receivedEnd;
    for (;;) {
      const event = parser.next(bytes, at, end);
      at = parser.position;
      if (event === HEAD) {
        this.#beginRequest();
      } else if (event === BODY) {
        this.#addBody(bytes, parser.bodyStart, parser.bodyEnd);
      } else if (event === END) {
        this.mark(MORE_CAME, at < end);
        if (at < end && this.#mayBeTaken()) {
          // Whoever takes the stream over finds there what has come behind the request.
          this.#putAside(bytes, at, end);
          at = end;
        }
        this.#request!.trailers = parser.trailers;
        if (at === end) this.#giveParserBack(parser);
        this.#serve();
        if (this.isOver()) break;
        if (this.#waiting !== null && this.phase !== SERVING && !this.isBackedUp()) {
          ({ bytes, start: at, end } = this.#waiting);
          this.#waiting = null;
          parser = this.#parser ??= this.core.parsers.take();
        }
        if (this.phase === SERVING || (at < end && this.isBackedUp())) {
          if (at < end) this.#putAside(bytes, at, end);
          break;
        }
        if (at === end) break;
      } else if (event === NEED_MORE) {
        this.#waitForMore();
        break;
      } else if (event === ERROR) {
        const { status, message } = parser.error!;
        this.fail(status, message);
        break;
      }
      if (this.isOver()) break;
    }
  }

  /** Nothing has begun behind the last request. The parser also refers to its head, and so to a whole slab. */
  #giveParserBack(parser: RequestParser): void {
    this.#parser = null;
    this.core.parsers.give(parser);
  }

  #beginRequest(): void {
    const { head, bodyExpected, contentLength } = this.#parser!;
    const request = new HttpRequest(this, head);
    this.#request = request;
    if (head.expectUnknown) {
      this.fail(417, "Unknown expectation");
    } else if (!this.core.isAllowed(head)) {
      this.#refuseMethod(request);
    } else if (head.expectContinue && bodyExpected !== "none" && (contentLength > 0 || contentLength === CHUNKED)) {
      this.output.addAscii("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }

  #refuseMethod(request: HttpRequest): void {
    if (request.head.methodId === 0) this.fail(501, `Method ${request.method.slice(0, 64)} is not implemented`);
    else this.fail(405, `Method ${request.method} is not allowed`, { Allow: this.core.allowField });
  }

  #addBody(bytes: Uint8Array, start: number, end: number): void {
    const body = this.#request!.body;
    const piece = bytes.subarray(start, end);
    if (piece.length >= REFERENCE_MIN) body.addReference(piece);
    else body.add(piece);
  }

  /** Not all of a message has come: the client has a limited time for the rest. */
  #waitForMore(): void {
    const parser = this.#parser!;
    if (!parser.inMessage) {
      if (this.phase !== IDLE) this.wait(IDLE);
      return;
    }
    if (this.#request === null || parser.bodyExpected === "none") {
      // The time for a head runs from its first byte, however many follow one by one.
      if (this.phase !== READING_HEAD) this.wait(READING_HEAD);
    } else {
      this.wait(READING_BODY);
    }
    if (this.inputEnded) this.fail(400, "The request is incomplete");
  }

  #serve(): void {
    const request = this.#request!;
    this.serving();
    this.core.handle(request);
    // A reply that comes later must not keep the memory of a whole read alive.
    if (!request.finished && this.phase === SERVING) request.head.retain();
  }

  /** Whether the request is of a kind after which another protocol may follow. */
  #mayBeTaken(): boolean {
    const { head } = this.#request!;
    return head.isUpgrade || head.methodId === EVHTTP_REQ_CONNECT;
  }

  #putAside(bytes: Uint8Array, start: number, end: number): void {
    if (this.#waiting === null) this.#waiting = new WaitingBytes(bytes, start, end);
    else this.#waiting.append(bytes, start, end);
  }

  /** Goes on with what was put aside, once there is room for replies. */
  #resume(): void {
    if (this.phase === SERVING || this.isOver() || this.isBackedUp() || this.is(PARSING)) return;
    const waiting = this.#waiting;
    if (waiting !== null) {
      this.#waiting = null;
      this.#parse(waiting.bytes, waiting.start, waiting.end);
    }
    if (!this.isOver() && this.#waiting === null) this.#readOn();
  }

  #readOn(): void {
    if (this.inputEnded) this.endIfIdle();
    else if (this.phase !== SERVING && !this.isBackedUp()) this.stream.enable(EV_READ);
  }

  // Replies out

  replyEnded(request: HttpRequest, keepAlive: boolean): void {
    if (request !== this.#request) return;
    this.#request = null;
    request.release();
    if (!keepAlive) {
      // A client that had not said that this is its last request may be sending the next one.
      const unread = this.#waiting !== null || this.is(MORE_CAME) || request.head.keepAlive;
      this.#waiting = null;
      this.finish(unread);
      return;
    }
    this.wait(IDLE);
    if (!this.is(PARSING)) this.#resume();
  }

  takeOver(): BufferEvent {
    const request = this.#request;
    const waiting = this.#waiting;
    this.#request = null;
    this.#waiting = null;
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
    this.close();
  }

  protected override fail(status: number, explanation: string, fields: Readonly<Record<string, string>> = {}): void {
    const request = this.#request;
    this.#request = null;
    this.#waiting = null;
    request?.release();
    if (request?.replyStarted === true) {
      this.close();
      return;
    }
    const page = errorPage(status, explanation);
    const headers = new HttpHeaders({ "Content-Type": "text/html;charset=utf-8", ...fields });
    this.heads.write(this.output, status, undefined, headers, page.length, "close");
    if (request?.method !== "HEAD") this.output.add(page);
    this.finish(true);
  }

  protected override outputSent(): void {
    const request = this.#request;
    if (request !== null && request.onDrain !== undefined) {
      try {
        request.onDrain();
      } catch (error) {
        this.core.failed(error, request);
      }
    }
    this.#resume();
  }

  protected override endIfIdle(): void {
    if (this.phase === SERVING || this.#waiting !== null) return;
    if (this.#parser !== null && this.#parser.inMessage) this.fail(400, "The request is incomplete");
    else if (this.output.length > 0) this.finish(false);
    else this.close();
  }
}
