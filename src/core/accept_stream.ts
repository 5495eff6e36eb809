import { close } from "../ffi/mod.ts";
import type { SocketBufferEventOptions } from "./bufferevent_options.ts";
import { SocketBufferEvent } from "./bufferevent_socket.ts";
import { type EventBase, reactorOf } from "./event_base.ts";

/** How {@linkcode Listener.connections} accepts. */
export interface AcceptStreamOptions {
  /** Ends the loop when aborted; that counts as being told to stop, not as an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How many accepted connections may wait for the loop's body; 64 by default. While so many do, the event base goes on waiting for it: whoever
   * calls `next()` by hand, and takes no more, says so by `return()`, or by `await using`.
   */
  readonly queueMax?: number | undefined;
  /** How the connections are made. */
  readonly connection?: SocketBufferEventOptions | undefined;
}

/** What accepts. */
interface Accepting {
  readonly base: EventBase;
  readonly handsOutPrepared: boolean;
  enable(): void;
  pause(on: boolean): void;
}

const QUEUE_MAX = 64;
const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The connections of a listener, to be iterated over; see {@linkcode Listener.connections}.
 *
 * @example An echo server
 * ```ts
 * import { EventBase, Listener, SocketBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using listener = new Listener(base, { port: 8080 });
 *
 * async function echo(connection: SocketBufferEvent): Promise<void> {
 *   using _ = connection;
 *   for await (const chunk of connection) await connection.send(chunk);
 * }
 *
 * async function serve(): Promise<void> {
 *   for await (const connection of listener.connections()) echo(connection).catch(console.error);
 * }
 *
 * void serve();
 * await base.run();
 * ```
 */
export class AcceptStream implements AsyncIterableIterator<SocketBufferEvent, undefined, undefined>, AsyncDisposable {
  readonly #listener: Accepting;
  readonly #options: AcceptStreamOptions;
  readonly #connection: SocketBufferEventOptions;
  readonly #queueMax: number;
  readonly #ended: () => void;
  readonly #abort: () => void = () => this.end();
  readonly #queue: number[] = [];
  readonly #waiting: ((
    result: IteratorResult<SocketBufferEvent, undefined> | Promise<IteratorResult<SocketBufferEvent, undefined>>,
  ) => void)[] = [];
  // A base that is closed ends the loop.
  readonly #dependent: { close(): void } = { close: () => this.end() };
  #isOver = false;

  /** @internal */
  constructor(listener: Accepting, options: AcceptStreamOptions, ended: () => void) {
    const { queueMax = QUEUE_MAX, signal } = options;
    if (!Number.isInteger(queueMax) || queueMax < 1) {
      throw new RangeError(`Cannot queue ${queueMax} connections: a whole number above zero is needed`);
    }
    this.#listener = listener;
    this.#options = options;
    this.#connection = { prepared: listener.handsOutPrepared, ...options.connection };
    this.#queueMax = queueMax;
    this.#ended = ended;
    signal?.addEventListener("abort", this.#abort);
    reactorOf(listener.base).dependents.add(this.#dependent);
  }

  /** @internal Begins, unless it was aborted before. */
  start(): void {
    if (this.#options.signal?.aborted === true) this.end();
    else this.#listener.enable();
  }

  /** @internal There is a connection. */
  accepted(fd: number): void {
    const waiting = this.#waiting.shift();
    // What cannot be made rejects whoever waits for it.
    if (waiting !== undefined) {
      waiting(new Promise((resolve) => resolve({ done: false, value: this.#open(fd, false) })));
    } else this.#queue.push(fd);
    if (this.#queue.length >= this.#queueMax) this.#listener.pause(true);
  }

  /** @internal No more will come; those that nobody has taken are closed. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    reactorOf(this.#listener.base).dependents.delete(this.#dependent);
    for (const fd of this.#queue.splice(0)) close(fd);
    for (const waiting of this.#waiting.splice(0)) waiting(DONE);
    this.#ended();
  }

  /**
   * The next connection, which is the caller's to close.
   *
   * @throws {RangeError} by rejection, when the options for connections are wrong; that ends it, as all rejections do.
   * @throws {SystemError} by rejection, when the listening socket cannot be watched again.
   */
  async next(): Promise<IteratorResult<SocketBufferEvent, undefined>> {
    const fd = this.#queue.shift();
    if (fd !== undefined) return { done: false, value: this.#open(fd, this.#queue.length === this.#queueMax - 1) };
    if (this.#isOver) return DONE;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Stops accepting. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.end();
    return Promise.resolve(DONE);
  }

  /** Itself: connections are handed out once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops accepting. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #open(fd: number, hasRoomAgain: boolean): SocketBufferEvent {
    try {
      if (hasRoomAgain) this.#listener.pause(false);
      return new SocketBufferEvent(this.#listener.base, fd, this.#connection);
    } catch (error) {
      close(fd);
      // A loop that is left by an error does not say so.
      this.end();
      throw error;
    }
  }
}
