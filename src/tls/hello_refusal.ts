import { TlsError } from "./tls_error.ts";

/** TLS alerts (RFC 8446 section 6.2). */
const ALERT_DECODE_ERROR = 50, ALERT_INTERNAL_ERROR = 80, ALERT_UNRECOGNIZED_NAME = 112;

/** Why a client is not served, before there is anybody of OpenSSL's to say so. */
export interface HelloRefusal {
  /** What is told here. */
  readonly error: TlsError;
  /** The record that tells the client: a fatal alert. */
  readonly record: Uint8Array;
}

function refusal(alert: number, code: string, why: string, cause?: unknown): HelloRefusal {
  return {
    error: new TlsError(code, `Cannot serve the client: ${why}`, { cause }),
    record: Uint8Array.of(21, 3, 3, 0, 2, 2, alert),
  };
}

/** Its first message cannot be read. */
export function badHello(): HelloRefusal {
  return refusal(ALERT_DECODE_ERROR, "TLS_BAD_CLIENT_HELLO", "its first message is malformed, or too large");
}

/** No context is meant for the host it wants to reach. */
export function unrecognizedName(name: string): HelloRefusal {
  return refusal(ALERT_UNRECOGNIZED_NAME, "TLS_UNRECOGNIZED_NAME", `no context for ${JSON.stringify(name)}`);
}

/** What was to choose a context has thrown `cause`. */
export function contextNotChosen(cause: unknown): HelloRefusal {
  return refusal(ALERT_INTERNAL_ERROR, "TLS_CONTEXT_NOT_CHOSEN", "choosing its context has failed", cause);
}
