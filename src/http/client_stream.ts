import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  type BufferEvent,
  type ByteSink,
  EV_READ,
  EV_WRITE,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { LazyTimer } from "../core/lazy_timer.ts";
import type { Reactor } from "../core/reactor.ts";
import { HttpClientError } from "./client_error.ts";
import { responseFailure, streamFailure } from "./client_failures.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { HttpClientRequest } from "./client_request.ts";
import { HttpClientResponse } from "./client_response.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE } from "./message_parser.ts";
import { EVHTTP_REQ_CONNECT } from "./methods.ts";
import { ResponseParser } from "./response_parser.ts";
import { OUTPUT_MAX, RequestSender } from "./request_sender.ts";
import { REFERENCE_MIN, WaitingBytes } from "./waiting_bytes.ts";

/** The events after which a direction is over. */
const ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT;

/** A body that nobody wants is read, for the connection to be kept; but not if it is more than this. */
const DROPPED_BYTES_MAX = 64 * 1024;

/** Who makes requests on a {@linkcode ClientStream}. */
export interface ClientStreamOwner {
  /** The response is complete; `reusable`: so is the stream, for another request, else it is gone. */
  responded(request: HttpClientRequest, response: HttpClientResponse, reusable: boolean): void;
  /**
   * There is no response, and the stream is gone. `stale`: it had been kept for a while, and was closed before it could bring a single byte.
   */
  failed(request: HttpClientRequest, error: HttpClientError, stale: boolean): void;
  /** The stream has ended while nothing was asked, and is gone. */
  idleEnded(): void;
}

/**
 * An open stream on which one request after the other is made: it sends, parses what comes back, and watches the time.
 *
 * @internal
 */
export class ClientStream implements ByteSink {
  readonly stream: BufferEvent;
  readonly #reactor: Reactor;
  readonly #settings: ClientSettings;
  readonly #owner: ClientStreamOwner;
  readonly #parser: ResponseParser;
  readonly #sender: RequestSender;
  readonly #timer: LazyTimer;
  #request: HttpClientRequest | null = null;
  #response: HttpClientResponse | null = null;
  #bodyBytes = 0;
  #bodyBytesMax = 0;
  #served = 0;
  #hasAnswered = false;
  #waiting: WaitingBytes | null = null;
  #inputEnded = false;
  #writeError: HttpClientError | null = null;
  // What came before HTTP is no answer to anything, and must not pass for one.
  readonly #spokeFirst: boolean;
  #isOver = false;

