import { SENDING_FAILED } from "../core/connection_state.ts";
import { Deferred } from "../core/deferred.ts";
import {
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_FINISHED,
  BEV_NORMAL,
  type BufferEvent,
  type BufferEventCallbacks,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  SocketBufferEvent,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { SUSPEND_FILTER } from "../core/suspension.ts";
import { OpenTls, type OpenTlsParts } from "./open_tls.ts";
import type { TlsBufferEventOptions, TlsSocketOptions } from "./tls_bufferevent_options.ts";
import type { TlsContext } from "./tls_context.ts";
import { TlsError } from "./tls_error.ts";
import { TlsReceiving } from "./tls_receiving.ts";

/** Until so much waits underneath, more is encrypted; and again when it is down to a quarter. */
const BACKLOG_BYTES_MAX = 64 * 1024;

/**
 * A connection that speaks TLS over another one (libevent's bufferevent_openssl): over a socket, or over any other kind.
 *
 * What is written to it leaves encrypted underneath, what arrives there is read decrypted here. The handshake begins by itself,
 * as soon as the connection underneath is there and either direction is enabled; what is written before it has ended waits.
 * Its end is told by `BEV_EVENT_CONNECTED`, on both sides. A failure is told by `BEV_EVENT_ERROR`, and `error` is a {@linkcode TlsError}
 * then, or a `SystemError` when the connection underneath has failed.
 *
 * The end of the stream is `BEV_EVENT_EOF` only if the peer has announced it; without that somebody may have cut the rest off,
 * and it is an error, `TLS_TRUNCATED`, unless {@linkcode TlsBufferEvent.allowDirtyShutdown} is set. Closing announces our end in the same way.
 *
 * It takes over the callbacks of the connection underneath, and closes it when it is closed itself.
 *
 * @example A client, as far as it goes without a network
 * ```ts
 * import { BEV_EVENT_CONNECTED, BEV_EVENT_ERROR, EV_READ, EventBase, TlsBufferEvent, TlsContext } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using context = TlsContext.client();
 * using connection = TlsBufferEvent.overSocket(base, -1, context, { hostname: "localhost" });
 * connection.setCallbacks({
 *   event(what, { error, version }) {
 *     if ((what & BEV_EVENT_CONNECTED) !== 0) console.log(`speaking ${version}`);
 *     if ((what & BEV_EVENT_ERROR) !== 0) console.log(error?.code); // ECONNREFUSED
 *   },
 * });
 * connection.enable(EV_READ);
 * connection.connect({ family: "ipv4", host: "127.0.0.1", port: 1 });
 * base.dispatch();
 * ```
 */
export class TlsBufferEvent extends TlsReceiving {
  readonly #keepOpen: boolean;
  readonly #below: BufferEventCallbacks<BufferEvent>;
  readonly #work: Deferred;
  readonly #shrinkToo = (begun: boolean): void => {
    if (begun) this.streamBegun(!this.isConnected);
    else if (this.underlying.outputOver) this.endOutput();
    else {
      this.writeProgress();
      this.outputShrank();
    }
  };
  // The engine has begun to shake hands.
  #started = false;
  // Depth of our own handlers: what their callbacks cause is done when the outermost ends.
  #depth = 0;
  #closed = false;
  // What the connection underneath was told last.
  #wanted = false;

  /**
   * Takes a connection over, connected or not, with what its input holds already; so a protocol may change to TLS midway.
   *
   * @param context whose side it is on; it may be closed or reloaded afterwards. Or TLS that has shaken hands, from
   * {@linkcode TlsBufferEvent.detach}; `BEV_EVENT_CONNECTED` is not told again then, and options about the handshake mean nothing.
   * @throws {TypeError} when `underlying` is closed, a client is to verify a server without knowing its hostname, or the TLS is in use.
   * @throws {RangeError} for a timeout that is none.
   * @throws {Error} when the context is closed.
   */
  constructor(underlying: BufferEvent, context: TlsContext | OpenTls, options: TlsBufferEventOptions = {}) {
    super(underlying, context, options);
    this.#keepOpen = options.keepOpen === true;
    this.#work = new Deferred(this.base, this.priority, () => this.guard(this.#catchUp));
    this.#below = {
      write: () => {
        // Most often everything has gone, and nobody wants to know.
        if (this.hasSendingLeft || this.closing) this.guard(this.onSent);
      },
      event: (what) => this.guard(() => this.onEventBelow(what)),
    };
    underlying.setCallbacks(this.#below);
    underlying.setSink(this.intake);
    underlying.whenClosed = () => this.close();
    underlying.whenOutputShrank = this.#shrinkToo;
    if (underlying.getWatermark(EV_WRITE).high === 0) {
      underlying.setWatermark(EV_WRITE, BACKLOG_BYTES_MAX >> 2, BACKLOG_BYTES_MAX);
    }
    underlying.suspend(EV_READ, SUSPEND_FILTER);
    underlying.enable(EV_READ | EV_WRITE);
    if (this.origin !== null) this.#goOn(this.origin);
    this.update();
  }

  /** Goes on with TLS that has shaken hands. */
  #goOn({ input, output }: OpenTlsParts): void {
    this.origin = null;
    this.#started = true;
    this.readOwed = input.length > 0;
    this.input.unfreezeBack();
    this.input.addBuffer(input);
    this.input.freezeBack();
    this.output.addBuffer(output);
    // Also for what a read that is under way may still bring.
    this.#work.schedule();
  }

  /**
   * Speaks TLS over a socket of its own (bufferevent_openssl_socket_new).
   *
   * @param fd a connected stream socket; -1: none yet, see {@linkcode TlsBufferEvent.connect}. When this throws, it stays open.
   */
  static overSocket(
    base: EventBase,
    fd: number,
    context: TlsContext | OpenTls,
    options: TlsSocketOptions = {},
  ): TlsBufferEvent {
    const socket = new SocketBufferEvent(base, fd, { ...options, deferCallbacks: false });
    try {
      return new TlsBufferEvent(socket, context, { ...options, keepOpen: false });
    } catch (error) {
      socket.takeFd();
      socket.close();
      throw error;
    }
  }

  /** Whether it was closed, by itself or together with the connection underneath. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** That of the connection underneath. */
  override get priority(): number {
    return this.underlying.priority;
  }

  /** @throws {RangeError} or {TypeError} as the connection underneath does. */
  override set priority(priority: number) {
    this.underlying.priority = priority;
    // Or the descriptor would be read again before what came from it has been decrypted.
    const reactor = reactorOf(this.base);
    reactor.moveTo(this.#work, priority);
    const calls = this.deferredCalls;
    if (calls !== null) reactor.moveTo(calls.callback, priority);
  }

  /** Whether one of our handlers is running. */
  protected override get isHandling(): boolean {
    return this.#depth > 0;
  }

  /** Encrypts and sends what is queued; with `BEV_FINISHED` announces our end as well. */
  override flush(directions: number = EV_WRITE, mode: number = BEV_NORMAL): boolean {
    if (this.#closed) return false;
    let done = false;
    this.guard(() => {
      if ((directions & EV_READ) !== 0) this.#readHeld();
      if (this.#closed || (directions & EV_WRITE) === 0) return;
      if (mode === BEV_FINISHED) this.endAsked = true;
      done = this.encrypt();
    });
    return !this.#closed && this.underlying.flush(directions, mode === BEV_FINISHED ? BEV_NORMAL : mode) || done;
  }

  /**
   * Closes once everything queued has been sent, our end included, and the peer has ended as well; or failing that after
   * `closeTimeoutMs`. Nothing more is read.
   */
  override closeAfterFlush(): void {
    if (this.#closed) return;
    this.closing = true;
    this.retire();
    if (this.#depth === 0) this.guard(() => {});
  }

  /** Closes at once, the connection underneath too unless it is to be kept. Our end is announced if it can be sent without waiting. */
  override close(): void {
    if (!this.#closed) this.#leave(null);
  }

  /**
   * Takes TLS out, for another connection to go on with (bufferevent_free without BEV_OPT_CLOSE_ON_FREE, and BUFFEREVENT_SSL_OPEN); see
   * {@linkcode OpenTls}. This connection is closed by that, without a word to the peer; the one underneath stays open.
   *
   * @throws {TypeError} when the handshake has not ended well, one of the directions has ended or is about to, or something is being sent
   * right now.
   */
  detach(): OpenTls {
    const { engine } = this;
    const isOpen = !this.#closed && engine.isOpen && !engine.isCloseSent && !this.underlying.closed;
    if (!isOpen || this.readEnded || this.endHeld !== null || this.sendingFailed || this.endAsked || this.closing) {
      throw new TypeError("Cannot detach TLS: the handshake has not ended, or the connection has ended or is about to");
    }
    if (this.isEncrypting) {
      throw new TypeError("Cannot detach TLS from within a callback of a buffer that is being sent");
    }
    const heir = {
      engine,
      details: this.details,
      held: this.intake.handOver(),
      input: new EvBuffer(),
      output: new EvBuffer(),
    };
    this.#leave(heir);
    return new OpenTls(heir);
  }

  /** Closes, and leaves what it has to an heir if there is one. */
  #leave(heir: OpenTlsParts | null): void {
    this.#closed = true;
    this.heir = heir;
    const { underlying } = this;
    this.#work.cancel();
    this.closeTimers();
    underlying.whenClosed = null;
    if (underlying.whenOutputShrank === this.#shrinkToo) underlying.whenOutputShrank = null;
    try {
      if (heir === null && !underlying.closed && !this.sendingFailed) {
        this.engine.shutdown();
        underlying.flush();
      }
    } finally {
      if (heir === null) {
        this.engine.close();
        this.intake.close();
      }
      if (underlying.getCallbacks() === this.#below) underlying.setCallbacks({});
      underlying.setSink(null);
      try {
        this.release();
      } finally {
        // Also when somebody has thrown who was told.
        if (heir !== null || this.#keepOpen) underlying.resume(EV_READ, SUSPEND_FILTER);
        else underlying.close();
      }
    }
  }

  /** Brings the connection underneath in line with what is wanted here, and goes on with what has waited for it. */
  protected override update(): void {
    if (this.#closed) return;
    const wanted = this.wantsBytes;
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      if (wanted) this.underlying.resume(EV_READ, SUSPEND_FILTER);
      else this.underlying.suspend(EV_READ, SUSPEND_FILTER);
    }
    this.updateTimers();
    if (this.#depth > 0) return;
    const waits = (wanted && (!this.intake.isEmpty || this.endHeld !== null || this.readOwed)) ||
      (!this.#started && this.enabledBits !== 0) ||
      (this.output.length > 0 && this.canEncrypt);
    if (waits) this.#work.schedule();
  }

  /** Runs one of our handlers, then does what its callbacks have caused, whatever they may have thrown. */
  protected override guard(handler: (this: this) => void): void {
    if (this.#closed) return;
    this.#depth++;
    try {
      handler.call(this);
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#afterwards();
    }
  }

  /** Has what was asked for done when the running callback ends, or with the next turn. */
  protected override workSoon(): void {
    if (this.#depth === 0) this.#work.schedule();
  }

  #afterwards(): void {
    if (!this.#closed) this.encrypt();
    if (!this.#closed && this.closing) this.closeStep();
    if (!this.#closed) this.update();
  }

  /** What was put off to this turn. */
  #catchUp(): void {
    if (!this.#started && this.enabledBits !== 0) {
      this.#started = true;
      this.engine.start();
      this.judge();
    }
    this.#readHeld();
  }

  // Receiving

  /** Takes what has come from underneath. */
  protected override receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#closed || this.readEnded) return;
    this.readProgress();
    // In order: not before what is held, and not while somebody is at it already.
    if (this.#started && this.#depth === 0 && this.intake.isEmpty) return this.#feed(bytes, start, end);
    this.intake.hold(bytes, start, end);
    this.#work.schedule();
  }

  /** What {@linkcode TlsBufferEvent.guard} does, without a closure for each read. */
  #feed(bytes: Uint8Array, start: number, end: number): void {
    this.#depth++;
    try {
      try {
        this.intake.feed(bytes, start, end);
      } finally {
        this.tellRead();
      }
    } finally {
      this.#depth--;
      this.#afterwards();
    }
  }

  /** Goes on with what is held, and with the end that may have come behind it. */
  #readHeld(): void {
    if (this.#closed || !this.#started) return;
    try {
      if (this.intake.feedHeld(this.readMax)) this.#work.schedule();
    } finally {
      this.tellRead();
    }
    if (this.endHeld !== null && !this.#closed) this.tellEndHeld();
  }

  /** TLS has failed: an alert that says why is sent, and the user is told. */
  protected override fail(error: TlsError, direction: number): void {
    this.giveUp();
    this.updateTimers();
    if (!this.underlying.closed) this.underlying.flush();
    this.tellRead();
    if (this.#closed) return;
    this.error = error;
    this.tellFailure(BEV_EVENT_ERROR | direction);
  }

  /** Tells of a failure, after which it is closed if that was to be done anyway. */
  protected override tellFailure(what: number): void {
    if (this.closing) this.mark(SENDING_FAILED, true);
    this.callEvent(what);
  }

  /** The handshake takes too long, or the peer does not end. */
  protected override phaseTimedOut(): void {
    if (this.lingering) return this.close();
    this.guard(() => {
      this.error = new TlsError("TLS_HANDSHAKE_TIMEOUT", "Cannot finish the TLS handshake: the peer takes too long");
      this.engine.abandon(this.error as TlsError);
      this.giveUp();
      this.tellFailure(BEV_EVENT_TIMEOUT | BEV_EVENT_READING);
    });
  }
}
