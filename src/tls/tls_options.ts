import type { ClientHello } from "./client_hello.ts";
import type { TlsContext } from "./tls_context.ts";

/**
 * Certificates, keys or revocation lists: PEM as text, PEM or DER as bytes, or a file with either. A file is read when the context is
 * made and when it is reloaded.
 */
export type CertificateInput = string | Uint8Array | CertificateFile;

/** A file with PEM or DER in it. */
export interface CertificateFile {
  /** Its path. */
  readonly file: string;
}

/** Protocol versions that can be asked for. The first two are refused by the security level most systems set. */
export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** Who one is: a certificate and the key that goes with it. */
export interface TlsIdentity {
  /** The certificate, followed by the certificates of those who vouch for it, without the root. */
  readonly certificate?: CertificateInput | undefined;
  /** Its private key. By default it is looked for behind the certificate. */
  readonly key?: CertificateInput | undefined;
  /** What the key is encrypted with. */
  readonly passphrase?: string | undefined;
}

/** What both sides can be told. */
export interface TlsContextOptions extends TlsIdentity {
  /** Certificates of those who are trusted to vouch for peers. */
  readonly ca?: CertificateInput | readonly CertificateInput[] | undefined;
  /** Revocation lists. With any, every certificate of a peer's chain must be on none, and each of its issuers must have one here. */
  readonly crl?: CertificateInput | readonly CertificateInput[] | undefined;
  /** Ask for a revocation list of the peer's own issuer only; false by default. */
  readonly crlLeafOnly?: boolean | undefined;
  /** Most certificates between the peer's and a trusted one; OpenSSL's default is 100. */
  readonly verifyDepth?: number | undefined;
  /** The oldest version to speak; TLSv1.2 by default. */
  readonly minVersion?: TlsVersion | undefined;
  /** The newest version to speak; the newest OpenSSL knows by default. */
  readonly maxVersion?: TlsVersion | undefined;
  /** Ciphers for TLS 1.2 and older, in OpenSSL's notation. */
  readonly ciphers?: string | undefined;
  /** Cipher suites for TLS 1.3, separated by colons, best first; AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305 by default. */
  readonly cipherSuites?: string | undefined;
  /** Groups for the key exchange, separated by colons, best first, such as `X25519:P-256`. */
  readonly groups?: string | undefined;
  /**
   * Protocols to offer or accept (ALPN), best first. A server that has a list refuses clients that offer only others; clients that
   * offer none are served.
   */
  readonly alpn?: readonly string[] | undefined;
  /** Allow renegotiation, which TLS 1.3 does not know; false by default. */
  readonly allowRenegotiation?: boolean | undefined;
}

/** What a server can be told. */
export interface TlsServerOptions extends TlsContextOptions {
  /** Whether clients have to show a certificate that one of `ca` vouches for; "none" by default. */
  readonly clientCertificate?: "none" | "request" | "require" | undefined;
  /**
   * Contexts for hosts that clients may ask for (SNI): exact names, or `*.` and a name for one label before it. Hosts that are not
   * listed are served by the context itself.
   */
  readonly serverNames?: Readonly<Record<string, TlsContext>> | undefined;
  /**
   * Chooses the context by what the client asks for, before {@linkcode TlsServerOptions.serverNames}: another context, undefined to
   * go on with those, or null to refuse the client with `unrecognized_name`. When it throws, the connection fails with
   * `TLS_CONTEXT_NOT_CHOSEN` and the error as its cause.
   */
  readonly selectContext?: ((hello: ClientHello) => TlsContext | null | undefined) | undefined;
  /**
   * Tickets that clients may resume their session with (RFC 5077, RFC 8446 section 4.6.1): true, the default, for one; with TLS 1.3 a
   * number gives so many after a full handshake, for clients that open several connections at once, each for a tenth of what the
   * handshake costs. 0: none. False: those of TLS 1.3 only name a session that is remembered here instead.
   */
  readonly sessionTickets?: boolean | number | undefined;
  /**
   * 80 bytes that tickets are encrypted with, the same for all processes that should accept each other's; drawn at random by default,
   * and kept over reloads.
   */
  readonly ticketKeys?: Uint8Array | undefined;
  /** How long a session can be resumed, in seconds; 7,200 by default. */
  readonly sessionTimeoutSeconds?: number | undefined;
  /** Most sessions to remember for clients that resume without a ticket; 4,096 by default, 0 for none. */
  readonly sessionsMax?: number | undefined;
  /**
   * Sessions are only resumed where this is the same, up to 32 bytes of text, and the host that the client asks for; and, where clients are
   * verified, how they are: by the same authorities, revocation lists and limits.
   */
  readonly sessionIdContext?: string | undefined;
}

/** What a client can be told. */
export interface TlsClientOptions extends TlsContextOptions {
  /**
   * Whether to refuse a server whose certificate is not trusted or not for the host that was asked for; true by default. Without it
   * anybody on the way can read and change everything.
   */
  readonly verifyPeer?: boolean | undefined;
  /** Trust those whom the system trusts; by default exactly when there is no `ca`. */
  readonly systemCa?: boolean | undefined;
  /** Most sessions to remember for resuming them with the same host; 0, none, by default. */
  readonly sessionsMax?: number | undefined;
}
