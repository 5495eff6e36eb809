import {
  accept,
  ACCEPT_BLOCKING,
  ACCEPT_INHERITABLE,
  allocate,
  close,
  decodeSocketAddress,
  getsockname,
  os,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  type SystemError,
  systemError,
} from "../ffi/mod.ts";
import { AcceptStream, type AcceptStreamOptions } from "./accept_stream.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import type { AcceptCallback, ListenerErrorCallback, ListenerOptions } from "./listener_options.ts";
import { closeListeningSocket, type ListeningSocket, openListeningSocket } from "./listening_socket.ts";
import { EVENT_LOG_DEBUG, EVENT_LOG_WARN, isDebugLogged, log } from "./log.ts";
import { socketAddress } from "./socket_address.ts";
import { watch } from "./watch.ts";

/** Connections accepted per wake-up, so that a flood of them does not keep others waiting. */
const ACCEPTS_PER_WAKE = 64;
/** How long accepting pauses when the process has run out of descriptors or memory, or the socket is in no state to accept. */
const REST_MS = 50;
/** How often failures are logged at most: without descriptors there may be twenty a second, for as long as that lasts. */
const LOG_INTERVAL_MS = 1000;

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
 *   const client = new SocketBufferEvent(base, fd, { prepared: true });
 *   client.write("Hello, World!\n");
 *   client.closeAfterFlush();
 * });
 * console.log(`listening on port ${listener.port}`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class Listener implements Disposable {
  /** The base it accepts on (evconnlistener_get_base). */
  readonly base: EventBase;
  /** The listening descriptor (evconnlistener_get_fd). */
  readonly fd: number;
  /** What it listens on, as the kernel tells; a picked port is in it. */
  readonly address: SocketAddress;

  // Null while nobody wants connections: then they wait in the backlog.
  #callback: AcceptCallback | null;
  #stream: AcceptStream | null = null;
  #onError: ListenerErrorCallback | null;
  readonly #socket: ListeningSocket;
  readonly #event: LoopEvent;
  readonly #resume: LoopEvent;
  readonly #acceptHow: number;
  readonly #keepOpen: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void = () => this.close();
  #enabled = false;
  // Whoever takes the connections has no room for more.
  #paused = false;
  #closed = false;
  // When a failure was logged last, and how many have not been since.
  #loggedMs = -Infinity;
  #unlogged = 0;

  /**
   * Binds, listens and starts accepting (evconnlistener_new_bind), or adopts a socket (evconnlistener_new).
   *
   * @param callback told of each connection; without one they wait in the backlog, until {@linkcode Listener.setCallback} or
   * {@linkcode Listener.connections}.
   * @throws {SystemError} when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL, ...).
   * @throws {TypeError} when the options do not say where, contradict each other, or the host is no address.
   * @throws {RangeError} when a number is out of range, or the path too long.
   * @throws what `signal` was aborted with, if it was.
   */
  constructor(base: EventBase, options: ListenerOptions, callback: AcceptCallback | null = null) {
    // Asked before there is a socket that would be left behind.
    reactorOf(base).assertOpen("listen");
    options.signal?.throwIfAborted();
    this.base = base;
    this.#callback = callback;
    this.#onError = options.onError ?? null;
    this.#keepOpen = options.keepOpen === true;
    this.#acceptHow = (options.blocking === true ? ACCEPT_BLOCKING : 0) |
      (options.closeOnExec === false ? ACCEPT_INHERITABLE : 0);
    this.#socket = openListeningSocket(options);
    this.fd = this.#socket.fd;
    // What we opened is ours to close when something fails, an adopted socket stays the caller's.
    const discard = (): void => options.fd === undefined ? closeListeningSocket(this.#socket) : undefined;
    const address = socketAddress(this.fd, getsockname);
    if (typeof address === "number") {
      discard();
      throw systemError(address, "getsockname", `read the address of descriptor ${this.fd}`);
    }
    this.address = address;
    this.#event = new LoopEvent(base, this.fd, EV_READ | EV_PERSIST, () => this.#accept());
    this.#resume = new LoopEvent(base, -1, 0, () => this.#watchAgain());
    try {
      if (options.disabled !== true) this.enable();
    } catch (error) {
      // The backend cannot watch so high a number, say.
      this.#event.close();
      this.#resume.close();
      this.#closed = true;
      discard();
      throw error;
    }
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort);
  }

  /** The TCP port, 0 for Unix sockets. */
  get port(): number {
    return this.address.family === "unix" ? 0 : this.address.port;
  }

  /** The peer of the connection being accepted; only within the callback. For Unix sockets usually an empty path. */
  get peerAddress(): SocketAddress {
    return decodeSocketAddress(peerBytes, peerLength[0]!);
  }

  /** Whether what it hands out is non-blocking and close-on-exec, and so a {@linkcode SocketBufferEvent} can take it as `prepared`. */
  get handsOutPrepared(): boolean {
    return this.#acceptHow === 0;
  }

  /** Whether it accepts, or would if there were descriptors, a callback, and room for more with whoever takes them. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Accepts connections for a loop: `for await (const connection of listener.connections())`. While `queueMax` of them wait
   * for the loop's body, the others wait in the backlog. The loop ends when the listener or its base is closed, or the signal aborted;
   * whoever leaves it stops accepting. Connections that were not taken are closed then.
   *
   * @throws {TypeError} when the listener has a callback, or another such loop; or, as a RangeError, for a wrong `queueMax`.
   * @throws {SystemError} when the socket cannot be watched; another loop may be tried then.
   */
  connections(options: AcceptStreamOptions = {}): AcceptStream {
    if (this.#callback !== null) {
      throw new TypeError("Cannot iterate over connections: somebody else takes them already");
    }
    const stream = new AcceptStream(this, options, () => {
      this.disable();
      this.pause(false);
      this.#callback = this.#stream = null;
    });
    try {
      this.setCallback((fd) => stream.accepted(fd));
      this.#stream = stream;
      if (this.#closed) stream.end();
      else stream.start();
    } catch (error) {
      stream.end();
      throw error;
    }
    return stream;
  }

  /**
   * Accepts from now on, or without a callback from when there is one (evconnlistener_enable).
   *
   * @throws {SystemError} when the socket cannot be watched.
   * @throws {Error} when the listener was closed.
   */
  enable(): void {
    if (this.#closed) throw new Error("Cannot enable a listener that was closed");
    if (this.#enabled) return;
    if (this.#callback !== null && !this.#paused) this.#event.add();
    this.#enabled = true;
  }

  /**
   * @internal Accepts nothing for the time being, or goes on with that. Whoever has no room for more works on those that there are, so the
   * loop must be there when that is done.
   */
  pause(on: boolean): void {
    if (on === this.#paused) return;
    this.#paused = on;
    reactorOf(this.base).countVirtual(on ? 1 : -1);
    if (on) {
      this.#event.delete();
      this.#resume.delete();
    } else if (this.#enabled && this.#callback !== null) {
      this.#event.add();
    }
  }

  /** Stops accepting; connections wait in the backlog (evconnlistener_disable). */
  disable(): void {
    this.#enabled = false;
    this.#event.delete();
    this.#resume.delete();
  }

  /**
   * Has connections handed to `callback` from now on (evconnlistener_set_cb). Taken away with null from a listener that
   * accepts, connections are accepted and closed, one per wake-up, so that clients learn that nobody serves them;
   * {@linkcode Listener.disable} lets them wait instead. Without effect on a listener that was closed.
   *
   * @throws {SystemError} when this is the first callback of an enabled listener, and the socket cannot be watched.
   */
  setCallback(callback: AcceptCallback | null): void {
    const starts = this.#enabled && !this.#paused && this.#callback === null && callback !== null;
    // A pause ends by itself.
    if (starts && this.#resume.pending() === 0) this.#event.add();
    this.#callback = callback;
  }

  /** Has failures told to `onError` from now on, or logged where it is null (evconnlistener_set_error_cb). */
  setErrorCallback(onError: ListenerErrorCallback | null): void {
    this.#onError = onError;
  }

  /**
   * Stops for good (evconnlistener_free) and closes the socket, unless it was to be kept open; a Unix socket's file is removed
   * with it. Closing twice is harmless, and so is closing in a callback.
   */
  close(): void {
    if (this.#closed) return;
    this.#stream?.end();
    this.disable();
    this.#closed = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#event.close();
    this.#resume.close();
    if (!this.#keepOpen) closeListeningSocket(this.#socket);
  }

  /** Same as {@linkcode Listener.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #accept(): void {
    for (let count = 0; count < ACCEPTS_PER_WAKE && this.#enabled && !this.#paused; count++) {
      peerLength[0] = peerBytes.length;
      const fd = accept(this.fd, peerBytes, peerLengthBytes, this.#acceptHow);
      if (fd >= 0) {
        if (this.#callback === null) {
          close(fd);
          return;
        }
        // Nobody is at the other end any more: how some systems tell of a connection that was reset in the backlog.
        if (peerLength[0] === 0) close(fd);
        else this.#callback(fd, this);
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
          this.#rest();
          this.reportError(systemError(fd, "accept", "accept a connection"));
          return;
      }
    }
  }

  /** Waits a moment without watching the socket: it stays readable, and the loop would spin. */
  #rest(): void {
    this.#event.delete();
    this.#resume.add(REST_MS);
    if (isDebugLogged()) log(EVENT_LOG_DEBUG, `The listener on descriptor ${this.fd} pauses for ${REST_MS} ms`);
  }

  /** What was short when accepting failed may still be so: then the pause begins anew. */
  #watchAgain(): void {
    const error = watch(this.#event, true);
    if (error === null) return;
    this.#rest();
    this.reportError(error);
  }

  /**
   * Tells of an error with a connection: to `onError`, or without it to the log, at most once a second. The listener does so itself
   * when accepting fails; whoever serves its connections may have what went wrong with one of them told the same way.
   */
  reportError(error: SystemError): void {
    if (this.#onError !== null) {
      this.#onError(error, this);
      return;
    }
    const nowMs = this.base.now();
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) {
      this.#unlogged++;
      return;
    }
    const more = this.#unlogged === 0 ? "" : ` (${this.#unlogged} more since the last such line)`;
    this.#loggedMs = nowMs;
    this.#unlogged = 0;
    log(EVENT_LOG_WARN, `${error.message}; the listener on descriptor ${this.fd} goes on${more}`);
  }
}
