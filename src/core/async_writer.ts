import { closedError, ConnectionError } from "./connection_error.ts";
import type { EventBase } from "./event_base.ts";
import { rejected, Waiter } from "./waiter.ts";

/** What a writer needs of its connection. */
export interface WriterConnection {
  readonly base: EventBase;
  readonly closed: boolean;
  /** Bytes that wait to be sent, also in connections underneath. */
  readonly queuedBytes: number;
  /** The write low watermark. */
  readonly writeLow: number;
}

/** Somebody who waits until the output is down to the low watermark, or empty. */
class DrainRequest extends Waiter<void> {
  readonly #connection: WriterConnection;
  readonly #untilEmpty: boolean;

  constructor(connection: WriterConnection, untilEmpty: boolean) {
    super();
    this.#connection = connection;
    this.#untilEmpty = untilEmpty;
  }

  get isMet(): boolean {
    return this.#connection.queuedBytes <= (this.#untilEmpty ? 0 : this.#connection.writeLow);
  }
}

/**
 * Tells those who wait for the output of one connection to leave.
 *
 * @internal
 */
export class AsyncWriter {
  readonly #connection: WriterConnection;
  readonly #requests = new Set<DrainRequest>();
  #failure: Error | null = null;

  constructor(connection: WriterConnection) {
    this.#connection = connection;
  }

  /** Waits until the output is down to the low watermark, or empty. */
  drained(untilEmpty: boolean, signal: AbortSignal | undefined): Promise<void> {
    if (this.#connection.closed) return rejected(closedError());
    if (this.#failure !== null) return rejected(this.#failure);
    if (signal?.aborted === true) return rejected(signal.reason);
    const request = new DrainRequest(this.#connection, untilEmpty);
    if (request.isMet) {
      request.resolve();
    } else {
      this.#requests.add(request);
      request.wait(this.#connection.base, signal, () => this.#requests.delete(request));
    }
    return request.promise;
  }

  /** Why nothing can be sent any more, or null. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Something was sent. */
  outputShrank(): void {
    for (const request of this.#requests) {
      if (!request.isMet) continue;
      this.#requests.delete(request);
      request.resolve();
    }
  }

  /** Nothing will ever be sent again. */
  fail(error: Error): void {
    this.#failure = error;
    this.#rejectAll(() => error);
  }

  /** There is a new stream, which may be written to. */
  renew(): void {
    this.#failure = null;
  }

  /** The other side took nothing for as long as the write timeout says. */
  timeOut(): void {
    this.#rejectAll(() => new ConnectionError("TIMEOUT", "Cannot write: nothing was taken before the write timeout"));
  }

  /** The connection is closed; what has been sent until then has been sent. */
  close(): void {
    if (this.#failure === null) this.outputShrank();
    this.#rejectAll(closedError);
  }

  #rejectAll(makeError: () => Error): void {
    for (const request of this.#requests) request.reject(makeError());
    this.#requests.clear();
  }
}
