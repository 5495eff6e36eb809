import {
  allocate,
  close,
  connect,
  encodeSocketAddress,
  getpeername,
  getsockname,
  os,
  prepareDescriptor,
  shutdown,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  type SystemError,
  systemError,
  takeSocketError,
} from "../ffi/mod.ts";
import { BufferEvent } from "./bufferevent.ts";
import { readMaximum, type SocketBufferEventOptions, writeMaximum } from "./bufferevent_options.ts";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
} from "./constants.ts";
import { Deferred } from "./deferred.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import type { Reactor } from "./reactor.ts";
import { optionalAddress } from "./socket_address.ts";
import { watch } from "./watch.ts";

export type { SocketBufferEventOptions } from "./bufferevent_options.ts";

const { EAGAIN, EINTR, EINPROGRESS, ECONNREFUSED } = os.errno as Record<string, number>;
const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SHUT_WR } = os.constants;

/**
 * A connection over a stream socket (libevent's bufferevent_socket).
 *
 * Unlike C it sends what a callback has queued at the end of that callback, in one system call, and watches for
 * writability only after the kernel would take no more. What is queued outside of callbacks leaves with the next turn.
 */
export class SocketBufferEvent extends BufferEvent {
  readonly #reactor: Reactor;
  readonly #keepOpen: boolean;
  readonly #readMax: number;
  readonly #writeMax: number;
  readonly #flush: Deferred;
  #fd: number;
  #readEvent: LoopEvent | null = null;
  #writeEvent: LoopEvent | null = null;
  #readWatched = false;
  #writeWatched = false;
  #readTimeoutSet = -1;
  #writeTimeoutSet = -1;
  #connecting = false;
  // Depth of our own callbacks: what they queue is sent when the outermost ends.
  #inCallback = 0;
  #closing = false;
  #closed = false;
  // Whether connect() made the socket.
  #ownSocket = false;
  // A write or connect has failed or timed out, and writing was not enabled again since.
  #sendingFailed = false;
  // Failures that were met and are still to be told.
  #untold = 0;

