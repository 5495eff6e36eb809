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
} from "../ffi/mod.ts";
import { FEATURE_EARLY_CLOSE } from "../backends/mod.ts";
import type { ConnectTarget, SocketBufferEventOptions } from "./bufferevent_options.ts";
import { SocketSending } from "./bufferevent_sending.ts";
import {
  CONNECTING,
  KEEPS_OPEN,
  OWNS_SOCKET,
  PEER_CLOSE_TOLD,
  PEER_CLOSE_WANTED,
  READ_WATCHED,
} from "./connection_state.ts";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_PEER_CLOSED,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  EV_CLOSED,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
} from "./constants.ts";
import { type EventCallback, LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";
import { type ConnectHostnameOptions, HostConnect } from "./host_connect.ts";
import { SUSPEND_LOOKUP } from "./suspension.ts";
import { optionalAddress } from "./socket_address.ts";
import { watch } from "./watch.ts";

export type { ConnectTarget, SocketBufferEventOptions } from "./bufferevent_options.ts";
export { SocketSending } from "./bufferevent_sending.ts";

const { EAGAIN, EINTR, EINPROGRESS } = os.errno as Record<string, number>;
const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SHUT_WR } = os.constants;

/**
 * A connection over a stream socket (libevent's bufferevent_socket).
 *
 * Unlike C it sends what a callback has queued at the end of that callback, in one system call, and watches for
 * writability only after the kernel would take no more. What is queued outside of callbacks leaves with the next turn.
 */
export class SocketBufferEvent extends SocketSending {
  // The callbacks of all connections: closures would be two more objects for each of them.
  static readonly #readable: EventCallback = (what, event) => {
    const connection = event.owner as SocketBufferEvent;
    connection.guard(what, connection.#onReadable);
  };

  #readEvent: LoopEvent | null = null;
  #readTimeoutSet = -1;
  // Waits for the end of the stream out of turn; null until somebody wants to know.
  #closeEvent: LoopEvent | null = null;
  #priority: number;
  #hostConnect: HostConnect | null = null;
  #dnsError: Error | null = null;

  /**
   * Takes a socket, or none for the time being.
   *
   * @param fd a connected stream socket, which is made non-blocking; -1: none yet, see {@linkcode SocketBufferEvent.connect}.
   * @throws {SystemError} when the descriptor is not open.
   * @throws {RangeError} when a maximum is no byte count.
   */
  constructor(base: EventBase, fd: number = -1, options: SocketBufferEventOptions = {}) {
    super(base, options);
    this.#priority = base.priorities >> 1;
    if (fd < 0) return;
    prepare(fd);
    this.#take(fd);
  }

  /** The socket; -1 before a connect, after closing, and after a connect that failed on a socket of our own. */
  override get fd(): number {
    return this.socketFd;
  }

  /** Whether there is a socket that is connected, as far as is known. */
  override get isConnected(): boolean {
    return this.socketFd >= 0 && super.isConnected;
  }

  /** The address of the other side; undefined while not connected. */
  get remoteAddress(): SocketAddress | undefined {
    return optionalAddress(this.socketFd, getpeername);
  }

  /** The address of this side; undefined without a socket. */
  get localAddress(): SocketAddress | undefined {
    return optionalAddress(this.socketFd, getsockname);
  }

  /** Index of the queue its events and deferred callbacks run in; 0 is served first. The middle one at first. */
  override get priority(): number {
    return this.#priority;
  }

