import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_TIMEOUT,
  type BufferEvent,
  type BufferEventCallbacks,
  EV_READ,
  type EvBuffer,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import type { DeadlineList, DeadlineMember } from "../core/deadline_list.ts";
import { LINGER_MS } from "./phase_lists.ts";
import type { ReplyHead } from "./reply_head.ts";
import type { ServerCore } from "./server_core.ts";

/** What a connection is waiting for; it decides what its timer means. */
export const IDLE = 0, READING_HEAD = 1, READING_BODY = 2, SERVING = 3, LINGERING = 4, CLOSED = 5;

/** The events after which a direction is over. */
const ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT;
// Facts, as bits of one number with the phase: a field for each would cost every idle connection eight bytes a fact.
const PHASE_BITS = 0x7, INPUT_ENDED = 0x8, LAST_REPLY = 0x10, CLOSE_WHEN_SENT = 0x20;
/** The first bit that is for those who add to this. */
export const OWN_BIT = 0x40;

/** How long it goes on reading at most, however fast more comes. */
const LINGER_TOTAL_MS = 10_000;

// Until when those read on that have said goodbye: few ever do, and nobody else needs room for it.
const lingerEndsMs = new WeakMap<ServerStream, number>();

/**
 * The times and ends of a client's connection: how long is waited for what, and how it is closed without its last reply being
 * lost. {@linkcode ServerConnection} adds requests.
 *
 * @internal
 */
export abstract class ServerStream implements BufferEventCallbacks<BufferEvent>, DeadlineMember<ServerStream> {
  protected readonly core: ServerCore;
  readonly stream: BufferEvent;
  /** @internal */
  deadlineList: DeadlineList<ServerStream> | null = null;
  /** @internal */
  deadlineMs = -Infinity;
  /** @internal */
  deadlineNext: ServerStream | null = null;
  /** @internal */
  deadlinePrevious: ServerStream | null = null;
  #bits = IDLE;

  constructor(core: ServerCore, stream: BufferEvent) {
    this.core = core;
    this.stream = stream;
  }

  /** What a new reply begins with. */
  get heads(): ReplyHead {
    return this.core.heads;
  }

  /** What is to be sent. */
  get output(): EvBuffer {
    return this.stream.output;
  }

  /** Queues bytes that their owner may change when this has returned. */
  writeCopy(bytes: Uint8Array): void {
    this.stream.writeCopy(bytes);
  }

  protected get phase(): number {
    return this.#bits & PHASE_BITS;
  }

  protected set phase(phase: number) {
    this.#bits = this.#bits & ~PHASE_BITS | phase;
  }

  protected is(fact: number): boolean {
    return (this.#bits & fact) !== 0;
  }

  protected mark(fact: number, holds: boolean): void {
    this.#bits = holds ? this.#bits | fact : this.#bits & ~fact;
  }

  /** The client sends no more. */
  protected get inputEnded(): boolean {
    return this.is(INPUT_ENDED);
  }

  /** No request is taken up any more. */
  protected get lastReply(): boolean {
    return this.is(LAST_REPLY);
  }

  /** Sets how long a client may take none of its reply. */
  setWriteTimeout(timeoutMs: number): void {
    this.stream.setTimeouts(-1, timeoutMs);
  }

  /** Closes it if no request has begun; else the reply to that will be the last one. */
  abstract closeIfIdle(): void;
  /** Ends it at once; the request that is being served is told. */
  abstract close(): void;
  /** Answers with an error page and closes; the client may still be sending. */
  protected abstract fail(status: number, explanation: string): void;
  /** The client sends no more: what it asked for is still answered, if it was complete. */
  protected abstract endIfIdle(): void;
  /** Whether more has come than we take for the time being: then it is not the client who is slow. */
  protected abstract get isHeldUp(): boolean;
  /** Everything queued has been sent, and it does not close now. */
  protected abstract outputSent(): void;

  /** Whether no further request will be taken up. */
  protected isOver(): boolean {
    return this.phase === CLOSED || this.phase === LINGERING;
  }

  /** A client that does not read its replies gets no new ones. */
  protected isBackedUp(): boolean {
    return this.output.length >= this.core.maxOutputBytes;
  }

  /** Gives everything back; returns false when that was done already. */
  protected release(): boolean {
    if (this.phase === CLOSED) return false;
    this.phase = CLOSED;
    this.#letLoopEnd();
    this.deadlineList?.remove(this);
    this.core.connectionClosed(this);
    this.stream.close();
    return true;
  }

  /** Gives the stream away, as if nobody had ever used it. */
  protected giveAway(): BufferEvent {
    const { stream } = this;
    this.phase = CLOSED;
    this.#letLoopEnd();
    this.deadlineList?.remove(this);
    stream.disable(EV_READ);
    stream.setSink(null);
    stream.setCallbacks({});
    stream.setTimeouts(-1, -1);
    this.core.connectionTaken(stream);
    return stream;
  }

  #letLoopEnd(): void {
    if (this.inputEnded) reactorOf(this.stream.base).countVirtual(-1);
  }

