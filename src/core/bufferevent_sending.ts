import { close, os, shutdown, type SystemError, systemError } from "../ffi/mod.ts";
import { NO_CALLBACKS } from "./bufferevent.ts";
import type { ConnectionFailure } from "./bufferevent_callbacks.ts";
import type { SocketBufferEventOptions } from "./bufferevent_options.ts";
import { SocketStaging } from "./bufferevent_staging.ts";
import { DetachedMemoryError } from "./chain.ts";
import { ConnectionError } from "./connection_error.ts";
import * as facts from "./connection_state.ts";
import * as constants from "./constants.ts";
import { Deferred } from "./deferred.ts";
import { type EventCallback, LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";
import { watch } from "./watch.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { BEV_EVENT_ERROR, BEV_EVENT_TIMEOUT, BEV_EVENT_WRITING, EV_PERSIST, EV_TIMEOUT, EV_WRITE } = constants;
const {
  CLOSED,
  CLOSING,
  CONNECTING,
  ENDS_WRITING,
  IN_CALLBACK,
  KEEPS_OPEN,
  OWNS_SOCKET,
  SENDING,
  SENDING_FAILED,
  WRITE_TIMEOUT_NEW,
  WRITE_WATCHED,
} = facts;

const { EAGAIN, EINTR } = os.errno as Record<string, number>;
const { SHUT_WR } = os.constants;

/** What takes longer to send than this many bytes gains nothing by waiting for others. */
const TOGETHER_MAX = 16 * 1024;
/** What ends when all has been sent. */
const ENDS_BY_SENDING = CLOSING | ENDS_WRITING | WRITE_WATCHED;

/**
 * The sending half of a {@linkcode SocketBufferEvent}: what is queued leaves at the end of the callback that queued it, or a little later
 * where the sink `sendsTogether`; the loop watches for writability only after the kernel would take no more, and a connect is finished the
 * same way.
 */
export abstract class SocketSending extends SocketStaging {
  /** Waits for readability; null without a socket. */
  protected abstract readEvent: LoopEvent | null;
  static readonly #writable: EventCallback = (what, event) => {
    const connection = event.owner as SocketSending;
    connection.guard(what, connection.onWritable);
  };

  /** Makes one without a socket. */
  constructor(base: EventBase, options: SocketBufferEventOptions) {
    super(base, options);
    this.mark(KEEPS_OPEN, options.keepOpen === true);
    if (options.maxSingleRead !== undefined) this.maxSingleRead = options.maxSingleRead;
    if (options.maxSingleWrite !== undefined) this.maxSingleWrite = options.maxSingleWrite;
  }

  /** Whether {@linkcode SocketSending.close} was called. */
  override get closed(): boolean {
    return this.is(CLOSED);
  }

  /** Sends what is queued as far as the kernel takes it now, whatever the arguments; returns whether it took any. */
  override flush(_directions?: number, _mode?: number): boolean {
    if (this.is(CLOSED | CONNECTING) || this.socketFd < 0) return false;
    return (this.#sentAhead > 0 || (this.writeRuns && this.outputLength > 0)) && this.#send();
  }

  /** How much has left past the output, and is still to be told of. */
  get #sentAhead(): number {
    return this.extras === null ? 0 : this.extras.sentAhead;
  }

  /** @internal Something was queued or sent, or drained by hand. */
  protected override outputChanged(added: number): void {
    if (added > 0) return this.flushSoon();
    // What is dropped because it will never be sent is told as that.
    if (!this.is(SENDING_FAILED)) this.outputShrank();
    if (this.is(WRITE_WATCHED) && !this.is(CONNECTING) && this.outputLength === 0) this.#outputEmptied();
    if (this.is(ENDS_WRITING)) this.endIfSent();
  }

  /** Sends what is queued at the end of the running callback, or with the next turn. */
  flushSoon(): void {
    if (!this.is(IN_CALLBACK | WRITE_WATCHED | CONNECTING | CLOSED)) this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    const extras = this.needExtras();
    extras.flush ??= new Deferred(this.base, this.priority, () => this.#sendQueued());
    extras.flush.schedule();
  }

  /** As {@linkcode BufferEvent.closeAfterFlush}. */
  override closeAfterFlush(): void {
    if (this.is(CLOSED)) return;
    this.mark(CLOSING, true);
    this.retire();
    if (this.#isFlushed()) this.close();
    else if (!this.is(IN_CALLBACK)) this.#scheduleFlush();
  }

  /** @internal As {@linkcode BufferEvent.sendLast}: what was queued by a callback that has ended leaves first. */
  override sendLast(): boolean {
    if (this.outputLength === 0) return false;
    this.callbacks = NO_CALLBACKS;
    return this.reactor.flushBatch.hurry(this) && this.outputLength === 0 && !this.is(SENDING_FAILED);
  }

  /** Closes at once, the socket too unless it is to be kept, and calls back no more. Closing twice is harmless. */
  override close(): void {
    this.sendLast();
    if (this.is(CLOSED)) return;
    this.mark(CLOSED, true);
    this.flushCallback?.cancel();
    this.closeEvents();
    if (this.socketFd >= 0 && !this.is(KEEPS_OPEN)) close(this.socketFd);
    this.socketFd = -1;
    this.release();
  }

  /** Gives up the events of the descriptor, which may be closed then. */
  protected abstract closeEvents(): void;

  /** Forgets what was under way on a descriptor that is given up. */
  protected forgetSending(): void {
    if (this.extras !== null) this.extras.sentAhead = this.extras.failureAhead = 0;
    this.mark(CONNECTING | ENDS_WRITING | OWNS_SOCKET | SENDING_FAILED | WRITE_WATCHED, false);
  }

  /** Waits for writability; null until the kernel has taken no more for the first time. */
  protected get writeEvent(): LoopEvent | null {
    return this.extras === null ? null : this.extras.writeEvent;
  }

  /** The queue in which queued output waits to be sent. */
  protected get flushCallback(): Deferred | null {
    return this.extras === null ? null : this.extras.flush;
  }

  /** Brings the write event in line with what is enabled, suspended and queued. */
  protected updateWriting(): void {
    if ((this.enabledBits & EV_WRITE) !== 0) this.mark(SENDING_FAILED, false);
    const writing = this.is(CONNECTING) || (this.is(WRITE_WATCHED) && this.outputLength > 0 && this.writeRuns);
    if (writing !== this.is(WRITE_WATCHED) || (writing && this.is(WRITE_TIMEOUT_NEW))) {
      this.watchWrite(writing);
    }
    if (!writing && this.outputLength > 0 && this.writeRuns) this.flushSoon();
  }

  /** Watches for writability, or no longer. */
  protected watchWrite(on: boolean): void {
    // The descriptor may just have been given up, or the base; and most connections never have to wait for writability.
    if (this.socketFd < 0 || this.reactor.closed || (this.writeEvent === null && !on)) return;
    const event = this.needExtras().writeEvent ??= this.#openWriteEvent();
    this.mark(WRITE_TIMEOUT_NEW, false);
    const error = watch(event, on, this.writeTimeoutMs);
    this.mark(WRITE_WATCHED, on && error === null);
    if (error === null) return;
    this.tellSoon(error, BEV_EVENT_ERROR | (this.is(CONNECTING) ? 0 : BEV_EVENT_WRITING));
    this.giveUpSending();
  }

  #openWriteEvent(): LoopEvent {
    const event = new LoopEvent(this.base, this.socketFd, EV_WRITE | EV_PERSIST, SocketSending.#writable);
    event.owner = this;
    event.level = this.priority;
    return event;
  }

  /** Tells of a descriptor that cannot be watched from the loop, never from inside the call that met it. */
  protected tellSoon(error: SystemError, what: number): void {
    this.error = error;
    this.callEvent(what, true);
  }

  /** Runs a handler of ours, then sends what its callbacks have queued. */
  protected guard(what: number, handler: (this: this, what: number) => void): void {
    const isInner = this.beginCallback();
    try {
      handler.call(this, what);
    } finally {
      this.endCallback(isInner);
    }
  }

  /** What callbacks queue from now on is sent when they end. Returns whether that was so already. */
  protected beginCallback(): boolean {
    const isInner = this.is(IN_CALLBACK);
    this.mark(IN_CALLBACK, true);
    return isInner;
  }

  /** They have ended, whatever they have thrown. */
  protected endCallback(isInner: boolean): void {
    this.mark(IN_CALLBACK, isInner);
    this.#sendQueued();
  }

  /** What deferred callbacks queue is sent when they end, too. */
  protected override runDeferredCalls(): void {
    const isInner = this.beginCallback();
    try {
      super.runDeferredCalls();
    } finally {
      this.endCallback(isInner);
    }
  }

  /** Sends what was queued, or lets it leave together with that of others. */
  #sendQueued(): void {
    if (this.#maySendTogether()) this.reactor.flushBatch.add(this);
    else this.sendBatched();
  }

  #maySendTogether(): boolean {
    const { sink, outputLength } = this;
    return sink !== null && sink.sendsTogether === true && outputLength > 0 && outputLength <= TOGETHER_MAX &&
      !this.is(CLOSING | CLOSED | WRITE_WATCHED);
  }

  /** @internal Sends what was queued, and closes if that was asked for, whatever a callback may have thrown. */
  sendBatched(): void {
    try {
      if (!this.is(WRITE_WATCHED)) this.flush();
      // What cannot leave now waits in the output.
      this.unstage();
    } finally {
      if (this.is(CLOSING) && this.#isFlushed()) this.close();
    }
  }

  /** Whether nothing is left to be sent or told, or it never will be sent. */
  #isFlushed(): boolean {
    return !this.is(CONNECTING) && !this.hasUntold && (this.outputLength === 0 || this.is(SENDING_FAILED));
  }

  /** All was sent, or drained by hand: without data there is nothing to wait for, and no timeout runs. */
  #outputEmptied(): void {
    this.watchWrite(false);
    if (this.is(CLOSING)) this.#scheduleFlush();
  }

  /** A connect that was under way has ended. */
  protected abstract finishConnect(): void;

  /** The socket is writable, a connect has ended, or neither happened in time. */
  protected onWritable(what: number): void {
    if (what === EV_TIMEOUT) {
      this.giveUpSending();
      this.tell(BEV_EVENT_TIMEOUT | BEV_EVENT_WRITING);
    } else if (this.is(CONNECTING)) {
      this.finishConnect();
    } else {
      this.#send();
    }
  }

  /** Nothing can be sent any more, and a connect that is under way has failed. */
  protected giveUpSending(): void {
    this.watchWrite(false);
    this.enabledBits &= ~EV_WRITE;
    this.mark(SENDING_FAILED, true);
    if (!this.is(CONNECTING)) return;
    this.mark(CONNECTING | ENDS_WRITING, false);
    if (!this.is(OWNS_SOCKET)) return;
    // A socket whose connect has failed is of no more use: Linux answers the next one ECONNABORTED, and reading finds an end.
    this.closeEvents();
    close(this.socketFd);
    this.socketFd = -1;
  }

  /** Sends until the kernel takes no more, all is sent, or others should have their turn. Returns whether any was sent. */
  #send(): boolean {
    // Asked for by a callback on the buffer, whose change is part of what is being sent.
    if (this.is(SENDING)) return false;
    const { extras, staged } = this;
    let sent = 0;
    if ((extras === null || extras.sendsPlainly) && this.writeRuns) {
      // Nearly always that is all.
      const length = this.outputLength;
      sent = staged !== null ? this.sendStaged(staged) : this.output.sendLone(this.socketFd, this.writeMax);
      if (sent === length && length > 0) {
        if (this.is(ENDS_BY_SENDING)) this.#sent(this.socketFd, sent);
        else this.callWrite();
        return true;
      }
    }
    return this.#sendOn(sent);
  }

  /** Goes on sending, after `sent` bytes, or what the kernel has said instead as `-errno`. */
  #sendOn(sent: number): boolean {
    const { output, socketFd: fd, extras } = this;
    let total = Math.max(0, sent);
    let ahead = Math.min(0, sent);
    const isPart = total > 0;
    let budget = (this.rates === null ? this.writeMax : this.maxToWrite) - total;
    if (extras !== null) {
      total += extras.sentAhead;
      if (ahead === 0) ahead = extras.failureAhead;
      extras.sentAhead = 0;
    }
    let failure: ConnectionFailure | null = null;
    // What was queued before the call that is under way.
    let before = 0;
    this.mark(SENDING, true);
    output.unfreezeFront();
    try {
      // Of the rest the buffer tells.
      if (isPart) this.outputShrank();
      // A callback on the buffer may close the connection, take its descriptor away, or disable writing.
      while (budget > 0 && output.length > 0 && this.socketFd === fd && this.writeRuns) {
        before = output.length;
        const sent = ahead < 0 ? ahead : output.sendTo(fd, budget);
        if (ahead < 0 && extras !== null) extras.failureAhead = 0;
        before = 0;
        if (sent < 0) {
          // Interrupted for ever would be a loop without end: the next turn tries again.
          if (sent !== -EAGAIN! && sent !== -EINTR!) failure = systemError(sent, "write", "write to the connection");
          break;
        }
        total += sent;
        budget -= sent;
      }
    } catch (error) {
      // Not a callback's: nobody can send what is gone, and no waiting brings it back.
      if (!(error instanceof DetachedMemoryError) || output.length !== before) throw error;
      failure = new ConnectionError(
        "DETACHED",
        "Cannot write to the connection: memory added by reference was detached",
      );
    } finally {
      output.freezeFront();
      this.mark(SENDING, false);
      // Also when such a callback has thrown: what it was told of has left.
      if (before !== 0) total += Math.max(0, before - output.length);
      if (failure !== null) this.#sendingFailed(failure);
      else this.#sent(fd, total);
    }
    return total > 0;
  }

  /** So many bytes have been sent. */
  #sent(fd: number, total: number): void {
    const { output } = this;
    // May suspend writing.
    if (this.rates !== null && total > 0) this.rates.charge(EV_WRITE, total);
    if (this.socketFd !== fd) return;
    const rest = output.length > 0 && this.writeRuns;
    if (rest !== this.is(WRITE_WATCHED)) this.watchWrite(rest);
    if (total === 0) return;
    if (this.is(CLOSING) && output.length === 0) {
      // The last write is not told of.
      if (this.hasUntold) this.outputShrank();
      else this.close();
    } else if (output.length <= this.writeMark.low) this.callWrite();
    if (this.is(ENDS_WRITING)) this.endIfSent();
  }

  /** Ends writing, which was asked for while there was no peer, once there is one and all was sent. */
  protected endIfSent(): void {
    if (this.outputLength > 0 || this.socketFd < 0 || this.is(CONNECTING)) return;
    this.mark(ENDS_WRITING, false);
    shutdown(this.socketFd, SHUT_WR);
  }

  /** What is queued will never be sent. */
  #sendingFailed(failure: ConnectionFailure): void {
    const { output } = this;
    this.giveUpSending();
    output.unfreezeFront();
    try {
      output.drain(output.length);
    } finally {
      output.freezeFront();
      this.fail(failure, BEV_EVENT_WRITING);
    }
  }

  /** Tells of an error in one direction. */
  protected fail(failure: ConnectionFailure, direction: number): void {
    this.error = failure;
    this.tell(BEV_EVENT_ERROR | direction);
  }

  /** Tells of an event, and closes after that if sending has failed and it was to be closed. */
  protected tell(what: number): void {
    try {
      this.callEvent(what);
    } finally {
      if (this.is(CLOSING) && this.is(SENDING_FAILED) && !this.hasUntold) this.close();
    }
  }
}
