import type { EventBase } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { tellSoon } from "../core/tell_soon.ts";
import { LazyTimer } from "../core/lazy_timer.ts";
import { runAll } from "../core/run_all.ts";
import { HttpClientConnection } from "./client_connection.ts";
import { HttpClientError, type HttpClientErrorCode } from "./client_error.ts";
import type { HttpClientRequest, RequestOwner } from "./client_request.ts";
import type { HttpClientConnectionOptions } from "./client_settings.ts";
import type { StreamTarget } from "./connector_options.ts";

/** How many connections and waiting requests there may be. */
export interface ClientPoolLimits {
  readonly maxConnectionsPerHost: number;
  readonly maxConnections: number;
  readonly maxWaiting: number;
  readonly idleTimeoutMs: number;
  readonly idleKeepsLoop: boolean;
}

/** Whom requests are for; those with the same key share connections. */
export interface ClientOrigin {
  readonly key: string;
  readonly target: StreamTarget;
  readonly options: HttpClientConnectionOptions;
}

/** The connections to one origin, and who waits for one. */
interface Host {
  readonly origin: ClientOrigin;
  count: number;
  readonly idle: Slot[];
  readonly waiting: HttpClientRequest[];
}

/** A connection of the pool. */
interface Slot {
  readonly host: Host;
  readonly connection: HttpClientConnection;
  readonly idleTimer: LazyTimer;
  isIdle: boolean;
  /** How many requests it was used for. */
  usedCount: number;
}

/**
 * A connection that has served so many requests makes room for a host that has none and waits for longer than those who would be next: hosts with
 * much to do must not keep others out, nor change connections for every request.
 */
const TURNS_MAX = 16;

/**
 * Connections to many hosts, each with one request at a time, kept for a while when there is nothing to do.
 *
 * @internal
 */
export class ClientPool {
  readonly #base: EventBase;
  readonly #limits: ClientPoolLimits;
  readonly #hosts = new Map<string, Host>();
  readonly #slots = new Set<Slot>();
  #waitingCount = 0;
  #lastTicket = 0;
  #isClosed = false;
  // Requests that wait for a connection belong to nobody else who would hear of the end of the base.
  readonly #dependent: { close(): void } = { close: () => this.close() };

