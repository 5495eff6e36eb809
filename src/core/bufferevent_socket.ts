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
import type { ConnectOptions, ConnectTarget, SocketBufferEventOptions } from "./bufferevent_options.ts";
import { SocketReading } from "./bufferevent_reading.ts";
import { CONNECTING, ENDS_WRITING, KEEPS_OPEN, OWNS_SOCKET } from "./connection_state.ts";
import { EV_READ, EV_WRITE } from "./constants.ts";
import type { EventBase } from "./event_base.ts";
import { changeSettings } from "./flow_settings.ts";
import { type ConnectHostnameOptions, HostConnect } from "./host_connect.ts";
import { bindTo } from "./local_address.ts";
import { SUSPEND_LOOKUP } from "./suspension.ts";
import { optionalAddress } from "./socket_address.ts";

export type { ConnectOptions, ConnectTarget, SocketBufferEventOptions } from "./bufferevent_options.ts";
export { SocketReading } from "./bufferevent_reading.ts";
export { SocketConnecting } from "./bufferevent_connecting.ts";
export { SocketSending } from "./bufferevent_sending.ts";
export { SocketSendingNow } from "./bufferevent_sending_now.ts";
export { SocketStaging } from "./bufferevent_staging.ts";

const { EINTR, EINPROGRESS } = os.errno as Record<string, number>;
const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SHUT_WR } = os.constants;

/**
 * A connection over a stream socket (libevent's bufferevent_socket).
 *
 * Unlike C it sends what a callback has queued at the end of that callback, in one system call, and watches for
 * writability only after the kernel would take no more. What is queued outside of callbacks leaves with the next turn.
 */
export class SocketBufferEvent extends SocketReading {
  /**
   * Takes a socket, or none for the time being.
   *
   * @param fd a connected stream socket, which is made non-blocking, unless the options say that it is; -1: none yet, see {@linkcode SocketBufferEvent.connect}.
   * @throws {SystemError} when the descriptor is not open.
   * @throws {RangeError} when a maximum is no byte count.
   */
  constructor(base: EventBase, fd: number = -1, options: SocketBufferEventOptions = {}) {
    super(base, options);
    const priority = base.priorities >> 1;
    if (priority !== 0) this.settings = changeSettings(this.settings, { priority });
    if (fd < 0) return;
    if (options.prepared !== true) prepare(fd);
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
    return this.settings.priority;
  }

  /** @throws {RangeError} when the base has no such queue. */
  override set priority(priority: number) {
    if (!Number.isInteger(priority) || priority < 0 || priority >= this.base.priorities) {
      throw new RangeError(`Cannot set priority ${priority}: the base has ${this.base.priorities} queues`);
    }
    this.settings = changeSettings(this.settings, { priority });
    const events = [this.readEvent, this.writeEvent, this.closeEvent];
    for (const callback of [...events, this.flushCallback, this.deferredCalls?.callback]) {
      if (callback !== null && callback !== undefined) this.reactor.moveTo(callback, priority);
    }
  }

