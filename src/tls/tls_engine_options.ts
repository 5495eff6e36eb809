/** How one connection differs from others of its context. */
export interface TlsEngineOptions {
  /** Client: the host to reach, which is announced (SNI) and which the server's certificate must be for; or its IP address. */
  readonly hostname?: string | undefined;
  /** Client: a name to announce instead of `hostname`; "" for none. */
  readonly serverName?: string | undefined;
  /** Client: whether the certificate must be for `hostname`; true by default where the context verifies at all. */
  readonly verifyHostname?: boolean | undefined;
  /**
   * Client: a session to take up again, as an earlier connection to the same host gave it. What that one has verified is not verified again,
   * so it should be one of a context with the same `ca` and `crl`. Servers take it up only under the name that was announced then.
   */
  readonly session?: Uint8Array | undefined;
  /** Client: what sessions are remembered by, together with the name that is announced; `hostname` by default. */
  readonly sessionKey?: string | undefined;
}
