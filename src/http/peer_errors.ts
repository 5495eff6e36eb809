/** The codes of what a peer, or the way to it, can do to a connection. @internal */
export const PEER_ERRORS: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  // The end of a connection that was not announced, as many clients leave.
  "TLS_TRUNCATED",
]);
