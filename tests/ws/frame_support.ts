/** Frames as literal bytes, and what a parser makes of them however they are cut. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { FRAME_CONTROL, FRAME_ERROR, FRAME_NEED_MORE, FrameParser, type FrameParserOptions } from "../../src/ws/mod.ts";

/** Bytes of hexadecimal digits; blanks do not count. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  const bytes = new Uint8Array(new ArrayBuffer(digits.length / 2));
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Bytes one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** How a test's frame deviates from a final one without a mask. */
export interface FrameShape {
  /** False: more of the message follows. */
  readonly fin?: boolean;
  /** Reserved bits, 4 for the first. */
  readonly rsv?: number;
  /** The mask. */
  readonly mask?: readonly number[];
}

/** A frame, written down by the rules of RFC 6455 section 5.2 and independently of the library. */
export function frame(opcode: number, payload: Uint8Array | string, shape: FrameShape = {}): Uint8Array {
  const bytes = typeof payload === "string" ? utf8(payload) : payload;
  const { fin = true, rsv = 0, mask } = shape;
  const maskBit = mask === undefined ? 0 : 128;
  const { length } = bytes;
  const size = length < 126
    ? [maskBit | length]
    : length < 65_536
    ? [maskBit | 126, length >> 8, length & 255]
    : [maskBit | 127, 0, 0, 0, 0, length >>> 24, length >> 16 & 255, length >> 8 & 255, length & 255];
  const head = [(fin ? 128 : 0) | rsv << 4 | opcode, ...size, ...(mask ?? [])];
  return concat(Uint8Array.from(head), mask === undefined ? bytes : bytes.map((byte, at) => byte ^ mask[at % 4]!));
}

/** The mask of the tests, all bytes different. */
export const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** A client's frame. */
export function masked(opcode: number, payload: Uint8Array | string, shape: FrameShape = {}): Uint8Array {
  return frame(opcode, payload, { mask: MASK, ...shape });
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Pieces stand in the middle of larger memory, as in a read slab, so that a confusion of offsets shows.
const MARGIN = 5;

/** What a parser says: "MESSAGE opcode hex", with `*` when compressed and without its end when that is missing, "CONTROL ...", "ERROR code". */
export function transcribe(pieces: readonly Uint8Array[], options: FrameParserOptions): string[] {
  const parser = new FrameParser(options);
  const said: string[] = [];
  let message = "";
  let started = false;
  for (const [index, piece] of pieces.entries()) {
    // Every alignment.
    const margin = MARGIN + index % 4;
    const slab = new Uint8Array(new ArrayBuffer(piece.length + margin + MARGIN)).fill(0x21);
    slab.set(piece, margin);
    const end = margin + piece.length;
    for (let at = margin;; at = parser.position) {
      const event = parser.next(slab, at, end);
      if (event === FRAME_NEED_MORE) {
        assertStrictEquals(parser.position, end, "after FRAME_NEED_MORE everything is consumed");
        break;
      }
      if (event === FRAME_ERROR) {
        assertEquals(parser.next(slab, at, end), FRAME_ERROR, "an error is final");
        if (started) said.push(message);
        return [...said, `ERROR ${parser.error!.code} ${parser.error!.closeCode}`];
      }
      const text = hexOf(parser.payload.subarray(parser.payloadStart, parser.payloadEnd));
      if (event === FRAME_CONTROL) {
        said.push(`CONTROL ${parser.opcode} ${text}`.trimEnd());
        continue;
      }
      assertStrictEquals(parser.messageStarts, !started, "a message starts once");
      if (!started) message = `MESSAGE ${parser.opcode}${parser.compressed ? "*" : ""} `;
      started = true;
      message += text;
      if (!parser.messageEnds) continue;
      said.push(`${message}.`);
      started = false;
    }
    assertEquals([...slab.subarray(0, margin)], Array(margin).fill(0x21), "what stands before is left alone");
    assertEquals([...slab.subarray(end)], Array(MARGIN).fill(0x21), "what stands behind is left alone");
  }
  if (started) said.push(message);
  return said;
}

/** What a parser says, which must be the same for every split in two and byte by byte. */
export function parse(bytes: Uint8Array, options: FrameParserOptions): string[] {
  const whole = transcribe([bytes.slice()], options);
  for (let cut = 1; cut < bytes.length; cut++) {
    assertEquals(transcribe([bytes.slice(0, cut), bytes.slice(cut)], options), whole, `cut at ${cut}`);
  }
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assertEquals(transcribe(single, options), whole, "byte by byte");
  return whole;
}
