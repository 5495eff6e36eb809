import { type BufferEvent, type ByteSink, EV_READ } from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import type { RequestHead } from "./head.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_TRACE } from "./methods.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE, type RequestParser } from "./parser.ts";
import { HttpRequest } from "./request.ts";
import { addPiece, type RequestBody } from "./request_body.ts";
import type { ServerCore } from "./server_core.ts";
import {
  ANSWERED,
  BODY_PENDING,
  BODY_UNASKED,
  MORE_CAME,
  PARSING,
  PAUSED,
  REFERRED_TO,
  ServerExchange,
  STREAMED,
} from "./server_exchange.ts";
import { IDLE, LINGERING, READING_BODY, READING_HEAD, SERVING } from "./server_stream.ts";
import { WaitingBytes } from "./waiting_bytes.ts";

const NOTHING = new Uint8Array(0);

/**
 * One client: bytes become requests, one after the other, and the server's handler answers them.
 *
 * @internal
 */
export class ServerConnection extends ServerExchange implements ByteSink {
  constructor(core: ServerCore, stream: BufferEvent, isSecure: boolean) {
    super(core, stream, isSecure);
    stream.setSink(this);
    stream.setCallbacks(this);
    stream.setTimeouts(-1, core.timeouts.writeTimeoutMs);
    stream.enable(EV_READ);
    this.wait(IDLE);
  }

  // Bytes in

  /** Replies that are complete can wait for a few others. */
  get sendsTogether(): boolean {
    return true;
  }

  /** Not even the head of a request that repeats another one. */
  get keepsNothing(): boolean {
    return !this.is(REFERRED_TO);
  }

