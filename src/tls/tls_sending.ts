import {
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_WRITING,
  type BufferEvent,
  type ConnectionFailure,
  EV_WRITE,
} from "../core/mod.ts";
import { SENDING_FAILED } from "../core/connection_state.ts";
import { Encryptor } from "./encryptor.ts";
import type { OpenTls } from "./open_tls.ts";
import type { TlsBufferEventOptions } from "./tls_bufferevent_options.ts";
import { TlsConnection } from "./tls_connection.ts";
import type { TlsContext } from "./tls_context.ts";
import type { TlsError } from "./tls_error.ts";

/** More than a peer makes us say of our own accord unless it means to, on top of what is encrypted ahead. */
const ANSWER_BYTES_MAX = 128 * 1024;

/** The sending half of a {@linkcode TlsBufferEvent}. */
export abstract class TlsSending extends TlsConnection {
  /** Our end is to be announced when everything queued has been encrypted. */
  protected endAsked = false;
  /** It is to be closed when everything has been sent. */
  protected closing = false;
  readonly #encryptor: Encryptor;
  // What leaves the output is being encrypted, and not dropped by hand.
  #isEncrypting = false;
  // Plaintext was encrypted that the write callback has not been called for.
  #writeOwed = false;

  /** Takes a connection as the one underneath. */
  constructor(underlying: BufferEvent, context: TlsContext | OpenTls, options: TlsBufferEventOptions) {
    super(underlying, context, options);
    this.#encryptor = new Encryptor(this.engine, this.output, underlying);
  }

  /**
   * Announces, once everything queued has been sent, that nothing more will be (close_notify). The peer may go on sending; TLS 1.2
   * peers mostly answer by closing. What is written afterwards stays unsent.
   */
  override endWriting(): void {
    this.endAsked = true;
    if (!this.closed) this.workSoon();
  }

  /** @internal Something was written, or dropped by hand. */
  protected override outputChanged(added: number): void {
    // What will never be sent is told as that, and what is being encrypted when it has left.
    if (this.closed || this.#isEncrypting || this.sendingFailed) return;
    if (added === 0) this.outputShrank();
    this.workSoon();
  }

  /** Bytes that wait to be sent: plaintext here, and what it has become underneath. */
  override get queuedBytes(): number {
    return this.outputLength + this.underlying.queuedBytes;
  }

  /**
   * Whether the peer has us answer, by changing keys over and over, and does not read the answers: it is not listened to until it does,
   * or they would fill all memory.
   */
  protected get answersWait(): boolean {
    const { engine } = this;
    if (engine.answeredBytes < ANSWER_BYTES_MAX) return false;
    if (this.underlying.output.length >= ANSWER_BYTES_MAX) return true;
    engine.answeredBytes = 0;
    return false;
  }

  /** Whether it is being encrypted, and what is at the front of the output may be on its way already. */
  protected get isEncrypting(): boolean {
    return this.#isEncrypting;
  }

  /** Whether queued plaintext could be encrypted now. */
  protected get canEncrypt(): boolean {
    const { engine } = this;
    return engine.isOpen && !engine.isCloseSent && !engine.writeBlocked && this.writeRuns && !this.sendingFailed &&
      !this.underlying.outputFull;
  }

  /** Encrypts what is queued, and after that announces our end if that was asked for. Returns whether there was anything. */
  protected encrypt(): boolean {
    // Asked for by a callback on the output, whose change is part of what is being encrypted: what is under way sees to the rest.
    if (this.#isEncrypting) return false;
    const { output, engine } = this;
    let count = 0;
    // A write that was blocked is tried again, since the renegotiation may be over.
    if (output.length > 0 && (this.canEncrypt || (engine.writeBlocked && this.writeRuns))) {
      this.#isEncrypting = true;
      output.unfreezeFront();
      try {
        count = this.#encryptor.run(this.writeMax);
      } finally {
        output.freezeFront();
        this.#isEncrypting = false;
      }
      if (count > 0) {
        this.#writeOwed = true;
        this.writeProgress();
        // What it has become may have left at once, before it was taken from the output.
        this.outputShrank();
      }
      // RFC 8446 section 6.2: nothing is received after that either.
      if (engine.error !== null) this.fail(engine.error, BEV_EVENT_READING | BEV_EVENT_WRITING);
      else if (this.#encryptor.failure !== null) this.#dropQueued(this.#encryptor.failure);
    }
    if (!this.closed && this.endAsked && output.length === 0) engine.shutdown();
    return count > 0;
  }

  /** What is queued cannot be had, and will never be sent. */
  #dropQueued(failure: ConnectionFailure): void {
    this.#encryptor.failure = null;
    this.endSending(failure, BEV_EVENT_ERROR | BEV_EVENT_WRITING);
  }

  /** Nothing more can be sent, which is told; what is queued never will be. Reading goes on. */
  protected endSending(failure: ConnectionFailure | null, what: number): void {
    const { output } = this;
    this.sendingFailed = true;
    this.enabledBits &= ~EV_WRITE;
    try {
      // Unless it is a callback of what is being encrypted that tells of it.
      if (!this.#isEncrypting) {
        output.unfreezeFront();
        output.drain(Infinity);
      }
    } finally {
      if (!this.#isEncrypting) output.freezeFront();
      // A callback on the output may have closed it.
      if (!this.closed) {
        this.error = failure;
        this.updateTimers();
        this.tellFailure(what);
      }
    }
  }

  /** Whether there is anything left to do once the connection underneath has sent something. */
  protected get hasSendingLeft(): boolean {
    return this.output.length > 0 || this.endAsked || this.writeTimeoutMs >= 0 || this.callbacks.write !== undefined ||
      this.engine.answeredBytes >= ANSWER_BYTES_MAX;
  }

  /** What its callbacks cause is done when they end, too; and what was still to be told may have kept it from closing. */
  protected override runDeferredCalls(): void {
    this.guard(() => super.runDeferredCalls());
  }

  /** The connection underneath has sent something. */
  protected onSent(): void {
    this.encrypt();
    if (this.closed || !this.#writeOwed || this.output.length > this.writeMark.low) return;
    this.#writeOwed = false;
    // The last write is not told of.
    if (this.closing) this.outputShrank();
    else this.callWrite();
  }

  /** Closing goes on: what is queued, then our end, then the peer's. */
  protected closeStep(): void {
    if (this.hasUntold) return;
    if (this.sendingFailed || this.is(SENDING_FAILED)) return this.close();
    if (this.engine.isHandshaking) {
      if (this.output.length === 0) this.close();
      return;
    }
    // What was written behind our end is never sent.
    if (this.output.length > 0 && !this.engine.isCloseSent) return;
    this.engine.shutdown();
    if (this.underlying.output.length > 0) this.underlying.flush();
    if (this.closed || this.underlying.output.length > 0) return;
    if (this.readEnded || this.closeTimeoutMs === 0) return this.close();
    this.lingering = true;
  }

  /** TLS has failed: an alert that says why is sent, and the user is told. */
  protected abstract fail(error: TlsError, direction: number): void;

  /** Tells of a failure, after which it is closed if that was to be done anyway. */
  protected abstract tellFailure(what: number): void;

  /** Has what was asked for done when the running callback ends, or with the next turn. */
  protected abstract workSoon(): void;
}
