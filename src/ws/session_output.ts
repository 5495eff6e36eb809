import type { BufferEvent } from "../core/mod.ts";
import { type FrameWriter, maskedFrames, plainFrames } from "./frame_writer.ts";
import { LeavingBytes } from "./leaving_bytes.ts";
import * as opcodes from "./opcodes.ts";
import type { PermessageDeflate } from "./permessage_deflate.ts";
import type { SessionSettings, WebSocketMessage } from "./session_options.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const {
  COMPRESSED_BIT,
  CONTROL_BYTES_MAX,
  FINAL_BIT,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
} = opcodes;

const NOTHING = new Uint8Array(0);
const encoder: TextEncoder = new TextEncoder();
/** While more than this waits to be sent, only the newest ping is answered (RFC 6455 section 5.5.3). */
const PONG_WAITING_BYTES = 16 * 1024;

/** After a fault the other side gets no more time than this to read why. */
const FAULT_LINGER_MS = 2000;
/** Whoever takes fewer bytes than this in the time it has is as good as gone. */
const LEAVING_BYTES_MIN = 16 * 1024;

/** No message is being sent in fragments. */
const WHOLE = 0;

/**
 * The sending half of a session: messages, whole or in fragments, compressed if that pays, and control frames in between.
 *
 * @internal
 */
export class SessionOutput {
  readonly #stream: BufferEvent;
  readonly #frames: FrameWriter;
  readonly #settings: SessionSettings;
  readonly #deflate: PermessageDeflate | null;
  // Opcode of the message that is being sent in fragments.
  #fragmented = WHOLE;
  #isFirstFragment = false;
  #isCompressed = false;
  // The first half of a character whose second one the next fragment has; 0 for none.
  #highSurrogate = 0;
  #pong: Uint8Array | null = null;
  /** More than the high-water mark was waiting, and has not left yet. */
  #isBackedUp = false;
  /** Half of what may wait was waiting once. Asking how much it is takes longer. */
  #mayBeFull = false;
  #leaving: LeavingBytes | null = null;

  /** @param masks whether this is a client's side. */
  constructor(stream: BufferEvent, settings: SessionSettings, deflate: PermessageDeflate | null, masks: boolean) {
    this.#stream = stream;
    this.#frames = masks ? maskedFrames : plainFrames;
    this.#settings = settings;
    this.#deflate = deflate;
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.#stream.queuedBytes;
  }

  /** Whether so much waits that a further message is too much. */
  get isFull(): boolean {
    return this.#mayBeFull && this.bufferedBytes >= this.#settings.maxOutputBytes;
  }

