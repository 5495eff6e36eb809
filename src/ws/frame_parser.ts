/**
 * Parses WebSocket frames: bytes in, events out. It reads no socket and calls nobody back; whoever owns the connection asks for the
 * next event when it is ready for one, which is all that back-pressure needs.
 *
 * @module
 */
import {
  faultOfHead,
  faultOfLength,
  headBytes,
  lengthInHead,
  maskAt,
  SHORT_HEAD_BYTES,
  SHORT_LENGTH_MAX,
  WHOLE_TEXT,
} from "./frame_head.ts";
import { type WebSocketLimits, webSocketLimits } from "./limits.ts";
import { applyMask } from "./masking.ts";
import {
  COMPRESSED_BIT,
  CONTROL_BYTES_MAX,
  FINAL_BIT,
  FRAME_HEAD_BYTES_MAX,
  MASK_BIT,
  OPCODE_BINARY,
  OPCODE_CONTINUATION,
} from "./opcodes.ts";
import { WebSocketError, type WebSocketErrorCode } from "./ws_error.ts";

/** All bytes were consumed and the parser wants more. */
export const FRAME_NEED_MORE = 0;
/** A piece of a message is there. */
export const FRAME_PIECE = 1;
/** A control frame is there, as a whole. */
export const FRAME_CONTROL = 2;
/** The bytes are no acceptable frames; nothing after them can be trusted. */
export const FRAME_ERROR = 3;

/** The first byte of a message of bytes in one frame, uncompressed. */
const WHOLE_BYTES = FINAL_BIT | OPCODE_BINARY;

/** What {@linkcode FrameParser.next} can answer. */
export type FrameEvent =
  | typeof FRAME_NEED_MORE
  | typeof FRAME_PIECE
  | typeof FRAME_CONTROL
  | typeof FRAME_ERROR;

/** How a {@linkcode FrameParser} is made. */
export interface FrameParserOptions {
  /** Whose frames are read: those of clients must be masked, those of servers must not be (RFC 6455 section 5.1). */
  readonly from: "client" | "server";
  /** Whether messages may be compressed, since permessage-deflate was agreed upon. */
  readonly mayCompress?: boolean | undefined;
  /** Bounds of what is read. */
  readonly limits?: Partial<WebSocketLimits> | undefined;
}

/**
 * A pull parser for the frames that come in on one connection (RFC 6455 section 5), strict.
 *
 * Payloads are unmasked where they lie, so the bytes given to {@linkcode FrameParser.next} change, up to its `position`. A message
 * gives one `FRAME_PIECE` or more, the first with `messageStarts` and the last with `messageEnds`; control frames may come in
 * between. `FRAME_ERROR` is final.
 *
 * @example
 * ```ts
 * import { FRAME_NEED_MORE, FRAME_PIECE, FrameParser } from "@evbase/evbase";
 *
 * const parser = new FrameParser({ from: "server" });
 * const bytes = new Uint8Array([0x81, 2, 0x68, 0x69]);
 * for (let at = 0, event; (event = parser.next(bytes, at, bytes.length)) !== FRAME_NEED_MORE; at = parser.position) {
 *   if (event !== FRAME_PIECE) throw parser.error;
 *   console.log(new TextDecoder().decode(bytes.subarray(parser.payloadStart, parser.payloadEnd))); // hi
 * }
 * ```
 */
export class FrameParser {
  /** The first byte not consumed by the last {@linkcode FrameParser.next}; after `FRAME_NEED_MORE` it is always `end`. */
  position = 0;
  /** Where the payload of the event lies: the bytes that were given, or memory of the parser's for a control frame that came in pieces. */
  payload: Uint8Array;
  /** Index of the first byte of the event's payload in {@linkcode FrameParser.payload}. */
  payloadStart = 0;
  /** Index behind its last byte. A piece may be empty, as a frame may. */
  payloadEnd = 0;
  /** The kind of the control frame, or of the message that the piece belongs to. */
  opcode = 0;
  /** Whether the piece was found to be ASCII as it was unmasked. False says nothing. */
  isAscii = false;
  /** Whether the message is compressed. */
  compressed = false;
  /** Whether the piece is the first of its message. */
  messageStarts = false;
  /** Whether the piece is the last of its message. */
  messageEnds = false;
  /** After `FRAME_ERROR`: why. */
  error: WebSocketError | null = null;

