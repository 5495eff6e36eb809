/**
 * Turns options into a context of OpenSSL's (`SSL_CTX`), strict where nothing is said.
 *
 * @module
 */

import { addressOf, allocate, cString, os, runtime, type Word } from "../ffi/mod.ts";
import { listFolder, OpenFile } from "../core/mod.ts";
import { alpnCallback, encodeProtocols } from "./alpn.ts";
import { trustAuthorities, useIdentity, useRevocationLists } from "./certificates.ts";
import { queuedError, takeErrors } from "./error_queue.ts";
import { NULL, openssl } from "./openssl.ts";
import * as c from "./openssl_constants.ts";
import { sessionScope } from "./session_scope.ts";
import { textAt } from "./openssl_text.ts";
import type { TlsClientOptions, TlsContextOptions, TlsServerOptions, TlsVersion } from "./tls_options.ts";

const versions: Readonly<Record<TlsVersion, number>> = {
  "TLSv1": c.TLS1_VERSION,
  "TLSv1.1": c.TLS1_1_VERSION,
  "TLSv1.2": c.TLS1_2_VERSION,
  "TLSv1.3": c.TLS1_3_VERSION,
};

/** By `clientCertificate`. */
const verifyModes: ReadonlyMap<string, number> = new Map([
  ["none", c.SSL_VERIFY_NONE],
  ["request", c.SSL_VERIFY_PEER],
  ["require", c.SSL_VERIFY_PEER | c.SSL_VERIFY_FAIL_IF_NO_PEER_CERT],
]);

/** What C's int holds. */
const INT_MAX = 2 ** 31 - 1;

/** OpenSSL begins with the second, which costs a quarter more and is no safer for all that is known. */
const CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

const SESSIONS_MAX = 4096;
const SESSION_SECONDS = 7200;
const TICKETS_MAX = 255;
/** How many bytes OpenSSL wants for ticket keys: a name, an HMAC key and an AES key. */
const TICKET_KEY_BYTES = 80;

/** What options have become. */
export interface BuiltContext {
  /** OpenSSL's context, which the caller owns. */
  readonly ctx: Word;
  /** What a server's sessions are marked with; empty for a client. */
  readonly scope: Uint8Array;
}

const NO_SCOPE = allocate(0);

/**
 * Makes a context for servers. The caller owns it.
 *
 * @param ticketKeys of an earlier context, so that its tickets stay good; null for new ones.
 */
export function buildServerContext(options: TlsServerOptions, ticketKeys: Uint8Array | null): BuiltContext {
  // Also when it is made anew with another identity.
  if (options.certificate === undefined) throw new TypeError("Cannot serve TLS without a certificate");
  const { ssl } = openssl();
  const scope = sessionScope(options);
  const ctx = build(ssl.TLS_server_method(), options, (ctx) => {
    const { clientCertificate = "none" } = options;
    const mode = verifyModes.get(clientCertificate);
    // Taken for "none", it would let everybody in.
    if (mode === undefined) {
      throw new TypeError(
        `Cannot use ${JSON.stringify(clientCertificate)} as clientCertificate: none, request or require`,
      );
    }
    trustAuthorities(ctx, options.ca, clientCertificate !== "none");
    ssl.SSL_CTX_set_verify(ctx, mode, NULL);
    if (options.alpn !== undefined) ssl.SSL_CTX_set_alpn_select_cb(ctx, runtime.word(alpnCallback()), NULL);
    ssl.SSL_CTX_set_session_id_context(ctx, scope, scope.length);
    setSessions(ctx, options, ticketKeys);
  });
  return { ctx, scope };
}

/** Makes a context for clients. The caller owns it. */
export function buildClientContext(options: TlsClientOptions): BuiltContext {
  const { ssl } = openssl();
  const ctx = build(ssl.TLS_client_method(), options, (ctx) => {
    trustAuthorities(ctx, options.ca, false);
    if (options.systemCa ?? options.ca === undefined) trustSystem(ctx);
    ssl.SSL_CTX_set_verify(ctx, options.verifyPeer === false ? c.SSL_VERIFY_NONE : c.SSL_VERIFY_PEER, NULL);
    // Sessions are kept by us, by host; OpenSSL's own cache would only hold them once more.
    ssl.SSL_CTX_ctrl(ctx, c.SSL_CTRL_SET_SESS_CACHE_MODE, c.SSL_SESS_CACHE_OFF, NULL);
    if (options.alpn !== undefined) encodeProtocols(options.alpn);
  });
  return { ctx, scope: NO_SCOPE };
}

