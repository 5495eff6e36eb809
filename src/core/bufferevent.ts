import { AwaitableConnection } from "./awaitable_connection.ts";
import { DeferredCalls } from "./bufferevent_calls.ts";
import type { BufferEventCallbacks, BufferEventOptions, ByteSink, TriggerOptions } from "./bufferevent_callbacks.ts";
import { ConnectionRates } from "./connection_rates.ts";
import * as facts from "./connection_state.ts";
import * as constants from "./constants.ts";
import type { EvBuffer } from "./evbuffer.ts";
import type { EventBase } from "./event_base.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { RateLimitGroup } from "./rate_limit_group.ts";
import { runAll } from "./run_all.ts";

export type {
  BufferEventCallbacks,
  BufferEventOptions,
  ByteSink,
  ConnectionFailure,
  TriggerOptions,
} from "./bufferevent_callbacks.ts";
export { BufferEventFlow, type Watermark } from "./bufferevent_flow.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  BEV_FINISHED,
  EV_READ,
  EV_WRITE,
} = constants;
const { DEFERS_CALLBACKS, SENDING_FAILED } = facts;

/** @internal Those of a connection that calls back nobody. */
export const NO_CALLBACKS: BufferEventCallbacks<BufferEvent> = Object.freeze({});

/**
 * A connection with an input and an output buffer (libevent's bufferevent): reading fills the one, and what is added to
 * the other is sent. This class holds what all kinds share: {@linkcode SocketBufferEvent} over a socket,
 * {@linkcode PairBufferEvent} in memory, and {@linkcode FilterBufferEvent} over another connection.
 *
 * Reading starts with `enable(EV_READ)`; writing is enabled from the start, as in libevent.
 */
export abstract class BufferEvent extends AwaitableConnection implements Disposable {
  /** The callbacks in force. Not of `this` type, which would keep every kind of connection from being passed as a BufferEvent. */
  protected callbacks: BufferEventCallbacks<BufferEvent> = NO_CALLBACKS;
  /** Where received bytes go instead of {@linkcode BufferEvent.input}. */
  protected sink: ByteSink | null = null;

  /**
   * Makes what all kinds have.
   *
   * @param base the loop it lives on.
   */
  constructor(base: EventBase, options: BufferEventOptions = {}) {
    super(base);
    this.mark(DEFERS_CALLBACKS, options.deferCallbacks === true);
  }

  /** @internal Called when it has been closed; for a connection on top of this one, which is at its end then. */
  get whenClosed(): (() => void) | null {
    return this.extras === null ? null : this.extras.whenClosed;
  }

  /** @internal */
  set whenClosed(callback: (() => void) | null) {
    this.needExtras().whenClosed = callback;
  }

  /** @internal Asked before it closes by itself: whether a connection on top of this one has still something to tell. */
  get isHeldOpen(): (() => boolean) | null {
    return this.extras === null ? null : this.extras.isHeldOpen;
  }

  /** @internal */
  set isHeldOpen(callback: (() => boolean) | null) {
    this.needExtras().isHeldOpen = callback;
  }

  /** Whether {@linkcode BufferEvent.close} was called. */
  abstract override get closed(): boolean;

  /** Whether all callbacks are called from the loop. */
  protected get deferAll(): boolean {
    return this.is(DEFERS_CALLBACKS);
  }

  /** The descriptor at the bottom of it; -1 where there is none (bufferevent_getfd). */
  get fd(): number {
    return -1;
  }

  /** Sets what is called; callbacks left out are called no more (bufferevent_setcb). */
  setCallbacks(callbacks: BufferEventCallbacks<this>): void {
    this.callbacks = callbacks as BufferEventCallbacks<BufferEvent>;
    this.callbacksChanged();
  }

  /** What {@linkcode BufferEvent.setCallbacks} has set; the very same object (bufferevent_getcb). */
  getCallbacks(): BufferEventCallbacks<this> {
    return this.callbacks as BufferEventCallbacks<this>;
  }

