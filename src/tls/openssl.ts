/**
 * OpenSSL, loaded on first use: a program that speaks no TLS needs no libssl.
 *
 * @module
 */

import { type Calls, getenv, isSetuid, openLibrary, type OpensslNames, os, runtime, type Word } from "../ffi/mod.ts";
import { cryptoSignatures } from "./crypto_signatures.ts";
import { ssl11Signatures, ssl3Signatures, sslSignatures } from "./ssl_signatures.ts";
import { TlsError } from "./tls_error.ts";

/** The functions of both libraries. */
export interface Openssl {
  /** libcrypto. */
  readonly crypto: Calls<typeof cryptoSignatures>;
  /** libssl. */
  readonly ssl: Calls<typeof sslSignatures>;
  /** The version as one number, such as 0x30000110 for 3.0.17. */
  readonly version: number;
  /** A reference to the certificate the peer has shown, or NULL. */
  peerCertificate(ssl: Word): Word;
}

/** C's NULL. */
export const NULL: Word = runtime.word(0);

/** 1.1.1, the first with TLS 1.3. */
const VERSION_MIN = 0x10101000;

let opened: Openssl | null = null;
let failure: TlsError | null = null;

/**
 * The running process's OpenSSL.
 *
 * @throws {TlsError} `TLS_LIBRARY_MISSING`, saying what to install.
 */
export function openssl(): Openssl {
  if (opened !== null) return opened;
  // A library that was not there will not appear; asking again for each connection would only cost time.
  if (failure !== null) throw failure;
  const named = namedLibraries();
  const complaints: string[] = [];
  for (const names of named === undefined ? os.opensslNames : [named]) {
    const found = open(names);
    if (typeof found !== "string") return opened = found;
    complaints.push(found);
  }
  const cure = named === undefined ? os.opensslHint : "EVBASE_LIBSSL and EVBASE_LIBCRYPTO name these files";
  const text = `Cannot load OpenSSL (3, or 1.1.1), which TLS needs; ${cure}. Tried ${complaints.join("; ")}`;
  throw failure = new TlsError("TLS_LIBRARY_MISSING", text);
}

/** Files that the environment names in place of the system's. */
function namedLibraries(): OpensslNames | undefined {
  const ssl = getenv("EVBASE_LIBSSL");
  const crypto = getenv("EVBASE_LIBCRYPTO");
  // A process with raised rights must not load what its caller names.
  if (ssl === undefined || crypto === undefined || ssl === "" || crypto === "" || isSetuid()) return undefined;
  return { ssl, crypto };
}

function open(names: OpensslNames): Openssl | string {
  // libcrypto first: libssl then finds it loaded, wherever it came from.
  const crypto = openLibrary(names.crypto, cryptoSignatures);
  if (typeof crypto === "string") return `${names.crypto}: ${crypto}`;
  const version = crypto.OpenSSL_version_num();
  if (version < VERSION_MIN) return `${names.crypto}: version 0x${version.toString(16)} is too old`;
  const ssl = openLibrary(names.ssl, sslSignatures);
  if (typeof ssl === "string") return `${names.ssl}: ${ssl}`;
  const peerCertificate = openPeerCertificate(names.ssl);
  if (typeof peerCertificate === "string") return `${names.ssl}: ${peerCertificate}`;
  return { crypto, ssl, version, peerCertificate };
}

function openPeerCertificate(path: string): ((ssl: Word) => Word) | string {
  const newer = openLibrary(path, ssl3Signatures);
  if (typeof newer !== "string") return (ssl) => newer.SSL_get1_peer_certificate(ssl);
  const older = openLibrary(path, ssl11Signatures);
  return typeof older === "string" ? older : (ssl) => older.SSL_get_peer_certificate(ssl);
}
