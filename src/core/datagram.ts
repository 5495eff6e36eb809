import {
  allocate,
  close,
  connect,
  disconnect,
  encodeSocketAddress,
  getpeername,
  os,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  socketpair,
  type SystemError,
  systemError,
} from "../ffi/mod.ts";
import { BaseClosedError } from "./base_closed_error.ts";
import { limitsOf } from "./datagram_limits.ts";
import { DatagramSocket } from "./datagram_socket.ts";
import type { DatagramOptions } from "./datagram_options.ts";
import { DatagramReceiver } from "./datagram_receiver.ts";
import { AddressRoute, inFamily } from "./datagram_route.ts";
import { DatagramSender } from "./datagram_sender.ts";
import { openDatagramSocket } from "./datagram_open.ts";
import { Deferred } from "./deferred.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { PullIterator } from "./pull_iterator.ts";
import type { ReceivedDatagram } from "./received_datagram.ts";
import { Segmentation } from "./segmentation.ts";
import type { Waiter } from "./waiter.ts";

/** Called with each datagram, which is valid until it returns: {@linkcode ReceivedDatagram.copy} makes one to keep. */
export type DatagramCallback = (datagram: ReceivedDatagram, socket: Datagram) => void;

/** Options of {@linkcode Datagram.receive}. */
export interface ReceiveOptions {
  /** Gives up waiting; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a socket has done so far. */
export interface DatagramCounts {
  /** Datagrams received. */
  readonly received: number;
  /** Of these, cut ones. */
  readonly truncated: number;
  /** Datagrams that the kernel took for sending. */
  readonly sent: number;
  /** Datagrams dropped because the queue was full, or the socket was closed before the kernel took them. */
  readonly dropped: number;
  /** Datagrams that the kernel refused to send. */
  readonly refused: number;
  /** Errors altogether, in sending and receiving. */
  readonly errors: number;
}

/** Errors kept until the loop can tell them; whatever caused more is the same thing over and over. */
const UNTOLD_ERRORS_MAX = 64;

const { AF_UNIX, SOCK_DGRAM } = os.constants;
const encoder = new TextEncoder();

/**
 * A UDP or Unix datagram socket on the loop.
 *
 * With a callback, each datagram is handed to it. Without one, datagrams are taken by {@linkcode Datagram.receive} or
 * `for await`, and stay in the kernel until somebody asks.
 *
 * Datagrams are received in batches by one system call (recvmmsg, where the system has it), and what the callback sends meanwhile
 * leaves together behind the batch (sendmmsg). What the kernel does not take waits in a queue with limits.
 *
 * Sending never throws for what the network does: `send()` answers false, and the error goes to `onError` from the loop. Otherwise
 * anyone who forges a sender's address could make a server fail by its own reply.
 *
 * @example Echo
 * ```ts
 * import { Datagram, EventBase } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new Datagram(base, { port: 0 }, (datagram) => datagram.reply(datagram.bytes));
 * using client = new Datagram(base, {}, (datagram) => {
 *   console.log(`${datagram.text()} from port ${server.port}`);
 *   base.loopBreak();
 * });
 * client.send("Hello, World!", server.address);
 * base.dispatch();
 * ```
 */
export class Datagram extends DatagramSocket implements Disposable {
  /** The base it belongs to. */
  readonly base: EventBase;

  readonly #onError: ((error: SystemError, socket: Datagram) => void) | undefined;
  readonly #sender: DatagramSender;
  readonly #receiver: DatagramReceiver;
  readonly #route = new AddressRoute();
  readonly #tellErrors: Deferred;
  #untold: SystemError[] = [];
  #errors = 0;
  #lastError: SystemError | null = null;
  #iterations = 0;

