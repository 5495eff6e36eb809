import type { SystemError } from "../core/mod.ts";
import { DNS_EDNS_UDP_BYTES, DNS_MESSAGE_BYTES_MAX, DNS_OPCODE_QUERY, DNS_UDP_BYTES } from "./constants.ts";
import type { DnsServerRequest } from "./dns_server_request.ts";
import type { PlainQuery } from "./plain_query.ts";

/**
 * Answers a query: at once, later from a callback, or by a promise. One that returns nothing may answer whenever it likes within
 * `answerTimeoutMs`; one that returns a promise has to have answered, or dropped the request, when that is fulfilled.
 *
 * When it throws, or its promise is rejected or fulfilled without an answer, the answer is SERVFAIL.
 */
export type DnsHandler = (request: DnsServerRequest) => void | Promise<void>;

/**
 * A handler that knows the answers to some queries from their bytes. It is called for the others only.
 *
 * @internal
 */
export interface WireHandler {
  (request: DnsServerRequest): void | Promise<void>;
  /**
   * Writes the answer to a query, if it is known, into `into`: at most `bytesMax` bytes. `udpSize` is what EDNS is to say. Answers how long it
   * is; 0: it is not known.
   */
  readonly writeAnswer?: (query: PlainQuery, into: Uint8Array, bytesMax: number, udpSize: number) => number;
}

/** How a {@linkcode DnsServer} treats its clients. */
export interface DnsServerOptions {
  /**
   * Most bytes of an answer over UDP, 512 to 65,535; 1232 by default, which passes through networks in one piece. A client may want less: it gets
   * what it says by EDNS, or 512 bytes without it. What is longer is cut between records and marked, and the client asks again over TCP.
   */
  readonly maxUdpBytes?: number | undefined;
  /** Bytes of a datagram that this side takes, as told to clients by EDNS; 1232 by default. Longer queries are not read. */
  readonly ednsUdpSize?: number | undefined;
  /** Most bytes of a query over TCP; 4096 by default. A longer one ends the connection. */
  readonly maxTcpQueryBytes?: number | undefined;
  /**
   * Most connections at once; 256 by default (libevent's option `tcp-max-clients`, which is 10). For further ones the one that was idle for the
   * longest makes room, else one whose client takes longer than `tcpIdleTimeoutMs` to read its answers; when all are busy they are closed at once.
   */
  readonly maxTcpConnections?: number | undefined;
  /**
   * How long a connection may be without a complete query or an answer under way, in milliseconds; 10,000 by default (libevent's option
   * `tcp-idle-timeout`). Single bytes do not count. As long as its client takes of the answers that wait to be sent, it has that time again.
   */
  readonly tcpIdleTimeoutMs?: number | undefined;
  /** Most queries of one connection that wait for their answers; 64 by default. Further ones are not read meanwhile. */
  readonly maxPipelined?: number | undefined;
  /** Most bytes of answers that a connection's client has not read; 262,144 by default. Beyond that its queries are not read. */
  readonly maxOutputBytes?: number | undefined;
  /** Most queries that wait for their answers altogether; 10,000 by default. Further ones are dropped, and counted. */
  readonly maxPending?: number | undefined;
  /** How long a handler may take to answer, in milliseconds; 10,000 by default. Then the answer is SERVFAIL. */
  readonly answerTimeoutMs?: number | undefined;
  /** The opcodes that are handed to the handler; only {@linkcode DNS_OPCODE_QUERY} by default. Others are answered with NOTIMP. */
  readonly opcodes?: readonly number[] | undefined;
  /**
   * Most queries a second over UDP from one network, IPv4 /24 or IPv6 /56, over a short time twice as many; none by default. Of those beyond it
   * every second one is answered with nothing but the mark of a cut answer, so that real clients get on over TCP and forged ones
   * nothing worth forging; the others are dropped.
   */
  readonly queriesPerSecondMax?: number | undefined;
  /** Told what a handler has thrown. Without it that is logged as a warning, at most once a second. */
  readonly onError?: ((error: unknown, request: DnsServerRequest) => void) | undefined;
  /** Told what the system refuses: an answer that cannot be sent, a connection that cannot be accepted. */
  readonly onSystemError?: ((error: SystemError) => void) | undefined;
}

/** All of them, with their values. @internal */
export interface DnsServerLimits {
  readonly maxUdpBytes: number;
  readonly ednsUdpSize: number;
  readonly maxTcpQueryBytes: number;
  readonly maxTcpConnections: number;
  readonly tcpIdleTimeoutMs: number;
  readonly maxPipelined: number;
  readonly maxOutputBytes: number;
  readonly maxPending: number;
  readonly answerTimeoutMs: number;
  readonly opcodes: ReadonlySet<number>;
  readonly queriesPerSecondMax: number;
}

/** The limits that options say. @throws {RangeError} for one that is out of its range. @internal */
export function dnsServerLimits(options: DnsServerOptions): DnsServerLimits {
  const limit = (name: keyof DnsServerOptions, otherwise: number, min: number, max: number): number => {
    const value = (options[name] as number | undefined) ?? otherwise;
    const isWhole = Number.isInteger(value) || value === Infinity;
    if (isWhole && value >= min && value <= max) return value;
    throw new RangeError(
      `Cannot make a DNS server: ${name} is ${value}, and must be a whole number from ${min} to ${max}`,
    );
  };
  return {
    maxUdpBytes: limit("maxUdpBytes", DNS_EDNS_UDP_BYTES, DNS_UDP_BYTES, DNS_MESSAGE_BYTES_MAX),
    ednsUdpSize: limit("ednsUdpSize", DNS_EDNS_UDP_BYTES, DNS_UDP_BYTES, DNS_MESSAGE_BYTES_MAX),
    maxTcpQueryBytes: limit("maxTcpQueryBytes", 4096, DNS_UDP_BYTES, DNS_MESSAGE_BYTES_MAX),
    maxTcpConnections: limit("maxTcpConnections", 256, 1, Infinity),
    tcpIdleTimeoutMs: limit("tcpIdleTimeoutMs", 10_000, 1, Infinity),
    maxPipelined: limit("maxPipelined", 64, 1, Infinity),
    maxOutputBytes: limit("maxOutputBytes", 262_144, 1, Infinity),
    maxPending: limit("maxPending", 10_000, 1, Infinity),
    answerTimeoutMs: limit("answerTimeoutMs", 10_000, 1, Infinity),
    opcodes: new Set(options.opcodes ?? [DNS_OPCODE_QUERY]),
    queriesPerSecondMax: limit("queriesPerSecondMax", Infinity, 1, Infinity),
  };
}
