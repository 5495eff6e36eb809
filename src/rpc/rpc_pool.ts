import { Deferred } from "../core/deferred.ts";
import { reactorOf } from "../core/event_base.ts";
import type { EventBase } from "../core/mod.ts";
import { runAll } from "../core/run_all.ts";
import type { HttpClientConnection, HttpClientResponse } from "../http/mod.ts";
import {
  type AnyPoolCall,
  PoolCall,
  type PoolCallOwner,
  type RpcCallback,
  type RpcCallOptions,
  type RpcRequest,
} from "./pool_call.ts";
import { type RpcHook, type RpcHookHandle, RpcHooks, type RpcHookSide, type RpcPoolHookContext } from "./rpc_hooks.ts";
import type { RpcMethod } from "./rpc_method.ts";
import { type RpcLimits, rpcLimits } from "./struct_limits.ts";

/** How an {@linkcode RpcPool} behaves. */
export interface RpcPoolOptions {
  /** Milliseconds a call may take, waiting for a connection included; Infinity by default: for ever. */
  readonly timeoutMs?: number | undefined;
  /** Most calls that may wait for a connection; 1000 by default. */
  readonly maxQueued?: number | undefined;
  /** Limits of replies, and how deep requests may be; how long a reply may be is `maxBodyBytes` of the connection. */
  readonly limits?: Partial<RpcLimits> | undefined;
}

/**
 * Makes calls by one or several connections (libevent's evrpc_pool): one call at a time each, the others wait in a queue, first come,
 * first served.
 *
 * Calls may be made and cancelled, and the pool closed, from inside every callback.
 */
