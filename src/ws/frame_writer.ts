import type { BufferEvent, Chain } from "../core/mod.ts";
import { copyOf } from "../core/copy_of.ts";
import { nextMask } from "./mask_keys.ts";
import { applyMask } from "./masking.ts";
import * as opcodes from "./opcodes.ts";
import { LOOPED_LENGTH_MAX, writeText } from "./text.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { FRAME_HEAD_BYTES_MAX, MASK_BIT } = opcodes;

const encoder: TextEncoder = new TextEncoder();
/** Texts up to this length are encoded into the output, longer ones into memory of their own, which is linked in. */
const COPIED_LENGTH_MAX = 8192;
/** Bytes from this many on are linked in where they are ours to keep. */
const LINKED_BYTES_MIN = 16 * 1024;

/** How many bytes a head takes besides the mask. */
function plainHeadBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/**
 * Writes frames into the output of connections (RFC 6455 section 5.2), with the fewest bytes of length, and masked with a fresh key each if
 * they are a client's.
 */
export class FrameWriter {
  readonly #masks: boolean;

  /** @param masks whether the frames are a client's. */
  constructor(masks: boolean) {
    this.#masks = masks;
  }

  /**
   * Writes a frame of text.
   *
   * @param first its first byte: opcode and bits.
   */
  writeText(stream: BufferEvent, first: number, text: string): void {
    if (text.length <= LOOPED_LENGTH_MAX && this.#writeAscii(stream, first, text)) return;
    if (text.length <= COPIED_LENGTH_MAX) this.#writeEncoded(stream, first, text);
    else this.writeBytes(stream, first, encoder.encode(text), true);
  }

  /**
   * Writes a frame of bytes.
   *
   * @param isOurs whether the memory may be kept, and masked where it is; otherwise it is copied.
   */
  writeBytes(stream: BufferEvent, first: number, payload: Uint8Array, isOurs: boolean): void {
    const { length } = payload;
    const head = plainHeadBytes(length) + (this.#masks ? 4 : 0);
    if (length < LINKED_BYTES_MIN) {
      const chain = stream.reserveOutput(head + length);
      const start = chain.end + head;
      chain.bytes.set(payload, start);
      this.#finish(stream, chain, first, length);
      return;
    }
    const chain = stream.reserveOutput(head);
    const mask = this.#putHead(chain.bytes, chain.end, first, length);
    stream.commitOutput(head);
    if (!this.#masks) {
      if (isOurs) stream.output.addReference(payload);
      else stream.output.add(payload);
      return;
    }
    const own = isOurs ? payload : copyOf(payload);
    applyMask(own, 0, length, mask, 0);
    stream.output.addReference(own);
  }

  /** Writes short text of ASCII characters; false, having written nothing, when it has others. */
  #writeAscii(stream: BufferEvent, first: number, text: string): boolean {
    const { length } = text;
    const head = this.#masks ? 6 : 2;
    const chain = stream.reserveOutput(head + length);
    const { bytes } = chain;
    let at = chain.end + head;
    let seen = 0;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      seen |= code;
      bytes[at++] = code;
    }
    if (seen > 127) {
      stream.commitOutput(0);
      return false;
    }
    this.#finish(stream, chain, first, length);
    return true;
  }

  /** Encodes in place. The head's length depends on what comes of that, and is guessed to be as for ASCII. */
  #writeEncoded(stream: BufferEvent, first: number, text: string): void {
    const masked = this.#masks ? 4 : 0;
    const room = text.length * 3;
    const chain = stream.reserveOutput(FRAME_HEAD_BYTES_MAX + room);
    const guess = chain.end + plainHeadBytes(text.length) + masked;
    const written = writeText(text, chain, guess);
    const start = chain.end + plainHeadBytes(written) + masked;
    if (start !== guess) chain.bytes.copyWithin(start, guess, guess + written);
    this.#finish(stream, chain, first, written);
  }

  /** Puts the head before a payload that stands where it belongs, and adds both to the output. */
  #finish(stream: BufferEvent, chain: Chain, first: number, length: number): void {
    const head = plainHeadBytes(length) + (this.#masks ? 4 : 0);
    const start = chain.end + head;
    const mask = this.#putHead(chain.bytes, chain.end, first, length);
    if (this.#masks) applyMask(chain.bytes, start, start + length, mask, 0);
    stream.commitOutput(head + length);
  }

  /** Writes a head; returns the mask, if there is one. */
  #putHead(bytes: Uint8Array, at: number, first: number, length: number): number {
    const bit = this.#masks ? MASK_BIT : 0;
    bytes[at++] = first;
    if (length < 126) bytes[at++] = bit | length;
    else at = putLongLength(bytes, at, bit, length);
    if (!this.#masks) return 0;
    const mask = nextMask();
    putWord(bytes, at, mask);
    return mask;
  }
}

/** A server's frames. */
export const plainFrames: FrameWriter = new FrameWriter(false);
/** A client's frames. */
export const maskedFrames: FrameWriter = new FrameWriter(true);

/** Writes a length that the second byte has no room for; returns where it ends. */
function putLongLength(bytes: Uint8Array, at: number, bit: number, length: number): number {
  if (length < 65_536) {
    bytes[at++] = bit | 126;
    bytes[at++] = length >>> 8;
    bytes[at++] = length;
    return at;
  }
  bytes[at++] = bit | 127;
  putWord(bytes, at, Math.floor(length / 2 ** 32));
  putWord(bytes, at + 4, length);
  return at + 8;
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  for (let shift = 24; shift >= 0; shift -= 8) bytes[at++] = word >>> shift;
}
