import type { Word } from "../ffi/mod.ts";
import { ClientHelloReader } from "./client_hello.ts";
import { scopeToHost } from "./session_scope.ts";

/**
 * The host that a client asks a server for (SNI), which the connection's sessions are for.
 *
 * OpenSSL knows of none where it takes up a session of TLS 1.2, and takes it up whatever the host. So what the client says first is looked
 * at on its way there.
 */
export class AskedHost {
  /** In lower case, "" for none; null while the client has not said, or nobody could understand it. */
  name: string | null = null;
  /** What the sessions of the context that serves are marked with. */
  scope: Uint8Array;
  #reader: ClientHelloReader | null = null;

  /** @param scope that of the context, as far as it is known. */
  constructor(scope: Uint8Array) {
    this.scope = scope;
  }

  /** Has {@linkcode AskedHost.overhear} find out. */
  listen(): void {
    this.#reader = new ClientHelloReader();
  }

  /** Looks at what OpenSSL is about to be fed, which has the last word on whether it is any good. */
  overhear(connection: Word, bytes: Uint8Array, start: number, end: number): void {
    const hello = this.#reader?.push(bytes, start, end);
    if (this.#reader === null || hello === null) return;
    this.#reader = null;
    if (hello !== undefined) this.said(connection, hello.serverName);
  }

  /** The client has said. */
  said(connection: Word, name: string): void {
    this.name = name;
    scopeToHost(connection, this.scope, name);
  }
}
