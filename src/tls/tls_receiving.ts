import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_WRITING,
  type BufferEvent,
  type ConnectionFailure,
  EV_READ,
  SocketBufferEvent,
} from "../core/mod.ts";
import { ENGINE_CONNECTED, ENGINE_ENDED, ENGINE_FAILED, ENGINE_PLAIN } from "./engine_outcome.ts";
import { Intake } from "./intake.ts";
import { plainSlab, RECORD_BYTES_MAX } from "./native_memory.ts";
import type { OpenTls, OpenTlsParts } from "./open_tls.ts";
import type { TlsBufferEventOptions } from "./tls_bufferevent_options.ts";
import type { TlsContext } from "./tls_context.ts";
import { TlsSending } from "./tls_sending.ts";

/** How the connection underneath has ended. */
interface EndBelow {
  /** What it has told. */
  readonly what: number;
  /** Why, if that was an error. */
  readonly error: ConnectionFailure | null;
}

/** The receiving half of a {@linkcode TlsBufferEvent}. */
export abstract class TlsReceiving extends TlsSending {
  /** @internal Feeds the engine. */
  protected readonly intake: Intake;
  /** @internal What goes on elsewhere once this is closed. */
  protected heir: OpenTlsParts | null = null;
  /** Plaintext came that the read callback has not been called for. */
  protected readOwed = false;
  /** @internal How the connection underneath has ended while something was held. */
  protected endHeld: EndBelow | null = null;

  /** Takes a connection as the one underneath, with what its input holds. */
  constructor(underlying: BufferEvent, context: TlsContext | OpenTls, options: TlsBufferEventOptions) {
    super(underlying, context, options);
    const owner = {
      receive: (bytes: Uint8Array, start: number, end: number) => this.receive(bytes, start, end),
      wantsBytes: () => this.wantsBytes,
      room: () => this.#room,
      judge: () => this.judge(),
    };
    this.intake = new Intake(this.engine, owner, underlying.input.take(), this.origin?.held);
  }

  /** Takes what has come from underneath. */
  protected abstract receive(bytes: Uint8Array, start: number, end: number): void;

  /** Whether one of our handlers is running. */
  protected abstract get isHandling(): boolean;

  /**
   * @internal What lies underneath may be no data, but a ticket for a session, say: it is read, which shows. From within our own callbacks
   * that cannot be, and whatever is there counts.
   */
  override lookAhead(): number {
    const { underlying, rateBearer: bottom } = this;
    let ahead = underlying.lookAhead();
    if (ahead > 0 && !this.isHandling && bottom instanceof SocketBufferEvent) {
      bottom.readAhead();
      ahead = underlying.lookAhead();
    }
    if (this.closed || this.readEnded) return -1;
    return this.inputLength > 0 || this.intake.isAhead ? 1 : ahead;
  }

  /** Whether bytes from underneath are wanted: for plaintext, for the handshake, or to hear of the peer's end. */
  protected get wantsBytes(): boolean {
    if (this.closed || this.readEnded || this.answersWait) return false;
    if (this.lingering || this.shakesHands) return true;
    // In a renegotiation, what is to be sent waits for the peer.
    return this.engine.isOpen && (this.readRuns || this.engine.writeBlocked);
  }