  // Times

  protected wait(phase: number): void {
    this.phase = phase;
    const { lists } = this.core;
    (phase === IDLE ? lists.idle : phase === READING_HEAD ? lists.readingHead : lists.readingBody).add(this);
  }

  /** The handler may take its time. */
  protected serving(): void {
    this.phase = SERVING;
    this.unhurry();
  }

  /** Nobody counts the time. */
  protected unhurry(): void {
    this.core.lists.unhurried.add(this);
  }

  /** @internal */
  deadlinePassed(): void {
    if (this.phase === READING_BODY && this.isHeldUp) {
      this.wait(READING_BODY);
    } else if (this.phase === READING_HEAD || this.phase === READING_BODY) {
      this.fail(408, "The request did not arrive in time");
    } else if (this.phase === IDLE && this.output.length > 0) {
      // The client is not idle, it is taking a long reply; the write timeout watches over that.
      this.wait(IDLE);
    } else {
      this.close();
    }
  }

  // Ends

  /** No request after this one. `unread`: the client has sent, or is sending, what we will not read. */
  protected finish(unread: boolean): void {
    this.mark(LAST_REPLY, true);
    this.phase = LINGERING;
    // The write timeout watches over a client that takes its last reply; however long that is, it may.
    this.core.lists.unhurried.add(this);
    this.mark(CLOSE_WHEN_SENT, !unread || this.inputEnded);
    if (this.is(CLOSE_WHEN_SENT)) this.stream.disable(EV_READ);
    else this.stream.enable(EV_READ);
    if (this.output.length === 0) this.write();
  }

  /** @internal Everything queued has been sent. */
  write(): void {
    if (this.phase !== LINGERING) {
      // The time until the next request runs from when the client has its reply.
      if (this.phase === IDLE) this.wait(IDLE);
      this.outputSent();
    } else if (this.is(CLOSE_WHEN_SENT)) {
      this.#closeOnceSent();
    } else if (!lingerEndsMs.has(this)) {
      // Closing with unread bytes would send a reset, which may overtake the reply: say goodbye first and read on a while.
      this.stream.endWriting();
      lingerEndsMs.set(this, this.stream.base.now() + LINGER_TOTAL_MS);
      this.lingerOn();
    }
  }

  /** What was encrypted, say, may still wait for the kernel underneath. */
  #closeOnceSent(): void {
    if (this.stream.queuedBytes === 0) this.close();
    else this.watchBytesBelow();
  }

  /** Has {@linkcode ServerStream.write} called once what waits underneath has been sent, too. */
  protected watchBytesBelow(): void {
    const { stream } = this;
    stream.whenOutputShrank ??= () => {
      if (stream.queuedBytes > 0) return;
      stream.whenOutputShrank = null;
      this.write();
    };
  }

  /** Waits a little longer for the client to stop sending; not before it has its reply. */
  protected lingerOn(): void {
    const endMs = lingerEndsMs.get(this);
    if (endMs === undefined) return;
    const restMs = endMs - this.stream.base.now();
    // The last moments do not grow, however much comes.
    if (restMs > LINGER_MS || this.deadlineMs < endMs - 1) {
      this.core.lists.lingering.add(this, Math.max(0, Math.min(LINGER_MS, restMs)));
    }
  }

  /** @internal */
  event(what: number): void {
    // A handshake has ended, say.
    if ((what & ENDS) === 0) return;
    if ((what & BEV_EVENT_EOF) === 0) {
      const error = (what & BEV_EVENT_ERROR) === 0 ? null : this.stream.error;
      this.close();
      if (error !== null) this.core.connectionFailed(error);
      return;
    }
    if (!this.inputEnded) {
      this.mark(INPUT_ENDED, true);
      // Nothing is to be read any more; the loop must be there all the same when its reply has come.
      reactorOf(this.stream.base).countVirtual(1);
    }
    if (this.phase !== LINGERING) this.endIfIdle();
    else if (this.output.length === 0) this.#closeOnceSent();
    else this.mark(CLOSE_WHEN_SENT, true);
  }
}
