/**
 * TLS over connections of any kind: {@linkcode TlsBufferEvent} on what a {@linkcode TlsContext} says, by OpenSSL 3 or 1.1.1, which is
 * loaded when it is first used.
 *
 * @module
 */

export type { AlternativeNames } from "./alternative_names.ts";
export type { ClientHello } from "./client_hello.ts";
export { OpenTls } from "./open_tls.ts";
export { opensslVersion } from "./openssl_text.ts";
export type { PeerCertificate } from "./peer_certificate.ts";
export { TlsBufferEvent } from "./tls_bufferevent.ts";
export type { TlsBufferEventOptions, TlsSocketOptions } from "./tls_bufferevent_options.ts";
export { TlsConnection } from "./tls_connection.ts";
export { TlsReceiving } from "./tls_receiving.ts";
export { TlsSending } from "./tls_sending.ts";
export { TlsContext } from "./tls_context.ts";
export { TlsDetails } from "./tls_details.ts";
export { TlsError, type TlsErrorFacts } from "./tls_error.ts";
export type {
  CertificateFile,
  CertificateInput,
  TlsClientOptions,
  TlsContextOptions,
  TlsIdentity,
  TlsServerOptions,
  TlsVersion,
} from "./tls_options.ts";
export type { TlsEngineOptions } from "./tls_engine_options.ts";