  /**
   * Takes a socket, or none for the time being.
   *
   * @param fd a connected stream socket, which is made non-blocking; -1: none yet, see {@linkcode SocketBufferEvent.connect}.
   * @throws {SystemError} when the descriptor is not open.
   * @throws {RangeError} when a maximum is no byte count.
   */
  constructor(base: EventBase, fd: number = -1, options: SocketBufferEventOptions = {}) {
    super(base);
    this.#reactor = reactorOf(base);
    this.#keepOpen = options.keepOpen === true;
    this.#readMax = readMaximum(options);
    this.#writeMax = writeMaximum(options);
    this.#fd = fd;
    this.#flush = new Deferred(base, base.priorities >> 1, () => this.#endCallback());
    this.output.addCallback((_buffer, { added }) => {
      if (added > 0) this.#outputAdded();
      else if (this.#writeWatched && !this.#connecting && this.output.length === 0) this.#outputEmptied();
    });
    this.input.addCallback((_buffer, { deleted }) => {
      // Reading may have been suspended by the high watermark.
      if (deleted > 0 && this.readMark.high !== 0) this.update();
    });
    if (fd < 0) return;
    const result = prepareDescriptor(fd);
    if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
    this.#openEvents(fd);
  }

  /** The socket; -1 before a connect, after closing, and after a connect that failed on a socket of our own. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether {@linkcode SocketBufferEvent.close} was called. */
  override get closed(): boolean {
    return this.#closed;
  }

  /** The address of the other side; undefined while not connected. */
  get remoteAddress(): SocketAddress | undefined {
    return optionalAddress(this.#fd, getpeername);
  }

  /** The address of this side; undefined without a socket. */
  get localAddress(): SocketAddress | undefined {
    return optionalAddress(this.#fd, getsockname);
  }

  /**
   * Connects to `address` (bufferevent_socket_connect), with a new socket unless one was given. However soon it succeeds or
   * fails, that is told later, by `BEV_EVENT_CONNECTED` or `BEV_EVENT_ERROR`. After a failure it may be called again; what is
   * queued waits for that.
   *
   * @throws {SystemError} when no socket is to be had.
   * @throws {TypeError} or {RangeError} when `address` is none.
   * @throws {Error} when it is closed, or connecting already.
   */
  connect(address: SocketAddress): void {
    if (this.#closed || this.#connecting) throw new Error("Cannot connect: closed, or connecting already");
    this.#reactor.assertOpen("connect");
    // Encoded first, since that throws for what is no address.
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress(address, bytes);
    if (this.#fd < 0) {
      const family = address.family === "ipv4" ? AF_INET : address.family === "ipv6" ? AF_INET6 : AF_UNIX;
      const fd = socket(family, SOCK_STREAM, 0);
      if (fd < 0) throw systemError(fd, "socket", "open a socket");
      this.#fd = fd;
      this.#ownSocket = !this.#keepOpen;
      this.#openEvents(fd);
    }
    const result = connect(this.#fd, bytes, length);
    this.#connecting = true;
    this.#sendingFailed = false;
    this.enabledBits |= EV_WRITE;
    if (result >= 0 || result === -EINPROGRESS! || result === -EINTR!) {
      this.update();
    } else {
      // Also an immediate refusal is told from the loop, never from inside this call.
      new Deferred(this.base, this.base.priorities >> 1, () => this.#connectFailed(result)).schedule();
    }
  }

  /** Sends what is queued as far as the kernel takes it now. */
  override flush(): void {
    if (this.#closed || this.#connecting || this.#fd < 0) return;
    if ((this.enabledBits & EV_WRITE) !== 0 && this.output.length > 0) this.#send();
  }

  /** Sends what is queued at the end of the running callback, or with the next turn. */
  flushSoon(): void {
    this.#outputAdded();
  }

  /** Closes once everything queued has been sent, or sending has failed. Nothing more is read. */
  override closeAfterFlush(): void {
    this.#closing = true;
    this.disable(EV_READ);
    if (this.#isFlushed()) this.close();
    else if (this.#inCallback === 0) this.#flush.schedule();
  }

  /** Tells the other side that nothing more will be sent (shutdown SHUT_WR); what is queued must have been sent. */
  endWriting(): void {
    if (this.#fd >= 0) shutdown(this.#fd, SHUT_WR);
  }

  /** Closes at once, the socket too unless it is to be kept, and calls back no more. Closing twice is harmless. */
  override close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.callbacks = {};
    this.sink = null;
    this.#flush.cancel();
    this.#readEvent?.close();
    this.#writeEvent?.close();
    this.input.close();
    this.output.close();
    if (this.#fd >= 0 && !this.#keepOpen) close(this.#fd);
    this.#fd = -1;
  }

  #openEvents(fd: number): void {
    const { base } = this;
    this.#readEvent = new LoopEvent(base, fd, EV_READ | EV_PERSIST, (what) => this.#guard(what, this.#onReadable));
    this.#writeEvent = new LoopEvent(base, fd, EV_WRITE | EV_PERSIST, (what) => this.#guard(what, this.#onWritable));
  }

  /** Brings the pending events in line with what is enabled, suspended and queued. */
  protected override update(): void {
    if (this.#closed || this.#fd < 0) return;
    if ((this.enabledBits & EV_WRITE) !== 0) this.#sendingFailed = false;
    const high = this.readMark.high;
    const reading = (this.enabledBits & EV_READ) !== 0 && !this.#connecting && (high === 0 || this.input.length < high);
    if (reading !== this.#readWatched || (reading && this.readTimeoutMs !== this.#readTimeoutSet)) {
      this.#watchRead(reading);
    }
    const writing = this.#connecting ||
      (this.#writeWatched && this.output.length > 0 && (this.enabledBits & EV_WRITE) !== 0);
    if (writing !== this.#writeWatched || (writing && this.writeTimeoutMs !== this.#writeTimeoutSet)) {
      this.#watchWrite(writing);
    }
    if (!writing && this.output.length > 0) this.#outputAdded();
  }

  #watchRead(on: boolean): void {
    this.#readTimeoutSet = this.readTimeoutMs;
    const error = watch(this.#readEvent!, on, this.readTimeoutMs);
    this.#readWatched = on && error === null;
    if (error === null) return;
    this.enabledBits &= ~EV_READ;
    this.#tellSoon(error, BEV_EVENT_ERROR | BEV_EVENT_READING);
  }

  #watchWrite(on: boolean): void {
    this.#writeTimeoutSet = this.writeTimeoutMs;
    const error = watch(this.#writeEvent!, on, this.writeTimeoutMs);
    this.#writeWatched = on && error === null;
    if (error === null) return;
    this.#tellSoon(error, BEV_EVENT_ERROR | (this.#connecting ? 0 : BEV_EVENT_WRITING));
    this.#giveUpSending();
  }

  /** Tells of a descriptor that cannot be watched from the loop, never from inside the call that met it. */
  #tellSoon(error: SystemError, what: number): void {
    this.#untold++;
    const tell = (): void => {
      this.#untold--;
      this.error = error;
      this.#tell(what);
    };
    new Deferred(this.base, this.base.priorities >> 1, () => this.#closed || this.#guard(what, tell)).schedule();
  }

  /** Something was queued: it is sent when the running callback of ours ends, else with the next turn. */
  #outputAdded(): void {
    if (this.#inCallback === 0 && !this.#writeWatched && !this.#connecting && !this.#closed) this.#flush.schedule();
  }

  /** Runs a handler of ours, then sends what its callbacks have queued. */
  #guard(what: number, handler: (this: this, what: number) => void): void {
    this.#inCallback++;
    try {
      handler.call(this, what);
    } finally {
      this.#inCallback--;
      this.#endCallback();
    }
  }

  /** Sends what was queued, and closes if that was asked for, whatever a callback may have thrown. */
  #endCallback(): void {
    try {
      if (!this.#writeWatched) this.flush();
    } finally {
      if (this.#closing && this.#isFlushed()) this.close();
    }
  }

  /** Whether nothing is left to be sent or told, or it never will be sent. */
  #isFlushed(): boolean {
    return !this.#connecting && this.#untold === 0 && (this.output.length === 0 || this.#sendingFailed);
  }

  /** All was sent, or drained by hand: without data there is nothing to wait for, and no timeout runs. */
  #outputEmptied(): void {
    this.#watchWrite(false);
    if (this.#closing) this.#flush.schedule();
  }

  #onReadable(what: number): void {
    // Together with readiness a timeout counts for nothing: the data came in time to be read.
    if (what === EV_TIMEOUT) {
      this.disable(EV_READ);
      this.#tell(BEV_EVENT_TIMEOUT | BEV_EVENT_READING);
      return;
    }
    const slab = this.#reactor.readSlab;
    const room = this.readMark.high === 0
      ? this.#readMax
      : Math.min(this.#readMax, this.readMark.high - this.input.length);
    const received = slab.receive(this.#fd, Math.max(1, room));
    if (received > 0) {
      this.#deliver(slab.bytes, slab.start, slab.end);
    } else if (received === 0) {
      this.disable(EV_READ);
      this.#tell(BEV_EVENT_EOF | BEV_EVENT_READING);
    } else if (received !== -EAGAIN! && received !== -EINTR!) {
      this.disable(EV_READ);
      this.#fail(received, "recv", "read from the connection", BEV_EVENT_READING);
    }
  }

  #deliver(bytes: Uint8Array, start: number, end: number): void {
    if (this.sink !== null) {
      this.sink.receive(bytes, start, end);
      return;
    }
    this.input.add(bytes.subarray(start, end));
    if (this.readMark.high !== 0) this.update();
    if (this.input.length >= this.readMark.low) this.callbacks.read?.(this);
  }

  #onWritable(what: number): void {
    if (what === EV_TIMEOUT) {
      this.#giveUpSending();
      this.#tell(BEV_EVENT_TIMEOUT | BEV_EVENT_WRITING);
    } else if (this.#connecting) {
      this.#finishConnect();
    } else {
      this.#send();
    }
  }

  #finishConnect(): void {
    const error = takeSocketError(this.#fd);
    // Nothing was taken: the socket stays writable, and the next turn asks again.
    if (error === -EINTR!) return;
    if (error !== 0) return this.#connectFailed(error > 0 ? -error : error);
    this.#connecting = false;
    this.#watchWrite(false);
    this.update();
    this.#tell(BEV_EVENT_CONNECTED);
  }

  #connectFailed(result: number): void {
    if (this.#closed) return;
    this.#giveUpSending();
    const facts = result === -ECONNREFUSED! ? { hint: "nobody listens there" } : {};
    this.error = systemError(result, "connect", "connect", facts);
    this.#tell(BEV_EVENT_ERROR);
  }

  #giveUpSending(): void {
    this.#watchWrite(false);
    this.enabledBits &= ~EV_WRITE;
    this.#sendingFailed = true;
    if (!this.#connecting) return;
    this.#connecting = false;
    if (!this.#ownSocket) return;
    // A socket whose connect has failed is of no more use: Linux answers the next one ECONNABORTED, and reading finds an end.
    this.#readEvent!.close();
    this.#writeEvent!.close();
    close(this.#fd);
    this.#fd = -1;
  }

  /** Sends until the kernel takes no more, all is sent, or others should have their turn. */
  #send(): void {
    let budget = this.#writeMax;
    let progress = false;
    while (budget > 0 && this.output.length > 0) {
      const sent = this.output.sendTo(this.#fd, budget);
      if (sent < 0) {
        // Interrupted for ever would be a loop without end: the next turn tries again.
        if (sent === -EAGAIN! || sent === -EINTR!) break;
        this.#giveUpSending();
        this.output.drain(this.output.length);
        this.#fail(sent, "write", "write to the connection", BEV_EVENT_WRITING);
        return;
      }
      progress = true;
      budget -= sent;
    }
    const rest = this.output.length > 0;
    if (rest !== this.#writeWatched) this.#watchWrite(rest);
    if (this.#closing && !rest) this.close();
    else if (progress && this.output.length <= this.writeMark.low) this.callbacks.write?.(this);
  }

  #fail(result: number, syscall: string, action: string, direction: number): void {
    this.error = systemError(result, syscall, action);
    this.#tell(BEV_EVENT_ERROR | direction);
  }

  #tell(what: number): void {
    try {
      this.callbacks.event?.(what, this);
    } finally {
      if (this.#closing && this.#sendingFailed) this.close();
    }
  }
}
