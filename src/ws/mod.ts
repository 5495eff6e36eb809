/**
 * WebSocket (RFC 6455) with permessage-deflate (RFC 7692): a strict parser that eats bytes ({@linkcode FrameParser}), and sessions
 * ({@linkcode WebSocketSession}) of either side over any connection of an event base.
 *
 * @module
 */

export type { WebSocketAgreement } from "./agreement.ts";
export * from "./close_codes.ts";
export { connectWebSocket, type WebSocketConnectOptions } from "./connect.ts";
export type { DeflateOptions, DeflateParameters } from "./deflate_parameters.ts";
export {
  FRAME_CONTROL,
  FRAME_ERROR,
  FRAME_NEED_MORE,
  FRAME_PIECE,
  type FrameEvent,
  FrameParser,
  type FrameParserOptions,
} from "./frame_parser.ts";
export { DEFAULT_WEBSOCKET_LIMITS, type WebSocketLimits, webSocketLimits } from "./limits.ts";
export * from "./opcodes.ts";
export { WebSocketSession } from "./session.ts";
export type {
  HeartbeatOptions,
  WebSocketCallbacks,
  WebSocketClose,
  WebSocketMessage,
  WebSocketSessionOptions,
} from "./session_options.ts";
export { Utf8Checker } from "./utf8_checker.ts";
export { WebSocketError, type WebSocketErrorCode, type WebSocketErrorFacts } from "./ws_error.ts";
export { type UpgradeOptions, upgradeWebSocket } from "./upgrade.ts";
