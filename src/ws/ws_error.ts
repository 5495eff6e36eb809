import {
  WS_CR_ABNORMAL,
  WS_CR_DATA_TOO_BIG,
  WS_CR_INVALID_DATA,
  WS_CR_POLICY,
  WS_CR_PROTO_ERR,
} from "./close_codes.ts";

/** What went wrong in a session, or kept one from beginning. Codes are stable; messages are not. */
export type WebSocketErrorCode =
  | "WS_RESERVED_BITS"
  | "WS_RESERVED_OPCODE"
  | "WS_CONTROL_FRAGMENTED"
  | "WS_CONTROL_TOO_LONG"
  | "WS_UNEXPECTED_CONTINUATION"
  | "WS_EXPECTED_CONTINUATION"
  | "WS_MASK_MISSING"
  | "WS_MASK_FORBIDDEN"
  | "WS_LENGTH_NOT_MINIMAL"
  | "WS_LENGTH_OUT_OF_RANGE"
  | "WS_BAD_CLOSE_PAYLOAD"
  | "WS_BAD_CLOSE_CODE"
  | "WS_BAD_CLOSE_REASON"
  | "WS_BAD_UTF8"
  | "WS_BAD_COMPRESSION"
  | "WS_FRAME_TOO_LARGE"
  | "WS_MESSAGE_TOO_LARGE"
  | "WS_TOO_MANY_FRAGMENTS"
  | "WS_OUTPUT_TOO_LARGE"
  | "WS_CLOSE_TIMEOUT"
  | "WS_HEARTBEAT_TIMEOUT"
  | "WS_CONNECTION_ENDED"
  | "WS_CONNECTION_FAILED"
  | "WS_WRITE_TIMEOUT"
  | "WS_HANDSHAKE_FAILED"
  | "WS_HANDSHAKE_TIMEOUT";

/** For each code the close code that the other side is told (1006: it cannot be told), and the facts for a person. */
const FAULTS: Readonly<Record<WebSocketErrorCode, readonly [number, string]>> = {
  WS_RESERVED_BITS: [WS_CR_PROTO_ERR, "a frame has reserved bits that no extension gave a meaning"],
  WS_RESERVED_OPCODE: [WS_CR_PROTO_ERR, "a frame has a reserved opcode"],
  WS_CONTROL_FRAGMENTED: [WS_CR_PROTO_ERR, "a control frame is not final"],
  WS_CONTROL_TOO_LONG: [WS_CR_PROTO_ERR, "a control frame has more than 125 bytes"],
  WS_UNEXPECTED_CONTINUATION: [WS_CR_PROTO_ERR, "a frame continues a message, and none was begun"],
  WS_EXPECTED_CONTINUATION: [WS_CR_PROTO_ERR, "a message begins before the last one has ended"],
  WS_MASK_MISSING: [WS_CR_PROTO_ERR, "a client's frame is not masked"],
  WS_MASK_FORBIDDEN: [WS_CR_PROTO_ERR, "a server's frame is masked"],
  WS_LENGTH_NOT_MINIMAL: [WS_CR_PROTO_ERR, "a length is written with more bytes than it needs"],
  WS_LENGTH_OUT_OF_RANGE: [WS_CR_PROTO_ERR, "the highest bit of a length is set"],
  WS_BAD_CLOSE_PAYLOAD: [WS_CR_PROTO_ERR, "a close frame has one byte, which is half a code"],
  WS_BAD_CLOSE_CODE: [WS_CR_PROTO_ERR, "a close frame has a code that may not be sent"],
  WS_BAD_CLOSE_REASON: [WS_CR_INVALID_DATA, "the reason in a close frame is not UTF-8"],
  WS_BAD_UTF8: [WS_CR_INVALID_DATA, "a text message is not UTF-8"],
  WS_BAD_COMPRESSION: [WS_CR_INVALID_DATA, "a compressed message cannot be decompressed"],
  WS_FRAME_TOO_LARGE: [WS_CR_DATA_TOO_BIG, "a frame is longer than the limit"],
  WS_MESSAGE_TOO_LARGE: [WS_CR_DATA_TOO_BIG, "a message is longer than the limit"],
  WS_TOO_MANY_FRAGMENTS: [WS_CR_POLICY, "a message has more fragments than the limit"],
  WS_OUTPUT_TOO_LARGE: [WS_CR_ABNORMAL, "the other side does not take what is sent, and more waits than the limit"],
  WS_CLOSE_TIMEOUT: [WS_CR_ABNORMAL, "the other side did not answer the close frame in time, or take it"],
  WS_HEARTBEAT_TIMEOUT: [WS_CR_ABNORMAL, "nothing came from the other side, not even an answer to a ping"],
  WS_CONNECTION_ENDED: [WS_CR_ABNORMAL, "the connection ended without a close frame"],
  WS_CONNECTION_FAILED: [WS_CR_ABNORMAL, "the connection has failed"],
  WS_WRITE_TIMEOUT: [WS_CR_ABNORMAL, "the other side took none of what was sent for too long"],
  WS_HANDSHAKE_FAILED: [WS_CR_ABNORMAL, "the other side did not agree to a WebSocket session"],
  WS_HANDSHAKE_TIMEOUT: [WS_CR_ABNORMAL, "the handshake took too long"],
};

/** What goes with a {@linkcode WebSocketError}. */
export interface WebSocketErrorFacts {
  /** What was being done; `go on with the session` by default. */
  readonly action?: string | undefined;
  /** More about it. */
  readonly detail?: string | undefined;
  /** The status of a refusal, where a server has refused the handshake. */
  readonly status?: number | undefined;
  /** The error behind it, such as the system's. */
  readonly cause?: unknown;
}

/**
 * What the other side, or the way to it, did to a session. Branch on its `code`.
 *
 * @example
 * ```ts
 * import { WebSocketError } from "@evbase/evbase";
 *
 * const error = new WebSocketError("WS_MASK_MISSING");
 * console.log(error.code, error.closeCode); // WS_MASK_MISSING 1002
 * ```
 */
export class WebSocketError extends Error {
  /** Always "WebSocketError". */
  override readonly name: string = "WebSocketError";
  /** The stable code to branch on. */
  readonly code: WebSocketErrorCode;
  /** The close code that fits it: what the other side is told, or 1006 where it cannot be told. */
  readonly closeCode: number;
  // Declared only, so that an error without one has no such property when it is printed.
  /** The status of the reply, where a server has refused the handshake. */
  declare readonly status?: number;

  /** Makes the error for `code`. */
  constructor(code: WebSocketErrorCode, facts: WebSocketErrorFacts = {}) {
    const [closeCode, message] = FAULTS[code];
    const { action = "go on with the session", detail, status, cause } = facts;
    const more = detail === undefined ? "" : `: ${detail}`;
    super(`Cannot ${action}: ${message}${more} (${code})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.closeCode = closeCode;
    if (status !== undefined) this.status = status;
  }
}