  /** How much plaintext one record may give. */
  get #room(): number {
    const room = this.lingering ? RECORD_BYTES_MAX : Math.min(this.inputRoom, this.readMax);
    return room < RECORD_BYTES_MAX ? Math.max(1, room) : RECORD_BYTES_MAX;
  }

  /** Does what the engine's last call came to. */
  protected judge(): void {
    if (this.closed) return;
    switch (this.engine.outcome) {
      case ENGINE_PLAIN:
        this.#deliver();
        break;
      case ENGINE_CONNECTED:
        this.updateTimers();
        this.callEvent(BEV_EVENT_CONNECTED);
        break;
      case ENGINE_ENDED:
        this.endReading();
        this.tellEnd();
        break;
      case ENGINE_FAILED:
        this.fail(this.engine.error!, BEV_EVENT_READING);
        break;
    }
  }

  #deliver(): void {
    // Whoever closes only reads on to see the peer's end.
    if (this.closing) return;
    if (this.sink !== null) return plainSlab.passTo(this.sink);
    // Before, since a callback on the input may throw.
    this.readOwed = true;
    plainSlab.addTo(this.input);
  }

  /** Tells once of all plaintext that came in one go. */
  protected tellRead(): void {
    if (!this.readOwed || this.closed) return;
    this.readOwed = false;
    this.inputGrew();
  }

  /** Tells of the end of the stream, after the data before it. */
  protected tellEnd(): void {
    this.tellRead();
    if (!this.closed && !this.closing) this.callEvent(BEV_EVENT_EOF | BEV_EVENT_READING);
  }

  /** Nothing more is read. */
  protected endReading(): void {
    this.readEnded = true;
    this.enabledBits &= ~EV_READ;
    this.intake.close();
  }

  // Ends

  /** Something has happened underneath. */
  protected onEventBelow(what: number): void {
    if ((what & BEV_EVENT_CONNECTED) !== 0) return this.restartHandshakeTimer();
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) === 0) return this.callEvent(what);
    const { error } = this.underlying;
    const isEnd = (what & BEV_EVENT_EOF) !== 0;
    const isReading = (what & BEV_EVENT_READING) !== 0;
    const isLost = (what & BEV_EVENT_ERROR) !== 0 && (what & BEV_EVENT_WRITING) !== 0;
    // One call may tell of both directions if the connection underneath defers its callbacks.
    if (isLost && (isEnd || !isReading || !this.intake.isEmpty)) {
      this.endSending(error, BEV_EVENT_ERROR | BEV_EVENT_WRITING);
      // The peer may have answered before it closed, or said by an alert why it did.
      if (!isReading || this.closed) return;
    }
    if (isEnd) this.#holdEnd({ what: BEV_EVENT_EOF, error: null });
    // Whoever closes reads nothing of what is held.
    else if (!isReading || this.closing || this.readEnded) this.#failBelow(error, what);
    else this.#holdEnd({ what: this.intake.isEmpty ? what : what & ~BEV_EVENT_WRITING, error });
  }

  /** The connection underneath has ended, which counts behind what has come before. */
  #holdEnd(end: EndBelow): void {
    this.endHeld = end;
    this.tellEndHeld();
  }

  /** The connection underneath has failed. */
  #failBelow(error: ConnectionFailure | null, what: number): void {
    this.tellRead();
    if (this.closed) return;
    this.error = error;
    // A connect that has failed may be tried again; without what could not be read there is no going on.
    if ((what & BEV_EVENT_READING) !== 0) this.giveUp();
    else this.connectFailed = true;
    this.updateTimers();
    this.tellFailure(what);
  }

  /** Goes on with how the connection underneath has ended, once nothing is held any more. */
  protected tellEndHeld(): void {
    if (this.endHeld === null || !this.intake.isEmpty) return;
    const { what, error } = this.endHeld;
    this.endHeld = null;
    if (this.lingering || (this.closing && this.readEnded)) return this.close();
    // An end that was announced was told of then.
    if (this.readEnded) return;
    if ((what & BEV_EVENT_ERROR) !== 0) this.#failBelow(error, what);
    else if (this.allowDirtyShutdown && this.engine.isOpen) {
      this.endReading();
      this.tellEnd();
    } else {
      this.fail(this.engine.truncated(), BEV_EVENT_READING);
    }
  }

  /** Neither direction goes on. */
  protected giveUp(): void {
    this.endReading();
    this.sendingFailed = true;
    this.enabledBits = 0;
  }

  /** Empties both buffers for good, into those of whoever goes on. */
  protected override closeBuffers(): void {
    const { heir, input, output } = this;
    if (heir !== null) {
      input.unfreezeFront();
      heir.input.addBuffer(input);
      output.unfreezeFront();
      heir.output.addBuffer(output);
    }
    super.closeBuffers();
  }
}
