import { type BufferEvent, type BufferEventCallbacks, type ByteSink, EV_READ } from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import { reactorOf } from "../core/event_base.ts";
import { WaitingBytes } from "../http/waiting_bytes.ts";
import { FRAME_CONTROL, FRAME_NEED_MORE, FRAME_PIECE, type FrameParser } from "./frame_parser.ts";
import type { FrameParsers } from "./frame_parsers.ts";
import type { MessageReader } from "./message_reader.ts";
import type { WebSocketMessage } from "./session_options.ts";
import { loneText } from "./lone_text.ts";
import { WebSocketError } from "./ws_error.ts";

/** What is told of a session: one object for all of them, since closures for each would be as large as all the rest. */
export interface InputHandler<Session> {
  /** A message is complete. */
  messageCame(session: Session, message: WebSocketMessage): void;
  /** A control frame has come; its payload changes after the call. */
  controlCame(session: Session, opcode: number, payload: Uint8Array, start: number, end: number): void;
  /** What has come is not acceptable. */
  inputFailed(session: Session, error: WebSocketError): void;
  /** The stream has ended, and everything before that was handed on. */
  inputEnded(session: Session): void;
  /** Everything that was queued has left. */
  outputDrained(session: Session): void;
  /** Something has happened to the stream, a `BEV_EVENT_` combination. */
  streamEvent(session: Session, what: number): void;
  /** The stream is closed, by whomever. */
  streamClosed(session: Session): void;
}

/**
 * So many bytes are decompressed at a stretch. A message of ten bytes may have 32 KiB before it go through zlib, which takes up to a third
 * of a millisecond, and thousands of them come at once.
 */
const DECOMPRESSED_BYTES_MAX = 128 * 1024;

/** Bytes are not taken since the user has said so. */
export const HELD_BY_USER = 1;
/** Bytes are not taken since messages wait to be iterated over. */
export const HELD_BY_QUEUE = 2;

/**
 * The receiving half of a session: bytes become messages and control frames. It can be held at any event, also in the middle of
 * what was received together; the rest waits, and reading is disabled.
 *
 * @internal
 */
export class SessionInput<Session> implements ByteSink, BufferEventCallbacks<BufferEvent> {
  readonly #stream: BufferEvent;
  readonly #parsers: FrameParsers;
  // From the first byte of a message to its last.
  #parser: FrameParser | null = null;
  readonly #reader: MessageReader;
  readonly #session: Session;
  readonly #handler: InputHandler<Session>;
  #waiting: WaitingBytes | null = null;
  #resume: Deferred | null = null;
  #held = 0;
  #heard = false;
  #keepsLoop = false;
  #busy = false;
  #dropsMessages = false;
  #isOver = false;
  #hasEnded = false;

  constructor(
    stream: BufferEvent,
    parsers: FrameParsers,
    reader: MessageReader,
    session: Session,
    handler: InputHandler<Session>,
  ) {
    this.#stream = stream;
    this.#parsers = parsers;
    this.#reader = reader;
    this.#session = session;
    this.#handler = handler;
  }

  /** Messages are in memory of their own, so only what waits is kept where it was received. */
  get keepsNothing(): boolean {
    return this.#waiting === null;
  }

  /** An answer can wait for those of a few others. */
  get sendsTogether(): boolean {
    return true;
  }

  /** Starts reading; what has come before this session was made is handed on from the loop, so that its maker can get ready. */
  start(): void {
    const { input } = this.#stream;
    if (input.length > 0) {
      const early = input.take();
      this.#waiting = new WaitingBytes(early, 0, early.length);
      this.#resumeSoon();
    }
    this.#stream.setCallbacks(this);
    this.#stream.setSink(this);
    this.#stream.enable(EV_READ);
  }

  /** Why nothing is taken, as `HELD_` bits. */
  get held(): number {
    return this.#held;
  }

