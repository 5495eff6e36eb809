import {
  accept,
  allocate,
  bind,
  close,
  decodeSocketAddress,
  encodeSocketAddress,
  getsockname,
  ipSocketAddress,
  listen,
  lstat,
  os,
  prepareDescriptor,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  type SystemError,
  systemError,
  unlink,
} from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { socketAddress } from "./socket_address.ts";
import {
  type KeepAlive,
  setIpv6Only,
  setKeepAlive,
  setNoDelay,
  setReuseAddress,
  setReusePort,
} from "./socket_options.ts";
import { watch } from "./watch.ts";

/** Where and how a {@linkcode Listener} listens. One of `port`, `path` and `fd` says where. */
export interface ListenerOptions {
  /** TCP port, 0 to have a free one picked. */
  readonly port?: number | undefined;
  /** IPv4 or IPv6 address to bind; `127.0.0.1` by default, `0.0.0.0` or `::` for all interfaces. */
  readonly host?: string | undefined;
  /** Path of a Unix socket to create; a leading NUL makes it abstract (Linux). */
  readonly path?: string | undefined;
  /** Remove a socket that stands at `path` first, left behind by a process that crashed. Anything else stays: EADDRINUSE. */
  readonly unlinkFirst?: boolean | undefined;
  /** An existing socket to adopt (socket activation). It is made non-blocking; it must be bound, and listen unless `backlog` is given. */
  readonly fd?: number | undefined;
  /** How many connections may wait to be accepted; 511 by default, 0 with `fd`: it listens already. */
  readonly backlog?: number | undefined;
  /** Share the port with other listeners (SO_REUSEPORT). */
  readonly reusePort?: boolean | undefined;
  /** Let an IPv6 listener serve IPv4 too; false by default. */
  readonly dualStack?: boolean | undefined;
  /** TCP_NODELAY on accepted connections; true by default, since a loop gathers small writes itself. */
  readonly noDelay?: boolean | undefined;
  /** Keep-alive probes on accepted connections; after 300 s of silence, every 100 s, 3 times by default (as libevent). */
  readonly keepAlive?: KeepAlive | false | undefined;
  /** Start without accepting, until {@linkcode Listener.enable}. */
  readonly disabled?: boolean | undefined;
  /**
   * Told when accepting fails, for instance without descriptors (EMFILE, ENFILE). The listener has by then paused itself; it
   * tries again by itself.
   */
  readonly onError?: ((error: SystemError, listener: Listener) => void) | undefined;
}

/** Called for each connection with its descriptor, non-blocking and close-on-exec, which now is the callee's to close. */
export type AcceptCallback = (fd: number, listener: Listener) => void;

/** Connections accepted per wake-up, so that a flood of them does not keep others waiting. */
const ACCEPTS_PER_WAKE = 64;
/** How long accepting pauses when the process has run out of descriptors or memory, or the socket is in no state to accept. */
const PAUSE_MS = 50;
const BACKLOG = 511;
const KEEP_ALIVE: KeepAlive = { idleSeconds: 300, intervalSeconds: 100, count: 3 };

const { EAGAIN, EINTR, ECONNABORTED, EPROTO } = os.errno as Record<string, number>;

// One sockaddr for all listeners: whoever wants the peer decodes it within the callback.
const peerBytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
const peerLengthBytes = allocate(4);
const peerLength = new Int32Array(peerLengthBytes.buffer);

