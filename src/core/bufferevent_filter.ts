import { BufferEvent, type BufferEventOptions } from "./bufferevent.ts";
import type { BufferEventCallbacks } from "./bufferevent_callbacks.ts";
import {
  BEV_ERROR,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_WRITING,
  BEV_FINISHED,
  BEV_NORMAL,
  BEV_OK,
  EV_READ,
  EV_WRITE,
} from "./constants.ts";
import { SENDING_FAILED } from "./connection_state.ts";
import { Deferred } from "./deferred.ts";
import type { BufferCallbackEntry, EvBuffer } from "./evbuffer.ts";
import { InactivityTimer } from "./inactivity_timer.ts";
import { SUSPEND_FILTER } from "./suspension.ts";

/**
 * Moves data from `source` to the back of `target` and changes it on the way (libevent's bufferevent_filter_cb).
 *
 * @param limit how many bytes to add at most; Infinity when there is no limit. More is accepted, but defeats the watermark.
 * @param mode `BEV_NORMAL`; `BEV_FLUSH` to pass on what can be; `BEV_FINISHED` when no more will follow.
 * @returns `BEV_OK` when something was done; `BEV_NEED_MORE` when that takes more source; `BEV_ERROR` when nothing more can
 * ever be done.
 */
export type FilterTransform = (source: EvBuffer, target: EvBuffer, limit: number, mode: number) => number;

/** What a {@linkcode FilterBufferEvent} does to the data. */
export interface FilterBufferEventOptions extends BufferEventOptions {
  /** Makes what is read out of what came in underneath; passes it through by default. */
  readonly input?: FilterTransform | undefined;
  /** Makes what goes out underneath out of what is written; passes it through by default. */
  readonly output?: FilterTransform | undefined;
  /** Leave the connection underneath open when the filter is closed; false by default (BEV_OPT_CLOSE_ON_FREE is ours). */
  readonly keepOpen?: boolean | undefined;
  /** Called when the filter is closed, to give back what the transforms use (bufferevent_filter_new's free_context). */
  readonly onClose?: (() => void) | undefined;
}

function passThrough(source: EvBuffer, target: EvBuffer, limit: number): number {
  source.removeBuffer(target, limit);
  return BEV_OK;
}

/**
 * A connection on top of another one, which changes what is read and written on its way (libevent's bufferevent_filter):
 * compression, framing, encryption.
 *
 * It takes over the callbacks of the connection underneath, whose events it passes on. Its own high watermark for reading,
 * and that for writing of the connection underneath, tell the transforms how much to make at most; `closeAfterFlush()`
 * and the end of the stream run them with `BEV_FINISHED` before.
 *
 * @example Lines are written in one piece, and read without their endings
 * ```ts
 * import { BEV_NEED_MORE, BEV_OK, EV_READ, EventBase, FilterBufferEvent, PairBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const [near, far] = PairBufferEvent.create(base);
 * const lines = new FilterBufferEvent(near, {
 *   input: (source, target) => {
 *     const line = source.readLineBytes();
 *     if (line === null) return BEV_NEED_MORE;
 *     target.add(line);
 *     return BEV_OK;
 *   },
 * });
 * lines.setCallbacks({ read: (connection) => console.log(connection.input.takeText()) }); // hello
 * lines.enable(EV_READ);
 * far.write("hello\r\nwor");
 * base.dispatch();
 * ```
 */
