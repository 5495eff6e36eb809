import { ConnectionExtras } from "./connection_extras.ts";
import type { ConnectionRates } from "./connection_rates.ts";
import { ConnectionBuffers } from "./connection_buffers.ts";
import * as facts from "./connection_state.ts";
import * as constants from "./constants.ts";
import type { EventBase } from "./event_base.ts";
import { changeSettings, type FlowSettings, READ_MAX, USUAL_SETTINGS, WRITE_MAX } from "./flow_settings.ts";
import { SUSPEND_WATERMARK } from "./suspension.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { EV_READ, EV_WRITE } = constants;
const { ENABLED_SHIFT, READ_TIMEOUT_NEW, SENDING_FAILED, WRITE_TIMEOUT_NEW } = facts;

/** The least and most bytes a direction wants, see {@linkcode BufferEventFlow.setWatermark}. */
export interface Watermark {
  /** Bytes from which (input) or down to which (output) the callback is called. */
  readonly low: number;
  /** Bytes from which reading is suspended; 0: never. */
  readonly high: number;
}

const ENABLED_BITS = (EV_READ | EV_WRITE) << ENABLED_SHIFT;
/** Reasons why writing stands still are so many bits above those for reading. */
const WRITE_SHIFT = 8;
const INT_MAX = 2 ** 31 - 1;

/**
 * What decides whether the two buffers of a connection are filled and emptied: a direction runs when it is enabled and nothing suspends it.
 * {@linkcode BufferEvent} adds to this what is told and to whom.
 */
export abstract class BufferEventFlow extends ConnectionBuffers {
  // Why the directions stand still.
  #suspensions = 0;
  /** What was set about it. */
  protected settings: FlowSettings = USUAL_SETTINGS;
  /** What most connections never have; null until this one does. */
  protected extras: ConnectionExtras | null = null;

  /**
   * Makes what all kinds have.
   *
   * @param base the loop it lives on.
   */
  constructor(base: EventBase) {
    super(base, EV_WRITE << ENABLED_SHIFT);
  }

  /** `EV_READ` and `EV_WRITE` as the user enabled them. */
  protected get enabledBits(): number {
    return (this.state & ENABLED_BITS) >> ENABLED_SHIFT;
  }

  protected set enabledBits(directions: number) {
    this.state = this.state & ~ENABLED_BITS | directions << ENABLED_SHIFT & ENABLED_BITS;
  }

  /** Watermarks of the input. */
  protected get readMark(): Watermark {
    return this.settings.readMark;
  }

  /** Watermarks of the output. */
  protected get writeMark(): Watermark {
    return this.settings.writeMark;
  }

  /** Milliseconds without progress before a read times out; -1: no limit. */
  protected get readTimeoutMs(): number {
    return this.settings.readTimeoutMs;
  }

  /** Milliseconds without progress before a write times out; -1: no limit. */
  protected get writeTimeoutMs(): number {
    return this.settings.writeTimeoutMs;
  }

  /** Most bytes that one read takes. */
  protected get readMax(): number {
    return this.settings.readMax;
  }

  /** Most bytes that are sent in one go. */
  protected get writeMax(): number {
    return this.settings.writeMax;
  }

  /** The rate limits it obeys; null while there are none, which is all that the hot path asks. */
  protected get rates(): ConnectionRates | null {
    return this.extras === null ? null : this.extras.rates;
  }

  /** What most connections never have, made for the first of it. */
  protected needExtras(): ConnectionExtras {
    return this.extras ??= new ConnectionExtras();
  }

  /** `EV_READ` and `EV_WRITE` as enabled (bufferevent_get_enabled). */
  get enabled(): number {
    return this.enabledBits;
  }

  /** Starts directions: `EV_READ`, `EV_WRITE`. Data that already is in the input does not call back (bufferevent_enable). */
  enable(directions: number): void {
    this.enabledBits |= directions & (EV_READ | EV_WRITE);
    if ((directions & EV_WRITE) !== 0) this.mark(SENDING_FAILED, false);
    this.update();
  }

  /** Stops directions. What is in the buffers stays there (bufferevent_disable). */
  disable(directions: number): void {
    this.enabledBits &= ~directions;
    this.update();
  }

