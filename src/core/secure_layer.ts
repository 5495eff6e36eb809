import type { BufferEvent } from "./bufferevent.ts";

/** What a connection that is to be secured is told. */
export interface SecureLayerOptions {
  /** A client's name for the server, which is sent and verified: a host name or an address. */
  readonly hostname?: string | undefined;
  /** How long the handshake may take in all, in milliseconds; the layer's own limit by default. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/**
 * Puts encryption over connections. A `TlsContext` is one: protocols such as HTTP are handed a layer instead of knowing TLS.
 */
export interface SecureLayer {
  /** Whose side of a connection it takes. */
  readonly role: "server" | "client";
  /**
   * Takes a connection over, connected or not, and returns the one that speaks through it; closing that closes both.
   * `BEV_EVENT_CONNECTED` tells of the end of the handshake.
   *
   * @throws {TypeError} when `underlying` is closed, or a hostname is needed and missing. Then it is still the caller's to close.
   */
  secure(underlying: BufferEvent, options?: SecureLayerOptions): BufferEvent;
}