function build(method: Word, options: TlsContextOptions, more: (ctx: Word) => void): Word {
  const { ssl } = openssl();
  takeErrors();
  const ctx = ssl.SSL_CTX_new(method);
  if (!ctx) throw queuedError("make a TLS context", "TLS_LIBRARY_FAILED");
  try {
    setProtocol(ctx, options);
    useIdentity(ctx, options);
    useRevocationLists(ctx, options.crl, options.crlLeafOnly === true);
    if (options.verifyDepth !== undefined) {
      ssl.SSL_CTX_set_verify_depth(ctx, whole("verifyDepth", options.verifyDepth, 0));
    }
    more(ctx);
  } catch (error) {
    ssl.SSL_CTX_free(ctx);
    takeErrors();
    throw error;
  }
  // Reading PEM to its end, and the like, leaves errors behind that are none.
  takeErrors();
  return ctx;
}

function setProtocol(ctx: Word, options: TlsContextOptions): void {
  const { ssl } = openssl();
  const { minVersion = "TLSv1.2", maxVersion, allowRenegotiation } = options;
  setVersion(ctx, c.SSL_CTRL_SET_MIN_PROTO_VERSION, minVersion, "minVersion");
  if (maxVersion !== undefined) {
    setVersion(ctx, c.SSL_CTRL_SET_MAX_PROTO_VERSION, maxVersion, "maxVersion");
    if (versions[maxVersion] < versions[minVersion]) {
      throw new RangeError(`Cannot speak TLS from ${minVersion} to ${maxVersion}: there is nothing in between`);
    }
  }
  ssl.SSL_CTX_set_options(
    ctx,
    c.SSL_OP_NO_COMPRESSION | c.SSL_OP_CIPHER_SERVER_PREFERENCE | c.SSL_OP_PRIORITIZE_CHACHA |
      (allowRenegotiation === true ? c.SSL_OP_ALLOW_CLIENT_RENEGOTIATION : c.SSL_OP_NO_RENEGOTIATION),
  );
  ssl.SSL_CTX_ctrl(
    ctx,
    c.SSL_CTRL_MODE,
    // What is to be sent may lie elsewhere when a write is taken up again after a renegotiation. An idle connection gives back the
    // 34 KiB it reads and writes records in.
    c.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | c.SSL_MODE_RELEASE_BUFFERS,
    NULL,
  );
  const { ciphers, cipherSuites = CIPHER_SUITES, groups } = options;
  if (ciphers !== undefined && ssl.SSL_CTX_set_cipher_list(ctx, cString(ciphers)) !== 1) {
    throw queuedError(`use the ciphers ${JSON.stringify(ciphers)}`, "TLS_BAD_CIPHERS");
  }
  if (ssl.SSL_CTX_set_ciphersuites(ctx, cString(cipherSuites)) !== 1) {
    throw queuedError(`use the cipher suites ${JSON.stringify(cipherSuites)}`, "TLS_BAD_CIPHERS");
  }
  if (groups !== undefined && control(ctx, c.SSL_CTRL_SET_GROUPS_LIST, 0, cString(groups)) !== 1) {
    throw queuedError(`use the groups ${JSON.stringify(groups)}`, "TLS_BAD_GROUPS");
  }
}

function setVersion(ctx: Word, command: number, version: TlsVersion, option: string): void {
  const number = versions[version];
  if (number === undefined) {
    throw new TypeError(`Cannot use ${JSON.stringify(version)} as ${option}: no version of TLS`);
  }
  if (openssl().ssl.SSL_CTX_ctrl(ctx, command, number, NULL) !== 1) {
    throw queuedError(`use ${version} as ${option}`, "TLS_UNSUPPORTED_PROTOCOL");
  }
}