  /** @internal Whether there is a read callback, which is then the one to empty the input. */
  override get hasReadCallback(): boolean {
    return this.callbacks.read !== undefined;
  }

  /** Whether received bytes go past the input. */
  protected override get hasSink(): boolean {
    return this.sink !== null;
  }

  /** Hands received bytes to `sink` instead of the input buffer, or to the buffer again with null. */
  setSink(sink: ByteSink | null): void {
    this.sink = sink;
  }

  /** Index of the queue its callbacks run in; 0 is served first (bufferevent_get_priority). */
  get priority(): number {
    return this.base.priorities >> 1;
  }

  /**
   * Only connections that wait for a descriptor of their own have a priority that can be set (bufferevent_priority_set).
   *
   * @throws {RangeError} when the base has no such queue.
   * @throws {TypeError} for other kinds of connection.
   */
  set priority(priority: number) {
    throw new TypeError(`Cannot set priority ${priority}: this kind of connection has none of its own`);
  }

  /**
   * Calls the callbacks of `directions` as if something had happened, if the watermarks allow it (bufferevent_trigger).
   *
   * @param directions `EV_READ`, `EV_WRITE` or both.
   */
  trigger(directions: number, options: TriggerOptions = {}): void {
    const always = options.ignoreWatermarks === true;
    const defer = this.deferAll || options.defer === true;
    if ((directions & EV_READ) !== 0 && (always || this.inputLength >= this.readMark.low)) this.callRead(defer);
    if ((directions & EV_WRITE) !== 0 && (always || this.outputLength <= this.writeMark.low)) this.callWrite(defer);
  }

  /** Calls the event callback with `what`, a `BEV_EVENT_` combination, and changes nothing else (bufferevent_trigger_event). */
  triggerEvent(what: number, options: Pick<TriggerOptions, "defer"> = {}): void {
    this.tellEvent(what, this.deferAll || options.defer === true);
  }

  /**
   * Limits how fast it may read and write, or lifts that limit with null (bufferevent_set_rate_limit). What has been used up
   * under an earlier limit counts against the new one. Without effect on a connection that is closed.
   */
  setRateLimit(limit: RateLimit | null): void {
    const bearer = this.rateBearer;
    if (bearer.closed) return;
    if (limit !== null || bearer.rates !== null) bearer.limitRates().setLimit(limit);
  }

  /** The limit set by {@linkcode BufferEvent.setRateLimit}, or null (bufferevent_get_token_bucket_cfg). */
  get rateLimit(): RateLimit | null {
    return this.rateBearer.rates?.limit ?? null;
  }

  /** Bytes it may still read in this tick of its own limit; negative after more than that, Infinity without one (bufferevent_get_read_limit). */
  get readLimit(): number {
    return this.rateBearer.rates?.readLimit ?? Infinity;
  }

  /** Bytes it may still write in this tick of its own limit; as {@linkcode BufferEvent.readLimit} (bufferevent_get_write_limit). */
  get writeLimit(): number {
    return this.rateBearer.rates?.writeLimit ?? Infinity;
  }

  /**
   * Takes `bytes` from what it may still read, as if it had read so many; a negative number gives some back
   * (bufferevent_decrement_read_limit).
   *
   * @throws {TypeError} when it has no rate limit of its own.
   * @throws {RangeError} when `bytes` is not a whole number.
   */
  decrementReadLimit(bytes: number): void {
    this.rateBearer.limitRates().decrement(EV_READ, bytes);
  }

  /** Takes `bytes` from what it may still write; as {@linkcode BufferEvent.decrementReadLimit} (bufferevent_decrement_write_limit). */
  decrementWriteLimit(bytes: number): void {
    this.rateBearer.limitRates().decrement(EV_WRITE, bytes);
  }

  /** The group whose rate limit it shares, or null; see {@linkcode RateLimitGroup.add}. */
  get rateLimitGroup(): RateLimitGroup | null {
    return this.rateBearer.rates?.group ?? null;
  }