  /** @internal Lets directions stand still for one more of the `SUSPEND_` reasons. */
  suspend(directions: number, reason: number): void {
    this.#setSuspensions(this.#suspensions | suspensionBits(directions, reason));
  }

  /** @internal Takes a reason back. A direction runs again when it was the last one. */
  resume(directions: number, reason: number): void {
    this.#setSuspensions(this.#suspensions & ~suspensionBits(directions, reason));
  }

  #setSuspensions(suspensions: number): void {
    const before = this.#suspended;
    this.#suspensions = suspensions;
    if (this.#suspended !== before) this.update();
  }

  /** Why reading stands still: `SUSPEND_` bits. */
  protected get readSuspended(): number {
    return this.#suspensions & (1 << WRITE_SHIFT) - 1;
  }

  /** Why writing stands still: `SUSPEND_` bits. */
  protected get writeSuspended(): number {
    return this.#suspensions >> WRITE_SHIFT;
  }

  /** @internal The connection that moves the bytes, which limits are about: itself, or the one it is on top of. */
  get rateBearer(): BufferEventFlow {
    return this;
  }

  /** Which directions stand still for whatever reason. */
  get #suspended(): number {
    return (this.readSuspended === 0 ? 0 : EV_READ) | (this.writeSuspended === 0 ? 0 : EV_WRITE);
  }

  /** Whether reading is enabled, and nothing suspends it. */
  protected get readRuns(): boolean {
    return (this.enabledBits & EV_READ) !== 0 && this.readSuspended === 0;
  }

  /** Whether writing is enabled, and nothing suspends it. */
  protected get writeRuns(): boolean {
    return (this.enabledBits & EV_WRITE) !== 0 && this.writeSuspended === 0;
  }

  /**
   * Sets watermarks (bufferevent_setwatermark). For `EV_READ`: the callback waits for `low` bytes, and reading is suspended
   * while the input holds `high` or more; at once, if it does so already. For `EV_WRITE`: the callback waits until the output
   * is down to `low`; `high` is what a {@linkcode FilterBufferEvent} above this connection lets the output grow to.
   *
   * @throws {RangeError} for what is no byte count; Infinity is one.
   */
  setWatermark(directions: number, low: number, high: number): void {
    if (!isByteCount(low) || !isByteCount(high)) {
      throw new RangeError(`Cannot set watermarks ${low} and ${high}: both are byte counts`);
    }
    if ((directions & EV_READ) !== 0) {
      this.settings = changeSettings(this.settings, { readMark: { low, high } });
      // From the first high watermark on; most connections never have one.
      if (high !== 0) this.watchInput();
      this.inputChanged();
    }
    if ((directions & EV_WRITE) !== 0) {
      this.settings = changeSettings(this.settings, { writeMark: { low, high } });
    }
    this.update();
  }

  /**
   * The watermarks of one direction, as they are now (bufferevent_getwatermark).
   *
   * @param direction `EV_READ` or `EV_WRITE`.
   * @throws {TypeError} for both, or neither.
   */
  getWatermark(direction: number): Watermark {
    if (direction === EV_READ) return { ...this.readMark };
    if (direction === EV_WRITE) return { ...this.writeMark };
    throw new TypeError(`Cannot tell the watermarks of ${direction}: EV_READ or EV_WRITE is one direction`);
  }

  /** @internal Whether a connection on top of this one should not add to the output for the time being. */
  get outputFull(): boolean {
    return this.outputRoom <= 0;
  }

  /** @internal How much a connection on top of this one should add to the output; Infinity without a high watermark. */
  get outputRoom(): number {
    return this.writeMark.high === 0 ? Infinity : this.writeMark.high - this.outputLength;
  }

  /** How much the input may grow; Infinity without a high watermark. */
  protected get inputRoom(): number {
    return this.readMark.high === 0 ? Infinity : this.readMark.high - this.inputLength;
  }

  /** Whether there is a high watermark. */
  protected override get watchesInput(): boolean {
    return this.readMark.high !== 0;
  }

  /** Suspends reading at the high watermark, and resumes it below. */
  protected override inputChanged(): void {
    const high = this.readMark.high;
    if (high !== 0 && this.inputLength >= high) this.suspend(EV_READ, SUSPEND_WATERMARK);
    else this.resume(EV_READ, SUSPEND_WATERMARK);
  }

  /**
   * Limits how long a direction may make no progress while it is wanted (bufferevent_set_timeouts). Then the direction is
   * disabled and the event callback gets `BEV_EVENT_TIMEOUT`. Times that run already start anew.
   *
   * @param readMs milliseconds, -1 for no limit; runs only while reading is enabled and not suspended.
   * @param writeMs milliseconds, -1 for no limit; runs only while there is something to send.
   * @throws {RangeError} for NaN.
   */
  setTimeouts(readMs: number, writeMs: number): void {
    if (Number.isNaN(readMs) || Number.isNaN(writeMs)) {
      throw new RangeError(`Cannot set timeouts of ${readMs} and ${writeMs} ms: both are times, or -1 for none`);
    }
    if (readMs === this.readTimeoutMs || writeMs === this.writeTimeoutMs) this.#stopTimeouts();
    this.#setTimeouts(readMs, writeMs);
  }

  /** The same time once more would otherwise be no change, and not start anew. */
  #stopTimeouts(): void {
    if (this.readTimeoutMs < 0 && this.writeTimeoutMs < 0) return;
    this.#setTimeouts(-1, -1);
  }

  #setTimeouts(readTimeoutMs: number, writeTimeoutMs: number): void {
    if (readTimeoutMs !== this.readTimeoutMs) this.state |= READ_TIMEOUT_NEW;
    if (writeTimeoutMs !== this.writeTimeoutMs) this.state |= WRITE_TIMEOUT_NEW;
    this.settings = changeSettings(this.settings, { readTimeoutMs, writeTimeoutMs });
    this.update();
  }

  /**
   * Most bytes taken by one read of the descriptor (bufferevent_set_max_single_read). 64 KiB at first; 0, and more than a C
   * int holds, stand for that as well. A socket whose reads bring all they may is read several times in
   * a turn, up to 256 KiB, each time with a call of the read callback; but only once if this is less than 64 KiB, or if it obeys a rate
   * limit: then the others are to have their turn sooner.
   */
  get maxSingleRead(): number {
    return this.rateBearer.readMax;
  }

  /** @throws {RangeError} when it is no byte count. */
  set maxSingleRead(bytes: number) {
    const bearer = this.rateBearer;
    bearer.settings = changeSettings(bearer.settings, { readMax: maximum("read", bytes, READ_MAX) });
  }

  /**
   * Most bytes sent before other connections get their turn (bufferevent_set_max_single_write). 256 KiB at first; 0, and more
   * than a C int holds, stand for that as well.
   */
  get maxSingleWrite(): number {
    return this.rateBearer.writeMax;
  }

  /** @throws {RangeError} when it is no byte count. */
  set maxSingleWrite(bytes: number) {
    const bearer = this.rateBearer;
    bearer.settings = changeSettings(bearer.settings, { writeMax: maximum("write", bytes, WRITE_MAX) });
  }

  /**
   * Most bytes that the next read may take (bufferevent_get_max_to_read): {@linkcode BufferEventFlow.maxSingleRead}, or what a
   * rate limit of the connection leaves, which takes its place; and no more than its share of what its group has left.
   */
  get maxToRead(): number {
    const { rates, readMax } = this.rateBearer;
    return rates === null ? readMax : rates.readAllowance(readMax);
  }

  /** Most bytes that may be sent next (bufferevent_get_max_to_write); see {@linkcode BufferEventFlow.maxToRead}. */
  get maxToWrite(): number {
    const { rates, writeMax } = this.rateBearer;
    return rates === null ? writeMax : rates.writeAllowance(writeMax);
  }

  /** Brings the pending events in line with what is enabled, suspended and queued. */
  protected abstract update(): void;
}

function isByteCount(bytes: number): boolean {
  return bytes >= 0 && Math.floor(bytes) === bytes;
}

function suspensionBits(directions: number, reason: number): number {
  return ((directions & EV_READ) !== 0 ? reason : 0) | ((directions & EV_WRITE) !== 0 ? reason << WRITE_SHIFT : 0);
}

/** The maximum in bytes; 0, and more than a C int holds, stand for the default as in libevent. */
function maximum(action: string, bytes: number, fallback: number): number {
  if (bytes === 0 || bytes > INT_MAX) return fallback;
  if (!Number.isInteger(bytes) || bytes < 0) throw new RangeError(`Cannot ${action} ${bytes} bytes at a time`);
  return bytes;
}
