/** What a {@linkcode TlsError} knows besides its code. */
export interface TlsErrorFacts {
  /** See {@linkcode TlsError.opensslErrors}. */
  readonly opensslErrors?: readonly number[] | undefined;
  /** See {@linkcode TlsError.reasons}. */
  readonly reasons?: readonly string[] | undefined;
  /** See {@linkcode TlsError.alert}. */
  readonly alert?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * TLS could not be spoken: the peer's certificate is not to be trusted, the peer has refused ours, what came is no TLS, or a
 * certificate of ours cannot be used.
 *
 * `code` is the thing to compare. It is one of OpenSSL's names for a failed verification, such as `CERT_HAS_EXPIRED`,
 * `DEPTH_ZERO_SELF_SIGNED_CERT`, `SELF_SIGNED_CERT_IN_CHAIN`, `UNABLE_TO_GET_ISSUER_CERT_LOCALLY`, `CERT_REVOKED`,
 * `HOSTNAME_MISMATCH` and `IP_ADDRESS_MISMATCH`; or `TLS_ALERT_` and the name of the alert the peer has sent, such as
 * `TLS_ALERT_UNKNOWN_CA`; or one of evbase's own, all of which begin with `TLS_`, listed in the guide to TLS.
 */
export class TlsError extends Error {
  /** Always `TlsError`. */
  override readonly name: string = "TlsError";
  /** What happened, the same with every version of OpenSSL. */
  readonly code: string;
  /**
   * OpenSSL's own error numbers, most recent first, as far as its queue held any (bufferevent_get_openssl_error). They differ
   * between versions.
   */
  readonly opensslErrors: readonly number[];
  /** The same in words. */
  readonly reasons: readonly string[];
  /** Name of the alert that the peer has sent (RFC 8446 section 6), or "". */
  readonly alert: string;

  /** Describes what went wrong; `message` says what was being done, then the facts. */
  constructor(code: string, message: string, facts: TlsErrorFacts = {}) {
    super(`${message} (${code})`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.opensslErrors = facts.opensslErrors ?? [];
    this.reasons = facts.reasons ?? [];
    this.alert = facts.alert ?? "";
  }
}
