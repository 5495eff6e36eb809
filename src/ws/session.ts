import {
  type AwaitOptions,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  type BufferEvent,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import type { WebSocketAgreement } from "./agreement.ts";
import { WS_CR_NORMAL } from "./close_codes.ts";
import { answerTo, type CloseFacts, closePayload, readClose } from "./close_frame.ts";
import { deflateReply } from "./deflate_parameters.ts";
import { frameParsers } from "./frame_parsers.ts";
import { webSocketLimits } from "./limits.ts";
import { MessageIterator } from "./message_iterator.ts";
import { MessageQueue } from "./message_queue.ts";
import { MessageReader } from "./message_reader.ts";
import { OPCODE_CLOSE, OPCODE_PING, OPCODE_PONG } from "./opcodes.ts";
import { PermessageDeflate } from "./permessage_deflate.ts";
import { HELD_BY_QUEUE, HELD_BY_USER, type InputHandler, SessionInput } from "./session_input.ts";
import { SessionEnd } from "./session_end.ts";
import {
  type SessionSettings,
  sessionSettings,
  type WebSocketCallbacks,
  type WebSocketClose,
  type WebSocketMessage,
  type WebSocketSessionOptions,
} from "./session_options.ts";
import { controlPayload, SessionOutput } from "./session_output.ts";
import { CLOSED, CLOSING, ENDING, OPEN, OVER, STATES } from "./session_state.ts";
import { SessionTimer, type TimeHandler } from "./session_timer.ts";
import { WebSocketError, type WebSocketErrorCode } from "./ws_error.ts";

const NOTHING = new Uint8Array(0);

/**
 * A WebSocket session (RFC 6455; libevent's evws_connection), either side, over any kind of connection. A server gets one from
 * {@linkcode upgradeWebSocket}, a client from {@linkcode connectWebSocket}.
 *
 * However it ends (both sides close, one breaks the protocol, the connection is reset or goes silent), `close` is called exactly once.
 *
 * @example
 * ```ts
 * import { EventBase, HttpServer, upgradeWebSocket } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base);
 * server.route("/echo", (request) => {
 *   upgradeWebSocket(request, { message: (data, session) => void session.send(data) });
 * });
 * console.log(`ws://127.0.0.1:${server.listen({ port: 0 }).port}/echo`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class WebSocketSession implements Disposable, AsyncIterable<WebSocketMessage> {
  /** The connection underneath (evws_connection_get_bufferevent). It is the session's: watch it, but do not use it. */
  readonly stream: BufferEvent;
  /** Whose side this is. */
  readonly role: "server" | "client";
  /** The subprotocol that was agreed upon; "" for none. */
  readonly protocol: string;
  /** The extensions that were agreed upon, as a header field has them; "" for none. */
  readonly extensions: string;

  readonly #callbacks: WebSocketCallbacks;
  readonly #settings: SessionSettings;
  readonly #input: SessionInput<WebSocketSession>;
  readonly #output: SessionOutput;
  readonly #timer: SessionTimer<WebSocketSession>;
  #state = OPEN;
  #queue: MessageQueue | null = null;
  readonly #ending = new SessionEnd();

  /**
   * Speaks WebSocket over a connection whose handshake is done, which becomes the session's to close. What has come already is handed
   * on from the loop.
   *
   * @throws {RangeError} for limits and times that are no numbers above zero, {TypeError} for an `outputPolicy` that is none, or a closed
   * connection. It stays the caller's.
   */
  constructor(stream: BufferEvent, agreement: WebSocketAgreement, options: WebSocketSessionOptions = {}) {
    if (stream.closed) throw new TypeError("Cannot speak WebSocket over a connection that is closed");
    const { role, protocol = "", deflate } = agreement;
    const settings = sessionSettings(options);
    const limits = webSocketLimits(options.limits);
    const deflateOptions = typeof options.deflate === "object" ? options.deflate : {};
    const codec = deflate ? new PermessageDeflate(role, deflate, deflateOptions) : null;
    const from = role === "server" ? "client" : "server";
    this.stream = stream;
    this.role = role;
    this.protocol = protocol;
    this.extensions = deflate ? deflateReply(deflate) : "";
    this.#callbacks = options;
    this.#settings = settings;
    const parsers = frameParsers(from, codec !== null, limits);
    const handler = WebSocketSession.#handler;
    this.#input = new SessionInput(stream, parsers, new MessageReader(limits.maxMessageBytes, codec), this, handler);
    this.#output = new SessionOutput(stream, settings, codec, role === "client");
    this.#timer = new SessionTimer(stream.base, this, handler, settings.heartbeatMs, settings.heartbeatTimeoutMs);
    stream.setTimeouts(-1, settings.writeTimeoutMs === Infinity ? -1 : settings.writeTimeoutMs);
    this.#input.start();
  }

  /** How far it is. `closing` from the first close frame on, whoever sends it. */
  get state(): "open" | "closing" | "closed" {
    return STATES[this.#state]!;
  }

  /** Bytes that were sent and wait for the system to take them, frame heads included. */
  get bufferedAmount(): number {
    return this.#state === CLOSED ? 0 : this.#output.bufferedBytes;
  }

  /** How it has ended; undefined before that. */
  get closeFacts(): WebSocketClose | undefined {
    return this.#ending.close ?? undefined;
  }

  // Sending

  /**
   * Sends a message: text for a string, else bytes, which are copied.
   *
   * @returns how many bytes wait to be sent by now; a sender faster than the other side should stop when they are many, and go on with
   * {@linkcode WebSocketSession.drained} or the `drain` callback. -1 when nothing was sent: the session is not open, or `maxOutputBytes`
   * were waiting already.
   * @throws {Error} while a message is being sent in fragments. {TypeError} for other data, such as an ArrayBuffer.
   */
  send(data: WebSocketMessage): number {
    if (this.#state !== OPEN || this.#isRefused(this.#settings.dropsOutput)) return -1;
    return this.#output.sendMessage(data);
  }

  /** Sends text (evws_send_text); see {@linkcode WebSocketSession.send}. Lone surrogates become U+FFFD. */
  sendText(text: string): number {
    return this.send(text);
  }

  /** Sends bytes (evws_send_binary); see {@linkcode WebSocketSession.send}. */
  sendBinary(bytes: Uint8Array): number {
    return this.send(bytes);
  }

  /**
   * Sends a part of a message whose length need not be known: text if its first part is a string, else bytes. No other message can be
   * sent before the last part; pings can. Parts are never left out, so beyond `maxOutputBytes` the connection is cut whatever the policy.
   * Text may be cut anywhere, also between the two surrogates of a character.
   *
   * @param isFinal whether it is the last part, which may be empty.
   * @returns as {@linkcode WebSocketSession.send}.
   * @throws {TypeError} when the kind is not that of the first part.
   */
  sendFragment(data: WebSocketMessage, isFinal: boolean): number {
    if (this.#state !== OPEN || this.#isRefused(false)) return -1;
    return this.#output.sendFragment(data, isFinal);
  }

  /**
   * Sends a ping; the `pong` callback hears of the answer.
   *
   * @returns as {@linkcode WebSocketSession.send}.
   * @throws {RangeError} for more than 125 bytes.
   */
  ping(data: Uint8Array | string = NOTHING): number {
    return this.#sendControl(OPCODE_PING, data);
  }

  /** Sends a pong that no ping has asked for; as {@linkcode WebSocketSession.ping}. */
  pong(data: Uint8Array | string = NOTHING): number {
    return this.#sendControl(OPCODE_PONG, data);
  }

  /**
   * Begins to close (evws_close): what was sent before still arrives, the other side answers, and then the connection ends. Messages that
   * come meanwhile are of no interest any more. Without effect when that has begun already. Once the base is closed nobody would hear of
   * the answer, so the connection is cut.
   *
   * @param code 1000 by default; 0 for none.
   * @param reason at most 123 bytes of UTF-8.
   * @throws {RangeError} for a code that may not be sent (1005, say), and a reason that is too long.
   */
  close(code: number = WS_CR_NORMAL, reason: string = ""): void {
    const payload = closePayload(code, reason);
    if (this.#state !== OPEN) return;
    if (reactorOf(this.stream.base).closed) return this.terminate();
    this.#state = CLOSING;
    this.#ending.closed(code);
    this.#limitEnd();
    this.#input.dropMessages();
    // Last, here and below: who watches the output may cut the connection from inside this.
    this.#output.sendClose(payload);
  }

  /** Cuts the connection at once (evws_connection_free); `close` is called before this returns, with 1006 unless both sides had closed. */
  terminate(): void {
    this.stream.close();
  }

  /** Same as {@linkcode WebSocketSession.terminate}. */
  [Symbol.dispose](): void {
    this.terminate();
  }

  // Waiting

  /** Waits until everything sent has been handed to the system. */
  drained(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.stream.flushed(options);
  }

  /**
   * Waits for the end, however it comes.
   *
   * @throws {BaseClosedError} by rejection, when the base is closed while the session is not; or the reason of an aborted signal.
   */
  whenClosed(options: AwaitOptions = {}): Promise<WebSocketClose> {
    return this.#ending.wait(this.stream.base, options);
  }

  /**
   * The messages as they come, if there is no `message` callback, until the session is over, or its base is closed. What ends it badly is thrown. Reading stops
   * while 64 messages, or 1 MiB of them, wait. Leaving the loop early leaves the session open.
   *
   * @throws {TypeError} when there is a `message` callback, which gets them all.
   */
  [Symbol.asyncIterator](): AsyncIterator<WebSocketMessage, undefined> {
    if (this.#callbacks.message !== undefined) {
      throw new TypeError("Cannot iterate over messages: the message callback gets them");
    }
    return new MessageIterator(this.#messages());
  }

  /** Takes no more messages, also none that have been received already; the other side is slowed down. Pings wait as well. */
  pause(): void {
    if (this.#state === OPEN) this.#input.hold(HELD_BY_USER);
  }

  /** Goes on after {@linkcode WebSocketSession.pause}. */
  resume(): void {
    this.#input.release(HELD_BY_USER);
  }

  /** Whether {@linkcode WebSocketSession.pause} is in force. */
  get isPaused(): boolean {
    return (this.#input.held & HELD_BY_USER) !== 0;
  }

  // What has come

  static readonly #handler: InputHandler<WebSocketSession> & TimeHandler<WebSocketSession> = {
    messageCame: (session, message) => session.#messageCame(message),
    controlCame: (session, opcode, payload, start, end) => session.#controlCame(opcode, payload, start, end),
    inputFailed: (session, error) => session.#fault(error),
    inputEnded: (session) => session.#inputEnded(),
    outputDrained: (session) => session.#drained(),
    streamEvent: (session, what) => session.#streamEvent(what),
    streamClosed: (session) => session.#streamClosed(),
    wasHeard: (session) => session.#output.isTaken(session.#input.takeHeard()),
    askForLife: (session) => session.#output.askForLife(),
    heartbeatFailed: (session) => session.#abort("WS_HEARTBEAT_TIMEOUT"),
    endTimedOut: (session) => session.#endTimedOut(),
  };

  #messageCame(message: WebSocketMessage): void {
    if (this.#callbacks.message !== undefined) this.#callbacks.message(message, this);
    else if (!this.#messages().add(message)) this.#input.hold(HELD_BY_QUEUE);
  }

  #messages(): MessageQueue {
    if (this.#queue === null) {
      this.#queue = new MessageQueue(this.stream.base, () => this.#input.release(HELD_BY_QUEUE));
      if (this.#ending.close !== null) this.#queue.end(this.#ending.close, this.#ending.error);
    }
    return this.#queue;
  }

  #controlCame(opcode: number, payload: Uint8Array, start: number, end: number): void {
    if (opcode === OPCODE_CLOSE) {
      this.#closeCame(readClose(payload, start, end));
    } else if (opcode === OPCODE_PING) {
      if (this.#state === OPEN && this.#settings.autoPong) this.#output.answerPing(payload.subarray(start, end));
      if (this.#state !== CLOSED) this.#callbacks.ping?.(payload.slice(start, end), this);
    } else {
      this.#callbacks.pong?.(payload.slice(start, end), this);
    }
  }

  #closeCame(facts: CloseFacts | WebSocketErrorCode): void {
    if (typeof facts === "string") return this.#fault(new WebSocketError(facts));
    this.#ending.closeCame(facts);
    this.#end(answerTo(facts));
    // The server ends the connection, so that the client's side of it is free at once (RFC 6455 section 7.1.1).
    if (this.role === "server" && this.#state !== CLOSED) this.stream.closeAfterFlush();
  }

  /** The other side has broken the rules: it is told so, and not listened to any more. */
  #fault(error: WebSocketError): void {
    this.#ending.faulted(this.#state, error);
    this.#end(closePayload(error.closeCode, ""));
    if (this.#state === CLOSED) return;
    // Closing with unread bytes would be a reset, which may overtake the close frame: read on until the other side has seen it.
    if (this.#output.bufferedBytes === 0) this.stream.endWriting();
    this.#callbacks.error?.(error, this);
  }

  /** @param payload of our close frame, unless that is out already. */
  #end(payload: Uint8Array): void {
    const wasOpen = this.#state === OPEN;
    this.#state = wasOpen || this.#output.bufferedBytes > 0 ? ENDING : OVER;
    this.#input.finish();
    this.#limitEnd();
    if (wasOpen) this.#output.sendClose(payload);
  }

  #limitEnd(): void {
    this.#timer.limitEnd(this.#output.endLimitMs(this.#ending.error !== null));
  }

  #endTimedOut(): void {
    if (this.#output.hasMovedOn) this.#limitEnd();
    else this.#abort("WS_CLOSE_TIMEOUT");
  }

  // What has become of the connection

  #drained(): void {
    if (this.#state !== OPEN) this.#closeLeft();
    else if (this.#output.drained()) this.#callbacks.drain?.(this);
  }

  /** Nothing waits any more here, though it may do underneath. */
  #closeLeft(): void {
    if (this.#state === CLOSED || this.#ending.error !== null) return this.stream.endWriting();
    if (this.#output.bufferedBytes > 0) return void (this.stream.whenOutputShrank = () => this.#drained());
    if (this.#state === ENDING) this.#state = OVER;
    this.#limitEnd();
  }

  #inputEnded(): void {
    // Who has said that this is the end may still read: what was sent before, and the answer.
    const isAnswering = this.#state === ENDING && this.#ending.error === null && this.#output.bufferedBytes > 0;
    if (isAnswering) this.stream.closeAfterFlush();
    else this.#abort("WS_CONNECTION_ENDED");
  }

  #streamEvent(what: number): void {
    const isLost = (what & BEV_EVENT_WRITING) !== 0;
    if ((what & BEV_EVENT_ERROR) !== 0) this.#abort("WS_CONNECTION_FAILED", this.stream.error, isLost);
    else if ((what & BEV_EVENT_TIMEOUT) !== 0) this.#abort("WS_WRITE_TIMEOUT");
    else if ((what & BEV_EVENT_EOF) !== 0) this.#input.end();
  }

  /**
   * The connection is of no more use.
   *
   * @param isLost whether what was to be sent is gone already.
   */
  #abort(code: WebSocketErrorCode, cause: Error | null = null, isLost: boolean = false): void {
    const error = this.#ending.aborted(this.#state, isLost || this.#output.bufferedBytes > 0, code, cause);
    // Nothing can be sent any more, also by the callback, which would hear of that once more.
    if (this.#state !== OVER) this.#state = ENDING;
    try {
      if (error !== null) this.#callbacks.error?.(error, this);
    } finally {
      this.stream.close();
    }
  }

  /** Whether there is no room for another message; the connection is cut then, unless the message may be left out. */
  #isRefused(mayDrop: boolean): boolean {
    if (!this.#output.isFull) return false;
    if (!mayDrop) this.#abort("WS_OUTPUT_TOO_LARGE");
    return true;
  }

  #sendControl(opcode: number, data: Uint8Array | string): number {
    const payload = controlPayload(data);
    if (this.#state !== OPEN || this.#isRefused(this.#settings.dropsOutput)) return -1;
    return this.#output.sendControl(opcode, payload);
  }

  /** The connection is closed, by whomever: the session is over. */
  #streamClosed(): void {
    // The output is still as it was.
    const close = this.#ending.conclude(this.#state, this.#output.bufferedBytes > 0);
    this.#state = CLOSED;
    this.#timer.close();
    this.#input.close();
    this.#output.unwatch();
    try {
      this.#callbacks.close?.(close.code, close.reason, close.wasClean, this);
    } finally {
      this.#queue?.end(close, this.#ending.error);
      this.#ending.tell(close);
    }
  }
}
