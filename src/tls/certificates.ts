/**
 * Certificates, keys and revocation lists on their way into a context of OpenSSL's.
 *
 * @module
 */

import { addressOf, allocate, cString, putAddress, type Word } from "../ffi/mod.ts";
import { type CertificateSource, readSource, readSources } from "./certificate_source.ts";
import { libraryOf, queuedError, reasonOf, takeErrors } from "./error_queue.ts";
import { wordAt } from "./native_memory.ts";
import { NULL, openssl } from "./openssl.ts";
import {
  ERR_LIB_PEM,
  PEM_R_NO_START_LINE,
  SSL_CTRL_CHAIN_CERT,
  X509_V_FLAG_CRL_CHECK,
  X509_V_FLAG_CRL_CHECK_ALL,
} from "./openssl_constants.ts";
import { TlsError } from "./tls_error.ts";
import type { CertificateInput, TlsIdentity } from "./tls_options.ts";

/** Reads one object out of a BIO; NULL when there is none, or none that is right. */
type PemReader = (bio: Word, passphrase: Uint8Array) => Word;
/** The same from DER: `pointer` holds the address of the bytes. */
type DerReader = (pointer: Uint8Array, length: number) => Word;

/**
 * Has `use` take every object that a source holds; returns how many there were. The objects stay ours: `use` takes references of its own.
 */
function eachObject(
  { bytes, label, isPem }: CertificateSource,
  readPem: PemReader,
  readDer: DerReader,
  free: (object: Word) => void,
  use: (object: Word, index: number) => void,
  code: string,
): number {
  const { crypto } = openssl();
  const next = isPem ? pemSequence(bytes, readPem) : derOnce(bytes, readDer);
  let count = 0;
  try {
    for (let object = next.read(); object; object = next.read()) {
      try {
        use(object, count++);
      } finally {
        free(object);
      }
    }
  } finally {
    next.close();
  }
  const error = crypto.ERR_peek_error();
  if (error === 0) return count;
  // The end of PEM looks like this, and a file without any as well.
  const isEnd = libraryOf(error) === ERR_LIB_PEM && reasonOf(error) === PEM_R_NO_START_LINE;
  if (isPem && isEnd) {
    takeErrors();
    return count;
  }
  throw queuedError(`read ${label}`, code);
}

interface ObjectSequence {
  read(): Word;
  close(): void;
}

function pemSequence(bytes: Uint8Array, readPem: PemReader): ObjectSequence {
  const { crypto } = openssl();
  const bio = bioOf(bytes);
  return { read: () => readPem(bio, NO_PASSPHRASE), close: () => void crypto.BIO_free(bio) };
}

function derOnce(bytes: Uint8Array, readDer: DerReader): ObjectSequence {
  const copy = nativeCopy(bytes);
  let done = false;
  return {
    read() {
      if (done) return NULL;
      done = true;
      return readDer(pointerTo(copy), copy.length);
    },
    close() {},
  };
}

// Never null: without a passphrase OpenSSL would ask for one on the terminal.
const NO_PASSPHRASE = cString("");

/**
 * A BIO with a copy of its own. One that reads from our memory would not keep it: what nobody refers to any more is collected between
 * two certificates, and the rest of a bundle goes missing.
 */
function bioOf(bytes: Uint8Array): Word {
  const { crypto } = openssl();
  const bio = crypto.BIO_new(crypto.BIO_s_mem());
  const copy = nativeCopy(bytes);
  if (bytes.length > 0 && crypto.BIO_write(bio, wordAt(copy, 0), bytes.length) !== bytes.length) {
    crypto.BIO_free(bio);
    throw queuedError(`copy ${bytes.length} bytes`, "TLS_LIBRARY_FAILED");
  }
  return bio;
}

/** A copy whose address stays, never empty. */
function nativeCopy(bytes: Uint8Array): Uint8Array {
  const copy = allocate(Math.max(1, bytes.length));
  copy.set(bytes);
  return copy;
}

/** A cell that holds the address of `bytes`, as the d2i functions take it. */
export function pointerTo(bytes: Uint8Array): Uint8Array {
  const cell = allocate(8);
  putAddress(new Uint32Array(cell.buffer), 0, addressOf(bytes), 0);
  return cell;
}

function eachCertificate(
  source: CertificateSource,
  use: (certificate: Word, index: number) => void,
  code: string,
): number {
  const { crypto } = openssl();
  return eachObject(
    source,
    (bio, passphrase) => crypto.PEM_read_bio_X509(bio, NULL, NULL, passphrase),
    (pointer, length) => crypto.d2i_X509(NULL, pointer, length),
    (certificate) => crypto.X509_free(certificate),
    use,
    code,
  );
}

/**
 * Gives a context its certificate, the chain behind it and the key.
 *
 * @throws {TlsError} `TLS_BAD_CERTIFICATE`, `TLS_BAD_KEY`, `TLS_BAD_PASSPHRASE` or `TLS_KEY_MISMATCH`.
 */
