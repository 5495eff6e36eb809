import {
  EV_PERSIST,
  EV_READ,
  EV_WRITE,
  type EventBase,
  type IpSocketAddress,
  setReceiveBufferBytes,
  setSendBufferBytes,
} from "../core/mod.ts";
import { LoopEvent } from "../core/event.ts";
import {
  allocate,
  bind,
  close,
  connect,
  encodeSocketAddress,
  os,
  recv,
  send,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  systemError,
} from "../ffi/mod.ts";
import { DNS_MESSAGE_BYTES_MAX } from "./constants.ts";
import { QUERY_BYTES_MAX, writeQuery } from "./query_message.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import type { Channel, Transmission } from "./transmission.ts";
import { WaitingQueries } from "./waiting_queries.ts";

const { AF_INET, AF_INET6, SOCK_DGRAM, MSG_NOSIGNAL } = os.constants;
const { EAGAIN, EINTR, ENOBUFS } = os.errno as Record<string, number>;
/** Messages received before others have their turn. */
const PER_WAKE_MAX = 64;
/** A socket is not used any longer than that: whoever has found out its port shall not have it for good. */
const AGE_MS_MAX = 10_000;

// One buffer each for all channels: a query is sent, and an answer read, at once.
let inbox: Uint8Array<ArrayBuffer> | undefined;
const outbox = allocate(QUERY_BYTES_MAX);

/**
 * A UDP socket that is connected to a name server, so that the kernel lets through what comes from its address and port only; its own
 * port is a random one, and used for so many queries.
 *
 * Its events do not keep the loop alive: whoever waits for an answer does.
 */
export class UdpChannel implements Channel {
  readonly #base: EventBase;
  readonly #fd: number;
  readonly #waiting = new WaitingQueries();
  readonly #readable: LoopEvent;
  #writable: LoopEvent | null = null;
  // What the kernel did not take.
  #unsent: Transmission[] = [];
  #queriesLeft: number;
  readonly #openedMs: number;
  #isRetired = false;
  #isClosed = false;

  /** @throws {SystemError} when there is no such socket to be had. */
  constructor(base: EventBase, address: IpSocketAddress, settings: DnsResolverSettings) {
    this.#base = base;
    this.#fd = openSocket(address, settings);
    this.#queriesLeft = (settings.bindTo?.port ?? 0) === 0 ? settings.queriesPerSocket : Infinity;
    this.#openedMs = base.now();
    this.#readable = new LoopEvent(base, this.#fd, EV_READ | EV_PERSIST, () => this.#receive(), true);
    try {
      this.#readable.add();
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Whether another one has to take its place. */
  get isUsedUp(): boolean {
    const isOld = this.#queriesLeft !== Infinity && this.#base.now() - this.#openedMs > AGE_MS_MAX;
    return this.#isClosed || this.#isRetired || this.#queriesLeft <= 0 || isOld;
  }

  /** Sends a query. What the system has against it is told to its owner, now. */
  send(transmission: Transmission): void {
    this.#queriesLeft--;
    this.#waiting.add(transmission);
    transmission.channel = this;
    if (this.#unsent.length > 0) this.#unsent.push(transmission);
    else this.#trySend(transmission);
  }

  #trySend(transmission: Transmission): boolean {
    const end = writeQuery(outbox, 0, transmission.id, transmission.question, transmission.udpBytes);
    let result = send(this.#fd, outbox, end, MSG_NOSIGNAL);
    if (result === -EINTR!) result = send(this.#fd, outbox, end, MSG_NOSIGNAL);
    if (result >= 0) return true;
    if (result === -EAGAIN! || result === -ENOBUFS!) {
      this.#unsent.push(transmission);
      this.#writable ??= new LoopEvent(this.#base, this.#fd, EV_WRITE, () => this.#sendRest(), true);
      this.#writable.add();
      return false;
    }
    // On a connected socket it may be the answer to an earlier query: nobody listens there.
    transmission.owner.failed(transmission, systemError(result, "send", "ask a name server"));
    return true;
  }

  #sendRest(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (let index = 0; index < unsent.length; index++) {
      if (this.#isClosed) return;
      // What was told of the one before may have made this one needless.
      if (unsent[index]!.channel !== this || this.#trySend(unsent[index]!)) continue;
      this.#unsent.push(...unsent.slice(index + 1));
      return;
    }
  }

  #receive(): void {
    const bytes = inbox ??= allocate(DNS_MESSAGE_BYTES_MAX);
    for (let count = 0; count < PER_WAKE_MAX && !this.#isClosed; count++) {
      const length = recv(this.#fd, bytes, bytes.length, 0);
      if (length >= 0) {
        this.#waiting.received(bytes, length);
      } else if (length === -EAGAIN!) {
        return;
      } else if (length !== -EINTR!) {
        const error = systemError(length, "recv", "hear from a name server");
        for (const transmission of this.#waiting.takeAll()) {
          if (transmission.channel === this) transmission.owner.failed(transmission, error);
        }
        return;
      }
    }
  }

  forget(transmission: Transmission): void {
    this.#waiting.delete(transmission);
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.filter((one) => one !== transmission);
    if (this.#isRetired) this.retire();
  }

  /** Takes no more queries, and closes as soon as nobody waits for an answer. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this.close();
  }

  /** Gives the socket back; whoever waits has to be told by others. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#readable.close();
    this.#writable?.close();
    close(this.#fd);
  }
}

function openSocket(address: IpSocketAddress, settings: DnsResolverSettings): number {
  const facts = { address: address.host, port: address.port };
  const fd = socket(address.family === "ipv4" ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a socket for a name server", facts);
  const { bindTo, receiveBufferBytes, sendBufferBytes } = settings;
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const must = (result: number, syscall: string): void => {
    if (result >= 0) return;
    close(fd);
    throw systemError(result, syscall, "prepare a socket for a name server", facts);
  };
  if (receiveBufferBytes > 0) must(setReceiveBufferBytes(fd, receiveBufferBytes), "setsockopt");
  if (sendBufferBytes > 0) must(setSendBufferBytes(fd, sendBufferBytes), "setsockopt");
  if (bindTo?.family === address.family) must(bind(fd, bytes, encodeSocketAddress(bindTo, bytes)), "bind");
  must(connect(fd, bytes, encodeSocketAddress(address, bytes)), "connect");
  return fd;
}
