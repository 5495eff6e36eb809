import type { BufferEvent, EventBase, SocketAddress } from "../core/mod.ts";
import { DeadlineList } from "../core/deadline_list.ts";
import { DnsTcpConnection, type TcpConnectionCore } from "./dns_tcp_connection.ts";
import type { DnsServerLimits } from "./dns_server_options.ts";
import type { ServerRequests } from "./server_requests.ts";

/** So many of those that are idle for the longest are looked at for one that may be closed. */
const LOOKED_AT_MAX = 16;

/**
 * The connections of a server.
 *
 * @internal
 */
export class TcpConnections implements TcpConnectionCore {
  readonly idle: DeadlineList<DnsTcpConnection>;
  readonly limits: DnsServerLimits;
  readonly #requests: ServerRequests;
  readonly #open = new Set<DnsTcpConnection>();

  readonly #onClosed: () => void;

  constructor(base: EventBase, requests: ServerRequests, onClosed: () => void) {
    this.limits = requests.limits;
    this.idle = new DeadlineList(base, requests.limits.tcpIdleTimeoutMs);
    this.#requests = requests;
    this.#onClosed = onClosed;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /**
   * Whether there may be one more; counts the one that may not. If need be one is closed in its favour: one that is idle, else one whose client takes
   * more than its time to read its answers. Whoever reads a byte now and then could keep all others out otherwise.
   */
  makeRoom(): boolean {
    if (this.#open.size < this.limits.maxTcpConnections) return true;
    let lingering: DnsTcpConnection | null = null;
    let left = LOOKED_AT_MAX;
    for (let idle = this.idle.head; idle !== null && left > 0; idle = idle.deadlineNext, left--) {
      if (idle.hasSentAll) return this.#displace(idle);
      if (lingering === null && idle.isLingering) lingering = idle;
    }
    if (lingering !== null) return this.#displace(lingering);
    this.#requests.counts.refusedConnections++;
    return false;
  }

  #displace(connection: DnsTcpConnection): true {
    this.#requests.counts.displacedConnections++;
    connection.close();
    return true;
  }

  /** Takes a connection on. */
  add(stream: BufferEvent, remoteAddress: SocketAddress, isSecure: boolean): void {
    this.#open.add(new DnsTcpConnection(this, stream, remoteAddress, isSecure));
  }

  query(bytes: Uint8Array, connection: DnsTcpConnection): void {
    this.#requests.take(bytes, bytes.length, connection);
  }

  closed(connection: DnsTcpConnection): void {
    this.#open.delete(connection);
    this.#onClosed();
  }

  /** Lets those go that wait for nothing; the others when they have their answers. */
  stop(): void {
    for (const connection of this.#open) connection.stop();
  }

  /** Closes all. */
  close(): void {
    for (const connection of this.#open) connection.close();
    this.idle.close();
  }
}