  /** @internal */
  override get rateBearer(): BufferEvent {
    return this;
  }

  /** @internal Says whether the loop stays alive for what may come by it; it does for a new one. Only sockets wait for something of their own. */
  keepLoop(on: boolean): void {
    const bottom = this.rateBearer;
    if (bottom !== this) bottom.keepLoop(on);
  }

  /**
   * @internal Looks at what has come that nobody was given yet, wherever it waits: 1 for bytes, 0 for nothing, -1 when it has ended or failed.
   * It may be read meanwhile, and then gets to whoever reads.
   */
  abstract lookAhead(): number;

  /** @internal Its rate limits, made for the first one. */
  limitRates(): ConnectionRates {
    return this.needExtras().rates ??= new ConnectionRates(this);
  }

  /** Queues bytes, or text as UTF-8, for sending; all that is written in one callback leaves in one call. */
  override write(data: Uint8Array | string): void {
    this.output.add(data);
  }

  /** @internal Queues bytes that their owner may change when this has returned. */
  writeCopy(bytes: Uint8Array): void {
    this.output.add(bytes);
  }

  /** Queues the content of `buffer`, which is empty afterwards (bufferevent_write_buffer). */
  writeBuffer(buffer: EvBuffer): void {
    this.output.addBuffer(buffer);
  }

  /** Moves received bytes into `target`; returns how many (bufferevent_read). */
  read(target: Uint8Array): number {
    return this.input.remove(target);
  }

  /** Moves all received bytes to the back of `target`; returns how many (bufferevent_read_buffer). */
  readBuffer(target: EvBuffer): number {
    return this.input.removeBuffer(target, this.input.length);
  }

  /**
   * Passes on what is held as far as the other side takes it now (bufferevent_flush). Without arguments: sends what is queued.
   *
   * @param directions `EV_WRITE` for what is queued, `EV_READ` for what a filter or partner holds for us; sockets know the
   * former only.
   * @param mode `BEV_NORMAL`; `BEV_FLUSH` to pass on what watermarks and filters hold back; `BEV_FINISHED` to do so for the last
   * time, after which a pair's other end is told `BEV_EVENT_EOF`. Sockets make no difference.
   * @returns whether anything was passed on.
   */
  abstract flush(directions?: number, mode?: number): boolean;

  /**
   * Closes once everything queued has been sent, or sending has failed. Nothing more is read, and the last write is not told of; read
   * and event callbacks that wait for the loop are called before.
   */
  abstract closeAfterFlush(): void;

  /** Tells the other side that nothing more will be sent; what is queued must have been sent. */
  override endWriting(): void {
    this.flush(EV_WRITE, BEV_FINISHED);
  }

  /** @internal Before closing: sends what waits for others, and calls back no more. Returns whether any did, and nothing is left. */
  sendLast(): boolean {
    return false;
  }

  /** Closes at once and calls back no more. Closing twice is harmless; what is written afterwards is dropped. */
  abstract override close(): void;

  /** Same as {@linkcode BufferEvent.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Calls the read callback, from the loop if `defer`. The watermark has been looked at. */
  protected callRead(defer: boolean = this.deferAll): void {
    if (defer) this.#laterCalls().addRead();
    else this.#readNow();
  }

  /** Calls the write callback, from the loop if `defer`. The watermark has been looked at. */
  protected callWrite(defer: boolean = this.deferAll): void {
    this.outputShrank();
    if (defer) this.#laterCalls().addWrite();
    else this.callbacks.write?.(this);
  }

  /**
   * Calls the event callback, from the loop if `defer`; {@linkcode BufferEvent.error} is then as it is now. What waits for the
   * loop already comes first: data before the end.
   */
  protected callEvent(what: number, defer: boolean = this.deferAll): void {
    this.eventHappened(what);
    this.tellEvent(what, defer);
  }

