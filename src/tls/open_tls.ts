import type { EvBuffer } from "../core/mod.ts";
import type { TlsDetails } from "./tls_details.ts";
import type { TlsEngine } from "./tls_engine.ts";

/** What goes on with an {@linkcode OpenTls}. */
export interface OpenTlsParts {
  /** Speaks TLS. */
  readonly engine: TlsEngine;
  /** What was agreed on. */
  readonly details: TlsDetails;
  /** Bytes that have come from underneath and were not decrypted yet. */
  readonly held: EvBuffer;
  /** Plaintext that was received and not consumed. */
  readonly input: EvBuffer;
  /** Plaintext that was not encrypted yet. */
  readonly output: EvBuffer;
}

/**
 * TLS that has shaken hands and is between two connections (in C, an `SSL` for `BUFFEREVENT_SSL_OPEN`):
 * {@linkcode TlsBufferEvent.detach} takes it out of one, and a new {@linkcode TlsBufferEvent} is made of it as of a context. What was
 * received and not read, and written and not encrypted, comes along; what is encrypted stays in the output of the connection underneath, and
 * must have left before another one takes its place.
 *
 * The bytes of the peer must go on where they were: over the same connection, or over another one with the same descriptor.
 *
 * @example
 * ```ts
 * import { type OpenTls, type SocketBufferEvent, TlsBufferEvent } from "@evbase/evbase";
 *
 * // Has a connection that has shaken hands go on without the filter it began with.
 * export function withoutFilter(connection: TlsBufferEvent, socket: SocketBufferEvent): TlsBufferEvent {
 *   const tls: OpenTls = connection.detach();
 *   connection.underlying.close();
 *   return new TlsBufferEvent(socket, tls);
 * }
 * ```
 */
export class OpenTls implements Disposable {
  /** What both sides have agreed on, and who the peer is. */
  readonly details: TlsDetails;
  #parts: OpenTlsParts | null;

  /** @internal Made by {@linkcode TlsBufferEvent.detach} only. */
  constructor(parts: OpenTlsParts) {
    this.details = parts.details;
    this.#parts = parts;
  }

  /** Whether it has been given up, or a connection goes on with it. */
  get closed(): boolean {
    return this.#parts === null;
  }

  /** @internal Hands everything over, once. */
  take(): OpenTlsParts {
    const parts = this.#parts;
    if (parts === null) throw new TypeError("Cannot go on with TLS that is in use, or was closed");
    this.#parts = null;
    return parts;
  }

  /** Gives it up without a word to the peer. Closing twice is harmless, and so is closing what is in use. */
  close(): void {
    const parts = this.#parts;
    this.#parts = null;
    if (parts === null) return;
    parts.engine.close();
    for (const buffer of [parts.held, parts.input, parts.output]) buffer.close();
  }

  /** Same as {@linkcode OpenTls.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