export function useIdentity(ctx: Word, { certificate, key, passphrase }: TlsIdentity): void {
  if (certificate === undefined) {
    if (key === undefined) return;
    throw new TypeError("Cannot use a key without a certificate");
  }
  const { ssl } = openssl();
  const source = readSource(certificate, "certificate");
  const count = eachCertificate(source, (object, index) => {
    const taken = index === 0
      ? ssl.SSL_CTX_use_certificate(ctx, object)
      // With 1 the context takes a reference of its own.
      : ssl.SSL_CTX_ctrl(ctx, SSL_CTRL_CHAIN_CERT, 1, object);
    if (taken !== 1) throw queuedError(`use the certificate in ${source.label}`, "TLS_BAD_CERTIFICATE");
  }, "TLS_BAD_CERTIFICATE");
  if (count === 0) {
    throw new TlsError("TLS_BAD_CERTIFICATE", `Cannot use ${source.label}: it holds no certificate`);
  }
  const keySource = key === undefined ? source : readSource(key, "key");
  useKey(ctx, keySource, passphrase);
  if (ssl.SSL_CTX_check_private_key(ctx) !== 1) throw mismatch(keySource, source);
}

function mismatch(key: CertificateSource, certificate: CertificateSource): TlsError {
  const { numbers, reasons } = takeErrors();
  const text = `Cannot use the key in ${key.label}: it does not belong to the certificate in ${certificate.label}`;
  return new TlsError("TLS_KEY_MISMATCH", text, { opensslErrors: numbers, reasons });
}

function useKey(ctx: Word, source: CertificateSource, passphrase: string | undefined): void {
  const { crypto, ssl } = openssl();
  let key: Word;
  if (source.isPem) {
    const bio = bioOf(source.bytes);
    key = crypto.PEM_read_bio_PrivateKey(
      bio,
      NULL,
      NULL,
      passphrase === undefined ? NO_PASSPHRASE : cString(passphrase),
    );
    crypto.BIO_free(bio);
  } else {
    const bytes = nativeCopy(source.bytes);
    key = crypto.d2i_AutoPrivateKey(NULL, pointerTo(bytes), bytes.length);
  }
  if (!key) throw unusableKey(source, passphrase !== undefined);
  const taken = ssl.SSL_CTX_use_PrivateKey(ctx, key);
  crypto.EVP_PKEY_free(key);
  // OpenSSL compares them already here when it can.
  if (taken !== 1) throw queuedError(`use the key in ${source.label} with this certificate`, "TLS_KEY_MISMATCH");
}

function unusableKey(source: CertificateSource, hasPassphrase: boolean): TlsError {
  const isEncrypted = source.isPem && new TextDecoder("latin1").decode(source.bytes).includes("ENCRYPTED");
  if (!isEncrypted) return queuedError(`read a key from ${source.label}`, "TLS_BAD_KEY");
  const why = hasPassphrase ? "decrypt the key in" : "use, without its passphrase, the encrypted key in";
  return queuedError(`${why} ${source.label}`, "TLS_BAD_PASSPHRASE");
}

/**
 * Adds authorities to those a context trusts, and names them to clients that are asked for a certificate.
 *
 * @throws {TlsError} `TLS_BAD_CA`.
 */
export function trustAuthorities(
  ctx: Word,
  inputs: CertificateInput | readonly CertificateInput[] | undefined,
  tellClients: boolean,
): void {
  const { crypto, ssl } = openssl();
  const store = ssl.SSL_CTX_get_cert_store(ctx);
  for (const source of readSources(inputs, "ca")) {
    const count = eachCertificate(source, (object) => {
      if (crypto.X509_STORE_add_cert(store, object) !== 1) throw queuedError(`trust ${source.label}`, "TLS_BAD_CA");
      if (tellClients) ssl.SSL_CTX_add_client_CA(ctx, object);
    }, "TLS_BAD_CA");
    if (count === 0) throw new TlsError("TLS_BAD_CA", `Cannot trust ${source.label}: it holds no certificate`);
  }
}

/**
 * Has a context look every peer up in revocation lists.
 *
 * @throws {TlsError} `TLS_BAD_CRL`.
 */
export function useRevocationLists(
  ctx: Word,
  inputs: CertificateInput | readonly CertificateInput[] | undefined,
  leafOnly: boolean,
): void {
  const { crypto, ssl } = openssl();
  const store = ssl.SSL_CTX_get_cert_store(ctx);
  const sources = readSources(inputs, "crl");
  for (const source of sources) {
    const count = eachObject(
      source,
      (bio, passphrase) => crypto.PEM_read_bio_X509_CRL(bio, NULL, NULL, passphrase),
      (pointer, length) => crypto.d2i_X509_CRL(NULL, pointer, length),
      (list) => crypto.X509_CRL_free(list),
      (list) => {
        if (crypto.X509_STORE_add_crl(store, list) !== 1) throw queuedError(`use ${source.label}`, "TLS_BAD_CRL");
      },
      "TLS_BAD_CRL",
    );
    if (count === 0) throw new TlsError("TLS_BAD_CRL", `Cannot use ${source.label}: it holds no revocation list`);
  }
  if (sources.length === 0) return;
  crypto.X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | (leafOnly ? 0 : X509_V_FLAG_CRL_CHECK_ALL));
}
