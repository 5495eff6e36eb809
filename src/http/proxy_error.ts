/** Why there is no way through a proxy. Codes are stable; messages are not. */
export type ProxyErrorCode =
  /** It will not, or cannot, connect to that host; `status` or `reply` says why. */
  | "PROXY_REFUSED"
  /** It asks for other credentials, or for some. */
  | "PROXY_AUTHENTICATION_FAILED"
  /** What it has said is not its protocol. */
  | "PROXY_BAD_REPLY"
  /** It has closed the connection before there was a way. */
  | "PROXY_CLOSED";

/** What goes with a {@linkcode ProxyError}. */
export interface ProxyErrorFacts {
  /** The status an HTTP proxy has answered with. */
  readonly status?: number;
  /** The reply code of a SOCKS5 proxy (RFC 1928 section 6). */
  readonly reply?: number;
  /** What is behind it. */
  readonly cause?: unknown;
}

/** A proxy that has not opened a way. */
export class ProxyError extends Error {
  /** Always `ProxyError`. */
  override readonly name: string = "ProxyError";
  /** The stable code to branch on. */
  readonly code: ProxyErrorCode;
  // Declared only, so that an error without a fact has no such property when it is printed.
  /** The status an HTTP proxy has answered with. */
  declare readonly status?: number;
  /** The reply code of a SOCKS5 proxy (RFC 1928 section 6). */
  declare readonly reply?: number;

  /** Describes what the proxy has done. */
  constructor(code: ProxyErrorCode, message: string, facts: ProxyErrorFacts = {}) {
    super(
      `Cannot connect through the proxy: ${message} (${code})`,
      facts.cause === undefined ? undefined : { cause: facts.cause },
    );
    this.code = code;
    if (facts.status !== undefined) this.status = facts.status;
    if (facts.reply !== undefined) this.reply = facts.reply;
  }
}
