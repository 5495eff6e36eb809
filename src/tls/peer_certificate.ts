import { addressOf, allocate, runtime, type Word } from "../ffi/mod.ts";
import { type AlternativeNames, parseAlternativeNames } from "./alternative_names.ts";
import { pointerTo } from "./certificates.ts";
import { takeErrors } from "./error_queue.ts";
import { openssl } from "./openssl.ts";
import { NID_subject_alt_name, XN_FLAG_RFC2253 } from "./openssl_constants.ts";
import { bytesAt } from "./openssl_text.ts";

/** Seconds, minutes, hours, day, month and years since 1900 are the first six numbers of C's `struct tm`; nowhere is it larger. */
const TM_BYTES = 64;
const SHA256_BYTES = 32;

/** The certificate that a peer has shown. That it was shown says nothing of whether it was verified. */
export interface PeerCertificate {
  /** Whom it is for, as RFC 2253 writes names: `CN=example.org,O=Example`. */
  readonly subject: string;
  /** Who vouches for it, in the same form. */
  readonly issuer: string;
  /** Its number, in hexadecimal. */
  readonly serialNumber: string;
  /** When it begins to be valid. */
  readonly validFrom: Date;
  /** When it ceases to be valid. */
  readonly validTo: Date;
  /** SHA-256 of the whole certificate, in hexadecimal. */
  readonly fingerprint256: string;
  /** The hosts, addresses and so on it is for. */
  readonly alternativeNames: AlternativeNames;
  /** All of it, as DER. */
  readonly der: Uint8Array;
}

/** Describes the certificate that the peer of a connection has shown; null when it has shown none. */
export function peerCertificateOf(connection: Word): PeerCertificate | null {
  const lib = openssl();
  const certificate = lib.peerCertificate(connection);
  if (!certificate) return null;
  try {
    return describe(certificate);
  } finally {
    lib.crypto.X509_free(certificate);
    takeErrors();
  }
}

function describe(certificate: Word): PeerCertificate {
  const { crypto } = openssl();
  const serial = crypto.X509_get_serialNumber(certificate);
  return {
    subject: nameText(crypto.X509_get_subject_name(certificate)),
    issuer: nameText(crypto.X509_get_issuer_name(certificate)),
    serialNumber: printed((bio) => crypto.i2a_ASN1_INTEGER(bio, serial)),
    validFrom: dateOf(crypto.X509_get0_notBefore(certificate)),
    validTo: dateOf(crypto.X509_get0_notAfter(certificate)),
    fingerprint256: fingerprint(certificate),
    alternativeNames: alternativeNames(certificate),
    der: derOf(certificate),
  };
}

function nameText(name: Word): string {
  return printed((bio) => openssl().crypto.X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253));
}

/** What `print` writes into a BIO. */
function printed(print: (bio: Word) => void): string {
  const { crypto } = openssl();
  const bio = crypto.BIO_new(crypto.BIO_s_mem());
  try {
    print(bio);
    const bytes = allocate(crypto.BIO_ctrl_pending(bio));
    if (bytes.length > 0) crypto.BIO_read(bio, runtime.word(addressOf(bytes)), bytes.length);
    return new TextDecoder().decode(bytes);
  } finally {
    crypto.BIO_free(bio);
  }
}

function dateOf(time: Word): Date {
  const bytes = allocate(TM_BYTES);
  if (openssl().crypto.ASN1_TIME_to_tm(time, bytes) !== 1) return new Date(NaN);
  const [second = 0, minute = 0, hour = 0, day = 0, month = 0, year = 0] = new Int32Array(bytes.buffer);
  return new Date(Date.UTC(year + 1900, month, day, hour, minute, second));
}

function fingerprint(certificate: Word): string {
  const { crypto } = openssl();
  const digest = allocate(SHA256_BYTES);
  const length = allocate(4);
  crypto.X509_digest(certificate, crypto.EVP_sha256(), digest, length);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function alternativeNames(certificate: Word): AlternativeNames {
  const { crypto } = openssl();
  const none: AlternativeNames = { dns: [], ip: [], email: [], uri: [] };
  const index = crypto.X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (index < 0) return none;
  const data = crypto.X509_EXTENSION_get_data(crypto.X509_get_ext(certificate, index));
  const der = bytesAt(crypto.ASN1_STRING_get0_data(data), crypto.ASN1_STRING_length(data));
  return parseAlternativeNames(der) ?? none;
}

function derOf(certificate: Word): Uint8Array {
  const { crypto } = openssl();
  const bytes = allocate(crypto.i2d_X509(certificate, null));
  crypto.i2d_X509(certificate, pointerTo(bytes));
  return bytes;
}