  /** Takes no more for one more reason. */
  hold(reason: number): void {
    this.#held |= reason;
    if (this.#isOver) return;
    // Whoever lets the other side wait waits for something else, and the loop must be there when that has come.
    this.#keepLoop(true);
    this.#stream.disable(EV_READ);
  }

  /** Takes a reason back. What waits is handed on from the loop, not from inside this call. */
  release(reason: number): void {
    if ((this.#held & reason) === 0) return;
    this.#held &= ~reason;
    if (this.#held !== 0 || this.#isOver) return;
    this.#resumeSoon();
    this.#keepLoop(false);
  }

  /** Whether anything has come since this was last asked. Who does not read cannot tell whether there is anybody. */
  takeHeard(): boolean {
    const heard = this.#heard || this.#held !== 0;
    this.#heard = false;
    return heard;
  }

  /** From now on messages are of no interest, only what ends the session. */
  dropMessages(): void {
    this.#dropsMessages = true;
    this.#reader.clear();
    this.release(HELD_BY_USER | HELD_BY_QUEUE);
  }

  /** From now on nothing is of interest but the end of the stream. */
  finish(): void {
    this.#isOver = true;
    this.#waiting = null;
    this.#reader.clear();
    this.#keepLoop(false);
    if (!this.#stream.closed) this.#stream.enable(EV_READ);
  }

  /** The connection is gone. */
  close(): void {
    this.#isOver = true;
    this.#waiting = null;
    this.#keepLoop(false);
    this.#resume?.cancel();
  }

  write(): void {
    this.#handler.outputDrained(this.#session);
  }

  event(what: number): void {
    this.#handler.streamEvent(this.#session, what);
  }

  connectionClosed(): void {
    this.#handler.streamClosed(this.#session);
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#heard = true;
    if (this.#isOver) return;
    if (this.#busy || this.#held !== 0 || this.#waiting !== null) {
      this.#putAside(bytes, start, end);
      this.#stream.disable(EV_READ);
    } else if (!this.#takeLone(bytes, start, end)) {
      this.#run(bytes, start, end);
    }
  }

  /** Takes what is one text in one frame and nothing else; returns whether it was. */
  #takeLone(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#parser !== null || this.#dropsMessages) return false;
    const text = loneText(bytes, start, end, this.#parsers.loneMax);
    if (text === null) return false;
    this.#busy = true;
    try {
      this.#handler.messageCame(this.#session, text);
    } finally {
      this.#busy = false;
      if (this.#waiting !== null && !this.#isOver) this.#keepRest(bytes, end, end);
    }
    return true;
  }

  /** The stream has ended; true when everything before that has been handed on. */
  end(): void {
    this.#hasEnded = true;
    if (this.#isOver || (this.#waiting === null && !this.#busy)) this.#handler.inputEnded(this.#session);
  }

  /** Keeps the loop alive while reading is disabled, which would do that. */
  #keepLoop(on: boolean): void {
    if (on === this.#keepsLoop) return;
    this.#keepsLoop = on;
    reactorOf(this.#stream.base).countVirtual(on ? 1 : -1);
  }

  #putAside(bytes: Uint8Array, start: number, end: number): void {
    if (this.#waiting === null) this.#waiting = new WaitingBytes(bytes, start, end);
    else this.#waiting.append(bytes, start, end);
  }

  #resumeSoon(): void {
    this.#resume ??= new Deferred(this.#stream.base, this.#stream.priority, () => this.#goOn());
    this.#resume.schedule();
  }

  /** Goes on with what waits, then with reading. */
  #goOn(): void {
    if (this.#held !== 0 || this.#isOver || this.#busy) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    try {
      if (waiting !== null) this.#run(waiting.bytes, waiting.start, waiting.end);
    } finally {
      // Also when a callback has thrown: nobody else would see to it.
      this.#readOn();
    }
  }

  /** Goes on with reading, if nothing waits. What waited may have been the end of the session, and only that of the stream is missing. */
  #readOn(): void {
    if (this.#isOver ? !this.#hasEnded || this.#stream.closed : this.#held !== 0 || this.#waiting !== null) return;
    if (this.#hasEnded) this.#handler.inputEnded(this.#session);
    else this.#stream.enable(EV_READ);
  }

  #run(bytes: Uint8Array, start: number, end: number): void {
    const parser = this.#parser ??= this.#parsers.take();
    const enough = this.#reader.bytesDecompressed + DECOMPRESSED_BYTES_MAX;
    let at = start;
    this.#busy = true;
    try {
      do {
        const event = parser.next(bytes, at, end);
        at = parser.position;
        if (event === FRAME_NEED_MORE) break;
        if (event === FRAME_PIECE) {
          this.#piece(parser);
          // The rest waits for its turn, as others do.
          if (parser.compressed && this.#reader.bytesDecompressed >= enough) break;
        } else if (event === FRAME_CONTROL) {
          this.#handler.controlCame(
            this.#session,
            parser.opcode,
            parser.payload,
            parser.payloadStart,
            parser.payloadEnd,
          );
        } else this.#handler.inputFailed(this.#session, parser.error!);
      } while (at < end && !this.#isOver && this.#held === 0);
    } finally {
      this.#busy = false;
      if (this.#parsers.give(parser)) this.#parser = null;
      // Also when a callback has thrown: what came behind the message it was called for is not lost.
      if (!this.#isOver) this.#keepRest(bytes, at, end);
    }
  }

  /** Puts before what came meanwhile what is left of that which came earlier. */
  #keepRest(bytes: Uint8Array, at: number, end: number): void {
    if (at < end) {
      const later = this.#waiting;
      this.#waiting = new WaitingBytes(bytes, at, end);
      if (later !== null) this.#waiting.append(later.bytes, later.start, later.end);
    }
    if (this.#waiting !== null && this.#held === 0) this.#resumeSoon();
  }

  #piece(parser: FrameParser): void {
    if (this.#dropsMessages) return;
    const reader = this.#reader;
    const message = reader.add(parser);
    if (message !== null) this.#handler.messageCame(this.#session, message);
    else if (reader.fault !== null) this.#handler.inputFailed(this.#session, new WebSocketError(reader.fault));
  }
}
