import type { AsyncReader } from "./async_reader.ts";
import { closedError } from "./connection_error.ts";
import { EV_READ } from "./constants.ts";
import type { AwaitOptions } from "./waiter.ts";

/** What the streams need of their connection. */
export interface StreamedConnection {
  readonly closed: boolean;
  disable(directions: number): void;
  close(): void;
  endWriting(): void;
  readSome(max?: number, options?: AwaitOptions): Promise<Uint8Array | null>;
  readInto(target: Uint8Array, options?: AwaitOptions): Promise<number>;
  send(data: Uint8Array | string, options?: AwaitOptions): Promise<void>;
  flushed(options?: AwaitOptions): Promise<void>;
}

/**
 * A connection as a pair of Web Streams. Neither of them queues anything itself: a chunk is read when somebody asks for it,
 * and a chunk is written when the output has room again.
 *
 * The connection is closed when both streams are over, whether at their ends or by errors, or when the only one that was ever
 * asked for is cancelled or aborted.
 *
 * @internal
 */
export class ConnectionStreams {
  readonly #connection: StreamedConnection;
  readonly #reader: AsyncReader;
  readonly #cancelled: AbortController = new AbortController();
  #readable: ReadableStream<Uint8Array> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  #writing: WritableStreamDefaultController | null = null;
  #isReading = false;
  #isReadOver = false;
  #isWriteOver = false;

  constructor(connection: StreamedConnection, reader: AsyncReader) {
    this.#connection = connection;
    this.#reader = reader;
  }

  /** What comes in. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= new ReadableStream(
      {
        type: "bytes",
        pull: (controller) => this.#pull(controller),
        cancel: () => this.#cancel(),
      },
      { highWaterMark: 0 },
    );
  }

  /** What goes out. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= new WritableStream({
      start: (controller) => {
        this.#writing = controller;
        // The stream itself waits for the write or close under way before it aborts, and those for a peer that may take nothing.
        controller.signal.addEventListener("abort", () => this.#abort());
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#endWriting(),
      abort: () => this.#abort(),
    });
  }

  /** Nothing can be sent any more: whoever waits for the writable stream learns of it before the next chunk. */
  outputFailed(error: Error): void {
    if (this.#writing === null) return;
    this.#writing.error(error);
    // Afterwards, since the connection has yet to tell others of it.
    queueMicrotask(() => this.#writeOver());
  }

  /** The connection was closed. */
  connectionClosed(): void {
    if (!this.#isWriteOver) this.#writing?.error(closedError());
    this.#cancelled.abort();
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    if (!this.#isReading) this.#reader.consumerCame();
    this.#isReading = true;
    const options = { signal: this.#cancelled.signal };
    const request = controller.byobRequest;
    // The reader has brought memory of its own.
    const view = request?.view;
    try {
      if (request !== null && view !== null && view !== undefined) {
        const count = await this.#connection.readInto(
          new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
          options,
        );
        if (count === 0) this.#endReading(controller);
        request.respond(count);
        return;
      }
      const chunk = await this.#connection.readSome(undefined, options);
      if (chunk === null) this.#endReading(controller);
      else controller.enqueue(chunk);
    } catch (error) {
      // It errors the stream, for good.
      this.#readOver();
      throw error;
    }
  }

  #endReading(controller: ReadableByteStreamController): void {
    controller.close();
    this.#readOver();
  }

  #readOver(): void {
    this.#leaveReader();
    this.#isReadOver = true;
    if (this.#isWriteOver) this.#connection.close();
  }

  #leaveReader(): void {
    if (this.#isReading) this.#reader.consumerLeft();
    this.#isReading = false;
  }

  #writeOver(): void {
    this.#isWriteOver = true;
    if (this.#isReadOver) this.#connection.close();
  }

  #abort(): void {
    // It has its reason, which is not that the connection was closed.
    this.#isWriteOver = true;
    this.#connection.close();
  }

  #cancel(): void {
    this.#cancelled.abort();
    this.#leaveReader();
    this.#isReadOver = true;
    this.#connection.disable(EV_READ);
    if (this.#writable === null || this.#isWriteOver) this.#connection.close();
  }

  async #write(chunk: unknown): Promise<void> {
    try {
      await this.#connection.send(checked(chunk));
    } catch (error) {
      // It errors the stream, for good.
      this.#writeOver();
      throw error;
    }
  }

  /** Sends what is left and then tells the other side that this was all; it may still be read from. */
  async #endWriting(): Promise<void> {
    try {
      await this.#connection.flushed();
      this.#connection.endWriting();
    } finally {
      this.#writeOver();
    }
  }
}

/** Streams are not checked by types alone. */
function checked(chunk: unknown): Uint8Array | string {
  if (chunk instanceof Uint8Array || typeof chunk === "string") return chunk;
  throw new TypeError(`Cannot write a chunk of type ${typeof chunk}: Uint8Array or string is needed`);
}