  /**
   * Connects to `address` (bufferevent_socket_connect), with a new socket unless one was given. However soon it succeeds or
   * fails, that is told later, by `BEV_EVENT_CONNECTED` or `BEV_EVENT_ERROR`. After a failure it may be called again; what is
   * queued waits for that.
   *
   * @throws {SystemError} when no socket is to be had, or not the local address that was asked for (EADDRINUSE, EADDRNOTAVAIL, ...).
   * @throws {TypeError} or {RangeError} when an address is none.
   * @throws {Error} when it is closed, or connecting already.
   */
  connect(address: SocketAddress, options: ConnectOptions = {}): void {
    if (this.closed || this.is(CONNECTING)) throw new Error("Cannot connect: closed, or connecting already");
    this.reactor.assertOpen("connect");
    // Encoded first, since that throws for what is no address.
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress(address, bytes);
    if (this.socketFd < 0) {
      const fd = openSocket(address, options);
      this.socketFd = fd;
      this.mark(OWNS_SOCKET, !this.is(KEEPS_OPEN));
      this.openEvents(fd);
    } else if (options.localAddress !== undefined) {
      bindTo(this.socketFd, options.localAddress);
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
    const hostConnect = new HostConnect(this.base, host, port, options, this.priority, {
      connected: (fd) => this.guard(0, () => this.#hostConnected(fd)),
      failed: (error) => this.guard(0, () => this.#hostFailed(error)),
    });
    this.needExtras().hostConnect = hostConnect;
    this.suspend(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.lookupBegun();
    try {
      hostConnect.start();
    } catch (error) {
      this.#abandonHost();
      throw error;
    }
  }

  /** What the resolver has failed with in the last {@linkcode SocketBufferEvent.connectHostname}, or null (bufferevent_socket_get_dns_error). */
  get dnsError(): Error | null {
    return this.extras?.hostConnect?.dnsError ?? null;
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
    this.needExtras().hostConnect = null;
    this.mark(CONNECTING, false);
    this.mark(OWNS_SOCKET, !this.is(KEEPS_OPEN));
    this.socketFd = fd;
    this.openEvents(fd);
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.update();
    this.tellConnected();
  }

  #hostFailed(error: SystemError): void {
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
    this.lookupFailed(error);
  }

  /** Forgets a connect by name that is under way. */
  #abandonHost(): void {
    if (!this.#cancelHost()) return;
    this.forgetSending();
    this.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
  }

  /** Returns whether there was one. */
  #cancelHost(): boolean {
    const hostConnect = this.extras?.hostConnect ?? null;
    if (hostConnect === null || hostConnect.isOver) return false;
    hostConnect.cancel();
    this.needExtras().hostConnect = null;
    return true;
  }

  /**
   * Tells the other side that nothing more will be sent (shutdown SHUT_WR); what is queued must have been sent. While a connect is under way
   * that waits for it, and for what was queued until then; the end is forgotten when the connect fails.
   */
  override endWriting(): void {
    if (this.is(CONNECTING)) this.mark(ENDS_WRITING, true);
    else if (this.socketFd >= 0) shutdown(this.socketFd, SHUT_WR);
  }

  /**
   * Hands the socket to the caller, who has to close it, and goes on without one; returns it, or -1 if there is none
   * (bufferevent_getfd and then bufferevent_setfd with -1). What is in the buffers stays there. A connect that is under way is
   * not heard of any more.
   */
  takeFd(): number {
    this.#sendWaiting();
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
    // Or it would go to the wrong peer. And first of all, since whoever hears that it has left may close the connection.
    if (fd !== this.socketFd) this.#sendWaiting();
    if (this.closed) throw new Error("Cannot replace the descriptor: the connection is closed");
    if (fd === this.socketFd) return;
    if (fd >= 0) prepare(fd);
    const old = this.takeFd();
    if (old >= 0 && !this.is(KEEPS_OPEN)) close(old);
    if (fd >= 0) this.#take(fd);
  }

  /** Before the socket is given up: sends what was queued by a callback that has ended, and waits for others. It may be closed by that. */
  #sendWaiting(): void {
    if (this.outputLength > 0) this.reactor.flushBatch.hurry(this);
  }

  #take(fd: number): void {
    this.socketFd = fd;
    this.streamBegun(false);
    this.openEvents(fd);
    this.update();
  }

  /** Gives up the events of the descriptor, and a connect by name. */
  protected override closeEvents(): void {
    this.#cancelHost();
    super.closeEvents();
  }
}

function openSocket({ family }: SocketAddress, { localAddress }: ConnectOptions): number {
  const fd = socket(family === "ipv4" ? AF_INET : family === "ipv6" ? AF_INET6 : AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a socket");
  try {
    if (localAddress !== undefined) bindTo(fd, localAddress);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Makes a descriptor non-blocking. */
function prepare(fd: number): void {
  const result = prepareDescriptor(fd);
  if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
}
