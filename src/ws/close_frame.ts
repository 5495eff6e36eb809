/**
 * The payload of close frames (RFC 6455 section 5.5.1).
 *
 * @module
 */
import { isCloseCode, WS_CR_NO_STATUS, WS_CR_NONE } from "./close_codes.ts";
import { textOf } from "./text.ts";
import type { WebSocketErrorCode } from "./ws_error.ts";

/** Most bytes of a reason: a control frame's less the code. */
export const REASON_BYTES_MAX = 123;
const NOTHING = new Uint8Array(0);
const encoder: TextEncoder = new TextEncoder();

/** What a close frame says. */
export interface CloseFacts {
  /** The code; 1005 when there is none. */
  readonly code: number;
  /** The reason. */
  readonly reason: string;
}

/** Reads a payload; names what is wrong with it. */
export function readClose(payload: Uint8Array, start: number, end: number): CloseFacts | WebSocketErrorCode {
  const length = end - start;
  if (length === 0) return { code: WS_CR_NO_STATUS, reason: "" };
  if (length === 1) return "WS_BAD_CLOSE_PAYLOAD";
  const code = payload[start]! << 8 | payload[start + 1]!;
  if (!isCloseCode(code)) return "WS_BAD_CLOSE_CODE";
  const reason = textOf(payload, start + 2, end);
  return reason === null ? "WS_BAD_CLOSE_REASON" : { code, reason };
}

/** The payload that answers one: it says the same. */
export function answerTo({ code, reason }: CloseFacts): Uint8Array {
  return closePayload(code === WS_CR_NO_STATUS ? WS_CR_NONE : code, reason);
}

/**
 * Makes a payload.
 *
 * @param code one that may be sent, or 0 for none.
 * @throws {RangeError} for another code, and for a reason that is too long, or has no code.
 */
export function closePayload(code: number, reason: string): Uint8Array {
  if (code === WS_CR_NONE) {
    if (reason === "") return NOTHING;
    throw new RangeError(`Cannot close with the reason "${reason}" and no code: a code comes first`);
  }
  if (!isCloseCode(code)) {
    throw new RangeError(
      `Cannot close with code ${code}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent, or 0 for none`,
    );
  }
  const text = encoder.encode(reason);
  if (text.length > REASON_BYTES_MAX) {
    throw new RangeError(`Cannot close with a reason of ${text.length} bytes: ${REASON_BYTES_MAX} have room`);
  }
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >>> 8;
  payload[1] = code;
  payload.set(text, 2);
  return payload;
}
