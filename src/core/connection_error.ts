/** What a {@linkcode ConnectionError} is about. Compare these, not messages. */
export type ConnectionErrorCode =
  /** The stream ended in the middle of what was awaited. */
  | "END_OF_STREAM"
  /** There are more bytes than allowed, and no line ending or delimiter among them. */
  | "LINE_TOO_LONG"
  /** The connection was closed on this side. */
  | "CLOSED"
  /** A read or write timeout has passed, see {@linkcode BufferEventFlow.setTimeouts}. */
  | "TIMEOUT"
  /** A filter or protocol on the way has given up, or the other end of a pair was closed: no error of the system is behind it. */
  | "FAILED"
  /** Memory that was queued by reference was transferred away before it was sent; what was queued behind it is lost as well. */
  | "DETACHED";

/** The figures that go with a {@linkcode ConnectionError}. */
export interface ConnectionErrorFacts {
  /** Bytes that were there, and still are in the input. */
  readonly bytes?: number;
  /** The limit that was passed, in bytes. */
  readonly limit?: number;
}

/**
 * Why an awaited operation of a connection has not come about, where that is no error of the system. (Those are
 * {@linkcode SystemError}s, and an aborted operation rejects with its signal's reason.)
 *
 * @example
 * ```ts
 * import { ConnectionError, EventBase, PairBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const [client, server] = PairBufferEvent.create(base);
 * client.write("no line ending");
 * client.closeAfterFlush();
 * const line = server.readLine();
 * await base.run();
 * await line.catch((error: unknown) => {
 *   if (error instanceof ConnectionError) console.log(error.code, error.bytes); // END_OF_STREAM 14
 * });
 * ```
 */
export class ConnectionError extends Error {
  /** Always `ConnectionError`. */
  override readonly name: string = "ConnectionError";
  /** What happened. */
  readonly code: ConnectionErrorCode;
  // Declared only, so that an error without a fact has no such property when it is printed.
  /** Bytes that were there, and still are in the input. */
  declare readonly bytes?: number;
  /** The limit that was passed, in bytes. */
  declare readonly limit?: number;

  /**
   * Describes what has not come about.
   *
   * @param message what was being done, and what stood against it.
   */
  constructor(code: ConnectionErrorCode, message: string, facts: ConnectionErrorFacts = {}) {
    super(message);
    this.code = code;
    if (facts.bytes !== undefined) this.bytes = facts.bytes;
    if (facts.limit !== undefined) this.limit = facts.limit;
  }
}

/** @internal The error of whoever waits for a connection that is closed on this side. */
export function closedError(): ConnectionError {
  return new ConnectionError("CLOSED", "Cannot wait for the connection: it was closed on this side");
}