export class FilterBufferEvent extends BufferEvent {
  /** The connection underneath (bufferevent_get_underlying). */
  readonly underlying: BufferEvent;
  readonly #transformInput: FilterTransform;
  readonly #transformOutput: FilterTransform;
  readonly #keepOpen: boolean;
  readonly #onClose: (() => void) | undefined;
  readonly #below: BufferEventCallbacks<BufferEvent>;
  readonly #closeToo = (): void => this.close();
  readonly #holdOpen = (): boolean => this.hasUntold;
  readonly #shrinkToo = (begun: boolean): void => {
    if (begun) this.#renew();
    else if (this.underlying.outputOver) this.endOutput();
    else this.outputShrank();
  };
  // Hears of what leaves underneath.
  readonly #drainEntry: BufferCallbackEntry;
  readonly #readTimer: InactivityTimer;
  readonly #writeTimer: InactivityTimer;
  #closed = false;
  #closing = false;
  // The output transform has been told that no more follows, has left nothing over, and nothing has been written since.
  #finished = false;
  // Its transform is running: what that does to the buffers must not start it again. It may well start the other one: what is written as
  // data comes in has nobody else to send it.
  #makesInput = false;
  #makesOutput = false;

  /**
   * Takes a connection over, and enables both its directions; it reads when the filter does.
   *
   * @throws {TypeError} when `underlying` is closed.
   */
  constructor(underlying: BufferEvent, options: FilterBufferEventOptions = {}) {
    if (underlying.closed) throw new TypeError("Cannot filter a connection that is closed");
    super(underlying.base, options);
    this.underlying = underlying;
    this.#transformInput = options.input ?? passThrough;
    this.#transformOutput = options.output ?? passThrough;
    this.#keepOpen = options.keepOpen === true;
    this.#onClose = options.onClose;
    this.#readTimer = new InactivityTimer(this.base, () => this.timedOut(EV_READ));
    this.#writeTimer = new InactivityTimer(this.base, () => this.#writeTimedOut());
    this.#drainEntry = underlying.output.addCallback((_buffer, { deleted }) => {
      if (deleted === 0 || this.#closed) return;
      this.#writeTimer.restart();
      this.#updateTimers();
    });
    this.#below = {
      read: () => this.#processInput(BEV_NORMAL, this.deferAll),
      write: () => this.#processOutput(BEV_NORMAL, this.deferAll),
      event: (what) => this.#passOn(what),
    };
    underlying.setCallbacks(this.#below);
    underlying.setSink(null);
    underlying.whenClosed = this.#closeToo;
    underlying.whenOutputShrank = this.#shrinkToo;
    underlying.isHeldOpen = this.#holdOpen;
    underlying.suspend(EV_READ, SUSPEND_FILTER);
    underlying.enable(EV_READ | EV_WRITE);
    if (underlying.outputOver) this.endOutput();
  }

  /** @internal Something was written. That is nothing to the input, which has its own turn. */
  protected override outputChanged(added: number): void {
    if (this.#closed) return;
    if (added > 0) {
      this.#finished = false;
      this.#updateTimers();
      this.#processOutput(BEV_NORMAL, true);
    } else if (!this.#makesOutput) {
      // Drained by hand. What a transform takes is not gone yet.
      this.#updateTimers();
      this.outputShrank();
    }
  }

  /** Whether it was closed, by itself or together with the connection underneath. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** The descriptor at the bottom; -1 where there is none. */
  override get fd(): number {
    return this.underlying.fd;
  }

  /** As of the connection underneath. */
  override get isConnected(): boolean {
    return this.underlying.isConnected;
  }

  /** Bytes that wait to be sent, here and underneath. */
  override get queuedBytes(): number {
    return this.output.length + this.underlying.queuedBytes;
  }

  /** @internal */
  override get rateBearer(): BufferEvent {
    return this.underlying.rateBearer;
  }

  /** @internal What has come underneath and was made nothing of yet counts as well. */
  override lookAhead(): number {
    const ahead = this.underlying.lookAhead();
    return !this.#closed && this.inputLength + this.underlying.input.length > 0 ? 1 : ahead;
  }

  /** Runs the transforms of `directions` in `mode`, `BEV_NORMAL` by default, and flushes the connection underneath as well. */
  override flush(directions: number = EV_WRITE, mode: number = BEV_NORMAL): boolean {
    if (this.#closed) return false;
    let done = false;
    if ((directions & EV_READ) !== 0) done = this.#processInput(mode, true);
    if ((directions & EV_WRITE) !== 0) done = this.#processOutput(mode, true) || done;
    // A transform may have closed us.
    return !this.#closed && this.underlying.flush(directions, mode) || done;
  }

  /**
   * Runs the output transform for the last time, and closes once the connection underneath has sent everything; with
   * `keepOpen` as soon as that connection has got it.
   */
  override closeAfterFlush(): void {
    if (this.#closed) return;
    if (this.#makesOutput) return this.#soon(() => this.closeAfterFlush());
    try {
      if (!this.#closing) {
        this.#closing = true;
        this.retire();
        this.#finish();
      }
    } finally {
      this.#closeIfDone();
    }
  }

  /** For what the output transform itself asks for, or a callback on its buffers: what is being made comes before the end. */
  #soon(callback: () => void): void {
    new Deferred(this.base, this.priority, callback).schedule();
  }

  /** Runs the output transform for the last time, unless that has been done: what it adds to the end is not wanted twice. */
  #finish(): void {
    if (!this.#finished) this.#processOutput(BEV_FINISHED, true);
  }

  /** There is a new stream underneath, with an end of its own. */
  #renew(): void {
    this.#finished = false;
    this.streamBegun(!this.underlying.isConnected);
  }

  /** Goes on with closing, which waits for what is to be told, and then for what is to be sent underneath. */
  #closeIfDone(): void {
    if (this.#closed || !this.#closing) return;
    if (!this.#keepOpen && !this.is(SENDING_FAILED)) this.underlying.closeAfterFlush();
    else if (!this.hasUntold) this.close();
  }

  /** What was still to be told may have kept it from closing. */
  protected override runDeferredCalls(): void {
    try {
      super.runDeferredCalls();
    } finally {
      this.#closeIfDone();
    }
  }

  /** Runs the output transform for the last time, and has the connection underneath end once it has sent everything. */
  override endWriting(): void {
    if (this.#closed) return;
    if (this.#makesOutput) return this.#soon(() => this.endWriting());
    this.#finish();
    const { underlying } = this;
    if (underlying.queuedBytes === 0) return underlying.endWriting();
    // From the loop, which knows whom to tell of what a transform underneath may throw.
    const end = new Deferred(this.base, this.priority, () => underlying.endWriting());
    underlying.flushed().then(() => end.schedule(), () => {});
  }

  /** Closes at once, the connection underneath too unless it is to be kept. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readTimer.close();
    this.#writeTimer.close();
    const { underlying } = this;
    if (underlying.whenClosed === this.#closeToo) underlying.whenClosed = null;
    if (underlying.whenOutputShrank === this.#shrinkToo) underlying.whenOutputShrank = null;
    if (underlying.isHeldOpen === this.#holdOpen) underlying.isHeldOpen = null;
    underlying.output.removeCallback(this.#drainEntry);
    if (underlying.getCallbacks() === this.#below) underlying.setCallbacks({});
    try {
      this.release();
    } finally {
      try {
        if (this.#keepOpen) underlying.resume(EV_READ, SUSPEND_FILTER);
        else underlying.close();
      } finally {
        this.#onClose?.();
      }
    }
  }

  /** Brings the connection underneath in line with what is wanted here, and goes on with what has waited for it. */
  protected override update(): void {
    if (this.#closed) return;
    if (this.readRuns) this.underlying.resume(EV_READ, SUSPEND_FILTER);
    else this.underlying.suspend(EV_READ, SUSPEND_FILTER);
    this.#updateTimers();
    // Both may have been left lying while they were not wanted. Whoever called us does not expect to be called back.
    if (this.underlying.input.length > 0) this.#processInput(BEV_NORMAL, true);
    this.#processOutput(BEV_NORMAL, true);
  }

  #updateTimers(): void {
    this.#readTimer.update(this.readRuns, this.readTimeoutMs);
    // What the connection underneath has got is not sent yet.
    const queued = this.output.length + this.underlying.output.length > 0;
    this.#writeTimer.update(this.writeRuns && queued, this.writeTimeoutMs);
  }

  /** Makes input out of what has come underneath; returns whether something was done. */
  #processInput(mode: number, defer: boolean): boolean {
    const { underlying, input } = this;
    if (this.#closed || this.#makesInput || (mode === BEV_NORMAL && !this.readRuns)) return false;
    const lengthBefore = input.length;
    let result = BEV_OK;
    let done = false;
    this.#makesInput = true;
    input.unfreezeBack();
    try {
      for (let moving = true; moving;) {
        const left = underlying.input.length;
        const grown = input.length;
        const limit = mode === BEV_NORMAL ? this.inputRoom : Infinity;
        result = this.#transformInput(underlying.input, input, limit, mode);
        if (this.#closed) return true;
        // Neither fewer nor more bytes: a transform that calls this a success would do so for ever.
        const progress = underlying.input.length !== left || input.length !== grown;
        done ||= progress;
        moving = progress && result === BEV_OK && underlying.input.length > 0 && (mode !== BEV_NORMAL || this.readRuns);
      }
    } finally {
      this.#makesInput = false;
      input.freezeBack();
      if (done) this.#readTimer.restart();
      // Also of what came about before a transform has thrown.
      if (!this.#closed && input.length > lengthBefore) this.inputGrew(defer);
    }
    if (result === BEV_ERROR) this.#giveUp(EV_READ, BEV_EVENT_READING);
    return done;
  }

  /** Makes output for underneath out of what is queued; returns whether something was done. */
  #processOutput(mode: number, defer: boolean): boolean {
    const { output, underlying } = this;
    if (this.#closed || this.#makesOutput) return false;
    if (mode === BEV_NORMAL && (!this.writeRuns || output.length === 0 || underlying.outputFull)) return false;
    const queued = output.length;
    let result = BEV_OK;
    let done = false;
    this.#makesOutput = true;
    output.unfreezeFront();
    try {
      for (let moving = true; moving;) {
        const left = output.length;
        const grown = underlying.output.length;
        const limit = mode === BEV_NORMAL ? underlying.outputRoom : Infinity;
        result = this.#transformOutput(output, underlying.output, limit, mode);
        if (this.#closed) return true;
        const progress = output.length !== left || underlying.output.length !== grown;
        done ||= progress;
        moving = progress && result === BEV_OK && output.length > 0 &&
          (mode !== BEV_NORMAL || (this.writeRuns && !underlying.outputFull));
      }
      if (mode === BEV_FINISHED) this.#finished = output.length === 0;
    } finally {
      this.#makesOutput = false;
      output.freezeFront();
      // Also of what was taken before a transform has thrown.
      if (!this.#closed) this.#outputTaken(done || output.length !== queued, result !== BEV_ERROR, defer);
    }
    if (result === BEV_ERROR) this.#giveUp(EV_WRITE, BEV_EVENT_WRITING);
    return done;
  }

  #outputTaken(isProgress: boolean, tells: boolean, defer: boolean): void {
    if (isProgress) this.#writeTimer.restart();
    this.#updateTimers();
    if (!isProgress || !tells || this.output.length > this.writeMark.low) return;
    // The last write is not told of.
    if (this.#closing) this.outputShrank();
    else this.callWrite(defer);
  }

  /** A transform can do no more: its direction ends, which is told from the loop. */
  #giveUp(direction: number, what: number): void {
    this.error = null;
    this.enabledBits &= ~direction;
    this.callEvent(BEV_EVENT_ERROR | what, true);
    this.update();
  }

  /** Something has happened underneath. */
  #passOn(what: number): void {
    if ((what & BEV_EVENT_EOF) !== 0 && (what & BEV_EVENT_READING) !== 0) {
      // Data comes before the end, also what the transform has held back until then.
      this.#processInput(BEV_FINISHED, this.deferAll);
      if (this.#closed) return;
    }
    if ((what & BEV_EVENT_ERROR) !== 0) this.error = this.underlying.error;
    this.callEvent(what);
  }

  #writeTimedOut(): void {
    try {
      this.timedOut(EV_WRITE);
    } finally {
      this.#closeIfDone();
    }
  }
}
