import { FEATURE_EARLY_CLOSE } from "../backends/mod.ts";
import { allocate, os, recv, systemError } from "../ffi/mod.ts";
import { SocketSendingNow } from "./bufferevent_sending_now.ts";
import * as facts from "./connection_state.ts";
import * as constants from "./constants.ts";
import { type EventCallback, LoopEvent } from "./event.ts";
import { READ_MAX } from "./flow_settings.ts";
import { watch } from "./watch.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_PEER_CLOSED,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  EV_CLOSED,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
} = constants;
const { CONNECTING, PEER_CLOSE_TOLD, PEER_CLOSE_WANTED, READ_TIMEOUT_NEW, READ_WATCHED, READS_MUCH } = facts;

/** A read that brings at least so much, and all that it may, is not likely to be the last of its kind. */
const MUCH = 4096;

/** After so many bytes of one connection the others have their turn, however much more there is; as many are sent in one go. */
const TURN_BYTES = 256 * 1024;

const { EAGAIN, EINTR } = os.errno as Record<string, number>;
const { MSG_PEEK } = os.constants;

/** What is looked at, which nobody wants to know. */
const peeked = allocate(1);

/**
 * The receiving half of a {@linkcode SocketBufferEvent}: what has come is read once per readiness, into memory that all
 * connections share, and handed on from there; where much keeps coming it is read several times, and stays where the kernel has
 * put it. The end of the stream is heard of, on request also out of turn.
 */