  constructor(base: EventBase, limits: ClientPoolLimits) {
    this.#base = base;
    this.#limits = limits;
    reactorOf(base).dependents.add(this.#dependent);
  }

  /** Connections, in use and kept. */
  get connectionCount(): number {
    return this.#slots.size;
  }

  /** Connections that are kept and have nothing to do. */
  get idleCount(): number {
    let count = 0;
    for (const host of this.#hosts.values()) count += host.idle.length;
    return count;
  }

  /** Requests that wait for a connection. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Makes a request, at once or when a connection is free. @throws {TypeError} or {RangeError} for a target that is none. */
  submit(origin: ClientOrigin, request: HttpClientRequest): void {
    request.ownedBy(this.#waitingOwner);
    if (this.#isClosed) return this.#refuse(request, "HTTP_CLOSED", "the client is closed");
    const { signal } = request.options;
    if (signal?.aborted === true) return this.#refuse(request, "HTTP_CANCELLED", "it was cancelled", signal.reason);
    const host = this.#hostOf(origin);
    const slot = host.idle.pop() ?? this.#openFor(host);
    if (slot !== null) return this.#use(slot, request, true);
    if (this.#waitingCount >= this.#limits.maxWaiting) {
      this.#forgetUnused(host);
      return this.#refuse(request, "HTTP_QUEUE_FULL", `${this.#waitingCount} requests are waiting`);
    }
    request.ticket = ++this.#lastTicket;
    host.waiting.push(request);
    this.#waitingCount++;
  }

  /** Closes connections that have nothing to do. */
  closeIdle(): void {
    for (const slot of [...this.#slots]) {
      if (slot.isIdle) this.#remove(slot);
    }
  }

  /** Closes all connections; requests that are not over end with `HTTP_CLOSED`. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    reactorOf(this.#base).dependents.delete(this.#dependent);
    const waiting = [...this.#hosts.values()].flatMap((host) => host.waiting.splice(0));
    const steps: (() => void)[] = [...this.#slots].map((slot) => () => this.#remove(slot));
    for (const request of waiting) {
      steps.push(() =>
        request.settle(null, new HttpClientError("HTTP_CLOSED", `send ${request.describe()}: the client is closed`))
      );
    }
    this.#hosts.clear();
    this.#waitingCount = 0;
    runAll(steps);
  }

  #hostOf(origin: ClientOrigin): Host {
    let host = this.#hosts.get(origin.key);
    if (host === undefined) {
      host = { origin, count: 0, idle: [], waiting: [] };
      this.#hosts.set(origin.key, host);
    }
    return host;
  }

  /** A host that has no connection may have requests that wait for room. */
  #forgetUnused(host: Host): void {
    if (host.count === 0 && host.waiting.length === 0) this.#hosts.delete(host.origin.key);
  }

  /** A new connection, unless there are too many; one that has nothing to do makes room for it. */
  #openFor(host: Host): Slot | null {
    if (host.count >= this.#limits.maxConnectionsPerHost) return null;
    if (this.#slots.size >= this.#limits.maxConnections) this.#closeOneIdle();
    if (this.#slots.size >= this.#limits.maxConnections) return null;
    const { target, options } = host.origin;
    const connection = new HttpClientConnection(this.#base, target, options);
    const idleTimer = new LazyTimer(this.#base, () => this.#remove(slot), this.#limits.idleKeepsLoop);
    const slot: Slot = { host, connection, idleTimer, isIdle: false, usedCount: 0 };
    connection.whenIdle = () => this.#becameIdle(slot);
    connection.onClose = () => {
      if (slot.isIdle) this.#remove(slot);
    };
    host.count++;
    this.#slots.add(slot);
    return slot;
  }

  #closeOneIdle(): void {
    // The one that has been there for longest.
    for (const slot of this.#slots) {
      if (slot.isIdle) return this.#remove(slot);
    }
  }

  #use(slot: Slot, request: HttpClientRequest, asked: boolean): void {
    slot.isIdle = false;
    slot.usedCount++;
    slot.idleTimer.clear();
    try {
      slot.connection.add(request, asked);
    } catch (error) {
      this.#remove(slot);
      throw error;
    }
  }

  #becameIdle(slot: Slot): void {
    if (slot.isIdle || !this.#slots.has(slot)) return;
    const { host } = slot;
    const next = host.waiting[0];
    if (next !== undefined && !(slot.usedCount >= TURNS_MAX && this.#keepsOut(next))) {
      return this.#use(slot, this.#takeWaiting(host), false);
    }
    slot.isIdle = true;
    // Others may wait for room in all; those who wait for a connection to their own host are not helped by it.
    const isInTheWay = this.#waitingCount > 0 && this.#longestWaiting(this.#limits.maxConnectionsPerHost) !== null;
    if (!slot.connection.isConnected || isInTheWay) return this.#remove(slot);
    host.idle.push(slot);
    if (this.#limits.idleTimeoutMs < Infinity) slot.idleTimer.set(this.#limits.idleTimeoutMs);
  }

  #remove(slot: Slot): void {
    if (!this.#slots.delete(slot)) return;
    const { host, connection, idleTimer } = slot;
    const at = host.idle.indexOf(slot);
    if (at >= 0) host.idle.splice(at, 1);
    host.count--;
    this.#forgetUnused(host);
    idleTimer.close();
    try {
      connection.retire();
    } finally {
      if (!this.#isClosed) this.#serveWaiting();
    }
  }

  /** There is room for another connection: whoever waits is served, those who wait for longest first. */
  #serveWaiting(): void {
    while (this.#waitingCount > 0) {
      const host = this.#longestWaiting(this.#limits.maxConnectionsPerHost);
      const slot = host === null ? null : this.#openFor(host);
      if (slot === null) return;
      this.#use(slot, this.#takeWaiting(slot.host), false);
    }
  }

  /** Whether `next` would be served before a request that waits for longer, and whose host has no connection. */
  #keepsOut(next: HttpClientRequest): boolean {
    const host = this.#longestWaiting(1);
    return host !== null && host.waiting[0]!.ticket < next.ticket;
  }

  /** Of the hosts with fewer connections than `count` the one whose requests wait for longest. */
  #longestWaiting(count: number): Host | null {
    let longest: Host | null = null;
    for (const host of this.#hosts.values()) {
      if (host.waiting.length === 0 || host.count >= count) continue;
      if (longest === null || host.waiting[0]!.ticket < longest.waiting[0]!.ticket) longest = host;
    }
    return longest;
  }

  #takeWaiting(host: Host): HttpClientRequest {
    this.#waitingCount--;
    return host.waiting.shift()!;
  }

  readonly #waitingOwner: RequestOwner = {
    cancelRequest: (request, error) => {
      for (const host of this.#hosts.values()) {
        const at = host.waiting.indexOf(request);
        if (at < 0) continue;
        host.waiting.splice(at, 1);
        this.#waitingCount--;
        this.#forgetUnused(host);
        break;
      }
      request.settle(null, error);
    },
    pauseResponse: () => {},
    resumeResponse: () => {},
  };

  #refuse(request: HttpClientRequest, code: HttpClientErrorCode, why: string, cause?: unknown): void {
    const error = new HttpClientError(code, `send ${request.describe()}: ${why}`, cause);
    tellSoon(this.#base, () => request.settle(null, error));
  }
}