  /** Calls the event callback without a word to those who wait; as {@linkcode BufferEvent.callEvent} otherwise. */
  protected tellEvent(what: number, defer: boolean): void {
    if (defer || this.callsPending) this.#laterCalls().addEvents(what, this.error);
    else this.callbacks.event?.(what, this);
  }

  /** It is to be closed as soon as everything has been sent: nothing more is read, and a write that is due to be told is not. */
  protected retire(): void {
    this.deferredCalls?.dropWrite();
    this.disable(EV_READ);
  }

  /** `direction` has made no progress for as long as its timeout says: it is disabled, and that is told. */
  protected timedOut(direction: number): void {
    this.disable(direction);
    if (direction === EV_WRITE) this.mark(SENDING_FAILED, true);
    this.callEvent(BEV_EVENT_TIMEOUT | (direction === EV_WRITE ? BEV_EVENT_WRITING : BEV_EVENT_READING));
  }

  /** Something came into the input: tells of it, if it is enough. Whoever awaits it comes first. */
  protected inputGrew(defer: boolean = this.deferAll): void {
    if (this.inputAwaited()) return;
    if (this.sink !== null || this.input.length >= this.readMark.low) this.callRead(defer);
  }

  #readNow(): void {
    if (this.sink !== null && this.inputLength > 0) {
      const bytes = this.input.take();
      this.sink.receive(bytes, 0, bytes.length);
      return;
    }
    const before = this.inputLength;
    this.callbacks.read?.(this);
    const left = this.inputLength;
    // It may have changed the marks.
    const { low, high } = this.readMark;
    // The input may have grown beyond the mark. Reading stays suspended then, so nothing but this would call back for what the
    // callback has left. One that takes nothing waits for something else, and would be called for ever.
    if (high !== 0 && left >= high && left >= low && left < before && (this.enabledBits & EV_READ) !== 0) {
      this.callRead(true);
    }
  }

  /** Whether callbacks are due that wait for the loop. */
  protected get callsPending(): boolean {
    const calls = this.deferredCalls;
    return calls !== null && calls.pending;
  }

  /** Whether something is still to be told, here or on top: until then it is not closed by itself. */
  protected get hasUntold(): boolean {
    return this.callsPending || this.isHeldOpen?.() === true;
  }

  /** @internal What waits in a queue of the loop on behalf of deferred callbacks; null before there were any. */
  protected get deferredCalls(): DeferredCalls | null {
    return this.extras === null ? null : this.extras.calls;
  }

  #laterCalls(): DeferredCalls {
    return this.needExtras().calls ??= new DeferredCalls(this.base, this.priority, () => this.runDeferredCalls());
  }

  /**
   * Calls what is due: connected, read, write, other events; so that an end comes after the data before it, also when both have come while
   * the callbacks ran.
   */
  protected runDeferredCalls(): void {
    const calls = this.deferredCalls!;
    try {
      if (calls.takeEvents(BEV_EVENT_CONNECTED) !== 0) this.callbacks.event?.(BEV_EVENT_CONNECTED, this);
      if (calls.read) {
        calls.read = false;
        this.#readNow();
      }
      if (calls.write) {
        calls.write = false;
        this.callbacks.write?.(this);
      }
      const what = calls.read ? 0 : calls.takeEvents(~0);
      if ((what & BEV_EVENT_ERROR) !== 0) this.error = calls.error;
      if (what !== 0) this.callbacks.event?.(what, this);
    } finally {
      calls.keepUp();
    }
  }

  /** Gives back what all kinds have, as part of closing: nobody is called any more, both buffers are emptied. */
  protected release(): void {
    this.releaseAwaited();
    const { sink } = this;
    this.callbacks = NO_CALLBACKS;
    this.sink = null;
    this.deferredCalls?.cancel();
    this.rates?.close();
    // The output is emptied last, for what is on top to see whether all of it was sent.
    runAll([() => sink?.connectionClosed?.(), () => this.whenClosed?.(), () => this.closeBuffers()]);
  }
}
