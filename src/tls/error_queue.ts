/**
 * OpenSSL's queue of errors, one per thread. `SSL_get_error` judges a result by what is in it, so it must be empty before a
 * call whose failure is to be judged: whoever sees a failure takes everything out.
 *
 * @module
 */

import { alertName } from "./alerts.ts";
import { openssl } from "./openssl.ts";
import { ERR_LIB_SSL } from "./openssl_constants.ts";
import { textAt } from "./openssl_text.ts";
import { TlsError } from "./tls_error.ts";

/** The queue itself is a ring of sixteen. */
const ERRORS_MAX = 32;

/** What was in the queue. */
export interface QueuedErrors {
  /** Numbers, most recent first. */
  readonly numbers: readonly number[];
  /** The same in words. */
  readonly reasons: readonly string[];
}

/** Takes everything out of the queue. */
export function takeErrors(): QueuedErrors {
  const { crypto } = openssl();
  const numbers: number[] = [];
  for (let error = crypto.ERR_get_error(); error !== 0; error = crypto.ERR_get_error()) {
    if (numbers.length < ERRORS_MAX) numbers.unshift(error);
  }
  return { numbers, reasons: numbers.map((error) => textAt(crypto.ERR_reason_error_string(error))) };
}

/** Drops whatever an earlier call has left. Looking costs a tenth of clearing, and there hardly ever is anything. */
export function clearErrors(): void {
  const { crypto } = openssl();
  if (crypto.ERR_peek_error() !== 0) crypto.ERR_clear_error();
}

/** The part of the library an error number comes from. */
export function libraryOf(error: number): number {
  return openssl().version >= 0x30000000 ? (error >>> 23) & 0xff : error >>> 24;
}

/** The reason in an error number, `SSL_R_...` and the like. */
export function reasonOf(error: number): number {
  return openssl().version >= 0x30000000 ? error & 0x7fffff : error & 0xfff;
}

/** Codes for reasons of libssl (`SSL_R_...`) that users can do something about; a test has the C compiler compare the numbers. */
export const reasonCodes: Readonly<Record<number, string>> = {
  101: "TLS_NO_SUITABLE_KEY_SHARE",
  118: "TLS_NO_SUITABLE_SIGNATURE_ALGORITHM",
  155: "TLS_HTTP_REQUEST",
  156: "TLS_HTTP_REQUEST",
  177: "TLS_NO_CERTIFICATE",
  191: "TLS_NO_PROTOCOLS_AVAILABLE",
  193: "TLS_NO_SHARED_CIPHER",
  198: "TLS_RECORD_TOO_LONG",
  146: "TLS_RECORD_TOO_LONG",
  150: "TLS_RECORD_TOO_LONG",
  199: "TLS_PEER_DID_NOT_RETURN_A_CERTIFICATE",
  235: "TLS_NO_APPLICATION_PROTOCOL",
  252: "TLS_UNSUPPORTED_PROTOCOL",
  258: "TLS_UNSUPPORTED_PROTOCOL",
  396: "TLS_UNSUPPORTED_PROTOCOL",
  267: "TLS_WRONG_VERSION_NUMBER",
  281: "TLS_BAD_RECORD_MAC",
  338: "TLS_UNSAFE_LEGACY_RENEGOTIATION",
  339: "TLS_NO_RENEGOTIATION",
  443: "TLS_BAD_RECORD_TYPE",
};

/** Reasons from here on are alerts that the peer has sent: 1000 and the alert's number. */
const ALERT_REASON_FIRST = 1000;
const ALERT_REASON_LAST = 1255;

/** Makes an error of what the queue holds. `action` completes "Cannot". */
export function queuedError(action: string, fallback: string): TlsError {
  const { numbers, reasons } = takeErrors();
  let code = fallback;
  let alert = "";
  for (const error of numbers) {
    if (libraryOf(error) !== ERR_LIB_SSL) continue;
    const reason = reasonOf(error);
    if (reason >= ALERT_REASON_FIRST && reason <= ALERT_REASON_LAST) {
      alert = alertName(reason - ALERT_REASON_FIRST);
      code = `TLS_ALERT_${alert.toUpperCase().replaceAll(" ", "_")}`;
      break;
    }
    if (reason in reasonCodes) {
      code = reasonCodes[reason]!;
      break;
    }
  }
  const said = [...new Set(reasons.filter((reason) => reason !== ""))].join("; ");
  const why = alert !== "" ? `the peer says ${alert}` : said !== "" ? said : "OpenSSL gives no reason";
  return new TlsError(code, `Cannot ${action}: ${why}`, { opensslErrors: numbers, reasons, alert });
}
