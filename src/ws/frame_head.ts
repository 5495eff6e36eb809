import {
  COMPRESSED_BIT,
  CONTROL_BYTES_MAX,
  FINAL_BIT,
  MASK_BIT,
  OPCODE_BINARY,
  OPCODE_CONTINUATION,
  OPCODE_PONG,
  OPCODE_TEXT,
} from "./opcodes.ts";
import type { WebSocketErrorCode } from "./ws_error.ts";

const OPCODE_BITS = 0x0f;
const RESERVED_BITS = 0x30;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;

/** The first byte of a text in one frame, uncompressed. */
export const WHOLE_TEXT: number = FINAL_BIT | OPCODE_TEXT;
/** The longest payload whose length stands in the second byte. */
export const SHORT_LENGTH_MAX: number = LENGTH_16 - 1;
/** How long the head of such a frame is, with its mask. */
export const SHORT_HEAD_BYTES = 6;

/** How many bytes the head has that begins with these two. */
export function headBytes(second: number): number {
  const length = second & LENGTH_BITS;
  return 2 + (length < LENGTH_16 ? 0 : length === LENGTH_16 ? 2 : 8) + ((second & MASK_BIT) === 0 ? 0 : 4);
}

/**
 * What is wrong with the first two bytes of a frame (RFC 6455 section 5.2), or null: everything that does not depend on its length.
 *
 * @param isMasked whether frames must be masked; otherwise they must not be.
 * @param mayCompress whether the extension was agreed upon that gives the first reserved bit its meaning.
 * @param inMessage whether a message was begun and not ended.
 */
export function faultOfHead(
  first: number,
  second: number,
  isMasked: boolean,
  mayCompress: boolean,
  inMessage: boolean,
): WebSocketErrorCode | null {
  if ((first & RESERVED_BITS) !== 0) return "WS_RESERVED_BITS";
  const opcode = first & OPCODE_BITS;
  const isControl = opcode > 7;
  if (isControl ? opcode > OPCODE_PONG : opcode > OPCODE_BINARY) return "WS_RESERVED_OPCODE";
  // Only the first frame of a message says that it is compressed (RFC 7692 section 6).
  if ((first & COMPRESSED_BIT) !== 0 && (!mayCompress || isControl || opcode === OPCODE_CONTINUATION)) {
    return "WS_RESERVED_BITS";
  }
  if (isControl) {
    if ((first & FINAL_BIT) === 0) return "WS_CONTROL_FRAGMENTED";
    if ((second & LENGTH_BITS) > CONTROL_BYTES_MAX) return "WS_CONTROL_TOO_LONG";
  } else if (opcode === OPCODE_CONTINUATION) {
    if (!inMessage) return "WS_UNEXPECTED_CONTINUATION";
  } else if (inMessage) {
    return "WS_EXPECTED_CONTINUATION";
  }
  if (isMasked !== ((second & MASK_BIT) !== 0)) return isMasked ? "WS_MASK_MISSING" : "WS_MASK_FORBIDDEN";
  return null;
}

/** The length in a complete head at `bytes[at]`, not checked; one beyond 2^53 is no longer exact, and far beyond every limit. */
export function lengthInHead(bytes: Uint8Array, at: number): number {
  const short = bytes[at + 1]! & LENGTH_BITS;
  if (short < LENGTH_16) return short;
  const low = bytes[at + 2]! << 8 | bytes[at + 3]!;
  if (short === LENGTH_16) return low;
  let length = low;
  for (let index = at + 4; index < at + 10; index++) length = length * 256 + bytes[index]!;
  return length;
}

/** What is wrong with the length in a complete head as it is written (RFC 6455 section 5.2), or null. */
export function faultOfLength(bytes: Uint8Array, at: number, length: number): WebSocketErrorCode | null {
  const short = bytes[at + 1]! & LENGTH_BITS;
  if (short < LENGTH_16) return null;
  if (short === LENGTH_16) return length < LENGTH_16 ? "WS_LENGTH_NOT_MINIMAL" : null;
  // By its bit, since the number may have been rounded up to 2^63.
  if (bytes[at + 2]! > 127) return "WS_LENGTH_OUT_OF_RANGE";
  return length < 65_536 ? "WS_LENGTH_NOT_MINIMAL" : null;
}

/** The mask at `bytes[at]`, its first byte in the highest place. */
export function maskAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}
