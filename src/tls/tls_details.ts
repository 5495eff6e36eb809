import { runtime } from "../ffi/mod.ts";
import { openssl } from "./openssl.ts";
import { TLSEXT_NAMETYPE_host_name } from "./openssl_constants.ts";
import { bytesAt, textAt } from "./openssl_text.ts";
import { type PeerCertificate, peerCertificateOf } from "./peer_certificate.ts";
import { exportSession } from "./session.ts";
import type { TlsEngine } from "./tls_engine.ts";
import { allocate } from "../ffi/mod.ts";

/** What the two sides of a connection have agreed on. All of it is empty before the handshake has ended, and after closing. */
export class TlsDetails {
  readonly #engine: TlsEngine;

  /** @internal */
  constructor(engine: TlsEngine) {
    this.#engine = engine;
  }

  /** The protocol version, such as "TLSv1.3"; or "". */
  get version(): string {
    return this.#engine.isOpen ? textAt(openssl().ssl.SSL_get_version(this.#engine.connection)) : "";
  }

  /** The cipher, by OpenSSL's name, such as "TLS_AES_256_GCM_SHA384"; or "". */
  get cipher(): string {
    const { ssl } = openssl();
    if (!this.#engine.isOpen) return "";
    return textAt(ssl.SSL_CIPHER_get_name(ssl.SSL_get_current_cipher(this.#engine.connection)));
  }

  /** The protocol that was agreed on (ALPN); or "". */
  get alpnProtocol(): string {
    if (!this.#engine.isOpen) return "";
    const pointer = allocate(8);
    const length = allocate(4);
    openssl().ssl.SSL_get0_alpn_selected(this.#engine.connection, pointer, length);
    const count = new Uint32Array(length.buffer)[0]!;
    const [low = 0, high = 0] = new Uint32Array(pointer.buffer);
    if (count === 0) return "";
    return new TextDecoder("latin1").decode(bytesAt(runtime.word(low + high * 4294967296), count));
  }

  /** The host that the client has asked for (SNI), on both sides, in lower case on the server's; or "". */
  get serverName(): string {
    const { isOpen, asked, connection } = this.#engine;
    if (!isOpen) return "";
    // By this the server's context was chosen. OpenSSL takes another one from the second hello that follows a HelloRetryRequest, so that who
    // has asked for a host that lets everybody in would seem to be let in by one that does not; and before TLS 1.3 it knows of none where a
    // session is taken up.
    if (asked.name !== null) return asked.name;
    return textAt(openssl().ssl.SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name));
  }

  /** Whether an earlier session was taken up again. */
  get sessionReused(): boolean {
    return this.#engine.isOpen && openssl().ssl.SSL_session_reused(this.#engine.connection) === 1;
  }

  /**
   * The session as bytes, for a later connection of a client to the same host; null while there is none. TLS 1.3 servers send it
   * after the handshake, mostly with their first data. Whoever has these bytes can read what is sent with them.
   */
  get session(): Uint8Array | null {
    return this.#engine.isOpen ? exportSession(this.#engine.connection) : null;
  }

  /** The certificate that the peer has shown; null when it has shown none. */
  get peerCertificate(): PeerCertificate | null {
    return this.#engine.isOpen ? peerCertificateOf(this.#engine.connection) : null;
  }
}
