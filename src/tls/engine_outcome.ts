/**
 * What a call of the TLS engine came to.
 *
 * @module
 */

/** What a call of `feed()` or `start()` came to. */
export type EngineOutcome =
  | typeof ENGINE_NOTHING
  | typeof ENGINE_PLAIN
  | typeof ENGINE_CONNECTED
  | typeof ENGINE_ENDED
  | typeof ENGINE_FAILED;
/** More is needed, or what came was for TLS itself. */
export const ENGINE_NOTHING = 0;
/** There is plaintext. */
export const ENGINE_PLAIN = 1;
/** The handshake has ended. */
export const ENGINE_CONNECTED = 2;
/** The peer has said that it will send no more. */
export const ENGINE_ENDED = 3;
/** The connection has failed; `error` says why. */
export const ENGINE_FAILED = 4;
