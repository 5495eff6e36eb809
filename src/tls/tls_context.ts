import type { BufferEvent, SecureLayer } from "../core/mod.ts";
import type { Word } from "../ffi/mod.ts";
import { encodeProtocols } from "./alpn.ts";
import type { ClientHello } from "./client_hello.ts";
import { buildClientContext, buildServerContext, type BuiltContext, ticketKeysOf } from "./context_builder.ts";
import { NULL, openssl } from "./openssl.ts";
import { queuedError } from "./error_queue.ts";
import { ServerNames } from "./server_names.ts";
import { SessionCache } from "./session.ts";
import { TlsBufferEvent } from "./tls_bufferevent.ts";
import type { TlsBufferEventOptions } from "./tls_bufferevent_options.ts";
import type { TlsClientOptions, TlsContextOptions, TlsIdentity, TlsServerOptions } from "./tls_options.ts";

/**
 * What the connections of a server, or of a client, have in common: who they are, whom they trust and what they speak (OpenSSL's
 * `SSL_CTX`). One serves any number of connections, also after it was closed to new ones.
 *
 * Unless it is told otherwise it speaks TLS 1.2 and 1.3, a client verifies the server's certificate and name, and nobody
 * renegotiates.
 *
 * @example
 * ```ts
 * import { TlsContext, TlsError } from "@evbase/evbase";
 *
 * using client = TlsContext.client({ alpn: ["h2", "http/1.1"] });
 * console.log(client.role); // client
 * try {
 *   TlsContext.server({ certificate: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" });
 * } catch (error) {
 *   console.log(error instanceof TlsError && error.code); // TLS_BAD_CERTIFICATE
 * }
 * ```
 */
export class TlsContext implements Disposable, SecureLayer {
  /** Which side it is for. */
  readonly role: "server" | "client";
  /** @internal Protocols to offer or accept (ALPN), as they travel; null: none. */
  readonly alpn: Uint8Array<ArrayBuffer> | null;
  /** @internal Whether a server's certificate is verified. */
  readonly verifiesPeer: boolean;
  /** @internal Whether renegotiation is allowed. */
  readonly renegotiates: boolean;
  /** @internal A client's sessions. Each reload begins with none: older ones were judged by other certificates and lists. */
  sessions: SessionCache;
  /** @internal What a server's sessions are marked with, as {@linkcode TlsContext.hold} finds it now. */
  scope: Uint8Array;
  readonly #names: ServerNames<TlsContext> | null;
  readonly #select: TlsServerOptions["selectContext"];
  #build: (identity: TlsIdentity, previous: Word) => BuiltContext;
  #identity: TlsIdentity;
  #ctx: Word;

