/** Why a session ends (RFC 6455 section 7.4). Those that libevent names have its names and values. @module */

/** No code is sent: the close frame is empty. The other side sees 1005. */
export const WS_CR_NONE = 0;
/** The session has served its purpose. */
export const WS_CR_NORMAL = 1000;
/** The server goes down, or the page is left. */
export const WS_CR_GOING_AWAY = 1001;
/** The other side has broken the protocol. */
export const WS_CR_PROTO_ERR = 1002;
/** A kind of data that cannot be accepted. */
export const WS_CR_UNSUPPORTED_DATA = 1003;
/** Never sent: the other side's close frame was empty. */
export const WS_CR_NO_STATUS = 1005;
/** Never sent: the connection ended without a close frame. */
export const WS_CR_ABNORMAL = 1006;
/** Data that is not what it says, such as text that is not UTF-8. */
export const WS_CR_INVALID_DATA = 1007;
/** What was sent is against the rules of this side. */
export const WS_CR_POLICY = 1008;
/** A message is too large. */
export const WS_CR_DATA_TOO_BIG = 1009;
/** A client misses an extension that the server did not choose. */
export const WS_CR_MISSING_EXTENSION = 1010;
/** The server cannot go on. */
export const WS_CR_INTERNAL_ERROR = 1011;
/** The service restarts. */
export const WS_CR_SERVICE_RESTART = 1012;
/** The service is overloaded. */
export const WS_CR_TRY_AGAIN_LATER = 1013;
/** A gateway got a bad answer. */
export const WS_CR_BAD_GATEWAY = 1014;
/** Never sent: the TLS handshake has failed. */
export const WS_CR_TLS_FAILED = 1015;

/**
 * Whether a close frame may carry the code: those that are registered for that (1000 to 1003 and 1007 to 1014), and 3000 to 4999, which
 * are for libraries and applications. 1004 to 1006, 1015, and what nobody has defined are refused (RFC 6455 section 7.4).
 */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