export class RpcPool implements Disposable {
  /** The loop it lives on. */
  readonly base: EventBase;
  #timeoutMs: number;
  readonly #maxQueued: number;
  readonly #limits: RpcLimits;
  readonly #owner: PoolCallOwner;
  #connections: HttpClientConnection[] = [];
  readonly #busy = new Set<HttpClientConnection>();
  // From the loop, as what callbacks throw belongs there.
  readonly #hooks = new RpcHooks<HttpClientConnection, HttpClientResponse | null>((callback) =>
    new Deferred(this.base, this.base.priorities >> 1, callback).schedule()
  );
  // All that are not over, in their order; those of `#queue` wait for a connection.
  readonly #calls = new Set<AnyPoolCall>();
  readonly #queue = new Set<AnyPoolCall>();
  #isClosed = false;
  #isScheduling = false;
  // Whoever waits for a reply would wait for ever once the base is closed.
  readonly #dependent: { close(): void } = { close: () => this.close() };

  /**
   * Makes a pool without connections (evrpc_pool_new).
   *
   * @throws {RangeError} when a time or a limit is none.
   */
  constructor(base: EventBase, options: RpcPoolOptions = {}) {
    this.base = base;
    this.#timeoutMs = checkTimeout(options.timeoutMs ?? Infinity);
    this.#limits = rpcLimits(options.limits);
    const { maxQueued = 1000 } = options;
    if (!(maxQueued >= 0)) throw new RangeError(`Cannot set maxQueued to ${maxQueued}: expected a number from 0 on`);
    this.#maxQueued = maxQueued;
    this.#owner = this.#makeOwner();
  }

  /** The connections it has. */
  get connections(): readonly HttpClientConnection[] {
    return [...this.#connections];
  }

  /** Calls that wait for a connection. */
  get queuedCount(): number {
    return this.#queue.size;
  }

  /** Calls that are not over, those that wait included. */
  get pendingCount(): number {
    return this.#calls.size;
  }

  /** Whether {@linkcode RpcPool.close} was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** Milliseconds a call may take; Infinity: for ever. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /**
   * Sets it for the calls that are made from now on (evrpc_pool_set_timeout).
   *
   * @throws {RangeError} when it is no number above zero.
   */
  set timeoutMs(ms: number) {
    this.#timeoutMs = checkTimeout(ms);
  }

  /**
   * Makes calls by a connection as well (evrpc_pool_add_connection), which is the pool's from now on: to use, and to close.
   *
   * @throws {TypeError} for one of another base, or that is closed, or there already.
   * @throws {Error} when the pool was closed.
   */
  addConnection(connection: HttpClientConnection): void {
    if (this.#isClosed) throw new Error("Cannot add a connection: the pool is closed");
    if (connection.base !== this.base) throw new TypeError("Cannot add a connection that lives on another base");
    if (connection.closed) throw new TypeError("Cannot add a connection that is closed");
    if (this.#connections.includes(connection)) throw new TypeError("Cannot add a connection twice");
    this.#connections.push(connection);
    this.#schedule();
  }

  /**
   * Gives a connection back (evrpc_pool_remove_connection); a call that it has goes on. Returns whether it was there.
   */
  removeConnection(connection: HttpClientConnection): boolean {
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
    return at >= 0;
  }

  /**
   * Adds a hook behind the others: on requests before they are sent ({@linkcode EVRPC_OUTPUT}), or on replies before they are read
   * ({@linkcode EVRPC_INPUT}) (evrpc_add_hook).
   */
  addHook(side: RpcHookSide, hook: RpcHook<RpcPoolHookContext>): RpcHookHandle {
    return this.#hooks.add(side, hook);
  }

  /** Removes a hook; returns whether it was there (evrpc_remove_hook). */
  removeHook(handle: RpcHookHandle): boolean {
    return this.#hooks.remove(handle);
  }

  /**
   * Makes a call (EVRPC_MAKE_REQUEST). The callback is called once, from the loop or from inside whatever ends the call, but never from
   * inside this method, unless the base is closed. While there is no connection the call waits for one.
   *
   * @throws {TypeError} when the request is not complete.
   * @throws {RangeError} for a time that is none.
   */
  request<Request, Reply>(
    method: RpcMethod<Request, Reply>,
    request: Request,
    options: RpcCallOptions,
    callback: RpcCallback<Reply>,
  ): RpcRequest {
    const timeoutMs = checkTimeout(options.timeoutMs ?? this.#timeoutMs);
    const isClosed = this.#isClosed || reactorOf(this.base).closed;
    const call = new PoolCall(this.#owner, method, request, options, isClosed ? Infinity : timeoutMs, callback);
    if (isClosed) call.fail("RPC_CLOSED");
    else if (options.signal?.aborted === true) call.cancel(options.signal.reason);
    else this.#add(call);
    call.isNew = false;
    return call;
  }

  /**
   * As {@linkcode RpcPool.request}, as a promise. It is rejected with an {@linkcode RpcError}, or with the reason of an aborted signal.
   */
  call<Request, Reply>(
    method: RpcMethod<Request, Reply>,
    request: Request,
    options: RpcCallOptions = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      this.request(method, request, options, (reply, error) => {
        if (error === null) resolve(reply as Reply);
        else reject(error.code === "RPC_CANCELLED" && options.signal?.aborted === true ? options.signal.reason : error);
      });
    });
  }

  /**
   * Closes it and its connections (evrpc_pool_free). Calls that are not over fail with `RPC_CLOSED`; in C they are forgotten. Closing
   * twice is harmless.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    reactorOf(this.base).dependents.delete(this.#dependent);
    const connections = this.#connections;
    this.#connections = [];
    // Every callback is called and every connection closed, whatever callbacks throw.
    runAll([
      ...[...this.#calls].map((call) => () => call.fail("RPC_CLOSED")),
      ...connections.map((connection) => () => connection.close()),
    ]);
  }

  /** Same as {@linkcode RpcPool.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #add(call: AnyPoolCall): void {
    reactorOf(this.base).dependents.add(this.#dependent);
    this.#calls.add(call);
    if (this.#queue.size >= this.#maxQueued && this.#idleConnection() === undefined) return call.fail("RPC_QUEUE_FULL");
    this.#queue.add(call);
    this.#schedule();
  }

  /** Those that were closed by others are of no use any more. */
  #idleConnection(): HttpClientConnection | undefined {
    if (this.#connections.some(({ closed }) => closed)) {
      this.#connections = this.#connections.filter(({ closed }) => !closed);
    }
    return this.#connections.find((connection) => !this.#busy.has(connection));
  }

  /** Lets calls go out while there are some, and connections for them. */
  #schedule(): void {
    // One that ends at once frees its connection in here: the loop below goes on with that, instead of one inside of the other.
    if (this.#isScheduling) return;
    this.#isScheduling = true;
    let isDone = false;
    try {
      this.#startAll();
      isDone = true;
    } finally {
      this.#isScheduling = false;
      // What a callback throws is no reason for the others to wait.
      if (!isDone) this.#schedule();
    }
  }

  #startAll(): void {
    for (const call of this.#queue) {
      const connection = this.#idleConnection();
      if (connection === undefined) return;
      this.#queue.delete(call);
      this.#busy.add(connection);
      call.start(connection);
    }
  }

  #makeOwner(): PoolCallOwner {
    return {
      base: this.base,
      hooks: this.#hooks,
      limits: this.#limits,
      released: (connection) => {
        this.#busy.delete(connection);
        if (!this.#isClosed) this.#schedule();
      },
      ended: (call) => {
        this.#calls.delete(call);
        this.#queue.delete(call);
        if (this.#calls.size === 0) reactorOf(this.base).dependents.delete(this.#dependent);
      },
    };
  }
}

function checkTimeout(ms: number): number {
  if (!(ms > 0)) throw new RangeError(`Cannot set a timeout of ${ms} ms: expected a number above zero`);
  return ms;
}