/**
 * Accepts connections (libevent's evconnlistener).
 *
 * When the process runs out of descriptors it pauses instead of spinning, and resumes by itself; waiting connections stay
 * in the backlog meanwhile.
 *
 * @example
 * ```ts
 * import { EventBase, Listener, SocketBufferEvent } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using listener = new Listener(base, { port: 0 }, (fd) => {
 *   const client = new SocketBufferEvent(base, fd);
 *   client.write("Hello, World!\n");
 *   client.closeAfterFlush();
 * });
 * console.log(`listening on port ${listener.port}`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class Listener implements Disposable {
  /** The base it accepts on. */
  readonly base: EventBase;
  /** The listening descriptor. */
  readonly fd: number;
  /** What it listens on, as the kernel tells; a picked port is in it. */
  readonly address: SocketAddress;

  readonly #callback: AcceptCallback;
  readonly #onError: ((error: SystemError, listener: Listener) => void) | undefined;
  readonly #event: LoopEvent;
  readonly #resume: LoopEvent;
  readonly #unlinkPath: string | undefined;
  #enabled = false;
  #closed = false;

  /**
   * Binds, listens and starts accepting.
   *
   * @throws {SystemError} when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL, ...).
   * @throws {TypeError} when the options do not say where, the host is no address, or a Unix socket is to share its port.
   * @throws {RangeError} when the port is none, or the path too long.
   */
  constructor(base: EventBase, options: ListenerOptions, callback: AcceptCallback) {
    // Asked before there is a socket that would be left behind.
    reactorOf(base).assertOpen("listen");
    this.base = base;
    this.#callback = callback;
    this.#onError = options.onError;
    this.fd = options.fd === undefined ? openListening(options) : adopt(options.fd, options);
    const address = socketAddress(this.fd, getsockname);
    if (typeof address === "number") {
      if (options.fd === undefined) this.#discard(options.path);
      throw systemError(address, "getsockname", `read the address of descriptor ${this.fd}`);
    }
    this.address = address;
    this.#unlinkPath = options.fd === undefined && options.path !== undefined && isFile(options.path)
      ? options.path
      : undefined;
    this.#event = new LoopEvent(base, this.fd, EV_READ | EV_PERSIST, () => this.#accept());
    this.#resume = new LoopEvent(base, -1, 0, () => this.#watchAgain());
    try {
      if (options.disabled !== true) this.enable();
    } catch (error) {
      // The backend cannot watch so high a number, say. What we opened is ours to close, an adopted socket stays the caller's.
      if (options.fd === undefined) this.close();
      throw error;
    }
  }

  /** The TCP port, 0 for Unix sockets. */
  get port(): number {
    return this.address.family === "unix" ? 0 : this.address.port;
  }

  /** The peer of the connection being accepted; only within the callback. For Unix sockets usually an empty path. */
  get peerAddress(): SocketAddress {
    return decodeSocketAddress(peerBytes, peerLength[0]!);
  }

  /** Whether it accepts, or would if there were descriptors. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Accepts from now on. */
  enable(): void {
    if (this.#closed) throw new Error("Cannot enable a listener that was closed");
    if (this.#enabled) return;
    this.#event.add();
    this.#enabled = true;
  }

  /** Stops accepting; connections wait in the backlog. */
  disable(): void {
    this.#enabled = false;
    this.#event.delete();
    this.#resume.delete();
  }

  /** Stops for good and closes the socket; a Unix socket's file is removed. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.disable();
    this.#closed = true;
    this.#event.close();
    this.#resume.close();
    close(this.fd);
    if (this.#unlinkPath !== undefined) unlink(this.#unlinkPath);
  }

  /** Same as {@linkcode Listener.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the socket of a listener that never came to be. */
  #discard(path: string | undefined): void {
    close(this.fd);
    if (path !== undefined && isFile(path)) unlink(path);
  }

  #accept(): void {
    for (let count = 0; count < ACCEPTS_PER_WAKE && this.#enabled; count++) {
      peerLength[0] = peerBytes.length;
      const fd = accept(this.fd, peerBytes, peerLengthBytes);
      if (fd >= 0) {
        this.#callback(fd, this);
        continue;
      }
      switch (-fd) {
        case EAGAIN:
          return;
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
          // That one connection is gone, or the call is to be made again; the next may be fine.
          break;
        default:
          // Whatever it is (EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL, ...), trying again at once would meet it again.
          this.#pause();
          this.#report(fd);
          return;
      }
    }
  }

  /** Waits a moment without watching the socket: it stays readable, and the loop would spin. */
  #pause(): void {
    this.#event.delete();
    this.#resume.add(PAUSE_MS);
  }

  /** What was short when accepting failed may still be so: then the pause begins anew. */
  #watchAgain(): void {
    const error = watch(this.#event, true);
    if (error === null) return;
    this.#resume.add(PAUSE_MS);
    this.#onError?.(error, this);
  }

  #report(result: number): void {
    this.#onError?.(systemError(result, "accept", "accept a connection"), this);
  }
}

