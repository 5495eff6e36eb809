import { InactivityTimer } from "../core/inactivity_timer.ts";
import { BufferEvent, EV_READ, EV_WRITE, SocketBufferEvent } from "../core/mod.ts";
import type { SocketAddress } from "../ffi/mod.ts";
import { CLOSE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS, type TlsBufferEventOptions } from "./tls_bufferevent_options.ts";
import { OpenTls, type OpenTlsParts } from "./open_tls.ts";
import type { TlsContext } from "./tls_context.ts";
import { TlsDetails } from "./tls_details.ts";
import { TlsEngine } from "./tls_engine.ts";

/** What can be asked of a TLS connection, and its times; {@linkcode TlsBufferEvent} moves the bytes. */
export abstract class TlsConnection extends BufferEvent {
  /** The connection underneath (bufferevent_get_underlying). */
  readonly underlying: BufferEvent;
  /** What both sides have agreed on, and who the peer is. */
  readonly details: TlsDetails;
  /**
   * Take an end of the connection that was not announced for the end of the stream, not for an error (BUFFEREVENT_SSL_DIRTY_SHUTDOWN);
   * false by default. An end during the handshake is an error all the same.
   */
  allowDirtyShutdown: boolean;
  /** @internal Speaks TLS. */
  protected readonly engine: TlsEngine;
  /** @internal What it goes on with, until it does. */
  protected origin: OpenTlsParts | null = null;
  /** How long to wait for the peer's end, in milliseconds. */
  protected readonly closeTimeoutMs: number;
  /** Everything was sent, our end included, and the peer's is waited for. */
  protected lingering = false;
  /** Nothing more is read: the peer has announced its end, or the connection has failed. */
  protected readEnded = false;
  /** Nothing more can be sent. */
  protected sendingFailed = false;
  /** There is nobody underneath to shake hands with until the next connect. */
  protected connectFailed = false;
  // Some timer may be running.
  #timed = false;
  readonly #handshakeTimeoutMs: number;
  readonly #readTimer: InactivityTimer;
  readonly #writeTimer: InactivityTimer;
  readonly #phaseTimer: InactivityTimer;

  /** Takes a connection as the one underneath, and leaves it as it is for the time being. */
  constructor(underlying: BufferEvent, context: TlsContext | OpenTls, options: TlsBufferEventOptions) {
    if (underlying.closed) throw new TypeError("Cannot speak TLS over a connection that is closed");
    super(underlying.base, options);
    const { base } = this;
    this.underlying = underlying;
    this.#handshakeTimeoutMs = timeout("handshakeTimeoutMs", options.handshakeTimeoutMs, HANDSHAKE_TIMEOUT_MS);
    this.closeTimeoutMs = timeout("closeTimeoutMs", options.closeTimeoutMs, CLOSE_TIMEOUT_MS);
    this.allowDirtyShutdown = options.allowDirtyShutdown === true;
    const sender = underlying instanceof SocketBufferEvent ? underlying : null;
    if (context instanceof OpenTls) {
      const origin = this.origin = context.take();
      this.engine = origin.engine;
      this.engine.moveTo(underlying.output, sender);
      this.details = origin.details;
    } else {
      this.engine = new TlsEngine(context, underlying.output, options, sender);
      this.details = new TlsDetails(this.engine);
    }
    this.#readTimer = new InactivityTimer(base, () => this.guard(() => this.timedOut(EV_READ)));
    this.#writeTimer = new InactivityTimer(base, () => this.guard(() => this.timedOut(EV_WRITE)));
    this.#phaseTimer = new InactivityTimer(base, () => this.phaseTimedOut());
  }

  /** Whether the handshake has ended well. */
  override get isConnected(): boolean {
    return this.engine.isOpen;
  }

  /** The descriptor at the bottom; -1 where there is none. */
  override get fd(): number {
    return this.underlying.fd;
  }

  /** @internal */
  override get rateBearer(): BufferEvent {
    return this.underlying.rateBearer;
  }

  /** The address of the other side; undefined where there is no connected socket right underneath. */
  get remoteAddress(): SocketAddress | undefined {
    return this.underlying instanceof SocketBufferEvent ? this.underlying.remoteAddress : undefined;
  }

  /** The address of this side; undefined where there is no socket right underneath. */
  get localAddress(): SocketAddress | undefined {
    return this.underlying instanceof SocketBufferEvent ? this.underlying.localAddress : undefined;
  }