  constructor(stream: BufferEvent, settings: ClientSettings, owner: ClientStreamOwner) {
    this.stream = stream;
    this.#reactor = reactorOf(stream.base);
    this.#settings = settings;
    this.#owner = owner;
    this.#parser = new ResponseParser(settings.limits, settings.leniency);
    this.#timer = new LazyTimer(stream.base, () => this.#timedOut(), false);
    this.#sender = new RequestSender(stream, {
      went: () => this.#wait(),
      bodyFailed: (error) =>
        this.#fail(new HttpClientError("HTTP_BODY_FAILED", `send the body of ${this.#what()}`, error)),
    });
    this.#spokeFirst = stream.input.length > 0;
    stream.setCallbacks({ write: () => this.#sent(), event: (what) => this.#event(what) });
    stream.setTimeouts(-1, settings.writeTimeoutMs === Infinity ? -1 : settings.writeTimeoutMs);
    stream.setWatermark(EV_WRITE, OUTPUT_MAX / 2, 0);
    stream.setSink(this);
    stream.enable(EV_READ);
    // A request that is under way keeps the loop alive by itself.
    if (!settings.idleKeepsLoop) stream.keepLoop(false);
  }

  /** Looks whether nothing has come by it unasked, and it has not ended, as far as is known here; by that it may turn out to be over. */
  checkUsable(): boolean {
    return this.#served === 0 || (this.stream.lookAhead() === 0 && !this.#isOver);
  }

  /** The request that is under way. */
  get request(): HttpClientRequest | null {
    return this.#request;
  }

  /** Sends a request. Only when there is none under way. */
  begin(request: HttpClientRequest, authority: string): void {
    this.#request = request;
    // Whoever lets the server wait waits for something else, and the loop must be there when that has come.
    this.#reactor.countVirtual(1);
    if (this.#spokeFirst) {
      return this.#fail(
        new HttpClientError("HTTP_INVALID_RESPONSE", `send ${this.#what()}: the server has spoken before it was asked`),
      );
    }
    request.attempts++;
    this.#hasAnswered = false;
    this.#bodyBytes = 0;
    this.#bodyBytesMax = request.options.maxBodyBytes ??
      (request.options.onData === undefined ? this.#settings.maxBodyBytes : Infinity);
    this.#parser.expect(request.methodId);
    this.#sender.begin(request, authority);
    this.#wait(true);
    if (request.isPaused) this.pause();
  }

  #endRequest(): void {
    if (this.#request === null) return;
    this.#request = null;
    this.#reactor.countVirtual(-1);
  }

  /** Reads no more for the time being. */
  pause(): void {
    this.stream.disable(EV_READ);
    this.#timer.clear();
  }

  /** Reads on. */
  resume(): void {
    if (this.#isOver) return;
    this.#wait(true);
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) this.#parse(waiting.bytes, waiting.start, waiting.end);
    if (this.#isOver || this.#request?.isPaused === true) return;
    if (this.#inputEnded) this.#endOfInput();
    else this.stream.enable(EV_READ);
  }

  /** Closes it. Nobody is told. */
  close(): void {
    if (this.#release()) this.stream.close();
  }

  /** Gives up everything but the stream. */
  #release(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#endRequest();
    this.#waiting = null;
    this.#timer.close();
    this.#sender.close();
    return true;
  }

  #sent(): void {
    this.#wait();
    this.#sender.sent();
  }

  // Times

  /** Waits for the server to go on, for no less long than before. `isNew`: from the present, which the loop's time may be long behind. */
  #wait(isNew: boolean = false): void {
    if (this.#request === null || this.#request.isPaused) return;
    const { readTimeoutMs, expectTimeoutMs } = this.#settings;
    const ms = this.#sender.awaitsContinue ? Math.min(expectTimeoutMs, readTimeoutMs) : readTimeoutMs;
    if (ms === Infinity) this.#timer.clear();
    else if (isNew) this.#timer.set(ms + this.#reactor.clock.ageMs);
    else this.#timer.postpone(ms);
  }

  #timedOut(): void {
    if (this.#request === null || this.#request.isPaused) return;
    if (this.#sender.awaitsContinue) {
      this.#sender.sendBody();
      this.#wait();
    } else if (this.stream.output.length > 0 || this.#sender.isSending) {
      // Nobody owes us anything before it has the whole request: a server that takes nothing is the write timeout's business, and a
      // source that is slow its own.
      this.#wait();
    } else {
      this.#fail(
        new HttpClientError(
          "HTTP_TIMEOUT",
          `finish ${this.#what()}: nothing came for ${this.#settings.readTimeoutMs} ms`,
        ),
      );
    }
  }

  // Receiving

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    // A server that speaks without being asked cannot be trusted with what comes next.
    if (this.#request === null) return this.#endIdle();
    if (this.#request.isPaused) return this.#hold(bytes, start, end);
    this.#hasAnswered = true;
    this.#wait();
    this.#parse(bytes, start, end);
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    if (this.#waiting === null) this.#waiting = new WaitingBytes(bytes, start, end);
    else this.#waiting.append(bytes, start, end);
  }

  /**
   * What the callbacks of a request throw ends it, and is told by the error it ends with: the rest of what has come is lost to it, and
   * nothing that comes later would make sense.
   */
  #parse(bytes: Uint8Array, start: number, end: number): void {
    const request = this.#request!;
    try {
      this.#parseFor(request, bytes, start, end);
    } catch (error) {
      // The request was over by then: it is no business of its own any more.
      if (this.#request !== request) throw error;
      request.cancel(error);
    }
  }

  #parseFor(request: HttpClientRequest, bytes: Uint8Array, start: number, end: number): void {
    const parser = this.#parser;
    const before = this.#response;
    let at = start;
    for (;;) {
      if (request.isPaused) {
        this.#hold(bytes, at, end);
        break;
      }
      const event = parser.next(bytes, at, end);
      at = parser.position;
      if (event === HEAD) this.#head();
      else if (event === BODY) this.#data(bytes, parser.bodyStart, parser.bodyEnd);
      else if (event === ERROR) return this.#fail(responseFailure(request, parser.error!));
      else if (event === NEED_MORE) break;
      else if (!parser.head.isInterim) return this.#complete(bytes, at, end);
      // A callback may have closed everything.
      if (this.#request !== request) return;
    }
    // What is not complete yet may be long in coming, and must not keep a whole read buffer alive.
    if (this.#response !== before) this.#response?.head.retain();
  }

  #head(): void {
    const request = this.#request!;
    const { head, contentLength } = this.#parser;
    if (head.isInterim) {
      if (head.status === 100 && this.#sender.awaitsContinue) this.#sender.sendBody();
      request.options.onInterim?.(head, request);
      return;
    }
    // Then no body is sent any more, and no other request either.
    if (this.#sender.dropAwaited()) this.#wait();
    if (head.status === 101 && !request.offersUpgrade) {
      return this.#fail(
        new HttpClientError("HTTP_INVALID_RESPONSE", `finish ${this.#what()}: the protocol was changed unasked`),
      );
    }
    const response = this.#response = new HttpClientResponse(head);
    const isWanted = request.options.onHead?.(response, request) !== false;
    if (!isWanted || (request.dropsBody && contentLength > DROPPED_BYTES_MAX)) return request.cancel();
    if (!request.dropsBody && this.#request === request && contentLength > this.#bodyBytesMax) this.#failTooLong();
  }

  #data(bytes: Uint8Array, start: number, end: number): void {
    const request = this.#request!;
    const response = this.#response!;
    this.#bodyBytes += end - start;
    if (request.dropsBody) {
      if (this.#bodyBytes > DROPPED_BYTES_MAX) request.cancel();
      return;
    }
    if (this.#bodyBytes > this.#bodyBytesMax) return this.#failTooLong();
    if (request.options.onData !== undefined) request.options.onData(bytes.subarray(start, end), response, request);
    else if (end - start < REFERENCE_MIN) response.body.addSlice(bytes, start, end);
    else response.body.addReferencePart(bytes, start, end - start);
  }

  #failTooLong(): void {
    this.#fail(
      new HttpClientError(
        "HTTP_DATA_TOO_LONG",
        `finish ${this.#what()}: its body is longer than ${this.#bodyBytesMax} bytes`,
      ),
    );
  }

  /** The response is complete, and `bytes[at..end)` came behind it. */
  #complete(bytes: Uint8Array, at: number, end: number): void {
    const request = this.#request!;
    const response = this.#response!;
    const { head } = response;
    response.trailers = this.#parser.trailers;
    this.#response = null;
    const isTunnel = request.methodId === EVHTTP_REQ_CONNECT && response.ok;
    if (head.status === 101 || isTunnel) {
      if (at < end) this.#hold(bytes, at, end);
      response.switchTo(this.#giveAway());
      this.#owner.responded(request, response, false);
      return;
    }
    // A server that answers before it has the whole request may read the rest or not: the next one must not depend on it.
    const isSent = this.#sender.isDone && this.stream.output.length === 0 && this.#writeError === null;
    const reusable = isSent && at === end && head.keepAlive && this.#parser.bodyExpected !== "close" &&
      !this.#inputEnded && !request.wantsClose;
    this.#endRequest();
    this.#served++;
    this.#timer.clear();
    if (!reusable) this.close();
    this.#owner.responded(request, response, reusable);
  }

  /** Gives the stream away, as if nobody had ever used it. */
  #giveAway(): BufferEvent {
    const { stream } = this;
    const waiting = this.#waiting;
    this.#release();
    stream.disable(EV_READ);
    stream.setSink(null);
    stream.setCallbacks({});
    stream.setTimeouts(-1, -1);
    stream.setWatermark(EV_WRITE, 0, 0);
    stream.keepLoop(true);
    if (waiting !== null) stream.input.prepend(waiting.bytes.subarray(waiting.start, waiting.end));
    return stream;
  }

  // Ends

  #event(what: number): void {
    if ((what & ENDS) === 0 || this.#isOver) return;
    if (this.#request === null) return this.#endIdle();
    if ((what & BEV_EVENT_EOF) !== 0) {
      this.#inputEnded = true;
      if (!this.#request.isPaused) this.#endOfInput();
    } else if ((what & BEV_EVENT_TIMEOUT) !== 0) {
      this.#fail(
        new HttpClientError(
          "HTTP_TIMEOUT",
          `send ${this.#what()}: nothing could be sent for ${this.#settings.writeTimeoutMs} ms`,
        ),
      );
    } else {
      const error = streamFailure(this.#request, this.stream.error);
      const isWriting = (what & (BEV_EVENT_READING | BEV_EVENT_WRITING)) === BEV_EVENT_WRITING;
      if (!isWriting || !this.#settings.readOnWriteError) return this.#fail(error);
      // It may have answered before it closed its side.
      this.#writeError = error;
      this.#sender.close();
      this.stream.output.unfreezeFront();
      this.stream.output.drain(this.stream.output.length);
      this.stream.output.freezeFront();
      this.#wait();
    }
  }

  #endOfInput(): void {
    const parser = this.#parser;
    const request = this.#request!;
    const event = parser.inputEnded();
    if (event === END && this.#response !== null) return this.#complete(EMPTY, 0, 0);
    const cause = event === ERROR ? parser.error : undefined;
    this.#fail(
      this.#writeError ??
        new HttpClientError("HTTP_EOF", `finish ${request.describe()}: the server has closed the connection`, cause),
    );
  }

  #endIdle(): void {
    this.close();
    this.#owner.idleEnded();
  }

  #fail(error: HttpClientError): void {
    const request = this.#request;
    if (request === null) return;
    const isStale = this.#served > 0 && !this.#hasAnswered &&
      (error.code === "HTTP_EOF" || error.code === "HTTP_CONNECTION_FAILED");
    this.#response = null;
    this.close();
    this.#owner.failed(request, error, isStale);
  }

  #what(): string {
    return this.#request!.describe();
  }
}

const EMPTY = new Uint8Array(new ArrayBuffer(0));
