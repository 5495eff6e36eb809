/**
 * Sessions that a client takes up again, which spares both sides most of the handshake (RFC 8446 section 2.2, RFC 5077).
 *
 * @module
 */

import { allocate, type Word } from "../ffi/mod.ts";
import { pointerTo } from "./certificates.ts";
import { takeErrors } from "./error_queue.ts";
import { NULL, openssl } from "./openssl.ts";
import { textAt } from "./openssl_text.ts";
import type { TlsEngineOptions } from "./tls_engine_options.ts";

/** The session of a connection as bytes, in OpenSSL's own form, or null when the server will not take it up again. */
export function exportSession(connection: Word): Uint8Array | null {
  const { ssl } = openssl();
  const session = ssl.SSL_get1_session(connection);
  if (!session) return null;
  try {
    if (ssl.SSL_SESSION_is_resumable(session) !== 1) return null;
    const bytes = allocate(Math.max(0, ssl.i2d_SSL_SESSION(session, null)));
    return bytes.length > 0 && ssl.i2d_SSL_SESSION(session, pointerTo(bytes)) === bytes.length ? bytes : null;
  } finally {
    ssl.SSL_SESSION_free(session);
  }
}

/** Offers the server to go on with a session; false when the bytes are none. The server is free to refuse. */
export function offerSession(connection: Word, bytes: Uint8Array): boolean {
  const { ssl } = openssl();
  const copy = allocate(Math.max(1, bytes.length));
  copy.set(bytes);
  const session = ssl.d2i_SSL_SESSION(NULL, pointerTo(copy), bytes.length);
  if (!session) {
    takeErrors();
    return false;
  }
  const taken = ssl.SSL_set_session(connection, session);
  ssl.SSL_SESSION_free(session);
  takeErrors();
  return taken === 1;
}

/**
 * What a client remembers sessions by: besides the peer, the name it announces, under which alone a session is to be taken up again (RFC 6066
 * section 3, RFC 8446 section 4.6.1). "": not at all.
 */
export function sessionKeyOf(
  { hostname = "", serverName = hostname, sessionKey = hostname }: TlsEngineOptions,
): string {
  return sessionKey === "" || sessionKey === serverName ? sessionKey : `${sessionKey} ${serverName}`;
}

/** A client's sessions by host, the one that was not used for longest making room. */
export class SessionCache {
  readonly #max: number;
  readonly #sessions: Map<string, Uint8Array> = new Map();

  /** @throws {RangeError} when `max` is not a count. */
  constructor(max: number) {
    if (!Number.isInteger(max) || max < 0) throw new RangeError(`Cannot remember ${max} sessions: not a count`);
    this.#max = max;
  }

  /** Whether anything is ever remembered. */
  get isUsed(): boolean {
    return this.#max > 0;
  }

  /** How many sessions are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Takes a session out. It is to be used once, so that nobody on the way can tell two connections of a client by it (RFC 8446 appendix C.4). */
  take(key: string): Uint8Array | undefined {
    const session = this.#sessions.get(key);
    this.#sessions.delete(key);
    return session;
  }

  /** Remembers the latest session with a host; none without a name for it, since anybody else without one would be offered it. */
  put(key: string, session: Uint8Array): void {
    if (this.#max === 0 || key === "") return;
    this.#sessions.delete(key);
    if (this.#sessions.size >= this.#max) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(key, session);
  }

  /** An empty one of the same size. */
  renewed(): SessionCache {
    return new SessionCache(this.#max);
  }

  /** Forgets all. */
  clear(): void {
    this.#sessions.clear();
  }
}

/** What one connection has to do with the sessions that are remembered: it takes one up, and brings new ones. */
export class ConnectionSession {
  readonly #cache: SessionCache;
  readonly #key: string;
  /** What was offered to the server, or remembered since. */
  #known: Uint8Array | null = null;

  /** @param key what sessions with the same peer are remembered by. */
  constructor(cache: SessionCache, key: string) {
    this.#cache = cache;
    this.#key = key;
  }

  /** Offers the server the session that is given, or else the one that is remembered, if any. */
  offer(connection: Word, given: Uint8Array | undefined): void {
    const session = given ?? this.#cache.take(this.#key);
    if (session === undefined) return;
    offerSession(connection, session);
    if (this.#cache.isUsed) this.#known = session;
  }

  /**
   * Remembers the session of a connection if there is a new one. What others have taken up meanwhile, or what was forgotten, does not
   * come back.
   *
   * @param isOpening whether the handshake has just ended.
   */
  keep(connection: Word, isOpening: boolean): void {
    if (!this.#cache.isUsed) return;
    const session = exportSession(connection);
    if (session === null) return;
    // Before TLS 1.3 a session that was taken up goes on, and mostly there is no other.
    if (this.#known !== null && isSame(session, this.#known) && !(isOpening && isOlder(connection))) return;
    this.#known = session;
    this.#cache.put(this.#key, session);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Whether it speaks TLS 1.2 or something older. */
function isOlder(connection: Word): boolean {
  return textAt(openssl().ssl.SSL_get_version(connection)) !== "TLSv1.3";
}
