import type { Word } from "../ffi/mod.ts";
import { clearErrors, takeErrors } from "./error_queue.ts";
import { openssl } from "./openssl.ts";
import { SSL_KEY_UPDATE_REQUESTED } from "./openssl_constants.ts";

/**
 * New keys that were asked for and that the peer was not told of yet (RFC 8446 section 4.6.3).
 *
 * OpenSSL tells of them within its next call, be it to read, after which nothing can be passed on: whoever listens to the output might
 * have another connection put its plaintext in the place of what was read. And it refuses to end while they are owed. So they are
 * announced before.
 */
export class KeyUpdate {
  /** Whether the peer is still to be told. */
  isOwed = false;

  /** Asks for new keys of both sides; false where there is no such thing, and while they are owed. */
  ask(connection: Word): boolean {
    const isNew = openssl().ssl.SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED) === 1;
    if (isNew) this.isOwed = true;
    return isNew;
  }

  /** Has it written, if it is owed. */
  say(connection: Word): void {
    if (!this.isOwed) return;
    this.isOwed = false;
    clearErrors();
    openssl().ssl.SSL_do_handshake(connection);
    takeErrors();
  }
}
