import { AsyncFace, endsBy, INPUT_ENDED, INPUT_FAILED, OUTPUT_FAILED } from "./async_face.ts";
import { BaseClosedError } from "./base_closed_error.ts";
import { ConnectionError } from "./connection_error.ts";
import { copyOf } from "./copy_of.ts";
import type { ConnectionFailure } from "./bufferevent_callbacks.ts";
import { BufferEventFlow } from "./bufferevent_flow.ts";
import { ENDED_SHIFT, UNCONNECTED } from "./connection_state.ts";
import { BEV_EVENT_CONNECTED, EV_WRITE } from "./constants.ts";
import { type EolStyle, EVBUFFER_EOL_CRLF } from "./evbuffer.ts";
import { utf8 } from "./evbuffer_text.ts";
import { reactorOf } from "./event_base.ts";
import { PullIterator } from "./pull_iterator.ts";
import { ExactRequest, IntoRequest, LineRequest, SomeRequest, UntilRequest } from "./read_request.ts";
import { type AwaitOptions, rejected } from "./waiter.ts";

export type { AwaitOptions } from "./waiter.ts";

/** How an end is awaited that may be a long way off. */
export interface AwaitEndOptions extends AwaitOptions {
  /** Bytes that may stand before it; beyond that the promise is rejected with `LINE_TOO_LONG`. 65,536 by default. */
  readonly maxBytes?: number | undefined;
}

const CHUNK_BYTES_MAX = 64 * 1024;
const LINE_BYTES_MAX = 64 * 1024;
const ENDED_BITS = (INPUT_ENDED | INPUT_FAILED | OUTPUT_FAILED) << ENDED_SHIFT;

/**
 * The side of a {@linkcode BufferEvent} that promises: reads to be awaited, writes that wait until they are sent, iteration,
 * and Web Streams.
 *
 * All of them may be used together with callbacks. Who awaits data gets it first; the read callback is called for what is left.
 * Several who wait are served in the order in which they asked. The event callback is called as ever.
 *
 * - An awaited read enables `EV_READ`, an awaited write `EV_WRITE`. Without a read callback, reading is suspended while nobody
 *   waits and the input holds 64 KiB or more.
 * - A promise is rejected with a {@linkcode ConnectionFailure} for what the system or the peer did, with a
 *   {@linkcode ConnectionError} (`END_OF_STREAM`, `LINE_TOO_LONG`, `CLOSED`, `TIMEOUT`, `FAILED`, `DETACHED`), with a
 *   {@linkcode BaseClosedError} when its base is closed, or with the reason of an aborted signal. Rejections that nobody looks at are not reported as unhandled.
 * - Data that was not taken stays in the input, whatever a promise is rejected with.
 *
 * Promises go on between the turns of the loop: always in `await base.run()`, and in `base.dispatch()` where the runtime can run
 * them, see there.
 */
export abstract class AwaitableConnection extends BufferEventFlow {
  /**
   * @internal Called when something was sent, or never will be, or a stream has `begun` to which that does not apply any more; for
   * a connection on top of this one, to whom that is news.
   */
  get whenOutputShrank(): ((begun: boolean) => void) | null {
    return this.extras === null ? null : this.extras.whenOutputShrank;
  }

  /** @internal */
  set whenOutputShrank(callback: ((begun: boolean) => void) | null) {
    this.needExtras().whenOutputShrank = callback;
  }

  /** The error behind the last `BEV_EVENT_ERROR`. */
  get error(): ConnectionFailure | null {
    return this.extras === null ? null : this.extras.error;
  }

  /** @internal */
  set error(error: ConnectionFailure | null) {
    if (error !== null || this.extras !== null) this.needExtras().error = error;
  }

