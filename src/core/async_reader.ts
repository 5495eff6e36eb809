import { closedError, ConnectionError } from "./connection_error.ts";
import { EV_READ } from "./constants.ts";
import { Deferred } from "./deferred.ts";
import type { EvBuffer } from "./evbuffer.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import type { PendingRead, ReadRequest, SomeRequest } from "./read_request.ts";
import { SUSPEND_READER } from "./suspension.ts";

/** Bytes the input may hold while nobody asks for them, before reading is suspended; one read may go beyond. */
export const READ_AHEAD_BYTES: number = 64 * 1024;

/** What a reader needs of its connection. */
export interface ReaderConnection {
  readonly base: EventBase;
  readonly input: EvBuffer;
  readonly closed: boolean;
  /** `EV_READ` and `EV_WRITE` as enabled. */
  readonly enabled: number;
  /** Bytes from which reading is suspended; Infinity for never. */
  readonly readHigh: number;
  /** Whether there is a read callback, which is then the one to empty the input. */
  readonly hasReadCallback: boolean;
  enable(directions: number): void;
  suspend(directions: number, reason: number): void;
  resume(directions: number, reason: number): void;
}

/**
 * Serves those who await data of one connection, in the order in which they asked, and lets the connection read only while
 * somebody waits or the input holds little.
 *
 * @internal
 */
export class AsyncReader {
  readonly #connection: ReaderConnection;
  readonly #requests: PendingRead[] = [];
  #isOver = false;
  #failure: Error | null = null;
  // Taking data may let more in, which calls us again.
  #isServing = false;
  #isPaused = false;
  // Iterations and streams under way.
  #consumers = 0;
  #keepsLoop = false;

  constructor(connection: ReaderConnection) {
    this.#connection = connection;
    const entry = connection.input.addCallback((input, { added, deleted }) => {
      // What the connection adds is told to inputGrew(); while its back is frozen it is somebody else's, in front.
      const isPutBack = added > 0 && input.isBackFrozen;
      if (deleted === 0 && !isPutBack) return;
      this.#requests[0]?.forgetSearch();
      if (isPutBack) this.#serve();
      else this.#regulate();
    });
    // Before more comes in, even if the others are told later.
    entry.immediate = true;
  }

  /** Queues a request behind the others; the promise is its own. */
  add<T>(request: ReadRequest<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#connection.closed) request.reject(closedError());
    else if (signal?.aborted === true) request.reject(signal.reason);
    if (request.isSettled) return request.promise;
    this.#requests.push(request);
    this.#serve();
    if (!request.isSettled) request.wait(this.#connection.base, signal, () => this.#strikeOff(request));
    // Enabled only for those who have to wait, who may then be served at once.
    if (!request.isSettled && !this.#isOver && (this.#connection.enabled & EV_READ) === 0) {
      this.#connection.enable(EV_READ);
    }
    return request.promise;
  }

  /** Ends the waiting of one who is in the queue, with what stands for the end. */
  withdraw(request: SomeRequest): void {
    if (request.isSettled) return;
    request.resolve(null);
    this.#strikeOff(request);
  }

  /** Somebody takes what comes piece by piece, and works on each between two requests: the loop must be there when that is done. */
  consumerCame(): void {
    this.#consumers++;
    this.#regulate();
  }

  /** He takes no more. */
  consumerLeft(): void {
    this.#consumers--;
    this.#regulate();
  }

  #strikeOff(request: PendingRead): void {
    const index = this.#requests.indexOf(request);
    if (index >= 0) this.#requests.splice(index, 1);
    // The next one may be content with what is there.
    this.#serve();
  }

  /** Watermarks have changed, which may refuse what is waited for. */
  marksChanged(): void {
    this.#serve();
  }

  /** Data has come in; returns whether somebody got it all. */
  inputGrew(): boolean {
    const waited = this.#requests.length > 0;
    this.#serve();
    return waited && this.#connection.input.length === 0;
  }

  /** Nothing more will come in, because of `failure` unless that is null. */
  end(failure: Error | null): void {
    this.#isOver = true;
    this.#failure = failure;
    this.#serve();
  }

  /** There is a new stream, and the end of the last one means nothing any more. */
  renew(): void {
    this.#isOver = false;
    this.#failure = null;
  }

  /** Nothing came for as long as the read timeout says. Whoever asks again waits anew. */
  timeOut(): void {
    this.#rejectAll(() => new ConnectionError("TIMEOUT", "Cannot read: nothing has come in before the read timeout"));
  }

  /** The connection is closed. */
  close(): void {
    this.#rejectAll(closedError);
    this.#keepLoop(false);
  }

  /** The read callback was set or removed. */
  callbacksChanged(): void {
    this.#regulate();
  }

  #rejectAll(makeError: () => Error): void {
    for (const request of this.#requests.splice(0)) request.reject(makeError());
  }

  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      for (let request = this.#requests[0]; request !== undefined; request = this.#requests[0]) {
        if (!this.#settle(request)) break;
        // A callback on the input may have had it struck off already.
        if (this.#requests[0] === request) this.#requests.shift();
      }
    } finally {
      this.#isServing = false;
    }
    this.#regulate();
  }

  /** Settles a request if that can be done now. */
  #settle(request: PendingRead): boolean {
    const { input, readHigh } = this.#connection;
    try {
      if (request.take(input, readHigh)) return true;
      if (!this.#isOver) return false;
      if (this.#failure === null) request.end(input);
      else request.reject(this.#failure);
    } catch (error) {
      // A pair can pass parts of files on, which cannot be looked at. What comes after that is a callback's on the input.
      if (request.isSettled) this.#report(error);
      else request.reject(error);
    }
    return true;
  }

  /** Throws what a callback has thrown once more, in the loop: whoever reads is not the one to blame. */
  #report(error: unknown): void {
    const { base } = this.#connection;
    new Deferred(base, base.priorities >> 1, () => {
      throw error;
    }).schedule();
  }

  #regulate(): void {
    const connection = this.#connection;
    if (connection.closed || this.#isServing || reactorOf(connection.base).closed) return;
    const isWanted = this.#requests.length > 0 || connection.hasReadCallback ||
      connection.input.length < READ_AHEAD_BYTES;
    if (isWanted === this.#isPaused) {
      this.#isPaused = !isWanted;
      if (isWanted) connection.resume(EV_READ, SUSPEND_READER);
      else connection.suspend(EV_READ, SUSPEND_READER);
    }
    // Where it is not suspended, waiting for more input keeps it.
    const isSuspended = this.#isPaused || connection.input.length >= connection.readHigh;
    this.#keepLoop(isSuspended && this.#consumers > 0 && this.#requests.length === 0 && !this.#isOver);
  }

  #keepLoop(on: boolean): void {
    if (on === this.#keepsLoop) return;
    this.#keepsLoop = on;
    reactorOf(this.#connection.base).countVirtual(on ? 1 : -1);
  }
}
