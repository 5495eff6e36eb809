import type { FrameParser } from "./frame_parser.ts";
import { OPCODE_TEXT } from "./opcodes.ts";
import type { PermessageDeflate } from "./permessage_deflate.ts";
import { checkedText, textOf } from "./text.ts";
import { Utf8Checker } from "./utf8_checker.ts";
import type { WebSocketErrorCode } from "./ws_error.ts";

const NOTHING = new Uint8Array(0);
const FIRST_BYTES = 1024;

/**
 * Makes messages of the pieces that a parser finds. Memory grows with what has come, whatever length a frame announces. Text is
 * checked as it comes, so that a wrong byte is found at once; compressed text when it is complete.
 */
export class MessageReader {
  /** What is wrong, after {@linkcode MessageReader.add} has returned null; null if nothing is. */
  fault: WebSocketErrorCode | null = null;
  readonly #bytesMax: number;
  readonly #deflate: PermessageDeflate | null;
  // What has come of a message whose end has not.
  #held: Uint8Array = NOTHING;
  #heldLength = 0;
  #utf8: Utf8Checker | null = null;

  /** @param bytesMax most bytes of a message after decompressing. */
  constructor(bytesMax: number, deflate: PermessageDeflate | null) {
    this.#bytesMax = bytesMax;
    this.#deflate = deflate;
  }

  /** How much work decompressing has been so far, in bytes. */
  get bytesDecompressed(): number {
    return this.#deflate === null ? 0 : this.#deflate.bytesDecompressed;
  }

  /** Takes the piece that `parser` has just found. Returns the message that it ends: text, or bytes in memory of their own; else null. */
  add(parser: FrameParser): string | Uint8Array | null {
    const { payload, payloadStart, payloadEnd, opcode, compressed, messageStarts, messageEnds } = parser;
    const isText = opcode === OPCODE_TEXT;
    if (compressed) {
      if (!messageStarts || !messageEnds) this.#hold(payload, payloadStart, payloadEnd);
      if (!messageEnds) return null;
      return this.#decompressed(isText, messageStarts ? payload.subarray(payloadStart, payloadEnd) : this.#release());
    }
    if (messageStarts && messageEnds) {
      return isText
        ? this.#checked(textOf(payload, payloadStart, payloadEnd, parser.isAscii))
        : payload.slice(payloadStart, payloadEnd);
    }
    if (isText && !this.#checkPiece(parser)) return this.#fail("WS_BAD_UTF8");
    this.#hold(payload, payloadStart, payloadEnd);
    if (!messageEnds) return null;
    const whole = this.#release();
    return isText ? checkedText(whole) : whole;
  }

  /** Forgets a message that will not be completed. */
  clear(): void {
    this.#held = NOTHING;
    this.#heldLength = 0;
  }

  #checkPiece({ payload, payloadStart, payloadEnd, messageStarts, messageEnds }: FrameParser): boolean {
    const utf8 = this.#utf8 ??= new Utf8Checker();
    if (messageStarts) utf8.reset();
    return utf8.check(payload, payloadStart, payloadEnd) && (!messageEnds || utf8.isComplete);
  }

  #decompressed(isText: boolean, payload: Uint8Array): string | Uint8Array | null {
    const message = this.#deflate!.decompress(payload, this.#bytesMax);
    if (typeof message === "string") return this.#fail(message);
    return isText ? this.#checked(textOf(message, 0, message.length)) : message;
  }

  #checked(text: string | null): string | null {
    return text ?? this.#fail("WS_BAD_UTF8");
  }

  #fail(code: WebSocketErrorCode): null {
    this.fault = code;
    this.clear();
    return null;
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#heldLength + end - start;
    if (needed > this.#held.length) {
      const grown = new Uint8Array(Math.max(needed, FIRST_BYTES, Math.min(2 * this.#held.length, this.#bytesMax)));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(start, end), this.#heldLength);
    this.#heldLength = needed;
  }

  /** All that is held, in memory that nobody else has. */
  #release(): Uint8Array {
    const held = this.#held;
    const length = this.#heldLength;
    this.clear();
    return length === held.length ? held : held.slice(0, length);
  }
}
