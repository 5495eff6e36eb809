import { AsyncReader, type ReaderConnection } from "./async_reader.ts";
import { AsyncWriter, type WriterConnection } from "./async_writer.ts";
import { closedError, ConnectionError } from "./connection_error.ts";
import { ConnectionStreams, type StreamedConnection } from "./connection_streams.ts";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
} from "./constants.ts";
import { rejected, Waiter } from "./waiter.ts";

/** What the promises of a connection need of it. */
export interface FacedConnection extends ReaderConnection, WriterConnection, StreamedConnection {
  /** Whether it has a peer: no connect is under way, or has failed. */
  readonly isConnected: boolean;
}

/** The input has ended. */
export const INPUT_ENDED = 1;
/** The input has ended with an error. */
export const INPUT_FAILED = 2;
/** Nothing more can be sent. */
export const OUTPUT_FAILED = 4;

/** What is over after an event, as `INPUT_` and `OUTPUT_` bits. */
export function endsBy(what: number, isConnected: boolean): number {
  const reading = (what & BEV_EVENT_READING) !== 0;
  const writing = (what & BEV_EVENT_WRITING) !== 0;
  if ((what & BEV_EVENT_ERROR) !== 0) {
    // Without a direction it is a connect that has failed.
    if (!reading && !writing) return INPUT_FAILED | OUTPUT_FAILED;
    return (reading ? INPUT_FAILED : 0) | (writing ? OUTPUT_FAILED : 0);
  }
  if ((what & BEV_EVENT_EOF) !== 0) return reading ? INPUT_ENDED : 0;
  return (what & BEV_EVENT_TIMEOUT) !== 0 && writing && !isConnected ? INPUT_FAILED | OUTPUT_FAILED : 0;
}

/**
 * The promises and streams of one connection, made when the first of them is asked for. It hears of everything that the
 * callbacks are told, as soon as it happens and whether they are deferred or not.
 *
 * @internal
 */
export class AsyncFace {
  /** Who awaits input. */
  readonly reader: AsyncReader;
  /** Who awaits output. */
  readonly writer: AsyncWriter;
  readonly #connection: FacedConnection;
  readonly #connects = new Set<Waiter<void>>();
  #streams: ConnectionStreams | null = null;
  #connectFailure: Error | null = null;

  /**
   * @param ended what was over before anybody asked, `INPUT_` and `OUTPUT_` bits.
   * @param error why, if that was because of an error.
   */
  constructor(connection: FacedConnection, ended: number, error: Error | null) {
    this.#connection = connection;
    this.reader = new AsyncReader(connection);
    this.writer = new AsyncWriter(connection);
    this.#end(ended, error);
  }

  /** The connection as Web Streams. */
  get streams(): ConnectionStreams {
    return this.#streams ??= new ConnectionStreams(this.#connection, this.reader);
  }

  /** Waits for the connect that is under way, or the next one. */
  connected(signal: AbortSignal | undefined): Promise<void> {
    const connection = this.#connection;
    if (connection.closed) return rejected(closedError());
    if (this.#connectFailure !== null) return rejected(this.#connectFailure);
    if (signal?.aborted === true) return rejected(signal.reason);
    if (connection.isConnected) return Promise.resolve();
    const waiter = new Waiter<void>();
    this.#connects.add(waiter);
    waiter.wait(connection.base, signal, () => this.#connects.delete(waiter));
    return waiter.promise;
  }

  /** Something happened, a `BEV_EVENT_` combination, `ended` because of it. */
  happened(what: number, ended: number, error: Error | null): void {
    if ((what & BEV_EVENT_CONNECTED) !== 0) this.#resolveConnects();
    const isTimeout = (what & BEV_EVENT_TIMEOUT) !== 0;
    if (ended !== 0) {
      this.#end(ended, isTimeout ? new ConnectionError("TIMEOUT", "Cannot connect: it took too long") : error);
    } else if (isTimeout) {
      if ((what & BEV_EVENT_READING) !== 0) this.reader.timeOut();
      if ((what & BEV_EVENT_WRITING) !== 0) this.writer.timeOut();
    }
  }

  /** A connect has begun, or there is another descriptor: what has ended with the last one has not ended any more. */
  renew(): void {
    this.#connectFailure = null;
    this.reader.renew();
    this.writer.renew();
    // A descriptor that was put in its place has a peer already.
    if (this.#connection.isConnected) this.#resolveConnects();
  }

  #resolveConnects(): void {
    for (const waiter of this.#connects) waiter.resolve();
    this.#connects.clear();
  }

  /** The connection is being closed; its buffers are still as they were. */
  close(): void {
    this.writer.close();
    this.reader.close();
    for (const waiter of this.#connects) waiter.reject(closedError());
    this.#connects.clear();
    this.#streams?.connectionClosed();
  }

  #end(ended: number, error: Error | null): void {
    const failure = error ?? new ConnectionError("FAILED", "Cannot go on: the connection has failed");
    if ((ended & (INPUT_FAILED | OUTPUT_FAILED)) === (INPUT_FAILED | OUTPUT_FAILED) && !this.#connection.isConnected) {
      this.#connectFailure = failure;
      for (const waiter of this.#connects) waiter.reject(failure);
      this.#connects.clear();
    }
    if ((ended & OUTPUT_FAILED) !== 0) {
      this.writer.fail(failure);
      this.#streams?.outputFailed(failure);
    }
    if ((ended & (INPUT_ENDED | INPUT_FAILED)) !== 0) {
      this.reader.end((ended & INPUT_FAILED) !== 0 ? failure : null);
    }
  }
}