  readonly #limits: WebSocketLimits;
  readonly #shortMax: number;
  readonly #isMasked: boolean;
  readonly #mayCompress: boolean;
  // A head that has come in part. Made for the first of its kind, as is the memory for control frames.
  #head: Uint8Array | null = null;
  #headFilled = 0;
  #control: Uint8Array | null = null;
  // The frame whose payload is being read.
  #inFrame = false;
  #frameOpcode = 0;
  #frameFinal = false;
  #frameLength = 0;
  #frameRead = 0;
  #mask = 0;
  // The message that was begun and not ended.
  #inMessage = false;
  #messageOpcode = 0;
  #messageCompressed = false;
  #messageBytes = 0;
  #fragments = 0;
  // No piece of the message was told yet.
  #isUntold = false;

  /**
   * Makes a parser that stands before the first frame.
   *
   * @throws {RangeError} when a limit is not a whole number in its range.
   */
  constructor(options: FrameParserOptions) {
    this.#limits = webSocketLimits(options.limits);
    this.#shortMax = Math.min(SHORT_LENGTH_MAX, this.#limits.maxFrameBytes, this.#limits.maxMessageBytes);
    this.#isMasked = options.from === "client";
    this.#mayCompress = options.mayCompress === true;
    this.payload = NOTHING;
  }

  /** Whether a frame or message has begun and not ended. */
  get inMessage(): boolean {
    return this.#inMessage || this.#inFrame || this.#headFilled > 0;
  }

  /** @internal Refers to what was read last no longer. */
  forget(): void {
    this.payload = NOTHING;
  }

