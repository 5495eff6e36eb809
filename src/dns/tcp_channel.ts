import {
  BEV_EVENT_CONNECTED,
  type BufferEvent,
  EV_READ,
  type EventBase,
  type IpSocketAddress,
  type SecureLayer,
  SocketBufferEvent,
} from "../core/mod.ts";
import { LoopEvent } from "../core/event.ts";
import { allocate } from "../ffi/mod.ts";
import { padQuery, QUERY_PADDING_MAX } from "./padding.ts";
import { QUERY_BYTES_MAX, queryFlags, writeQuery } from "./query_message.ts";
import type { DnsResolverSettings } from "./resolver_options.ts";
import type { Channel, Transmission } from "./transmission.ts";
import { tooManyQueries, WaitingQueries } from "./waiting_queries.ts";

/** How name servers are reached over TCP. */
export interface TcpWay {
  /** What encrypts it; undefined: nothing. */
  readonly tls: SecureLayer | undefined;
  /** The name that the certificate must have; undefined: the address. */
  readonly tlsHostname: string | undefined;
}

const outbox = allocate(2 + QUERY_BYTES_MAX + QUERY_PADDING_MAX);

/**
 * A TCP or TLS connection to a name server (RFC 7766, RFC 7858). Over TLS queries are padded (RFC 8467). Queries are sent as they come, however many answers are still to come,
 * and answers are taken in any order. It does not keep the loop alive while nobody waits for an answer.
 */
export class TcpChannel implements Channel {
  readonly #stream: BufferEvent;
  readonly #waiting = new WaitingQueries();
  readonly #idleTimer: LoopEvent;
  readonly #idleMs: number;
  readonly #flags: number;
  readonly #isSecure: boolean;
  readonly #header = new Uint8Array(2);
  // Whether it has answered something, or was idle: then the other side may have closed it before it saw what was sent last.
  #wasOfUse = false;
  #isRetired = false;
  #isClosed = false;

  /** Begins to connect. @throws {SystemError} when there is no socket to be had. */
  constructor(base: EventBase, address: IpSocketAddress, settings: DnsResolverSettings, way: TcpWay) {
    const { bindTo } = settings;
    this.#idleMs = settings.tcpIdleMs;
    this.#flags = queryFlags(settings.authenticData);
    this.#isSecure = way.tls !== undefined;
    this.#idleTimer = new LoopEvent(base, -1, 0, () => this.close(), true);
    const socket = new SocketBufferEvent(base);
    try {
      // Every connection has a random port of its own; two with one port to one server there cannot be.
      const localAddress = bindTo?.family === address.family ? { ...bindTo, port: 0 } : undefined;
      socket.connect(address, { localAddress });
      const hostname = way.tlsHostname ?? address.host;
      this.#stream = way.tls === undefined ? socket : way.tls.secure(socket, { hostname });
    } catch (error) {
      socket.close();
      this.#idleTimer.close();
      throw error;
    }
    this.#stream.setCallbacks({ read: () => this.#read(), event: (what) => this.#happened(what) });
  }

  /** Whether another one has to take its place. */
  get isUsedUp(): boolean {
    return this.#isClosed || this.#isRetired;
  }

  /** Sends a query. */
  send(transmission: Transmission): void {
    this.#idleTimer.delete();
    if (!this.#waiting.add(transmission)) return transmission.owner.failed(transmission, tooManyQueries());
    transmission.channel = this;
    const queryEnd = writeQuery(outbox, 2, transmission.id, transmission.question!, transmission.udpBytes, this.#flags);
    const end = this.#isSecure && transmission.udpBytes > 512 ? padQuery(outbox, 2, queryEnd) : queryEnd;
    outbox[0] = end - 2 >> 8;
    outbox[1] = end - 2 & 0xff;
    this.#stream.enable(EV_READ);
    this.#stream.write(outbox.subarray(0, end));
  }

  #read(): void {
    const { input } = this.#stream;
    const header = this.#header;
    while (!this.#isClosed && input.length >= 2) {
      input.copyOut(header);
      const length = header[0]! << 8 | header[1]!;
      if (input.length < length + 2) break;
      input.drain(2);
      const message = input.take(length);
      // What concerns nobody may be the answer to a query that nobody waits for any more.
      if (this.#waiting.received(message, message.length)) this.#wasOfUse = true;
    }
  }

  #happened(what: number): void {
    if ((what & BEV_EVENT_CONNECTED) !== 0) return;
    this.#fail(this.#stream.error ?? new Error("the name server has closed the connection"));
  }

  #fail(error: Error): void {
    const waiting = this.#waiting.takeAll();
    this.close();
    for (const transmission of waiting) {
      if (transmission.channel !== this) continue;
      // That comes to an end: the next connection has to answer something itself.
      if (this.#wasOfUse) transmission.server.send(transmission);
      else transmission.owner.failed(transmission, error);
    }
  }

  forget(transmission: Transmission): void {
    this.#waiting.delete(transmission);
    if (this.#waiting.size > 0 || this.#isClosed) return;
    if (this.#isRetired) return this.close();
    this.#wasOfUse = true;
    this.#stream.disable(EV_READ);
    this.#idleTimer.add(this.#idleMs);
  }

  /** Takes no more queries, and closes as soon as nobody waits for an answer. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this.close();
  }

  /** Closes the connection; whoever waits has to be told by others. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idleTimer.close();
    this.#stream.close();
  }
}
