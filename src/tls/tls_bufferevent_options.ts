import type { BufferEventOptions, SocketBufferEventOptions } from "../core/mod.ts";
import type { TlsEngineOptions } from "./tls_engine_options.ts";

/** Milliseconds that a handshake may take unless something else is said. */
export const HANDSHAKE_TIMEOUT_MS = 60_000;
/** Milliseconds that the peer may take to end as well unless something else is said. */
export const CLOSE_TIMEOUT_MS = 2_000;

/** How a TlsBufferEvent is made. */
export interface TlsBufferEventOptions extends TlsEngineOptions, BufferEventOptions {
  /** See {@linkcode TlsBufferEvent.allowDirtyShutdown}; false by default. */
  readonly allowDirtyShutdown?: boolean | undefined;
  /**
   * How long the handshake may take in all, in milliseconds; 60,000 by default, -1 for no limit. After that the event callback gets
   * `BEV_EVENT_TIMEOUT`, and the error's code is `TLS_HANDSHAKE_TIMEOUT`.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * How long `closeAfterFlush()` waits for the peer to end as well, in milliseconds; 2,000 by default, 0 for not at all. Closing while
   * the peer's bytes are still on their way resets the connection, which may overtake what was sent.
   */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Leave the connection underneath open when this one is closed; false by default (BEV_OPT_CLOSE_ON_FREE is ours). What the peer sends in the
   * clear behind its close_notify is lost where both come in one read.
   */
  readonly keepOpen?: boolean | undefined;
}

/** How a TlsBufferEvent over a socket is made. */
export interface TlsSocketOptions extends TlsBufferEventOptions, SocketBufferEventOptions {
  /** Leave the descriptor open when the connection is closed; false by default. */
  readonly keepOpen?: boolean | undefined;
}
