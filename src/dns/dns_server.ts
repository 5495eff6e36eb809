import {
  closeDescriptor,
  type Datagram,
  type DatagramOptions,
  type EventBase,
  Listener,
  type ListenerOptions,
  type SecureLayer,
  type SocketAddress,
  SocketBufferEvent,
  SystemError,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { ServerRequests } from "./server_requests.ts";
import { TcpConnections } from "./tcp_connections.ts";
import { type DnsHandler, dnsServerLimits, type DnsServerOptions } from "./dns_server_options.ts";
import { UdpPort } from "./udp_port.ts";

/** How often a free port is looked for that is free for both UDP and TCP. */
const PORT_ATTEMPTS = 32;

/** Where a {@linkcode DnsServer} listens for both UDP and TCP. */
export interface DnsListenOptions {
  /** IPv4 or IPv6 address; `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** Port; 53 by default, 0 for a free one. */
  readonly port?: number | undefined;
}

/** How a {@linkcode DnsServer} listens for connections. */
export interface DnsTcpListenOptions extends Omit<ListenerOptions, "blocking"> {
  /** DNS over TLS (RFC 7858): a `TlsContext` for the server's side. */
  readonly tls?: SecureLayer | undefined;
}

/** What a {@linkcode DnsServer} has done so far. */
export interface DnsServerCounts {
  /** Messages received. */
  readonly received: number;
  /** Of these, those not answered on purpose: no DNS header, responses, datagrams longer than `ednsUdpSize` or cut on their way. */
  readonly ignored: number;
  /** Those that could not be understood, answered with FORMERR. */
  readonly malformed: number;
  /** Those handed to the handler. */
  readonly handled: number;
  /** Answers on their way. */
  readonly answered: number;
  /** Of these, the ones that were cut to the size of a datagram. */
  readonly truncated: number;
  /** Those whose handler has thrown, or not answered in time. */
  readonly failed: number;
  /** Those dropped since too many waited for their answers. */
  readonly overload: number;
  /** Those beyond `queriesPerSecondMax`. */
  readonly limited: number;
  /** Connections refused since there were too many, and none of them idle. */
  readonly refusedConnections: number;
  /** Connections closed when there were too many, since they were idle for the longest, or slow to read their answers. */
  readonly displacedConnections: number;
}

/**
 * A DNS server (libevent's evdns_server_port) over UDP, TCP and TLS. It knows no zones: a handler answers, such as that of {@linkcode zoneHandler}.
 *
 * Datagrams are received and answered many per system call. What is malformed, not a query, or in an unknown version of EDNS is answered
 * without the handler. Everything a client can make the server hold has a limit among the options.
 *
 * @example
 * ```ts
 * import { DNS_ERR_NOTEXIST, DnsServer, EventBase, EVDNS_TYPE_A } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new DnsServer(base, {}, (request) => {
 *   const { name, type } = request.question;
 *   if (type !== EVDNS_TYPE_A) return void request.respond(DNS_ERR_NOTEXIST);
 *   request.addA(name, "192.0.2.1", 60);
 *   request.respond();
 * });
 * const { port } = server.listen({ port: 0 });
 * console.log(`dig @127.0.0.1 -p ${port} example.com`);
 * base.loopExit(100); // A real server leaves this out.
 * base.dispatch();
 * ```
 */
export class DnsServer implements Disposable {
  /** The base it lives on. */
  readonly base: EventBase;
  readonly #requests: ServerRequests;
  readonly #connections: TcpConnections;
  readonly #ports = new Set<UdpPort>();
  readonly #listeners = new Set<Listener>();
  readonly #onSystemError: ((error: SystemError) => void) | undefined;
  #isStopping = false;
  #isClosed = false;

  /**
   * Makes a server that listens nowhere yet.
   *
   * @param handler answers queries (evdns_request_callback_fn_type).
   * @throws {RangeError} for a limit out of its range.
   */
  constructor(base: EventBase, options: DnsServerOptions, handler: DnsHandler) {
    const limits = dnsServerLimits(options);
    this.base = base;
    this.#onSystemError = options.onSystemError;
    this.#requests = new ServerRequests(base, limits, handler, options.onError, () => this.#closeIfOver());
    this.#connections = new TcpConnections(base, this.#requests, () => this.#closeIfOver());
  }

  /** What it has done so far. */
  get counts(): DnsServerCounts {
    return { ...this.#requests.counts };
  }

  /** Queries that wait for their answers. */
  get pendingCount(): number {
    return this.#requests.pendingCount;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.count;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Listens for datagrams and connections on the same port.
   *
   * @returns the port.
   * @throws {SystemError} when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL, ...).
   * @throws {TypeError} or {RangeError} when the host is no address or the port none.
   */
  listen(options: DnsListenOptions = {}): { port: number } {
    const { host = "127.0.0.1", port = 53 } = options;
    for (let attempt = 1;; attempt++) {
      const socket = this.listenUdp({ host, port });
      try {
        this.listenTcp({ host, port: socket.port });
        return { port: socket.port };
      } catch (error) {
        socket.close();
        for (const udp of this.#ports) if (udp.socket === socket) this.#ports.delete(udp);
        // Somebody else has the picked port for TCP.
        const isTaken = error instanceof SystemError && error.code === "EADDRINUSE";
        if (!isTaken || port !== 0 || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Answers datagrams (evdns_add_server_port_with_base); may be called several times. On addresses such as `0.0.0.0` answers leave from
   * the address that was asked, unless `packetInfo` is false.
   *
   * @returns the socket, which is closed with the server.
   * @throws as the constructor of {@linkcode Datagram}.
   */
  listenUdp(options: DatagramOptions): Datagram {
    this.#assertOpen();
    const port = new UdpPort(this.base, this.#requests, options, this.#onSystemError);
    this.#ports.add(port);
    return port.socket;
  }

  /**
   * Answers over connections (evdns_add_server_port_with_listener); may be called several times.
   *
   * @returns the listener, which is closed with the server.
   * @throws as the constructor of {@linkcode Listener}.
   * @throws {TypeError} when `tls` is for a client's side.
   */
  listenTcp(options: DnsTcpListenOptions): Listener {
    this.#assertOpen();
    const { tls, ...where } = options;
    if (tls !== undefined && tls.role !== "server") {
      throw new TypeError("Cannot listen for DNS: tls is for a client's side");
    }
    const report = this.#onSystemError;
    const onError = where.onError ?? (report === undefined ? undefined : (error: SystemError) => report(error));
    const listener = new Listener(this.base, { ...where, onError }, (fd, { peerAddress }) => {
      if (!this.#connections.makeRoom()) {
        closeDescriptor(fd);
        return;
      }
      this.#accepted(
        new SocketBufferEvent(this.base, fd, { prepared: listener.handsOutPrepared }),
        peerAddress,
        tls,
        listener,
      );
    });
    this.#listeners.add(listener);
    return listener;
  }

  #accepted(socket: SocketBufferEvent, peer: SocketAddress, tls: SecureLayer | undefined, listener: Listener): void {
    try {
      this.#connections.add(tls === undefined ? socket : tls.secure(socket), peer, tls !== undefined);
    } catch (error) {
      socket.close();
      // The backend cannot watch so high a number, say; that is one client's loss.
      if (!(error instanceof SystemError)) throw error;
      listener.reportError(error);
    }
  }

  #assertOpen(): void {
    if (this.#isClosed || this.#isStopping) throw new Error("Cannot listen for DNS: the server was closed");
  }

  /**
   * Takes no more queries, answers those that wait, and closes then (evdns_close_server_port). None waits longer than `answerTimeoutMs`.
   */
  stop(): void {
    if (this.#isStopping || this.#isClosed) return;
    this.#isStopping = true;
    // Whatever a handler waits for, a promise perhaps, the loop has to be there for the answer.
    reactorOf(this.base).countVirtual(1);
    for (const listener of this.#listeners) listener.close();
    for (const { socket } of this.#ports) if (!socket.closed) socket.pause();
    this.#connections.stop();
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (this.#isStopping && this.#requests.pendingCount === 0 && this.#connections.count === 0) this.close();
  }

  /** Closes everything at once; queries that wait get no answer. Closing twice is harmless, and so is closing in a handler. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isStopping) reactorOf(this.base).countVirtual(-1);
    for (const listener of this.#listeners) listener.close();
    for (const { socket } of this.#ports) socket.close();
    this.#connections.close();
    this.#requests.close();
    this.#listeners.clear();
    this.#ports.clear();
  }

  /** Same as {@linkcode DnsServer.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