  /**
   * Opens the socket, binds it where the options say, and starts receiving.
   *
   * @param callback called from the loop; without it, use {@linkcode Datagram.receive}. If it throws, that datagram counts as
   * delivered, and the others of its batch follow.
   * @throws {SystemError} when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL, ...) or an option is refused.
   * @throws {TypeError} for options that exclude each other, a host that is no address, a descriptor that is no datagram socket.
   * @throws {RangeError} for a number out of its range, or a path too long.
   */
  constructor(base: EventBase, options: DatagramOptions = {}, callback?: DatagramCallback) {
    const reactor = reactorOf(base);
    reactor.assertOpen("open a datagram socket");
    const limits = limitsOf(options);
    super(openDatagramSocket(options));
    const { fd, family } = this;
    this.base = base;
    this.#onError = options.onError;
    this.#tellErrors = new Deferred(base, reactor.queues.length >> 1, () => this.#tell());
    const report = (error: SystemError): void => this.#report(error);
    this.#sender = new DatagramSender(base, {
      fd,
      family,
      segmentation: new Segmentation(fd, options.segmentation !== false && family !== "unix"),
      ...limits,
      report,
      drained: () => options.onDrain?.(this),
    });
    this.#sender.isConnected = options.fd !== undefined && isPeerKnown(fd);
    this.#receiver = new DatagramReceiver(base, {
      fd,
      ...limits,
      wantsPacketInfo: options.packetInfo === true,
      burst: options.gatherReplies === false ? undefined : this.#sender,
      callback: callback === undefined ? undefined : (datagram) => callback(datagram, this),
      answer: (data, route, length) =>
        !this.closed && this.#sender.send(bytesOf(data), this.#sender.isConnected ? null : route, length),
      report,
    });
    if (callback === undefined || options.paused === true) return;
    try {
      this.#receiver.resume();
    } catch (error) {
      // What we opened is ours to close, an adopted socket stays the caller's.
      if (options.fd === undefined) this.close();
      throw error;
    }
  }

  /**
   * Two Unix datagram sockets that are connected to each other.
   *
   * @param options for both; they cannot say where.
   * @throws {SystemError} when no descriptors are to be had (EMFILE, ENFILE).
   */
  static pair(
    base: EventBase,
    options: Omit<DatagramOptions, "fd" | "port" | "host" | "path" | "family"> = {},
    first?: DatagramCallback,
    second?: DatagramCallback,
  ): [Datagram, Datagram] {
    reactorOf(base).assertOpen("open a pair of datagram sockets");
    const fds = new Int32Array(2);
    const result = socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
    if (result < 0) throw systemError(result, "socketpair", "open a pair of datagram sockets");
    const opened: Datagram[] = [];
    try {
      opened.push(new Datagram(base, { ...options, fd: fds[0]! }, first));
      opened.push(new Datagram(base, { ...options, fd: fds[1]! }, second));
      return opened as [Datagram, Datagram];
    } catch (error) {
      for (const one of opened) one.close();
      for (let index = opened.length; index < 2; index++) close(fds[index]!);
      throw error;
    }
  }

  /** What it has done so far. */
  get counts(): DatagramCounts {
    const { sent, dropped, refused } = this.#sender;
    const { received, truncated } = this.#receiver;
    return { received, truncated, sent, dropped, refused, errors: this.#errors };
  }

  /** The latest error, whether or not there is an `onError`. */
  get lastError(): SystemError | null {
    return this.#lastError;
  }

  /** Datagrams that wait until the kernel takes them. */
  get queuedDatagrams(): number {
    return this.#sender.waitingCount;
  }

  /** Their bytes. */
  get queuedBytes(): number {
    return this.#sender.waitingBytes;
  }

  /**
   * Sends a datagram. The bytes may be changed afterwards: what cannot leave at once is copied.
   *
   * @param data bytes, or text that is sent as UTF-8; none at all is a datagram too.
   * @param to where to; left out on a connected socket.
   * @returns true when the kernel has it, or it waits for it; false when it was refused (see `onError`), or dropped because the
   * queue is full (see {@linkcode Datagram.counts}).
   * @throws {TypeError} when there is no address to send to, or one too many.
   * @throws {RangeError} when the address has a number out of range.
   */
  send(data: Uint8Array | string, to?: SocketAddress): boolean {
    this.assertOpen("send from");
    if (to === undefined) {
      if (!this.#sender.isConnected) throw new TypeError("Cannot send: the socket is not connected, so say where to");
      return this.#sender.send(bytesOf(data), null);
    }
    if (this.#sender.isConnected) throw new TypeError("Cannot send to an address: the socket is connected");
    return this.#sender.send(bytesOf(data), this.#route.point(to, this.family));
  }

  /**
   * Sends many datagrams by as few system calls as possible, in their order.
   *
   * @param datagrams contents and address of each, as for {@linkcode Datagram.send}.
   * @returns how many were sent or wait; of the others one part was dropped, see {@linkcode Datagram.counts}.
   * @throws as {@linkcode Datagram.send}; those before are on their way then.
   */
  sendMany(datagrams: Iterable<readonly [data: Uint8Array | string, to?: SocketAddress]>): number {
    this.assertOpen("send from");
    const sender = this.#sender;
    const lostBefore = sender.refused + sender.dropped;
    let count = 0;
    sender.beginBurst();
    try {
      for (const [data, to] of datagrams) {
        this.send(data, to);
        count++;
      }
    } finally {
      sender.endBurst();
    }
    return count - (sender.refused + sender.dropped - lostBefore);
  }

  /**
   * Fixes the peer: datagrams go there without an address, only its own are received, and the kernel reports when nobody listens there
   * (ECONNREFUSED). What others sent before may still come.
   *
   * @throws {SystemError} when there is no way there (ENETUNREACH), or no such Unix socket (ENOENT, ECONNREFUSED).
   * @throws {Error} while datagrams wait to be sent elsewhere.
   */
  connect(to: SocketAddress): void {
    this.#assertIdle("connect");
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress(inFamily(to, this.family), bytes);
    const result = connect(this.fd, bytes, length);
    if (result < 0) {
      const facts = to.family === "unix" ? { path: to.path } : { address: to.host, port: to.port };
      throw systemError(result, "connect", "connect to", facts);
    }
    this.#sender.isConnected = true;
  }

  /** Undoes {@linkcode Datagram.connect}. Linux also gives back a port that was not asked for by number. */
  disconnect(): void {
    this.#assertIdle("disconnect");
    const result = disconnect(this.fd);
    if (result < 0) throw systemError(result, "connect", "disconnect a datagram socket");
    this.#sender.isConnected = false;
  }

  #assertIdle(doing: string): void {
    this.assertOpen(doing);
    this.#sender.flush();
    const waiting = this.#sender.waitingCount;
    if (waiting > 0) throw new Error(`Cannot ${doing} the datagram socket: ${waiting} datagrams wait to be sent`);
  }

  /** Whether it receives: not while paused, and without a callback only while somebody waits. */
  get isReceiving(): boolean {
    return this.#receiver.isReceiving;
  }

  /**
   * Stops handing out datagrams. The kernel keeps what comes, as far as its buffer reaches, and drops the rest.
   *
   * @throws {Error} on a socket without a callback, which receives whenever somebody waits.
   */
  pause(): void {
    this.assertOpen("pause");
    this.#receiver.pause();
  }

  /**
   * Receives again.
   *
   * @throws {Error} on a socket without a callback, which receives whenever somebody waits.
   */
  resume(): void {
    this.assertOpen("resume");
    this.#receiver.resume();
  }

  /**
   * The next datagram, in memory of its own. On a socket without a callback only. The loop has to run meanwhile.
   *
   * At most one batch is read ahead; beyond that datagrams stay in the kernel.
   *
   * @returns by rejection: a {@linkcode SystemError} that the kernel reports (ECONNREFUSED on a connected socket), after which
   * one may go on; an Error when the socket is closed; a {@linkcode BaseClosedError} when its base is; the signal's reason.
   */
  async receive(options: ReceiveOptions = {}): Promise<ReceivedDatagram> {
    this.assertOpen("receive from");
    const datagram = await this.#receiver.take(options.signal).promise;
    if (datagram === undefined) throw new Error("Cannot receive: the datagram socket was closed");
    return datagram;
  }

  /**
   * All datagrams, until the socket or its base is closed. What was read ahead stays for the next iteration. While one is under way, the socket keeps the
   * loop alive, also when a datagram is being worked on.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ReceivedDatagram, void, undefined> {
    return new PullIterator<ReceivedDatagram, Waiter<ReceivedDatagram | undefined>>({
      ask: () => this.#receiver.take(undefined),
      withdraw: (waiter) => this.#receiver.withdraw(waiter),
      isEnd: (error) => error instanceof BaseClosedError,
      begun: () => this.#countIterations(1),
      ended: () => this.#countIterations(-1),
    });
  }

  #countIterations(by: number): void {
    // Closing has given up all of them.
    if (this.closed) return;
    this.#iterations += by;
    reactorOf(this.base).countVirtual(by);
  }

  /**
   * Closes it, also from within its callback. Gathered replies are sent first, as far as the kernel takes them at once; a Unix socket's file
   * is removed, unless another socket has taken its place; whoever waits in {@linkcode Datagram.receive} is told. Closing twice is harmless.
   */
  close(): void {
    if (this.closed) return;
    this.#sender.close();
    this.#receiver.close();
    this.#tellErrors.cancel();
    this.#untold = [];
    reactorOf(this.base).countVirtual(-this.#iterations);
    this.#iterations = 0;
    this.closeSocket();
  }

  /** Same as {@linkcode Datagram.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #report(error: SystemError): void {
    this.#errors++;
    this.#lastError = error;
    if (this.#onError === undefined || this.#untold.length >= UNTOLD_ERRORS_MAX) return;
    this.#untold.push(error);
    this.#tellErrors.schedule();
  }

  #tell(): void {
    try {
      for (let error = this.#untold.shift(); error !== undefined; error = this.#untold.shift()) {
        this.#onError?.(error, this);
      }
    } finally {
      // What is left when the callback throws is told next time.
      if (this.#untold.length > 0) this.#tellErrors.schedule();
    }
  }
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}

function isPeerKnown(fd: number): boolean {
  return getpeername(fd, allocate(SOCKET_ADDRESS_BYTES_MAX)) >= 0;
}
