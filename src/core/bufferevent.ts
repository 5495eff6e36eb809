import type { SystemError } from "../ffi/mod.ts";
import { EV_READ, EV_WRITE } from "./constants.ts";
import { EvBuffer } from "./evbuffer.ts";
import type { EventBase } from "./event_base.ts";

/**
 * What a {@linkcode BufferEvent} calls. All may close the connection they are called for. (Written as methods, so that a
 * `SocketBufferEvent` passes for a `BufferEvent`.)
 */
export interface BufferEventCallbacks<T> {
  /** The input holds at least the read low watermark, and something was added to it. */
  read?(connection: T): void;
  /** Something was sent, and the output is down to the write low watermark. */
  write?(connection: T): void;
  /** `what` is a `BEV_EVENT_` combination: connected, end of stream, error or timeout. */
  event?(what: number, connection: T): void;
}

/** Takes bytes past the input buffer: protocol code that parses them where they lie. */
export interface ByteSink {
  /**
   * Receives `bytes[start..end)`. They are never overwritten, so offsets into them may be kept for as long as the bytes
   * are referred to.
   */
  receive(bytes: Uint8Array, start: number, end: number): void;
}

/** The least and most bytes a direction wants, see {@linkcode BufferEvent.setWatermark}. */
export interface Watermark {
  /** Bytes from which (input) or down to which (output) the callback is called. */
  low: number;
  /** Bytes from which reading is suspended; 0: never. */
  high: number;
}

/**
 * A connection with an input and an output buffer (libevent's bufferevent): reading fills the one, and what is added to
 * the other is sent. This class holds what all kinds share; {@linkcode SocketBufferEvent} is the one over a socket.
 *
 * Reading starts with `enable(EV_READ)`; writing is enabled from the start, as in libevent.
 */
export abstract class BufferEvent implements Disposable {
  /** The loop it lives on. */
  readonly base: EventBase;
  /** What has been received and not consumed yet. */
  readonly input: EvBuffer = new EvBuffer();
  /** What is waiting to be sent. */
  readonly output: EvBuffer = new EvBuffer();
  /** The error behind the last `BEV_EVENT_ERROR`. */
  error: SystemError | null = null;

  /** The callbacks in force. Not of `this` type, which would keep every kind of connection from being passed as a BufferEvent. */
  protected callbacks: BufferEventCallbacks<BufferEvent> = {};
  /** `EV_READ` and `EV_WRITE` as the user enabled them. */
  protected enabledBits: number = EV_WRITE;
  /** Where received bytes go instead of {@linkcode BufferEvent.input}. */
  protected sink: ByteSink | null = null;
  /** Watermarks of the input. */
  protected readonly readMark: Watermark = { low: 0, high: 0 };
  /** Watermarks of the output. */
  protected readonly writeMark: Watermark = { low: 0, high: 0 };
  /** Milliseconds without progress before a read times out; -1: no limit. */
  protected readTimeoutMs: number = -1;
  /** Milliseconds without progress before a write times out; -1: no limit. */
  protected writeTimeoutMs: number = -1;

  /**
   * Makes what all kinds have.
   *
   * @param base the loop it lives on.
   */
  constructor(base: EventBase) {
    this.base = base;
  }

  /** Whether {@linkcode BufferEvent.close} was called. */
  abstract get closed(): boolean;

  /** Sets what is called; callbacks left out are called no more (bufferevent_setcb). */
  setCallbacks(callbacks: BufferEventCallbacks<this>): void {
    this.callbacks = callbacks as BufferEventCallbacks<BufferEvent>;
  }

  /** Hands received bytes to `sink` instead of the input buffer, or to the buffer again with null. */
  setSink(sink: ByteSink | null): void {
    this.sink = sink;
  }

  /** `EV_READ` and `EV_WRITE` as enabled (bufferevent_get_enabled). */
  get enabled(): number {
    return this.enabledBits;
  }

  /** Starts directions: `EV_READ`, `EV_WRITE`. Data that already is in the input does not call back (bufferevent_enable). */
  enable(directions: number): void {
    this.enabledBits |= directions & (EV_READ | EV_WRITE);
    this.update();
  }

  /** Stops directions. What is in the buffers stays there (bufferevent_disable). */
  disable(directions: number): void {
    this.enabledBits &= ~directions;
    this.update();
  }

  /**
   * Sets watermarks (bufferevent_setwatermark). For `EV_READ`: the callback waits for `low` bytes, and reading is suspended
   * while the input holds `high` or more. For `EV_WRITE`: the callback waits until the output is down to `low`.
   *
   * @throws {RangeError} for a negative number.
   */
  setWatermark(directions: number, low: number, high: number): void {
    if (!(low >= 0) || !(high >= 0)) {
      throw new RangeError(`Cannot set watermarks ${low} and ${high}: both are byte counts`);
    }
    if ((directions & EV_READ) !== 0) Object.assign(this.readMark, { low, high });
    if ((directions & EV_WRITE) !== 0) Object.assign(this.writeMark, { low, high });
    this.update();
  }

  /**
   * Limits how long a direction may make no progress while it is wanted (bufferevent_set_timeouts). Then the direction is
   * disabled and the event callback gets `BEV_EVENT_TIMEOUT`.
   *
   * @param readMs milliseconds, -1 for no limit.
   * @param writeMs milliseconds, -1 for no limit; runs only while there is something to send.
   * @throws {RangeError} for NaN.
   */
  setTimeouts(readMs: number, writeMs: number): void {
    if (Number.isNaN(readMs) || Number.isNaN(writeMs)) {
      throw new RangeError(`Cannot set timeouts of ${readMs} and ${writeMs} ms: both are times, or -1 for none`);
    }
    this.readTimeoutMs = readMs;
    this.writeTimeoutMs = writeMs;
    this.update();
  }

  /** Queues bytes, or text as UTF-8, for sending; all that is written in one callback leaves in one call. */
  write(data: Uint8Array | string): void {
    this.output.add(data);
  }

  /** Queues the content of `buffer`, which is empty afterwards (bufferevent_write_buffer). */
  writeBuffer(buffer: EvBuffer): void {
    this.output.addBuffer(buffer);
  }

  /** Moves received bytes into `target`; returns how many (bufferevent_read). */
  read(target: Uint8Array): number {
    return this.input.remove(target);
  }

  /** Sends what is queued as far as the other side takes it now. */
  abstract flush(): void;

  /** Closes once everything queued has been sent, or sending has failed. */
  abstract closeAfterFlush(): void;

  /** Closes at once and calls back no more. Closing twice is harmless. */
  abstract close(): void;

  /** Same as {@linkcode BufferEvent.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Brings the pending events in line with what is enabled, suspended and queued. */
  protected abstract update(): void;
}