  /** Looks for the next event in `bytes[start..end)`, which follow what was consumed before. */
  next(bytes: Uint8Array, start: number, end: number): FrameEvent {
    if (this.error !== null) return FRAME_ERROR;
    let at = start;
    if (!this.#inFrame) {
      if (this.#headFilled > 0) return this.#nextAcross(bytes, start, end);
      const available = end - at;
      if (available < 2) return this.#keepHead(bytes, at, end);
      const shortLength = this.#shortMessageAt(bytes, at, available);
      if (shortLength >= 0) return this.#tellShort(bytes, at, shortLength);
      const fault = this.#faultOfHead(bytes[at]!, bytes[at + 1]!);
      if (fault !== null) return this.#refuse(fault, at);
      const length = headBytes(bytes[at + 1]!);
      if (available < length) return this.#keepHead(bytes, at, end);
      if (!this.#begin(bytes, at, length)) return this.#refuseAt(at);
      at += length;
    }
    return this.#frameOpcode > 7 ? this.#readControl(bytes, at, end) : this.#readPiece(bytes, at, end);
  }

  /**
   * The length of a whole message in one masked frame of up to 125 bytes that lies in `bytes` at `at`, which most messages to a server are;
   * -1 where it is anything else.
   */
  #shortMessageAt(bytes: Uint8Array, at: number, available: number): number {
    const first = bytes[at]!;
    if (first !== WHOLE_TEXT && first !== WHOLE_BYTES || this.#inMessage || !this.#isMasked) return -1;
    const length = bytes[at + 1]! - MASK_BIT;
    return length >= 0 && length <= this.#shortMax && available >= SHORT_HEAD_BYTES + length ? length : -1;
  }

  /** What the long way would say of it, and nothing is left over of. */
  #tellShort(bytes: Uint8Array, at: number, length: number): FrameEvent {
    const start = at + SHORT_HEAD_BYTES;
    const end = start + length;
    this.isAscii = applyMask(bytes, start, end, maskAt(bytes, start - 4), 0);
    this.opcode = bytes[at]! & 0x0f;
    this.compressed = false;
    this.messageStarts = true;
    this.messageEnds = true;
    return this.#tell(FRAME_PIECE, bytes, start, end, end);
  }

  /** Goes on with a head of which a part came earlier. */
  #nextAcross(bytes: Uint8Array, start: number, end: number): FrameEvent {
    const head = this.#head!;
    let at = start;
    if (this.#headFilled < 2 && at < end) {
      head[this.#headFilled++] = bytes[at++]!;
      const fault = this.#faultOfHead(head[0]!, head[1]!);
      if (fault !== null) return this.#refuse(fault, start);
    }
    const length = this.#headFilled < 2 ? 2 : headBytes(head[1]!);
    while (this.#headFilled < length && at < end) head[this.#headFilled++] = bytes[at++]!;
    if (this.#headFilled < length) return this.#needMore(end);
    this.#headFilled = 0;
    if (!this.#begin(head, 0, length)) return this.#refuseAt(start);
    return this.#frameOpcode > 7 ? this.#readControl(bytes, at, end) : this.#readPiece(bytes, at, end);
  }

  #keepHead(bytes: Uint8Array, start: number, end: number): FrameEvent {
    const head = this.#head ??= new Uint8Array(FRAME_HEAD_BYTES_MAX);
    for (let at = start; at < end; at++) head[this.#headFilled++] = bytes[at]!;
    return this.#needMore(end);
  }

  #faultOfHead(first: number, second: number): WebSocketErrorCode | null {
    return faultOfHead(first, second, this.#isMasked, this.#mayCompress, this.#inMessage);
  }

  /** Takes over a complete head whose first two bytes are all right; false when the rest is not. */
  #begin(bytes: Uint8Array, at: number, headLength: number): boolean {
    const first = bytes[at]!;
    const length = lengthInHead(bytes, at);
    const fault = faultOfLength(bytes, at, length);
    if (fault !== null) return this.#fail(fault);
    const opcode = first & 0x0f;
    if (opcode <= 7 && !this.#beginData(first, opcode, length)) return false;
    this.#inFrame = true;
    this.#frameOpcode = opcode;
    this.#frameFinal = (first & FINAL_BIT) !== 0;
    this.#frameLength = length;
    this.#frameRead = 0;
    if (this.#isMasked) this.#mask = maskAt(bytes, at + headLength - 4);
    return true;
  }

  #beginData(first: number, opcode: number, length: number): boolean {
    const { maxFrameBytes, maxMessageBytes, maxFragments } = this.#limits;
    if (length > maxFrameBytes) return this.#fail("WS_FRAME_TOO_LARGE");
    if (opcode !== OPCODE_CONTINUATION) {
      this.#inMessage = true;
      this.#isUntold = true;
      this.#messageOpcode = opcode;
      this.#messageCompressed = (first & COMPRESSED_BIT) !== 0;
      this.#messageBytes = 0;
      this.#fragments = 0;
    }
    this.#messageBytes += length;
    if (this.#messageBytes > maxMessageBytes) return this.#fail("WS_MESSAGE_TOO_LARGE");
    if (++this.#fragments > maxFragments) return this.#fail("WS_TOO_MANY_FRAGMENTS");
    return true;
  }

  #readPiece(bytes: Uint8Array, start: number, end: number): FrameEvent {
    const rest = this.#frameLength - this.#frameRead;
    const ends = end - start >= rest;
    const stop = ends ? start + rest : end;
    if (stop === start && !ends) return this.#needMore(end);
    const isLast = ends && this.#frameFinal;
    this.isAscii = this.#isMasked && applyMask(bytes, start, stop, this.#mask, this.#frameRead);
    this.#frameRead += stop - start;
    this.#inFrame = !ends;
    this.messageStarts = this.#isUntold;
    this.messageEnds = isLast;
    this.#isUntold = false;
    if (isLast) this.#inMessage = false;
    this.opcode = this.#messageOpcode;
    this.compressed = this.#messageCompressed;
    return this.#tell(FRAME_PIECE, bytes, start, stop, stop);
  }

  #readControl(bytes: Uint8Array, start: number, end: number): FrameEvent {
    const length = this.#frameLength;
    const rest = length - this.#frameRead;
    this.opcode = this.#frameOpcode;
    if (rest === length && end - start >= length) {
      if (this.#isMasked) applyMask(bytes, start, start + length, this.#mask, 0);
      this.#inFrame = false;
      return this.#tell(FRAME_CONTROL, bytes, start, start + length, start + length);
    }
    const control = this.#control ??= new Uint8Array(CONTROL_BYTES_MAX);
    const stop = Math.min(end, start + rest);
    control.set(bytes.subarray(start, stop), this.#frameRead);
    this.#frameRead += stop - start;
    if (this.#frameRead < length) return this.#needMore(end);
    if (this.#isMasked) applyMask(control, 0, length, this.#mask, 0);
    this.#inFrame = false;
    return this.#tell(FRAME_CONTROL, control, 0, length, stop);
  }

  #tell(event: FrameEvent, payload: Uint8Array, start: number, end: number, position: number): FrameEvent {
    this.payload = payload;
    this.payloadStart = start;
    this.payloadEnd = end;
    this.position = position;
    return event;
  }

  #needMore(end: number): FrameEvent {
    this.position = end;
    return FRAME_NEED_MORE;
  }

  #fail(code: WebSocketErrorCode): false {
    this.error = new WebSocketError(code);
    return false;
  }

  #refuse(code: WebSocketErrorCode, at: number): FrameEvent {
    this.#fail(code);
    return this.#refuseAt(at);
  }

  #refuseAt(at: number): FrameEvent {
    this.position = at;
    this.payload = NOTHING;
    return FRAME_ERROR;
  }
}

const NOTHING = new Uint8Array(0);