  /** The promises somebody has asked for. */
  get #face(): AsyncFace | null {
    return this.extras === null ? null : this.extras.face;
  }

  /** Whether it was closed on this side. */
  abstract get closed(): boolean;

  /** Closes at once. */
  abstract close(): void;

  /** Queues bytes, or text as UTF-8, for sending. */
  abstract write(data: Uint8Array | string): void;

  /**
   * Tells the other side that nothing more will be sent, while it may still be read from; what is queued must have been
   * sent, see {@linkcode AwaitableConnection.flushed}.
   */
  abstract endWriting(): void;

  /** Whether there is a read callback. */
  abstract get hasReadCallback(): boolean;

  /** Whether received bytes go past the input. */
  protected abstract get hasSink(): boolean;

  /** Whether it has a peer: no connect is under way, has failed or is still to be made. */
  get isConnected(): boolean {
    return (this.state & UNCONNECTED) === 0;
  }

  /** Bytes that wait to be sent, here and in connections underneath. */
  get queuedBytes(): number {
    return this.outputLength;
  }

  /** @internal Bytes from which reading is suspended; Infinity for never. */
  get readHigh(): number {
    return this.readMark.high === 0 ? Infinity : this.readMark.high;
  }

  /** @internal The write low watermark. */
  get writeLow(): number {
    return this.writeMark.low;
  }

  /**
   * Waits for data: what there is, or what comes next.
   *
   * @param max bytes to take at most; 65,536 by default.
   * @returns at least one byte, in memory of the caller's own; null at the end of the stream.
   * @throws {RangeError} by rejection, when `max` is not a whole number above zero.
   */
  readSome(max: number = CHUNK_BYTES_MAX, options: AwaitOptions = {}): Promise<Uint8Array | null> {
    if (!(max >= 1)) return refuse(`read ${max} bytes at most`);
    return this.#reader().add(new SomeRequest(Math.floor(max)), options.signal);
  }

  /**
   * As {@linkcode AwaitableConnection.readSome}, into the caller's memory, which must not be touched until then.
   *
   * @returns how many bytes; 0 at the end of the stream.
   * @throws {RangeError} by rejection, when `target` has no room.
   */
  readInto(target: Uint8Array, options: AwaitOptions = {}): Promise<number> {
    if (target.length === 0) return refuse("read into memory of 0 bytes");
    return this.#reader().add(new IntoRequest(target), options.signal);
  }

  /**
   * Waits for `count` bytes.
   *
   * @throws {ConnectionError} by rejection, `END_OF_STREAM` when the stream ends before; its `bytes` stay in the input.
   * @throws {RangeError} by rejection, when `count` is no byte count, or beyond the read high watermark.
   */
  readExactly(count: number, options: AwaitOptions = {}): Promise<Uint8Array> {
    if (!Number.isSafeInteger(count) || count < 0) return refuse(`read exactly ${count} bytes`);
    return this.#reader().add(new ExactRequest(count), options.signal);
  }

  /**
   * Waits for a line.
   *
   * @param style how lines end; LF with or without CR by default.
   * @returns the line as UTF-8 text, without its ending; null when the stream ends where a line would begin.
   * @throws {ConnectionError} by rejection, `LINE_TOO_LONG`; or `END_OF_STREAM` when it ends within a line, which stays in the
   * input.
   */
  readLine(style: EolStyle = EVBUFFER_EOL_CRLF, options: AwaitEndOptions = {}): Promise<string | null> {
    const { maxBytes = LINE_BYTES_MAX } = options;
    if (!(maxBytes >= 0)) return refuse(`read a line of ${maxBytes} bytes at most`);
    if (!Number.isInteger(style) || style < 0 || style > 4) return refuse(`read a line: there is no style ${style}`);
    return this.#reader().add(new LineRequest(style, maxBytes), options.signal);
  }

  /**
   * Waits for a delimiter.
   *
   * @param delimiter bytes, or text as UTF-8.
   * @returns what stands before it; it is removed as well. Null when the stream ends where that would begin.
   * @throws {ConnectionError} by rejection, as {@linkcode AwaitableConnection.readLine}.
   * @throws {RangeError} by rejection, when the delimiter is empty.
   */
  readUntil(delimiter: Uint8Array | string, options: AwaitEndOptions = {}): Promise<Uint8Array | null> {
    const { maxBytes = LINE_BYTES_MAX } = options;
    // The bytes may be changed by the caller before they are found.
    const bytes = typeof delimiter === "string" ? utf8(delimiter) : copyOf(delimiter);
    if (bytes.length === 0) return refuse("read until a delimiter of 0 bytes");
    if (!(maxBytes >= 0)) return refuse(`read ${maxBytes} bytes at most`);
    return this.#reader().add(new UntilRequest(bytes, maxBytes), options.signal);
  }

  /**
   * What comes in, chunk by chunk, until the end of the stream or until the connection, or its base, is closed on this side. Leaving
   * the loop early leaves the connection open. Errors are thrown.
   *
   * While nothing more is let in because of what was not taken yet, the event base goes on waiting for the loop's body. Whoever calls `next()`
   * by hand, and takes no more, says so by `return()`, or by `await using`: otherwise that lasts until the connection is closed.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return new PullIterator<Uint8Array, SomeRequest>({
      ask: () => {
        const request = new SomeRequest(CHUNK_BYTES_MAX);
        void this.#reader().add(request, undefined);
        return request;
      },
      withdraw: (request) => this.#reader().withdraw(request),
      begun: () => this.#reader().consumerCame(),
      ended: () => this.#asked().reader.consumerLeft(),
      // Not whether it is closed by now: an event callback may have done that because of the error.
      isEnd: (error) => error instanceof BaseClosedError || error instanceof ConnectionError && error.code === "CLOSED",
    });
  }

  /**
   * Queues data and waits until the output is down to the write low watermark: by default until everything has been handed
   * to the system. Aborting ends the waiting only; what is queued stays so.
   */
  send(data: Uint8Array | string, options: AwaitOptions = {}): Promise<void> {
    const { writer } = this.#asked();
    if (reactorOf(this.base).closed) return rejected(new BaseClosedError("send"));
    if (!this.closed && writer.failure === null && options.signal?.aborted !== true) {
      this.write(data);
      if ((this.enabledBits & EV_WRITE) === 0) this.enable(EV_WRITE);
    }
    return writer.drained(false, options.signal);
  }

  /** Waits until the output is down to the write low watermark. */
  drained(options: AwaitOptions = {}): Promise<void> {
    return this.#asked().writer.drained(false, options.signal);
  }

  /** Waits until everything queued has been handed to the system, whatever the watermark. */
  flushed(options: AwaitOptions = {}): Promise<void> {
    return this.#asked().writer.drained(true, options.signal);
  }

  /**
   * Waits until a connect has succeeded: that which is under way, or the next one. Resolved at once when there is a peer.
   *
   * @throws by rejection, what the connect has failed with.
   */
  connected(options: AwaitOptions = {}): Promise<void> {
    return this.#asked().connected(options.signal);
  }

  /**
   * What comes in, as a stream of bytes, which can be read with memory of the reader's own (BYOB). It pulls: nothing is queued
   * beside the input. Always the same object.
   *
   * Cancelling it ends reading; the connection is closed unless {@linkcode AwaitableConnection.writable} is in use and open.
   */
  get readable(): ReadableStream<Uint8Array> {
    return this.#asked().streams.readable;
  }

  /**
   * What goes out, as a stream: a write is done when the output is down to the write low watermark. Always the same object.
   *
   * Closing it sends everything and then ends writing, so that the other side sees the end of the stream; the connection is
   * closed as well if {@linkcode AwaitableConnection.readable} is over. Aborting it closes the connection at once. A `pipeTo()` that is
   * aborted waits for the write under way before it does that, as the Streams standard has it; closing the connection does not.
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#asked().streams.writable;
  }

  /** As {@linkcode BufferEventFlow.setWatermark}. Whoever awaits is judged by the new marks at once. */
  override setWatermark(directions: number, low: number, high: number): void {
    super.setWatermark(directions, low, high);
    this.#face?.reader.marksChanged();
    this.#face?.writer.outputShrank();
  }

  /** A stream begins: a connect that is `connecting`, or a socket that is connected already. */
  protected streamBegun(connecting: boolean): void {
    this.state = this.state & ~(ENDED_BITS | UNCONNECTED) | (connecting ? UNCONNECTED : 0);
    this.#face?.renew();
    this.whenOutputShrank?.(true);
  }

  /** Something has happened, a `BEV_EVENT_` combination: whoever awaits it is told at once. */
  protected eventHappened(what: number): void {
    if ((what & BEV_EVENT_CONNECTED) !== 0) this.state &= ~UNCONNECTED;
    const ended = endsBy(what, this.isConnected);
    this.state |= ended << ENDED_SHIFT;
    this.#face?.happened(what, ended, this.error);
  }

  /** Something came into the input; returns whether it has been taken already. */
  protected inputAwaited(): boolean {
    const { extras } = this;
    return extras !== null && extras.face !== null && extras.face.reader.inputGrew();
  }

  /** Something has left the output, here or underneath. */
  protected outputShrank(): void {
    if (this.extras === null) return;
    this.#face?.writer.outputShrank();
    this.whenOutputShrank?.(false);
  }

  /** @internal Whether nothing more can be sent. */
  get outputOver(): boolean {
    return (this.state & OUTPUT_FAILED << ENDED_SHIFT) !== 0;
  }

  /** Nothing more can be sent, which is no event of its own: who awaits that it is is told. */
  protected endOutput(): void {
    this.state |= OUTPUT_FAILED << ENDED_SHIFT;
    this.#face?.happened(0, OUTPUT_FAILED, null);
    this.whenOutputShrank?.(false);
  }

  /** The read callback was set or removed. */
  protected callbacksChanged(): void {
    this.#face?.reader.callbacksChanged();
  }

  /** It is being closed: nobody waits any longer. */
  protected releaseAwaited(): void {
    this.#face?.close();
  }

  #reader(): AsyncFace["reader"] {
    if (this.hasSink) throw new Error("Cannot wait for input: a sink takes the bytes that come in");
    return this.#asked().reader;
  }

  #asked(): AsyncFace {
    return this.needExtras().face ??= new AsyncFace(this, (this.state & ENDED_BITS) >> ENDED_SHIFT, this.error);
  }
}

/** What the caller got wrong. */
function refuse<T>(what: string): Promise<T> {
  return Promise.reject(new RangeError(`Cannot ${what}`));
}
