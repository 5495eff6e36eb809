import type { Chain, EvBuffer } from "../core/mod.ts";
import { copyOf } from "../core/copy_of.ts";
import { nextMask } from "./mask_keys.ts";
import { applyMask } from "./masking.ts";
import { FRAME_HEAD_BYTES_MAX, MASK_BIT } from "./opcodes.ts";
import { LOOPED_LENGTH_MAX, writeText } from "./text.ts";

const encoder: TextEncoder = new TextEncoder();
/** Texts up to this length are encoded into the output, longer ones into memory of their own, which is linked in. */
const COPIED_LENGTH_MAX = 8192;
/** Bytes from this many on are linked in where they are ours to keep. */
const LINKED_BYTES_MIN = 16 * 1024;
/** Frames that are sent together shall lie in one piece, so that one plain write sends them. */
const BATCH_BYTES = 4096;

/** How many bytes a head takes besides the mask. */
function plainHeadBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/**
 * Writes frames into an output buffer (RFC 6455 section 5.2), with the fewest bytes of length, and masked with a fresh key each if
 * they are a client's.
 */
export class FrameWriter {
  readonly #output: EvBuffer;
  readonly #masks: boolean;

  /** @param masks whether the frames are a client's. */
  constructor(output: EvBuffer, masks: boolean) {
    this.#output = output;
    this.#masks = masks;
  }

  /**
   * Writes a frame of text.
   *
   * @param first its first byte: opcode and bits.
   */
  writeText(first: number, text: string): void {
    if (text.length <= LOOPED_LENGTH_MAX && this.#writeAscii(first, text)) return;
    if (text.length <= COPIED_LENGTH_MAX) this.#writeEncoded(first, text);
    else this.writeBytes(first, encoder.encode(text), true);
  }

  /**
   * Writes a frame of bytes.
   *
   * @param isOurs whether the memory may be kept, and masked where it is; otherwise it is copied.
   */
  writeBytes(first: number, payload: Uint8Array, isOurs: boolean): void {
    const { length } = payload;
    const head = plainHeadBytes(length) + (this.#masks ? 4 : 0);
    if (length < LINKED_BYTES_MIN) {
      const chain = this.#reserve(head + length);
      const start = chain.end + head;
      chain.bytes.set(payload, start);
      this.#finish(chain, first, length);
      return;
    }
    const chain = this.#output.reserveTail(head);
    const mask = this.#putHead(chain.bytes, chain.end, first, length);
    this.#output.commitTail(head);
    if (!this.#masks) {
      if (isOurs) this.#output.addReference(payload);
      else this.#output.add(payload);
      return;
    }
    const own = isOurs ? payload : copyOf(payload);
    applyMask(own, 0, length, mask, 0);
    this.#output.addReference(own);
  }

  /** Writes short text of ASCII characters; false, having written nothing, when it has others. */
  #writeAscii(first: number, text: string): boolean {
    const { length } = text;
    const head = this.#masks ? 6 : 2;
    const chain = this.#reserve(head + length);
    const { bytes } = chain;
    let at = chain.end + head;
    let seen = 0;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      seen |= code;
      bytes[at++] = code;
    }
    if (seen > 127) {
      this.#output.commitTail(0);
      return false;
    }
    this.#finish(chain, first, length);
    return true;
  }

  /** Encodes in place. The head's length depends on what comes of that, and is guessed to be as for ASCII. */
  #writeEncoded(first: number, text: string): void {
    const masked = this.#masks ? 4 : 0;
    const room = text.length * 3;
    const chain = this.#reserve(FRAME_HEAD_BYTES_MAX + room);
    const guess = chain.end + plainHeadBytes(text.length) + masked;
    const written = writeText(text, chain.bytes, guess, room);
    const start = chain.end + plainHeadBytes(written) + masked;
    if (start !== guess) chain.bytes.copyWithin(start, guess, guess + written);
    this.#finish(chain, first, written);
  }

  /** Puts the head before a payload that stands where it belongs, and adds both to the output. */
  #finish(chain: Chain, first: number, length: number): void {
    const head = plainHeadBytes(length) + (this.#masks ? 4 : 0);
    const start = chain.end + head;
    const mask = this.#putHead(chain.bytes, chain.end, first, length);
    if (this.#masks) applyMask(chain.bytes, start, start + length, mask, 0);
    this.#output.commitTail(head + length);
  }

  #reserve(bytes: number): Chain {
    return this.#output.reserveTail(this.#output.length === 0 && bytes < BATCH_BYTES ? BATCH_BYTES : bytes);
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
