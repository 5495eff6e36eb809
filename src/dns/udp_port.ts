import {
  Datagram,
  type DatagramOptions,
  type EventBase,
  parseIpv4,
  parseIpv6,
  type ReceivedDatagram,
  type SocketAddress,
  type SystemError,
} from "../core/mod.ts";
import { optionalAddress } from "../core/socket_address.ts";
import { getsockname } from "../ffi/mod.ts";
import { DNS_FLAG_RESPONSE, DNS_FLAG_TRUNCATED } from "./constants.ts";
import { udpAnswerBytes } from "./query_intake.ts";
import { DROP, PASS, QueryRates } from "./query_rates.ts";
import type { QuerySource, ServerRequests } from "./server_requests.ts";

/** A datagram, and the way back to its sender. */
class DatagramSource implements QuerySource {
  readonly transport = "udp";
  readonly #requests: ServerRequests;
  /** The datagram that is at hand. */
  datagram: ReceivedDatagram;

  constructor(requests: ServerRequests, datagram: ReceivedDatagram) {
    this.#requests = requests;
    this.datagram = datagram;
  }

  get remoteAddress(): SocketAddress {
    return this.datagram.sender;
  }

  answerBytesMax(udpSize: number): number {
    return udpAnswerBytes(udpSize, this.#requests.limits);
  }

  keep(): QuerySource {
    return new DatagramSource(this.#requests, this.datagram.copy());
  }

  finish(reply: Uint8Array | null, length: number): boolean {
    return reply !== null && this.datagram.replyWith(reply, length);
  }
}

/**
 * A datagram socket of a server.
 *
 * @internal
 */
export class UdpPort {
  readonly socket: Datagram;
  readonly #base: EventBase;
  readonly #requests: ServerRequests;
  readonly #rates: QueryRates | null;
  #source: DatagramSource | null = null;

  constructor(
    base: EventBase,
    requests: ServerRequests,
    options: DatagramOptions,
    onSystemError: ((error: SystemError) => void) | undefined,
  ) {
    this.#base = base;
    this.#requests = requests;
    const { queriesPerSecondMax } = requests.limits;
    this.#rates = queriesPerSecondMax === Infinity ? null : new QueryRates(queriesPerSecondMax);
    this.socket = new Datagram(base, {
      ...options,
      // Asking the kernel where each datagram came in is needed only where there are several ways.
      packetInfo: options.packetInfo ?? hasManyAddresses(options),
      onError: options.onError ?? (onSystemError === undefined ? undefined : (error) => onSystemError(error)),
    }, (datagram) => this.#received(datagram));
  }

  #received(datagram: ReceivedDatagram): void {
    // What does not fit into what was announced is not for us; nor is what was cut.
    if (datagram.truncated || datagram.length > this.#requests.limits.ednsUdpSize) {
      this.#requests.counts.received++;
      this.#requests.counts.ignored++;
      return;
    }
    const verdict = this.#rates === null ? PASS : this.#rates.count(datagram.sender, this.#base.now());
    if (verdict === PASS) {
      // One for all that are answered at once.
      const source = this.#source ??= new DatagramSource(this.#requests, datagram);
      source.datagram = datagram;
      this.#requests.take(datagram.memory, datagram.length, source);
      return;
    }
    this.#requests.counts.received++;
    this.#requests.counts.limited++;
    if (verdict !== DROP) answerCut(datagram);
  }
}

/** Whether a socket is bound to all addresses of this host. */
function hasManyAddresses({ host, fd }: DatagramOptions): boolean {
  const address = fd === undefined ? undefined : optionalAddress(fd, getsockname);
  const name = address === undefined || address.family === "unix" ? host : address.host;
  if (name === undefined) return false;
  const bytes = parseIpv4(name) ?? parseIpv6(name);
  return bytes !== null && bytes.every((byte) => byte === 0);
}

/** Sends the query back as a cut answer without anything in it: whoever is really there asks again over TCP. */
function answerCut(datagram: ReceivedDatagram): void {
  const query = datagram.bytes;
  const questionEnd = endOfQuestion(query);
  if (questionEnd < 0 || (query[2]! & DNS_FLAG_RESPONSE >> 8) !== 0) return;
  const reply = new Uint8Array(new ArrayBuffer(questionEnd));
  reply.set(query.subarray(0, questionEnd));
  reply[2] = reply[2]! & 0x79 | (DNS_FLAG_RESPONSE | DNS_FLAG_TRUNCATED) >> 8;
  reply[3] = 0;
  reply.fill(0, 6, 12);
  datagram.reply(reply);
}

/** Where the one question of a query ends, or -1. */
function endOfQuestion(query: Uint8Array): number {
  if (query.length < 12 || query[4] !== 0 || query[5] !== 1) return -1;
  let at = 12;
  while (at < query.length && query[at]! > 0 && query[at]! < 64) at += query[at]! + 1;
  return query[at] === 0 && at + 5 <= query.length ? at + 5 : -1;
}