  /** @throws {RangeError} when the base has no such queue. */
  override set priority(priority: number) {
    if (!Number.isInteger(priority) || priority < 0 || priority >= this.base.priorities) {
      throw new RangeError(`Cannot set priority ${priority}: the base has ${this.base.priorities} queues`);
    }
    this.#priority = priority;
    const events = [this.#readEvent, this.writeEvent, this.#closeEvent];
    for (const callback of [...events, this.flushCallback, this.deferredCalls?.callback]) {
      if (callback !== null && callback !== undefined) this.reactor.moveTo(callback, priority);
    }
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
    if (this.closed || this.is(CONNECTING)) throw new Error("Cannot connect: closed, or connecting already");
    this.reactor.assertOpen("connect");
    // Encoded first, since that throws for what is no address.
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress(address, bytes);
    if (this.socketFd < 0) {
      const family = address.family === "ipv4" ? AF_INET : address.family === "ipv6" ? AF_INET6 : AF_UNIX;
      const fd = socket(family, SOCK_STREAM, 0);
      if (fd < 0) throw systemError(fd, "socket", "open a socket");
      this.socketFd = fd;
      this.mark(OWNS_SOCKET, !this.is(KEEPS_OPEN));
      this.#openEvents(fd);
    }
    const result = connect(this.socketFd, bytes, length);
    this.connectBegun(result, result >= 0 || result === -EINPROGRESS! || result === -EINTR!);
  }

  /**
   * Connects to a host by name or address (bufferevent_socket_connect_hostname). Every address is tried; those of IPv6 and
   * IPv4 in turns, the next one as soon as one has failed or was waited for long enough, and the first that answers is it (RFC
   * 8305). Meanwhile reading and writing are suspended. The outcome is told by `BEV_EVENT_CONNECTED`, or by `BEV_EVENT_ERROR`
   * with a {@linkcode HostConnectError}; see also {@linkcode SocketBufferEvent.dnsError}. The write timeout does not count
   * before that; `connectTimeoutMs` does. Closing ends it.
   *
   * @throws {TypeError} when `host` is no name, or no address and there is no resolver.
   * @throws {RangeError} when the port is not 1 to 65535, or an option out of its range.
   * @throws {Error} when it is closed, connecting already, or has a socket.
   */
  connectHostname(host: string, port: number, options: ConnectHostnameOptions = {}): void {
    if (this.closed || this.is(CONNECTING)) throw new Error("Cannot connect: closed, or connecting already");
    if (this.socketFd >= 0) {
      throw new Error(`Cannot connect to ${host}: each address takes a socket of its own, and there is one`);
    }
    this.reactor.assertOpen("connect");
    const hostConnect = new HostConnect(this.base, host, port, options, this.#priority, {
      connected: (fd) => this.guard(0, () => this.#hostConnected(fd)),
      failed: (error, dnsError) => this.guard(0, () => this.#hostFailed(error, dnsError)),
    });
    this.#dnsError = null;
    this.#hostConnect = hostConnect;
    this.suspend(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.lookupBegun();
    hostConnect.start();
  }

  /** What the resolver has failed with in the last {@linkcode SocketBufferEvent.connectHostname}, or null (bufferevent_socket_get_dns_error). */
  get dnsError(): Error | null {
    return this.#dnsError;
  }

  /**
   * Makes a connection to a host and port, by {@linkcode SocketBufferEvent.connectHostname}, or to a Unix socket, and waits until
   * it is connected. When it rejects, nothing is left open.
   */
  static async connectTo(base: EventBase, target: ConnectTarget): Promise<SocketBufferEvent> {
    const connection = new SocketBufferEvent(base, -1, target);
    try {
      if ("path" in target) connection.connect({ family: "unix", path: target.path });
      else connection.connectHostname(target.host, target.port, target);
      await connection.connected({ signal: target.signal });
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #hostConnected(fd: number): void {
    this.#hostConnect = null;
    this.mark(CONNECTING, false);
    this.mark(OWNS_SOCKET, !this.is(KEEPS_OPEN));
    this.socketFd = fd;
    this.#openEvents(fd);
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.update();
    this.tell(BEV_EVENT_CONNECTED);
  }

  #hostFailed(error: SystemError, dnsError: Error | null): void {
    this.#hostConnect = null;
    this.#dnsError = dnsError;
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.lookupFailed(error);
  }

  /** Forgets a connect by name that is under way. */
  #abandonHost(): void {
    if (this.#hostConnect === null) return;
    this.#hostConnect.cancel();
    this.#hostConnect = null;
    this.forgetSending();
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
  }

  /** Tells the other side that nothing more will be sent (shutdown SHUT_WR); what is queued must have been sent. */
  override endWriting(): void {
    if (this.socketFd >= 0) shutdown(this.socketFd, SHUT_WR);
  }

  /**
   * Hands the socket to the caller, who has to close it, and goes on without one; returns it, or -1 if there is none
   * (bufferevent_getfd and then bufferevent_setfd with -1). What is in the buffers stays there. A connect that is under way is
   * not heard of any more.
   */
  takeFd(): number {
    this.#abandonHost();
    const fd = this.socketFd;
    if (fd < 0) return -1;
    this.closeEvents();
    this.forgetSending();
    this.socketFd = -1;
    return fd;
  }

  /**
   * Goes on with another socket, or with none for -1, and closes the old one unless it is to be kept open
   * (bufferevent_replacefd; to get bufferevent_setfd, which closes nothing, call {@linkcode SocketBufferEvent.takeFd} first).
   * Buffers, callbacks, limits and what is enabled stay as they are.
   *
   * @param fd a connected stream socket, which is made non-blocking.
   * @throws {SystemError} when the descriptor is not open; the old one stays in use then.
   * @throws {Error} when the connection is closed.
   */
  replaceFd(fd: number): void {
    if (this.closed) throw new Error("Cannot replace the descriptor: the connection is closed");
    if (fd === this.socketFd) return;
    if (fd >= 0) prepare(fd);
    const old = this.takeFd();
    if (old >= 0 && !this.is(KEEPS_OPEN)) close(old);
    if (fd >= 0) this.#take(fd);
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

  #take(fd: number): void {
    this.socketFd = fd;
    this.streamBegun(false);
    this.#openEvents(fd);
    this.update();
  }

  #openEvents(fd: number): void {
    const event = new LoopEvent(this.base, fd, EV_READ | EV_PERSIST, SocketBufferEvent.#readable);
    event.owner = this;
    event.level = this.#priority;
    this.#readEvent = event;
    this.mark(PEER_CLOSE_TOLD, false);
  }

  /** Gives up the events of the descriptor, which may be closed then. */
  protected override closeEvents(): void {
    this.#hostConnect?.cancel();
    this.#hostConnect = null;
    this.#readEvent?.close();
    this.writeEvent?.close();
    this.#closeEvent?.close();
    this.#readEvent = null;
    this.writeEvent = null;
    this.#closeEvent = null;
    this.mark(READ_WATCHED, false);
  }

  /** Brings the pending events in line with what is enabled, suspended and queued. */
  protected override update(): void {
    if (this.closed || this.socketFd < 0) return;
    const reading = this.readRuns && !this.is(CONNECTING);
    if (reading !== this.is(READ_WATCHED) || (reading && this.readTimeoutMs !== this.#readTimeoutSet)) {
      this.#watchRead(reading);
    }
    if (this.is(PEER_CLOSE_WANTED)) this.#watchClose();
    this.updateWriting();
  }

  #watchRead(on: boolean): void {
    this.#readTimeoutSet = this.readTimeoutMs;
    const error = watch(this.#readEvent!, on, this.readTimeoutMs);
    this.mark(READ_WATCHED, on && error === null);
    if (error === null) return;
    this.enabledBits &= ~EV_READ;
    this.tellSoon(error, BEV_EVENT_ERROR | BEV_EVENT_READING);
  }

  #watchClose(): void {
    if (this.socketFd < 0) return;
    const on = this.is(PEER_CLOSE_WANTED) && !this.is(PEER_CLOSE_TOLD | CONNECTING);
    if (!on) {
      this.#closeEvent?.delete();
      return;
    }
    if (this.#closeEvent === null) {
      this.#closeEvent = new LoopEvent(this.base, this.socketFd, EV_CLOSED, () => this.guard(0, this.#onPeerClosed));
      this.#closeEvent.level = this.#priority;
    } else if (this.#closeEvent.pending(EV_CLOSED) !== 0) {
      return;
    }
    const error = watch(this.#closeEvent, true);
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
    const slab = this.reactor.readSlab;
    const max = this.rates === null ? this.readMax : this.maxToRead;
    const room = this.readMark.high === 0 ? max : Math.min(max, this.readMark.high - this.inputLength);
    const received = slab.receive(this.socketFd, Math.max(1, room));
    if (received > 0) {
      if (this.rates !== null) this.rates.charge(EV_READ, received);
      this.#deliver(slab.bytes, slab.start, slab.end);
    } else if (received === 0) {
      this.#endReading();
      this.tell(BEV_EVENT_EOF | BEV_EVENT_READING);
    } else if (received !== -EAGAIN! && received !== -EINTR!) {
      this.#endReading();
      this.fail(received, "recv", "read from the connection", BEV_EVENT_READING);
    }
  }

  #endReading(): void {
    this.mark(PEER_CLOSE_TOLD, true);
    this.disable(EV_READ);
  }

  #deliver(bytes: Uint8Array, start: number, end: number): void {
    if (this.sink !== null) {
      this.sink.receive(bytes, start, end);
      return;
    }
    const { input } = this;
    input.unfreezeBack();
    try {
      input.addSlice(bytes, start, end);
    } finally {
      input.freezeBack();
      this.reactor.readSlab.takeBack();
    }
    this.inputGrew();
  }
}

/** Makes a descriptor non-blocking. */
function prepare(fd: number): void {
  const result = prepareDescriptor(fd);
  if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
}
