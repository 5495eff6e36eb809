import { BufferEvent } from "./bufferevent.ts";
import { SENDING_FAILED } from "./connection_state.ts";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_READING,
  BEV_EVENT_WRITING,
  BEV_FINISHED,
  BEV_NORMAL,
  EV_READ,
  EV_WRITE,
} from "./constants.ts";
import { Deferred } from "./deferred.ts";
import type { EventBase } from "./event_base.ts";
import { InactivityTimer } from "./inactivity_timer.ts";

/**
 * One end of a connection that never leaves the process (libevent's bufferevent_pair): what is written to one end is read
 * from the other, without a copy and without a system call. For tests, and for parts of a program that talk to each other
 * as if over a network.
 *
 * Data moves as soon as one end is writing, the other reading and below its high watermark. All callbacks are deferred.
 * Closing an end tells the other one of the end of the stream; promises that wait for its output are rejected.
 *
 * @example A service that answers in capitals
 * ```ts
 * import { EV_READ, EventBase, PairBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const [client, service] = PairBufferEvent.create(base);
 * service.setCallbacks({ read: (end) => end.write(end.input.takeText().toUpperCase()) });
 * service.enable(EV_READ);
 * client.setCallbacks({ read: (end) => console.log(end.input.takeText()) }); // HELLO
 * client.enable(EV_READ);
 * client.write("hello");
 * base.dispatch();
 * ```
 */
export class PairBufferEvent extends BufferEvent {
  #partner: PairBufferEvent | null = null;
  readonly #readTimer: InactivityTimer;
  readonly #writeTimer: InactivityTimer;
  #closed = false;
  #closing = false;
  // Its input is being filled, which may suspend reading at the high watermark: nothing else is to move before that is told.
  #filling = false;
  // Goes on with what a rate limit let move in part.
  #again: Deferred | null = null;
  // The partner was closed, and that is to be told as soon as we are reading.
  #endUntold = false;
  // It has said that it writes no more, and that was told.
  #isEndTold = false;

  private constructor(base: EventBase) {
    super(base, { deferCallbacks: true });
    this.#readTimer = new InactivityTimer(base, () => this.timedOut(EV_READ));
    this.#writeTimer = new InactivityTimer(base, () => this.timedOut(EV_WRITE));
  }

  /** Makes two ends that are connected to each other (bufferevent_pair_new). */
  static create(base: EventBase): [PairBufferEvent, PairBufferEvent] {
    const one = new PairBufferEvent(base);
    const other = new PairBufferEvent(base);
    one.#partner = other;
    other.#partner = one;
    return [one, other];
  }