  /**
   * Sends a whole message; returns how many bytes wait by now.
   *
   * @throws {TypeError} for what is no message, such as an ArrayBuffer.
   */
  sendMessage(data: WebSocketMessage): number {
    checkMessage(data);
    if (this.#fragmented !== WHOLE) refuseInFragments();
    this.#answerWaiting();
    const deflate = this.#deflate;
    // Of characters there are not more than of bytes, and with ASCII as many.
    if (deflate !== null && data.length >= deflate.minBytes) {
      this.#sendCompressed(data, deflate);
    } else if (typeof data === "string") {
      this.#frames.writeText(this.#stream, FINAL_BIT | OPCODE_TEXT, data);
    } else {
      this.#frames.writeBytes(this.#stream, FINAL_BIT | OPCODE_BINARY, data, false);
    }
    return this.#grown();
  }

  #sendCompressed(data: WebSocketMessage, deflate: PermessageDeflate): void {
    const isText = typeof data === "string";
    const bytes = isText ? encoder.encode(data) : data;
    const opcode = isText ? OPCODE_TEXT : OPCODE_BINARY;
    this.#frames.writeBytes(
      this.#stream,
      FINAL_BIT | COMPRESSED_BIT | opcode,
      deflate.compress(bytes, true),
      true,
    );
  }

  /** Sends a fragment of a message, which the first one begins; returns how many bytes wait by now. */
  sendFragment(data: WebSocketMessage, isFinal: boolean): number {
    checkMessage(data);
    const kind = typeof data === "string" ? OPCODE_TEXT : OPCODE_BINARY;
    if (this.#fragmented === WHOLE) {
      this.#fragmented = kind;
      this.#isFirstFragment = true;
      // Its length is not known yet, so it is taken for worth it.
      this.#isCompressed = this.#deflate !== null;
    } else if (kind !== this.#fragmented) {
      const was = this.#fragmented === OPCODE_TEXT ? "text" : "bytes";
      throw new TypeError(`Cannot go on with a message of ${was} by a fragment of another kind`);
    }
    if (typeof data === "string") data = this.#wholeCharacters(data, isFinal);
    this.#answerWaiting();
    const opcode = this.#isFirstFragment ? kind : OPCODE_CONTINUATION;
    const compressed = this.#isFirstFragment && this.#isCompressed ? COMPRESSED_BIT : 0;
    const first = opcode | compressed | (isFinal ? FINAL_BIT : 0);
    if (this.#isCompressed) {
      const bytes = typeof data === "string" ? encoder.encode(data) : data;
      this.#frames.writeBytes(this.#stream, first, this.#deflate!.compress(bytes, isFinal), true);
    } else if (typeof data === "string") {
      this.#frames.writeText(this.#stream, first, data);
    } else {
      this.#frames.writeBytes(this.#stream, first, data, false);
    }
    this.#isFirstFragment = false;
    if (isFinal) this.#fragmented = WHOLE;
    return this.#grown();
  }

  /** The text of a fragment, with the half of a character that the last one had at its end, and without the one at its own. */
  #wholeCharacters(text: string, isFinal: boolean): string {
    const whole = this.#highSurrogate === 0 ? text : String.fromCharCode(this.#highSurrogate) + text;
    const last = whole.charCodeAt(whole.length - 1);
    this.#highSurrogate = !isFinal && last >= 0xd800 && last < 0xdc00 ? last : 0;
    return this.#highSurrogate === 0 ? whole : whole.slice(0, -1);
  }

  /** Sends a control frame. */
  sendControl(opcode: number, payload: Uint8Array): number {
    this.#answerWaiting();
    this.#frames.writeBytes(this.#stream, FINAL_BIT | opcode, payload, false);
    return this.#grown();
  }

  /** Sends the last frame of all. */
  sendClose(payload: Uint8Array): void {
    this.#pong = null;
    this.sendControl(OPCODE_CLOSE, payload);
  }

  /**
   * Answers a ping; while much waits, only the newest: before whatever is sent next, so that it is also answered by who always has something
   * waiting, or when all has left.
   */
  answerPing(payload: Uint8Array): void {
    if (this.#stream.queuedBytes > PONG_WAITING_BYTES) this.#pong = payload.slice();
    else this.sendControl(OPCODE_PONG, payload);
  }

  /** Sends a ping. What waits before it may take longer to leave than the answer may, so that it counts what leaves. */
  askForLife(): void {
    this.#watch();
    this.sendControl(OPCODE_PING, NOTHING);
  }

  /**
   * Whether the other side `wasHeard`, or some of what waited before a ping has left. What comes behind that says nothing: the kernel takes
   * much for somebody who takes none of it.
   */
  isTaken(wasHeard: boolean): boolean {
    const leaving = this.#leaving;
    const bytes = leaving === null ? 0 : leaving.take();
    if (wasHeard || leaving === null || leaving.isOver) this.unwatch();
    return wasHeard || bytes > 0;
  }

  /**
   * How long the other side has to end a session. Before our close frame has left, it need only go on taking what waits before that, unless
   * there was a fault.
   */
  endLimitMs(isFault: boolean): number {
    const { closeTimeoutMs, writeTimeoutMs } = this.#settings;
    if (isFault) {
      this.unwatch();
      return Math.min(closeTimeoutMs, FAULT_LINGER_MS);
    }
    return this.#watch() && writeTimeoutMs !== Infinity ? Math.max(closeTimeoutMs, writeTimeoutMs) : closeTimeoutMs;
  }

  /** Whether so much has left since {@linkcode SessionOutput.endLimitMs} that the rest is worth waiting for. */
  get hasMovedOn(): boolean {
    const bytes = this.#leaving === null ? 0 : this.#leaving.take();
    return bytes >= LEAVING_BYTES_MIN || (bytes > 0 && this.bufferedBytes === 0);
  }

  /** Nobody wants to know any more what leaves. */
  unwatch(): void {
    this.#leaving?.close();
    this.#leaving = null;
  }

  /** From now on counts what leaves, if something waits; returns whether it does. */
  #watch(): boolean {
    this.unwatch();
    if (this.bufferedBytes > 0) this.#leaving = new LeavingBytes(this.#stream);
    return this.#leaving !== null;
  }

  /** Everything has left. Returns whether that is news to somebody who has sent much. */
  drained(): boolean {
    this.#answerWaiting();
    const wasBackedUp = this.#isBackedUp;
    this.#isBackedUp = false;
    return wasBackedUp;
  }

  /** Answers the ping that waits for that, if there is one. */
  #answerWaiting(): void {
    const pong = this.#pong;
    if (pong === null) return;
    this.#pong = null;
    this.sendControl(OPCODE_PONG, pong);
  }

  #grown(): number {
    const waiting = this.#stream.queuedBytes;
    if (waiting >= this.#settings.maxOutputBytes / 2) this.#mayBeFull = true;
    if (waiting > this.#settings.highWaterBytes) this.#isBackedUp = true;
    return waiting;
  }
}

/**
 * The payload of a control frame.
 *
 * @throws {RangeError} for more than there is room for.
 */
export function controlPayload(data: WebSocketMessage): Uint8Array {
  checkMessage(data);
  const payload = typeof data === "string" ? encoder.encode(data) : data;
  if (payload.length <= CONTROL_BYTES_MAX) return payload;
  throw new RangeError(`Cannot send a control frame of ${payload.length} bytes: ${CONTROL_BYTES_MAX} have room`);
}

function refuseInFragments(): never {
  throw new Error("Cannot send a message: one is being sent in fragments, and has to be ended first");
}

/** Another array, or a buffer, would be taken for one of another length in the middle of a frame. */
function checkMessage(data: WebSocketMessage): void {
  if (typeof data === "string") return;
  if (data instanceof Uint8Array) {
    // Found out by the copy, it would leave a message begun.
    if (data.length === 0) checkAttached(data);
    return;
  }
  throw new TypeError(`Cannot send ${Object.prototype.toString.call(data)}: expected a string or a Uint8Array`);
}

function checkAttached({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError("Cannot send a Uint8Array whose memory was transferred away");
  }
}