/** Makes an existing socket ours. */
function adopt(fd: number, options: ListenerOptions): number {
  const { backlog = 0 } = options;
  let result = prepareDescriptor(fd);
  if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
  if (backlog > 0) result = listen(fd, backlog);
  if (result < 0) throw systemError(result, "listen", `listen on descriptor ${fd}`);
  // Of no concern where it fails: these options mean nothing to a Unix socket.
  configureAccepted(fd, options);
  return fd;
}

function targetOf(options: ListenerOptions): SocketAddress {
  const { port, host = "127.0.0.1", path } = options;
  if (path !== undefined) {
    // Libevent refuses it too.
    if (options.reusePort === true) throw new TypeError(`Cannot listen on ${path}: reusePort means nothing for a path`);
    return { family: "unix", path };
  }
  if (port === undefined) throw new TypeError("Cannot listen: neither port, path nor fd says where");
  const address = ipSocketAddress(host === "localhost" ? "127.0.0.1" : host, port);
  if (address === undefined) {
    throw new TypeError(`Cannot listen on host "${host}": it is not an IP address (resolve names first)`);
  }
  return address;
}

function openListening(options: ListenerOptions): number {
  const target = targetOf(options);
  const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } = os.constants;
  const family = target.family === "ipv4" ? AF_INET : target.family === "ipv6" ? AF_INET6 : AF_UNIX;
  const facts = target.family === "unix" ? { path: target.path } : { address: target.host, port: target.port };
  // Encoded first, since that throws for what is no address.
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress(target, address);
  if (target.family === "unix" && options.unlinkFirst === true && isFile(target.path)) removeSocket(target.path);
  const fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a socket for", facts);
  let syscall = "setsockopt";
  let result = target.family === "unix" ? 0 : configureTcp(fd, family === AF_INET6, options);
  if (result >= 0) {
    syscall = "bind";
    result = bind(fd, address, length);
  }
  if (result >= 0) {
    syscall = "listen";
    result = listen(fd, options.backlog ?? BACKLOG);
  }
  if (result < 0) {
    close(fd);
    // Binding has made the file already.
    if (syscall === "listen" && target.family === "unix" && isFile(target.path)) unlink(target.path);
    throw systemError(result, syscall, syscall === "bind" ? "bind" : "listen on", facts);
  }
  return fd;
}

/** Whether a Unix socket's path names a file: abstract names, behind a NUL, and the empty path do not. */
function isFile(path: string): boolean {
  return path !== "" && !path.startsWith("\0");
}

function configureTcp(fd: number, isIpv6: boolean, options: ListenerOptions): number {
  let result = setReuseAddress(fd);
  if (result >= 0 && options.reusePort === true) result = setReusePort(fd);
  if (result >= 0 && isIpv6) result = setIpv6Only(fd, options.dualStack !== true);
  return result >= 0 ? configureAccepted(fd, options) : result;
}

/** Removes a socket's file; a mistyped path must not cost somebody a file of another kind. */
function removeSocket(path: string): void {
  const { S_IFMT, S_IFSOCK } = os.constants;
  const status = lstat(path);
  if (typeof status !== "number" && (status.mode & S_IFMT) === S_IFSOCK) unlink(path);
}

/** Options set here are inherited by every accepted connection, which so costs no call of its own. */
function configureAccepted(fd: number, options: ListenerOptions): number {
  let result = options.noDelay !== false ? setNoDelay(fd, true) : 0;
  if (result >= 0 && options.keepAlive !== false) result = setKeepAlive(fd, options.keepAlive ?? KEEP_ALIVE);
  return result;
}