  /** Begins with what the stream has received before; from the loop, so that whoever serves it can get ready. */
  takeEarly(): void {
    const { input, base, priority } = this.stream;
    if (input.length === 0) return;
    const early = input.take();
    this.#putAside(early, 0, early.length);
    new Deferred(base, priority, () => this.goOn()).schedule();
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.phase === LINGERING) {
      this.mark(REFERRED_TO, false);
      this.lingerOn();
      return;
    }
    // What waits comes first, also when there is room for replies again by now.
    if (this.phase === SERVING || this.waiting !== null || this.isBackedUp() || this.is(PAUSED)) {
      this.#putAside(bytes, start, end);
      this.stream.disable(EV_READ);
      if (this.isServing) this.watchPeer(true);
      return;
    }
    // A body, trailers or the rest of a head are kept in part.
    this.mark(REFERRED_TO, this.parser !== null && this.parser.inMessage);
    this.#parse(bytes, start, end);
  }

  #parse(bytes: Uint8Array, start: number, end: number): void {
    this.mark(PARSING, true);
    try {
      this.#parseAll(bytes, start, end);
      if (this.is(ANSWERED)) this.#idle();
    } catch (error) {
      // Handlers do not get here, only what `onError` throws; where the parser was is lost with it.
      this.close();
      throw error;
    } finally {
      this.mark(PARSING, false);
    }
  }

  /** The time until the next request begins, unless that has begun. Where a reply is still to be sent it runs from then. */
  #idle(): void {
    this.mark(ANSWERED, false);
    if (this.phase === IDLE && this.output.length === 0) this.wait(IDLE);
  }

  #parseAll(received: Uint8Array, start: number, receivedEnd: number): void {
    let parser = this.parser ??= this.core.parsers.take();
    let bytes = received;
    let at = start;
    let end = receivedEnd;
    for (;;) {
      const event = parser.next(bytes, at, end);
      at = parser.position;
      if (event === HEAD) {
        if (at < end && this.core.asksAboutRequests && parser.bodyExpected === "none" && mayBeTaken(parser.head)) {
          // Whoever is asked about the request may take the stream over.
          this.#putAside(bytes, at, end);
          at = end;
        }
        if (this.#beginRequest(parser)) {
          if (at < end) this.#putAside(bytes, at, end);
          break;
        }
      } else if (event === BODY) {
        this.mark(REFERRED_TO, true);
        this.#addBody(bytes, parser.bodyStart, parser.bodyEnd);
        if (this.is(PAUSED)) {
          if (at < end) this.#putAside(bytes, at, end);
          break;
        }
      } else if (event === END) {
        this.mark(MORE_CAME, at < end);
        if (at < end && this.request !== null && mayBeTaken(this.request.head)) {
          // Whoever takes the stream over finds there what has come behind the request.
          this.#putAside(bytes, at, end);
          at = end;
        }
        this.#endRequest(parser, at === end);
        if (this.isOver()) break;
        if (this.waiting !== null && this.phase !== SERVING && !this.isBackedUp()) {
          ({ bytes, start: at, end } = this.waiting);
          this.waiting = null;
          parser = this.parser ??= this.core.parsers.take();
        }
        if (this.phase === SERVING || (at < end && this.isBackedUp())) {
          if (at < end) this.#putAside(bytes, at, end);
          break;
        }
        if (at === end) break;
      } else if (event === NEED_MORE) {
        this.#waitForMore(parser);
        break;
      } else if (event === ERROR) {
        const { status, message } = parser.error!;
        this.fail(status, message);
        break;
      }
      if (this.isOver()) break;
    }
  }

  /** Returns whether its body has to wait. */
  #beginRequest(parser: RequestParser): boolean {
    const { bodyExpected } = parser;
    const head = parser.makeHead();
    const { core } = this;
    const request = new HttpRequest(this, head);
    this.request = request;
    if (!head.isRetained) this.mark(REFERRED_TO, true);
    if (bodyExpected !== "none") {
      this.mark(BODY_PENDING, true);
      this.mark(BODY_UNASKED, head.expectContinue && parser.contentLength !== 0);
    }
    if (head.expectUnknown) {
      this.fail(417, "Unknown expectation");
    } else if ((head.methodId & core.methods.allowed) === 0 && !this.#allowsCustom(request)) {
      this.#refuseMethod(request);
    } else if (core.asksAboutRequests && !core.isWelcome(request)) {
      this.close();
    } else if (bodyExpected !== "none" && this.request === request) {
      this.#beginBody(request);
      return this.is(PAUSED) && this.request === request;
    }
    return false;
  }

  #allowsCustom(request: HttpRequest): boolean {
    return request.head.methodId === 0 && (request.methodId & this.core.methods.allowed) !== 0;
  }

  #refuseMethod(request: HttpRequest): void {
    const { methods } = this.core;
    if (request.methodId === 0) this.fail(501, `Method ${request.method.slice(0, 64)} is not implemented`);
    else this.fail(405, `Method ${request.method} is not allowed`, { Allow: methods.allowField });
  }

  /** The body is still to come. */
  #beginBody(request: HttpRequest): void {
    const { core } = this;
    if (request.methodId === EVHTTP_REQ_TRACE || core.methods.isBodyless(request.method)) {
      return this.fail(400, `Method ${request.method} takes no body`);
    }
    if (this.is(BODY_UNASKED) && !request.replyStarted) {
      const mayContinue = core.mayContinue(request);
      // It may have been answered instead.
      if (this.request !== request) return;
      if (!mayContinue) return this.fail(417, "The body is not wanted");
      // In the middle of a reply that has begun it would pass for a part of that.
      if (!request.replyStarted) {
        this.output.addAscii("HTTP/1.1 100 Continue\r\n\r\n");
        this.mark(BODY_UNASKED, false);
      }
    }
    if (core.routeOf(request)?.streamBody !== true) return;
    request.streamBody();
    this.mark(STREAMED, true);
    this.phase = READING_BODY;
    core.handle(request);
    if (!request.finished && !this.isOver()) request.head.retain();
  }

  #addBody(bytes: Uint8Array, start: number, end: number): void {
    const request = this.request;
    // It was answered before it was complete: this is what nobody wants any more.
    if (request === null) return;
    const { reading } = request;
    if (reading === null) return addPiece(request.body, bytes, start, end);
    try {
      reading.pieceCame(bytes, start, end);
    } catch (error) {
      this.core.failed(error, request);
    }
  }

  #endRequest(parser: RequestParser, isLast: boolean): void {
    const request = this.request;
    const wasStreamed = this.is(STREAMED);
    this.mark(BODY_PENDING | STREAMED, false);
    if (request !== null && parser.trailers !== undefined) request.trailers = parser.trailers;
    // Nothing has begun behind it. The parser also refers to its head, and so to a whole slab.
    if (isLast) {
      this.parser = null;
      this.core.parsers.give(parser);
    }
    if (request === null) this.#answeredBefore();
    else if (wasStreamed) this.#endBody(request);
    else this.#serve(request);
  }

  /** What has ended now was answered before. */
  #answeredBefore(): void {
    this.wait(IDLE);
    if (this.core.closing) this.closeIfIdle();
  }

  #serve(request: HttpRequest): void {
    this.phase = SERVING;
    if (request.reading !== null) this.#endBody(request);
    if (this.request !== request) return;
    this.core.handle(request);
    if (!request.finished && request.reading?.owesEnd === true && this.core.routeOf(request)?.streamBody === true) {
      // Whoever takes a body as it comes hears also of none that there is no more.
      this.#tellEnd(request.reading, request);
    }
    if (request.finished || this.phase !== SERVING) return;
    // Most replies come at once, so that only now the list is changed; and one that comes later must not keep the memory of a
    // whole read alive.
    this.unhurry();
    request.head.retain();
  }

  /** The handler goes on with a body that is complete. */
  #endBody(request: HttpRequest): void {
    this.serving();
    if (request.reading !== null) this.#tellEnd(request.reading, request);
  }

  #tellEnd(reading: RequestBody, request: HttpRequest): void {
    try {
      reading.ended();
    } catch (error) {
      this.core.failed(error, request);
    }
  }

  /** Not all of a message has come: the client has a limited time for the rest. */
  #waitForMore(parser: RequestParser): void {
    if (!parser.inMessage) {
      if (this.phase !== IDLE) this.wait(IDLE);
      return;
    }
    // The time for a head runs from its first byte, however many follow one by one.
    if (this.is(BODY_PENDING)) this.wait(READING_BODY);
    else if (this.phase !== READING_HEAD) this.wait(READING_HEAD);
    if (this.inputEnded) this.fail(400, "The request is incomplete");
  }

  #putAside(bytes: Uint8Array, start: number, end: number): void {
    this.mark(REFERRED_TO, true);
    if (this.waiting === null) this.waiting = new WaitingBytes(bytes, start, end);
    else this.waiting.append(bytes, start, end);
  }

  protected override goOn(): void {
    if (this.phase === SERVING || this.isOver() || this.isBackedUp() || this.is(PARSING | PAUSED)) return;
    const waiting = this.waiting;
    if (waiting !== null) {
      this.waiting = null;
      this.#parse(waiting.bytes, waiting.start, waiting.end);
    } else if (this.is(BODY_PENDING) && this.parser!.bodyBytesLeft === 0) {
      // The pause came with the last piece: only the end is still to be told.
      this.#parse(NOTHING, 0, 0);
    }
    if (!this.isOver() && this.waiting === null) this.#readOn();
  }

  #readOn(): void {
    if (this.inputEnded) {
      this.endIfIdle();
    } else if (this.phase !== SERVING && !this.isBackedUp() && !this.is(PAUSED)) {
      this.readAgain();
    }
  }

  protected override endIfIdle(): void {
    if (this.phase === SERVING || this.waiting !== null) return;
    // All of the request has come, and only a pause keeps its end from being told.
    if (this.is(PAUSED) && this.parser?.bodyBytesLeft === 0) return;
    if (this.parser !== null && this.parser.inMessage) this.fail(400, "The request is incomplete");
    else if (this.output.length > 0) this.finish(false);
    else this.close();
  }
}

/** Whether a request is of a kind after which another protocol may follow. */
function mayBeTaken({ isUpgrade, methodId }: RequestHead): boolean {
  return isUpgrade || methodId === EVHTTP_REQ_CONNECT;
}