export abstract class SocketReading extends SocketSendingNow {
  // The callbacks of all connections: closures would be two more objects for each of them.
  static readonly #readable: EventCallback = (what, event) => {
    const connection = event.owner as SocketReading;
    const isInner = connection.beginCallback();
    try {
      connection.#onReadable(what);
    } finally {
      connection.endCallback(isInner);
    }
  };

  /** Waits for readability; null without a socket. */
  protected override readEvent: LoopEvent | null = null;

  /** Waits for the end of the stream out of turn; null until somebody wants to know. */
  protected get closeEvent(): LoopEvent | null {
    return this.extras === null ? null : this.extras.closeEvent;
  }

  /**
   * Asks to be told when the peer closes its sending side or is gone, even while reading is disabled or suspended and data lies
   * unread before that end: the event callback gets `BEV_EVENT_PEER_CLOSED`, once per socket, and not after
   * `BEV_EVENT_EOF`. Nothing is changed by it; what was received can still be read, and a peer that has only finished sending
   * still reads.
   *
   * @param on false: no longer.
   * @returns whether it will be told: not where the backend has no FEATURE_EARLY_CLOSE.
   */
  watchPeerClose(on: boolean = true): boolean {
    this.mark(PEER_CLOSE_WANTED, on && (this.base.features & FEATURE_EARLY_CLOSE) !== 0);
    this.#watchClose();
    return this.is(PEER_CLOSE_WANTED);
  }

  /** @internal */
  override keepLoop(on: boolean): void {
    if (this.readEvent !== null) this.reactor.keepLoop(this.readEvent, on);
  }

  /** @internal */
  override lookAhead(): number {
    const result = recv(this.socketFd, peeked, 1, MSG_PEEK);
    return result > 0 ? 1 : result === -EAGAIN! || result === -EINTR! ? 0 : -1;
  }

  /** @internal Reads what has come, as if the loop had told of it. */
  readAhead(): void {
    if (this.is(READ_WATCHED)) SocketReading.#readable(EV_READ, this.readEvent!);
  }

  /** Makes the events of a descriptor. */
  protected openEvents(fd: number): void {
    const event = new LoopEvent(this.base, fd, EV_READ | EV_PERSIST, SocketReading.#readable);
    event.owner = this;
    event.level = this.priority;
    this.readEvent = event;
    this.mark(PEER_CLOSE_TOLD, false);
  }

  /** Gives up the events of the descriptor, which may be closed then. */
  protected override closeEvents(): void {
    this.readEvent?.close();
    this.writeEvent?.close();
    this.closeEvent?.close();
    this.readEvent = null;
    if (this.extras !== null) this.extras.writeEvent = this.extras.closeEvent = null;
    this.mark(READ_WATCHED, false);
  }

  /** Brings the pending events in line with what is enabled, suspended and queued. */
  protected override update(): void {
    // Nothing is waited for on a base that is closed; what is there already can still be taken.
    if (this.closed || this.socketFd < 0 || this.reactor.closed) return;
    const reading = this.readRuns && !this.is(CONNECTING);
    if (reading !== this.is(READ_WATCHED) || (reading && this.is(READ_TIMEOUT_NEW))) {
      this.#watchRead(reading);
    }
    if (this.is(PEER_CLOSE_WANTED)) this.#watchClose();
    this.updateWriting();
  }

  #watchRead(on: boolean): void {
    this.mark(READ_TIMEOUT_NEW, false);
    const error = watch(this.readEvent!, on, this.readTimeoutMs);
    this.mark(READ_WATCHED, on && error === null);
    if (error === null) return;
    this.enabledBits &= ~EV_READ;
    this.tellSoon(error, BEV_EVENT_ERROR | BEV_EVENT_READING);
  }

  #watchClose(): void {
    if (this.socketFd < 0) return;
    const on = this.is(PEER_CLOSE_WANTED) && !this.is(PEER_CLOSE_TOLD | CONNECTING);
    if (!on) {
      this.closeEvent?.delete();
      return;
    }
    let event = this.closeEvent;
    if (event === null) {
      event = new LoopEvent(this.base, this.socketFd, EV_CLOSED, () => this.guard(0, this.#onPeerClosed));
      event.level = this.priority;
      this.needExtras().closeEvent = event;
    } else if (event.pending(EV_CLOSED) !== 0) {
      return;
    }
    const error = watch(event, true);
    if (error === null) return;
    this.mark(PEER_CLOSE_WANTED, false);
    this.tellSoon(error, BEV_EVENT_ERROR | BEV_EVENT_READING);
  }

  #onPeerClosed(): void {
    this.mark(PEER_CLOSE_TOLD, true);
    this.tell(BEV_EVENT_PEER_CLOSED);
  }

  #onReadable(what: number): void {
    // Together with readiness a timeout counts for nothing: the data came in time to be read.
    if (what === EV_TIMEOUT) {
      this.disable(EV_READ);
      this.tell(BEV_EVENT_TIMEOUT | BEV_EVENT_READING);
      return;
    }
    const event = this.readEvent;
    let rest = TURN_BYTES;
    do rest -= this.#readOnce(); while (rest > 0 && this.readEvent === event && this.#readsOn());
  }

  /**
   * Whether more is read before the loop looks at the descriptors again. It saves that look, and above all what the callbacks queue leaves
   * in one call instead of many: a proxy takes a quarter less processor time.
   */
  #readsOn(): boolean {
    if (!this.is(READS_MUCH) || !this.is(READ_WATCHED) || this.sink !== null || this.rates !== null) return false;
    // Whoever wants small reads wants the others to have their turn after each.
    if (this.readMax < READ_MAX) return false;
    // Whoever awaits data asks for more only later, and what is to be called from the loop must not find more than one read has brought.
    if (this.callbacks.read === undefined || this.callsPending) return false;
    const { breakAsked, continueAsked } = this.reactor;
    return !breakAsked && !continueAsked;
  }

  /** Reads once. Returns how many bytes came, if more are likely to be there, and else Infinity. */
  #readOnce(): number {
    const room = this.rates === null && this.readMark.high === 0 ? this.readMax : this.#limitedRoom();
    if (this.is(READS_MUCH) && this.sink === null) return this.#readMuch(room);
    const slab = this.reactor.readSlab;
    const received = slab.receive(this.socketFd, room);
    if (received <= 0) return this.#receivedNone(received);
    const isMuch = received === room && received >= MUCH;
    if (isMuch) this.mark(READS_MUCH, true);
    if (this.rates !== null) this.rates.charge(EV_READ, received);
    this.#deliver(slab.bytes, slab.start, slab.end);
    return isMuch ? received : Infinity;
  }

  /** How many bytes the next read may bring by the rate limits and the high watermark: one at least, since none would pass for the end. */
  #limitedRoom(): number {
    return Math.max(1, Math.min(this.maxToRead, this.inputRoom));
  }

  /**
   * Reads without copying, once reads bring all they may: a copy of 64 KiB takes a fifth to a third of the time that a proxy spends on
   * them.
   */
  #readMuch(room: number): number {
    const { input } = this;
    const before = input.length;
    let received = 0;
    input.unfreezeBack();
    try {
      received = input.receiveFrom(this.socketFd, room);
    } finally {
      input.freezeBack();
      // A callback on the input may have thrown: what came has come all the same.
      if (received === 0) received = input.length - before;
      if (received > 0) this.#muchCame(received);
    }
    if (received <= 0) return this.#receivedNone(received);
    return received === room ? received : Infinity;
  }

  #muchCame(received: number): void {
    if (received < MUCH) this.mark(READS_MUCH, false);
    if (this.rates !== null) this.rates.charge(EV_READ, received);
    this.inputGrew();
  }

  /** The stream has ended, has failed, or there was nothing to read after all. In any case there is no more: Infinity. */
  #receivedNone(received: number): number {
    if (received === 0) {
      this.#endReading();
      this.tell(BEV_EVENT_EOF | BEV_EVENT_READING);
    } else if (received !== -EAGAIN! && received !== -EINTR!) {
      this.#endReading();
      this.fail(systemError(received, "recv", "read from the connection"), BEV_EVENT_READING);
    }
    return Infinity;
  }

  #endReading(): void {
    this.mark(PEER_CLOSE_TOLD, true);
    this.disable(EV_READ);
  }

  #deliver(bytes: Uint8Array, start: number, end: number): void {
    const { sink } = this;
    if (sink !== null) {
      sink.receive(bytes, start, end);
      if (sink.keepsNothing === true) this.reactor.readSlab.reuse(bytes, start, end);
      return;
    }
    const { input } = this;
    input.unfreezeBack();
    try {
      input.addSlice(bytes, start, end);
    } finally {
      input.freezeBack();
      // Unless a callback on the input has read something else, which somebody may keep.
      this.reactor.readSlab.reuse(bytes, start, end);
      // Whatever a callback on the input may have thrown.
      this.inputGrew();
    }
  }
}
