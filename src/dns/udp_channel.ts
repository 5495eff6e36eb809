import {
  EV_PERSIST,
  EV_READ,
  EV_WRITE,
  type EventBase,
  formatSocketAddress,
  type IpSocketAddress,
  setReceiveBufferBytes,
  setSendBufferBytes,
} from "../core/mod.ts";
import { giveSendBatch, type SendBatch, takeSendBatch } from "../core/datagram_batches.ts";
import { Deferred } from "../core/deferred.ts";
import { LoopEvent } from "../core/event.ts";
import { reactorOf } from "../core/event_base.ts";
import type { Reactor } from "../core/reactor.ts";
import { Segmentation } from "../core/segmentation.ts";
import {
  allocate,
  bind,
  close,
  connect,
  encodeSocketAddress,
  os,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  systemError,
} from "../ffi/mod.ts";
import type { OwnPorts } from "./own_ports.ts";
import { QUERY_BYTES_MAX, queryFlags, writeQuery } from "./query_message.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import type { Channel, Transmission } from "./transmission.ts";
import { ANSWERS_PER_BATCH, giveAnswerBatch, takeAnswerBatch } from "./answer_batch.ts";
import { UnsentQueries } from "./unsent_queries.ts";
import { tooManyQueries, WaitingQueries } from "./waiting_queries.ts";

const { AF_INET, AF_INET6, SOCK_DGRAM, MSG_DONTWAIT, MSG_NOSIGNAL } = os.constants;
const { EAGAIN, ECONNREFUSED, EINTR, ENOBUFS } = os.errno as Record<string, number>;
const HEARING = "hear from a name server";
/** How long to wait where the system, and not this socket, has no room: nothing tells when it has. */
const RETRY_MS = 1;
/** Batches received before others have their turn. */
const BATCHES_PER_WAKE_MAX = 2;
/**
 * A socket is not used any longer than that. Whoever cannot see our queries has to try out which of some 28,000 ports is open, and the kernel's
 * limit on ICMP errors, 1000 a second, lets him learn of few. So it is time that counts, and not the number of queries; a socket for
 * every 32 of them took a tenth of a lookup.
 */
const AGE_MS_MAX = 1000;

/**
 * A UDP socket that is connected to a name server, so that the kernel lets through what comes from its address and port only; its own
 * port is a random one, and used for so many queries.
 *
 * What callbacks of the loop have sent leaves behind them, many queries by one system call; outside of any it leaves at once.
 *
 * Its events do not keep the loop alive: whoever waits for an answer does.
 */
export class UdpChannel implements Channel {
  readonly #base: EventBase;
  readonly #reactor: Reactor;
  readonly #ports: OwnPorts;
  // Where it asks from, as text, if that has a port of its own.
  readonly #own: string | null;
  readonly #fd: number;
  readonly #segmentation: Segmentation;
  readonly #waiting = new WaitingQueries();
  readonly #readable: LoopEvent;
  readonly #flush: Deferred;
  #writable: LoopEvent | null = null;
  #retry: LoopEvent | null = null;
  // What is to be sent, at the end of a callback or when the kernel takes more.
  readonly #unsent = new UnsentQueries();
  #queriesLeft: number;
  readonly #openedMs: number;
  readonly #flags: number;
  #isRetired = false;
  #isClosed = false;

  /** @throws {SystemError} when there is no such socket to be had. */
  constructor(base: EventBase, address: IpSocketAddress, settings: DnsResolverSettings, ports: OwnPorts) {
    const { bindTo } = settings;
    this.#base = base;
    this.#reactor = reactorOf(base);
    this.#ports = ports;
    this.#own = bindTo?.family === address.family && bindTo.port !== 0 ? formatSocketAddress(bindTo) : null;
    this.#fd = openSocket(address, settings, ports, this.#own);
    this.#segmentation = new Segmentation(this.#fd, settings.segmentation);
    this.#queriesLeft = this.#own === null ? settings.queriesPerSocket : Infinity;
    this.#openedMs = base.now();
    this.#flags = queryFlags(settings.authenticData);
    this.#flush = new Deferred(base, base.priorities >> 1, () => this.#sendAll());
    this.#readable = new LoopEvent(base, this.#fd, EV_READ | EV_PERSIST, () => this.#receive(), true);
    try {
      this.#readable.add();
    } catch (error) {
      this.#closeSocket();
      throw error;
    }
  }