  /** Whether the handshake has ended well, and nothing has failed since. */
  get isSecure(): boolean {
    return this.engine.isOpen;
  }

  /** The protocol version, such as "TLSv1.3"; "" before the handshake has ended. */
  get version(): string {
    return this.details.version;
  }

  /** The protocol that was agreed on (ALPN), or "". */
  get alpnProtocol(): string {
    return this.details.alpnProtocol;
  }

  /**
   * Connects the socket underneath; see {@linkcode SocketBufferEvent.connect}. `BEV_EVENT_CONNECTED` comes after the handshake.
   *
   * A connect that has failed may be repeated; TLS that has begun serves no other connection.
   *
   * @throws {TypeError} when there is no socket right underneath, the handshake has ended, well or not, or the connection has failed.
   */
  connect(address: SocketAddress): void {
    if (!(this.underlying instanceof SocketBufferEvent)) throw new TypeError("Cannot connect: not right over a socket");
    if (!this.engine.isHandshaking || this.readEnded || this.sendingFailed) {
      throw new TypeError(
        "Cannot connect: TLS has shaken hands already, or has failed; another connection takes another TlsBufferEvent",
      );
    }
    this.connectFailed = false;
    this.underlying.connect(address);
    this.update();
  }

  /**
   * Has both sides agree on new keys with the next bytes that are sent (TLS 1.3).
   *
   * @returns whether that is possible.
   */
  updateKeys(): boolean {
    return this.engine.updateKeys();
  }

  /**
   * Shakes hands anew (bufferevent_ssl_renegotiate): TLS 1.2 and older, where the context allows it.
   *
   * @returns whether that is possible; for a client it is not while a watermark or limit has had a record read in part only.
   */
  renegotiate(): boolean {
    if (!this.engine.renegotiate()) return false;
    this.update();
    return true;
  }

  /** Whether the handshake goes on, and is not held up by both directions being disabled. */
  protected get shakesHands(): boolean {
    return this.engine.isHandshaking && this.enabledBits !== 0;
  }

  /** Brings the timers in line with what is waited for. */
  protected updateTimers(): void {
    const shaking = this.shakesHands;
    // A connection that has shaken hands and has no timeouts has nothing to do here, which it learns with every record.
    if (!shaking && !this.#timed && !this.lingering && this.readTimeoutMs < 0 && this.writeTimeoutMs < 0) return;
    this.#timed = shaking || this.lingering || this.readTimeoutMs >= 0 || this.writeTimeoutMs >= 0;
    this.#readTimer.update(!this.readEnded && !this.lingering && (shaking || this.readRuns), this.readTimeoutMs);
    const queued = this.output.length + this.underlying.output.length > 0;
    this.#writeTimer.update(!this.lingering && (shaking || this.writeRuns) && queued, this.writeTimeoutMs);
    if (this.lingering) this.#phaseTimer.update(true, this.closeTimeoutMs);
    else this.#phaseTimer.update(shaking && this.#hasTransport, this.#handshakeTimeoutMs);
  }

  /** Whether there is anybody underneath who could keep us waiting. */
  get #hasTransport(): boolean {
    const bottom = this.rateBearer;
    return !this.connectFailed && !(bottom instanceof SocketBufferEvent && bottom.fd < 0);
  }

  /** Something has arrived. */
  protected readProgress(): void {
    this.#readTimer.restart();
  }

  /** Something was encrypted, or has left underneath. */
  protected writeProgress(): void {
    this.#writeTimer.restart();
  }

  /** There is a connection underneath: only now can anybody shake hands. */
  protected restartHandshakeTimer(): void {
    this.connectFailed = false;
    this.updateTimers();
    this.#phaseTimer.restart();
    this.#readTimer.restart();
  }

  /** Gives the timers back. */
  protected closeTimers(): void {
    this.#readTimer.close();
    this.#writeTimer.close();
    this.#phaseTimer.close();
  }

  /** The handshake takes too long, or the peer does not end. */
  protected abstract phaseTimedOut(): void;

  /** Runs a handler of ours, then does what its callbacks have caused. */
  protected abstract guard(handler: (this: this) => void): void;
}

function timeout(option: string, value: number | undefined, fallback: number): number {
  const ms = value ?? fallback;
  if (Number.isNaN(ms)) throw new RangeError(`Cannot use ${ms} as ${option}: a time in milliseconds, or -1 for none`);
  return ms;
}