  private constructor(
    role: "server" | "client",
    options: TlsServerOptions & TlsClientOptions,
    build: (identity: TlsIdentity, previous: Word) => BuiltContext,
  ) {
    this.role = role;
    this.alpn = options.alpn === undefined ? null : encodeProtocols(options.alpn);
    this.verifiesPeer = role === "client" && options.verifyPeer !== false;
    this.renegotiates = options.allowRenegotiation === true;
    this.sessions = new SessionCache(role === "client" ? options.sessionsMax ?? 0 : 0);
    this.#names = options.serverNames === undefined ? null : new ServerNames(options.serverNames);
    this.#select = options.selectContext;
    this.#build = build;
    this.#identity = identityOf(options);
    ({ ctx: this.#ctx, scope: this.scope } = build(this.#identity, NULL));
  }

  /**
   * Makes a context for a server.
   *
   * @throws {TlsError} `TLS_LIBRARY_MISSING` without OpenSSL; `TLS_BAD_CERTIFICATE`, `TLS_BAD_KEY`, `TLS_BAD_PASSPHRASE`,
   * `TLS_KEY_MISMATCH`, `TLS_BAD_CA`, `TLS_BAD_CRL`, `TLS_BAD_CIPHERS`, `TLS_BAD_GROUPS` for what cannot be used.
   * @throws {SystemError} when a file cannot be read.
   * @throws {TypeError} or {RangeError} for options that make no sense, such as no certificate.
   */
  static server(options: TlsServerOptions): TlsContext {
    for (const context of Object.values(options.serverNames ?? {})) requireRole(context, "server");
    return new TlsContext(
      "server",
      options,
      (identity, previous) => buildServerContext({ ...options, ...identity }, previous ? ticketKeysOf(previous) : null),
    );
  }

  /** Makes a context for clients; throws as {@linkcode TlsContext.server} does. */
  static client(options: TlsClientOptions = {}): TlsContext {
    return new TlsContext("client", options, (identity) => buildClientContext({ ...options, ...identity }));
  }

  /** Whether {@linkcode TlsContext.close} was called. */
  get closed(): boolean {
    return !this.#ctx;
  }

  /**
   * Reads all files again, certificates, authorities and revocation lists alike, and optionally goes on with another certificate
   * and key. New connections get the new ones; those that are under way keep what they have. A server's tickets stay good, as long as
   * it verifies clients in the same way; a client forgets its sessions. When something cannot be used it throws as {@linkcode TlsContext.server} does, and everything stays as it was.
   *
   * @param identity the new certificate and key; without it, those the context was made with or was given last.
   * @throws {Error} when it is closed.
   */
  reload(identity: TlsIdentity = this.#identity): void {
    if (this.closed) throw new Error("Cannot reload a TLS context: it is closed");
    const next = identityOf(identity);
    const { ctx, scope } = this.#build(next, this.#ctx);
    // Connections that are under way hold references of their own.
    openssl().ssl.SSL_CTX_free(this.#ctx);
    this.#ctx = ctx;
    this.scope = scope;
    this.#identity = next;
    this.sessions = this.sessions.renewed();
  }

  /**
   * Speaks TLS over a connection: the same as `new TlsBufferEvent(underlying, this, options)`, for protocols that are handed a
   * context without knowing what it is.
   */
  secure(underlying: BufferEvent, options?: TlsBufferEventOptions): TlsBufferEvent {
    return new TlsBufferEvent(underlying, this, options);
  }

  /** How many sessions a client remembers. */
  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Forgets the sessions that a client remembers. */
  forgetSessions(): void {
    this.sessions.clear();
  }

  /** Takes no new connections. Those that are under way go on. Closing twice is harmless. */
  close(): void {
    if (this.closed) return;
    openssl().ssl.SSL_CTX_free(this.#ctx);
    this.#ctx = NULL;
    this.sessions.clear();
  }

  /** Same as {@linkcode TlsContext.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Whether a server's context depends on what the client asks for. */
  get choosesByHello(): boolean {
    return this.#names !== null || this.#select !== undefined;
  }

  /** @internal The context that is to serve a client; null: none will. */
  choose(hello: ClientHello): TlsContext | null {
    const chosen = this.#select?.(hello);
    if (chosen === null) return null;
    if (chosen !== undefined) return requireRole(chosen, "server");
    return this.#names?.find(hello.serverName) ?? this;
  }

  /** @internal OpenSSL's context as it is now, for a connection that is opened later; the caller owns the reference. */
  hold(): Word {
    this.#assertOpen();
    openssl().ssl.SSL_CTX_up_ref(this.#ctx);
    return this.#ctx;
  }

  #assertOpen(): void {
    if (this.closed) throw new Error("Cannot open a TLS connection: its context is closed");
  }

  /**
   * @internal A connection of OpenSSL's (`SSL`), which the caller owns.
   *
   * @param held from {@linkcode TlsContext.hold}; NULL: the context as it is now.
   */
  newConnection(held: Word = NULL): Word {
    if (!held) this.#assertOpen();
    const { ssl } = openssl();
    const connection = ssl.SSL_new(held ? held : this.#ctx);
    if (!connection) throw queuedError("open a TLS connection", "TLS_LIBRARY_FAILED");
    if (this.role === "server") ssl.SSL_set_accept_state(connection);
    else ssl.SSL_set_connect_state(connection);
    return connection;
  }
}

function requireRole(context: TlsContext, role: TlsContext["role"]): TlsContext {
  if (context.role !== role) throw new TypeError(`Cannot use a context for a ${context.role} as one for a ${role}`);
  return context;
}

/** The part of the options that {@linkcode TlsContext.reload} can exchange. */
function identityOf({ certificate, key, passphrase }: TlsContextOptions): TlsIdentity {
  return { certificate, key, passphrase };
}