  #closeSocket(): void {
    close(this.#fd);
    if (this.#own !== null) this.#ports.release(this.#own);
  }

  /** Whether its port is not a random one. */
  get hasOwnPort(): boolean {
    return this.#own !== null;
  }

  /** Whether another one has to take its place. */
  get isUsedUp(): boolean {
    const isOld = this.#queriesLeft !== Infinity && this.#base.now() - this.#openedMs > AGE_MS_MAX;
    return this.#isClosed || this.#isRetired || this.#queriesLeft <= 0 || isOld;
  }

  /** Has a query sent. What the system has against it is told to its owner, perhaps before this returns. */
  send(transmission: Transmission): void {
    this.#queriesLeft--;
    if (!this.#waiting.add(transmission)) return transmission.owner.failed(transmission, tooManyQueries());
    transmission.channel = this;
    this.#unsent.add(transmission);
    if (this.#unsent.size > 1) return;
    if (this.#reactor.running === null) this.#sendAll();
    else this.#flush.schedule();
  }

  #sendAll(): void {
    const batch = takeSendBatch();
    try {
      while (this.#unsent.size > 0 && !this.#isClosed) {
        this.#gather(batch);
        const result = this.#transmit(batch);
        if (isFull(result)) return this.#waitForRoom(result === -ENOBUFS!);
        if (result < 0) this.#refused(result);
      }
    } finally {
      giveSendBatch(batch);
    }
  }

  /** Fills a batch with what is to be sent. */
  #gather(batch: SendBatch): void {
    const unsent = this.#unsent;
    batch.clear();
    unsent.settle();
    for (let index = 0; index < unsent.size && batch.fits(QUERY_BYTES_MAX); index++) {
      const { id, question, udpBytes } = unsent.at(index);
      const start = batch.bytes;
      batch.addWritten(writeQuery(batch.memory, start, id, question!, udpBytes, this.#flags) - start, null);
    }
    batch.arrange(this.#segmentation, false);
  }

  /** Sends a batch as far as it goes; what has left is not unsent any more. Returns 0, or `-errno` of what is in the way. */
  #transmit(batch: SendBatch): number {
    let [sent, result] = [0, 0];
    while (sent < batch.count && result === 0) {
      const taken = batch.send(this.#fd, sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (taken > 0) {
        sent += taken;
        result = batch.failedBehind;
      } else if (taken !== -EINTR! && (taken === -ECONNREFUSED! || isFull(taken) || !batch.split(sent, taken))) {
        result = taken;
      }
    }
    this.#unsent.drop(sent);
    return result;
  }

  #refused(result: number): void {
    // That is what came of an earlier query, and it is not told again: nobody listens there.
    if (result === -ECONNREFUSED!) return this.#failAll(result, "sendmmsg", "ask a name server");
    const transmission = this.#unsent.at(0);
    this.#unsent.drop(1);
    transmission.owner.failed(transmission, systemError(result, "sendmmsg", "ask a name server"));
  }

  /** @param isBlind whether the socket is writable all the time. */
  #waitForRoom(isBlind: boolean): void {
    if (isBlind) {
      this.#retry ??= new LoopEvent(this.#base, -1, 0, () => this.#sendAll(), true);
      this.#retry.add(RETRY_MS);
      return;
    }
    this.#writable ??= new LoopEvent(this.#base, this.#fd, EV_WRITE, () => this.#sendAll(), true);
    this.#writable.add();
  }

  #receive(): void {
    const batch = takeAnswerBatch();
    try {
      for (let left = BATCHES_PER_WAKE_MAX; left > 0 && !this.#isClosed; left--) {
        const count = batch.receive(this.#fd);
        if (count < 0) {
          if (count !== -EAGAIN! && count !== -EINTR!) this.#failAll(count, "recvmmsg", HEARING);
          return;
        }
        for (let index = 0; index < count && !this.#isClosed; index++) {
          this.#waiting.received(batch.bytesAt(index), batch.lengthAt(index));
        }
        if (batch.failedBehind < 0) this.#failAll(batch.failedBehind, "recvmmsg", HEARING);
        // The kernel had no more; asking again would only make it say so.
        if (count < ANSWERS_PER_BATCH) return;
      }
    } finally {
      giveAnswerBatch(batch);
    }
  }

  #failAll(result: number, syscall: string, doing: string): void {
    const error = systemError(result, syscall, doing);
    this.#unsent.clear();
    for (const transmission of this.#waiting.takeAll()) {
      if (transmission.channel === this) transmission.owner.failed(transmission, error);
    }
  }

  forget(transmission: Transmission): void {
    this.#waiting.delete(transmission);
    this.#unsent.forget(transmission);
    if (this.#isRetired) this.retire();
  }

  /** Takes no more queries, and closes as soon as nobody waits for an answer. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this.close();
  }

  /** Closes it; answers what waits for answers, to be sent by another one. */
  handOver(): Transmission[] {
    this.close();
    this.#unsent.clear();
    return this.#waiting.takeAll();
  }

  /** Gives the socket back; whoever waits has to be told by others. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#flush.cancel();
    this.#readable.close();
    this.#writable?.close();
    this.#retry?.close();
    this.#closeSocket();
  }
}

/** Whether a result says that there is no room now. */
function isFull(result: number): boolean {
  return result === -EAGAIN! || result === -ENOBUFS!;
}

/** @param own the name of the address that is bound to, if that has a port. */
function openSocket(
  address: IpSocketAddress,
  { bindTo, receiveBufferBytes, sendBufferBytes }: DnsResolverSettings,
  ports: OwnPorts,
  own: string | null,
): number {
  const facts = { address: address.host, port: address.port };
  // Encoded first, since that throws for what is no address.
  const to = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const toBytes = encodeSocketAddress(address, to);
  const from = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const fromBytes = bindTo?.family === address.family ? encodeSocketAddress(bindTo, from) : 0;
  const fd = socket(address.family === "ipv4" ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a socket for a name server", facts);
  const must = (result: number, syscall: string): void => {
    if (result >= 0) return;
    close(fd);
    throw systemError(result, syscall, "prepare a socket for a name server", facts);
  };
  if (receiveBufferBytes > 0) must(setReceiveBufferBytes(fd, receiveBufferBytes), "setsockopt");
  if (sendBufferBytes > 0) must(setSendBufferBytes(fd, sendBufferBytes), "setsockopt");
  if (own !== null) must(ports.bind(fd, own, from, fromBytes), "bind");
  else if (fromBytes > 0) must(bind(fd, from, fromBytes), "bind");
  const result = connect(fd, to, toBytes);
  if (result < 0 && own !== null) ports.release(own);
  must(result, "connect");
  return fd;
}
