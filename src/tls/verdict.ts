/**
 * What becomes an error when OpenSSL refuses a peer.
 *
 * @module
 */

import type { Word } from "../ffi/mod.ts";
import { libraryOf, queuedError, reasonOf } from "./error_queue.ts";
import type { HostName } from "./host_name.ts";
import { NULL, openssl } from "./openssl.ts";
import { ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED, X509_V_OK } from "./openssl_constants.ts";
import { textAt } from "./openssl_text.ts";
import { TlsError } from "./tls_error.ts";
import { verifyCode } from "./verify_codes.ts";

/** A call on a connection has failed, and OpenSSL's queue says why. `action` completes "Cannot ... the peer". */
export function failureOf(connection: Word, action: string, fallback: string, host: HostName | null): TlsError {
  const { ssl, crypto } = openssl();
  const queued = queuedError(`${action} the peer`, fallback);
  const isVerdict = queued.opensslErrors.some((error) =>
    libraryOf(error) === ERR_LIB_SSL && reasonOf(error) === SSL_R_CERTIFICATE_VERIFY_FAILED
  );
  if (!isVerdict) return queued;
  const result = ssl.SSL_get_verify_result(connection);
  const why = textAt(crypto.X509_verify_cert_error_string(result));
  const whom = host === null ? "the peer" : host.text;
  return new TlsError(verifyCode(result), `Cannot trust the certificate of ${whom}: ${why}`, queued);
}

/**
 * What speaks against a server; null when it is to be trusted. A session that is taken up again brings the verdict of its first
 * handshake along, and its certificate is not compared with our host.
 *
 * @param host whom the certificate must be for; null: it does not matter.
 */
export function doubtAbout(connection: Word, host: HostName | null): TlsError | null {
  const lib = openssl();
  const result = lib.ssl.SSL_get_verify_result(connection);
  let code = result === X509_V_OK ? "" : verifyCode(result);
  if (code === "" && host !== null && lib.ssl.SSL_session_reused(connection) === 1) {
    const certificate = lib.peerCertificate(connection);
    if (!certificate || !host.isNamedIn(certificate, NULL)) code = "HOSTNAME_MISMATCH";
    if (certificate) lib.crypto.X509_free(certificate);
  }
  return code === "" ? null : new TlsError(code, "Cannot trust the session that was taken up again");
}