  /** @internal What is queued moves on. */
  protected override outputChanged(added: number): void {
    if (added > 0) return this.update();
    this.outputShrank();
    // What is being passed on sees to the rest when it has arrived.
    if (this.#partner !== null && this.#partner.#filling) return;
    // Drained by hand: there is nothing to wait for.
    this.#updateTimers();
    this.#closeIfFlushed();
  }

  /** The other end; null once either of them is closed (bufferevent_pair_get_partner). */
  get partner(): PairBufferEvent | null {
    return this.#partner;
  }

  /** Whether this end was closed. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** @internal */
  override lookAhead(): number {
    const partner = this.#partner;
    if (this.inputLength > 0 || (partner !== null && partner.outputLength > 0)) return 1;
    return partner === null ? -1 : 0;
  }

  /**
   * Moves what is queued to the other end (`EV_WRITE`), and what the other end has queued to this one (`EV_READ`). With
   * `BEV_NORMAL` only what would move anyway; else all of it, whatever is enabled, suspended or full.
   * `BEV_FINISHED` tells the other end of the end of the stream after that.
   */
  override flush(directions: number = EV_WRITE, mode: number = BEV_NORMAL): boolean {
    const partner = this.#partner;
    if (partner === null) return false;
    const force = mode !== BEV_NORMAL;
    let moved = false;
    if ((directions & EV_READ) !== 0) moved = partner.#pass(force);
    if ((directions & EV_WRITE) !== 0) moved = this.#pass(force) || moved;
    if (mode === BEV_FINISHED) {
      // What is no longer written here was being read there.
      const read = (directions & EV_WRITE) === 0 ? 0 : BEV_EVENT_READING;
      const written = (directions & EV_READ) === 0 ? 0 : BEV_EVENT_WRITING;
      if (read !== 0) partner.#isEndTold = true;
      partner.callEvent(BEV_EVENT_EOF | read | written);
    }
    return moved;
  }

  /** Closes once the other end has got everything, or is closed itself, or has taken nothing within the write timeout. */
  override closeAfterFlush(): void {
    this.#closing = true;
    this.retire();
    this.#closeIfFlushed();
  }

  /** Closes this end at once; what is still queued is lost. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readTimer.close();
    this.#writeTimer.close();
    this.#again?.cancel();
    const partner = this.#partner;
    this.#partner = null;
    try {
      this.release();
    } finally {
      if (partner !== null) partner.#partnerClosed();
    }
  }

  #partnerClosed(): void {
    this.#partner = null;
    this.#endUntold = true;
    this.endOutput();
    this.update();
    this.#closeIfFlushed();
  }

  #closeIfFlushed(): void {
    if (!this.#closing || this.hasUntold) return;
    if (this.output.length === 0 || this.#partner === null || this.is(SENDING_FAILED)) this.close();
  }

  /** What was still to be told may have kept it from closing. */
  protected override runDeferredCalls(): void {
    try {
      super.runDeferredCalls();
    } finally {
      this.#closeIfFlushed();
    }
  }

  /** Moves what can be moved now, either way. */
  protected override update(): void {
    if (this.#closed || this.#filling) return;
    const partner = this.#partner;
    if (partner !== null) {
      partner.#pass(false);
      this.#pass(false);
    } else if (this.#endUntold && this.readRuns) {
      this.#endUntold = false;
      this.enabledBits &= ~EV_READ;
      if (!this.#isEndTold) this.callEvent(BEV_EVENT_EOF | BEV_EVENT_READING);
    }
    this.#updateTimers();
  }

  #updateTimers(): void {
    if (this.#closed) return;
    this.#readTimer.update(this.readRuns, this.readTimeoutMs);
    this.#writeTimer.update(this.writeRuns && this.output.length > 0, this.writeTimeoutMs);
  }

  /** Moves our output to the partner's input, as much as `force` or both sides' state allow; returns whether there was any. */
  #pass(force: boolean): boolean {
    const partner = this.#partner;
    if (partner === null || this.output.length === 0) return false;
    let count = Infinity;
    if (!force) {
      if (!this.writeRuns || !partner.readRuns) return false;
      count = partner.inputRoom;
      if (this.rates !== null) count = Math.min(count, this.rates.writeAllowance(Infinity));
      if (partner.rates !== null) count = Math.min(count, partner.rates.readAllowance(Infinity));
      if (count <= 0) return false;
    }
    const moved = Math.min(count, this.output.length);
    this.output.unfreezeFront();
    partner.input.unfreezeBack();
    partner.#filling = true;
    try {
      this.output.removeBuffer(partner.input, moved);
    } finally {
      partner.#filling = false;
      partner.input.freezeBack();
      this.output.freezeFront();
      // Also when a callback on one of the buffers has thrown.
      this.#passed(partner, moved);
    }
    // Where the other end is full, or a limit used up, it goes on when that has changed.
    if (count !== Infinity && this.output.length > 0 && this.writeRuns && partner.readRuns) this.#passOnLater();
    return true;
  }

  /** A share of a group's limit is not all of it: there may be more once the other members have had their turn. */
  #passOnLater(): void {
    this.#again ??= new Deferred(this.base, this.priority, () => this.update());
    this.#again.schedule();
  }

  /** So many bytes have moved to the partner. */
  #passed(partner: PairBufferEvent, moved: number): void {
    this.rates?.charge(EV_WRITE, moved);
    partner.rates?.charge(EV_READ, moved);
    partner.#isEndTold = false;
    partner.#readTimer.restart();
    this.#writeTimer.restart();
    this.#updateTimers();
    partner.#updateTimers();
    partner.inputGrew();
    if (this.#closing) this.#closeIfFlushed();
    else if (this.output.length <= this.writeMark.low) this.callWrite();
  }
}
