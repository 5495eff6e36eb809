/**
 * Which of a server's sessions may be taken up again by which of its contexts, and under which name.
 *
 * @module
 */

import { allocate, cString, type Word } from "../ffi/mod.ts";
import { readSources } from "./certificate_source.ts";
import { NULL, openssl } from "./openssl.ts";
import type { TlsServerOptions } from "./tls_options.ts";

const SESSION_ID_CONTEXT = "evbase";
const SESSION_ID_CONTEXT_BYTES_MAX = 32;
const SHA256_BYTES = 32;

/**
 * What sessions are marked with: OpenSSL takes one up again only where the mark is the same.
 *
 * A client that takes a session up is not verified anew. So where clients are verified the mark stands for how: whoever was let in
 * without a certificate, for the sake of another authority, or before a list of revocations was exchanged, shakes hands in full,
 * though the keys of the tickets be the same.
 *
 * @throws {RangeError} when the context that was asked for is too long.
 */
export function sessionScope(options: TlsServerOptions): Uint8Array {
  const name = cString(options.sessionIdContext ?? SESSION_ID_CONTEXT);
  const length = name.length - 1;
  if (length > SESSION_ID_CONTEXT_BYTES_MAX) {
    throw new RangeError(`Cannot use a sessionIdContext of ${length} bytes: at most ${SESSION_ID_CONTEXT_BYTES_MAX}`);
  }
  const { clientCertificate = "none", ca, crl, crlLeafOnly = false, verifyDepth = -1 } = options;
  if (clientCertificate === "none") return name.subarray(0, length);
  const how = cString(JSON.stringify([clientCertificate, crlLeafOnly, verifyDepth]));
  const parts = [
    name,
    how,
    ...[...readSources(ca, "ca"), ...readSources(crl, "crl")].map(({ bytes }) => sha256(bytes)),
  ];
  return sha256(joined(parts));
}

/**
 * Has a connection take up only sessions that were made for the same host (RFC 6066 section 3), within the scope of its context.
 *
 * @param host a character for each byte, in lower case; "" when the client does not say.
 */
export function scopeToHost(connection: Word, scope: Uint8Array, host: string): void {
  // The context's own mark is for those who do not say.
  if (host === "") return;
  // It is the peer's word, a NUL in it included.
  const name = allocate(host.length);
  for (let at = 0; at < host.length; at++) name[at] = host.charCodeAt(at);
  const mark = sha256(joined([scope, allocate(1), name]));
  openssl().ssl.SSL_set_session_id_context(connection, mark, mark.length);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = allocate(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function sha256(bytes: Uint8Array): Uint8Array {
  const { crypto } = openssl();
  const copy = allocate(Math.max(1, bytes.length));
  copy.set(bytes);
  const digest = allocate(SHA256_BYTES);
  crypto.EVP_Digest(copy, bytes.length, digest, allocate(4), crypto.EVP_sha256(), NULL);
  return digest;
}