function setSessions(ctx: Word, options: TlsServerOptions, ticketKeys: Uint8Array | null): void {
  const { ssl } = openssl();
  const sessionsMax = whole("sessionsMax", options.sessionsMax ?? SESSIONS_MAX, 0);
  const sessionTimeoutSeconds = whole("sessionTimeoutSeconds", options.sessionTimeoutSeconds ?? SESSION_SECONDS, 1);
  ssl.SSL_CTX_set_timeout(ctx, sessionTimeoutSeconds);
  const mode = sessionsMax === 0 ? c.SSL_SESS_CACHE_OFF : c.SSL_SESS_CACHE_SERVER;
  ssl.SSL_CTX_ctrl(ctx, c.SSL_CTRL_SET_SESS_CACHE_MODE, mode, NULL);
  // 0 would mean no limit at all.
  if (sessionsMax > 0) ssl.SSL_CTX_ctrl(ctx, c.SSL_CTRL_SET_SESS_CACHE_SIZE, sessionsMax, NULL);
  setTickets(ctx, options.sessionTickets ?? true);
  const keys = options.ticketKeys ?? ticketKeys;
  if (keys === null) return;
  if (keys.length !== TICKET_KEY_BYTES) {
    throw new RangeError(`Cannot use ${keys.length} bytes as ticketKeys: ${TICKET_KEY_BYTES} are needed`);
  }
  const copy = allocate(TICKET_KEY_BYTES);
  copy.set(keys);
  if (control(ctx, c.SSL_CTRL_SET_TLSEXT_TICKET_KEYS, copy.length, copy) !== 1) {
    throw queuedError("set the keys of session tickets", "TLS_LIBRARY_FAILED");
  }
}

/** OpenSSL would give two, each of which costs a tenth of the handshake. A client has one for its next connection, and gets another then. */
function setTickets(ctx: Word, tickets: boolean | number): void {
  const count = Number(tickets === false || tickets);
  if (!Number.isInteger(count) || count < 0 || count > TICKETS_MAX) {
    throw new RangeError(`Cannot give ${count} session tickets: a whole number from 0 to ${TICKETS_MAX} is needed`);
  }
  const { ssl } = openssl();
  if (tickets === false || count === 0) ssl.SSL_CTX_set_options(ctx, c.SSL_OP_NO_TICKET);
  if (ssl.SSL_CTX_set_num_tickets(ctx, count) !== 1) throw queuedError("give session tickets", "TLS_LIBRARY_FAILED");
}

/** A number that C takes as an int. */
function whole(option: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= INT_MAX) return value;
  throw new RangeError(`Cannot use ${value} as ${option}: a whole number from ${least} to ${INT_MAX} is needed`);
}

/** The keys a context encrypts tickets with. */
export function ticketKeysOf(ctx: Word): Uint8Array {
  const keys = allocate(TICKET_KEY_BYTES);
  control(ctx, c.SSL_CTRL_GET_TLSEXT_TICKET_KEYS, keys.length, keys);
  return keys;
}

function control(ctx: Word, command: number, argument: number, bytes: Uint8Array): number {
  return openssl().ssl.SSL_CTX_ctrl(ctx, command, argument, runtime.word(addressOf(bytes)));
}

/**
 * Trusts the authorities of the system: those OpenSSL was built to look for, or those that SSL_CERT_FILE and SSL_CERT_DIR name. A library
 * that was built elsewhere may look in places that are empty; then the first of the usual bundles is taken.
 */
function trustSystem(ctx: Word): void {
  const { crypto, ssl } = openssl();
  ssl.SSL_CTX_set_default_verify_paths(ctx);
  if (isFile(textAt(crypto.X509_get_default_cert_file()))) return;
  if (holdsFiles(textAt(crypto.X509_get_default_cert_dir()))) return;
  const bundle = os.caFiles.find(isFile);
  if (bundle !== undefined) ssl.SSL_CTX_load_verify_locations(ctx, cString(bundle), null);
}

function isFile(path: string): boolean {
  try {
    using file = OpenFile.open(path);
    return file.isFile;
  } catch {
    return false;
  }
}

function holdsFiles(path: string): boolean {
  try {
    return listFolder(path, 1).length > 0;
  } catch {
    return false;
  }
}
