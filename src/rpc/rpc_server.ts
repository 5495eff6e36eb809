import { tellSoon } from "../core/tell_soon.ts";
import { EVHTTP_REQ_POST, type HttpConnection, type HttpHost, type HttpRequest } from "../http/mod.ts";
import { refuse, type RpcCallOwner, type RpcHandler, ServedCall } from "./rpc_call.ts";
import {
  EVRPC_INPUT,
  type RpcHook,
  RpcHookContext,
  type RpcHookHandle,
  RpcHooks,
  type RpcHookSide,
  type RpcServerHookContext,
} from "./rpc_hooks.ts";
import type { RpcMethod } from "./rpc_method.ts";
import { type RpcLimits, rpcLimits } from "./struct_limits.ts";
import { TagError } from "./tag_error.ts";

/** How an {@linkcode RpcServer} behaves. */
export interface RpcServerOptions {
  /** Limits of requests, and how deep replies may be; how long a request may be is the HTTP server's `maxBodyBytes`. */
  readonly limits?: Partial<RpcLimits> | undefined;
  /** Told what handlers and hooks throw, and why a message that a hook has changed is none any more; `console.error` by default. What it throws itself goes to the loop. */
  readonly onError?: ((error: unknown, request: HttpRequest) => void) | undefined;
}

/**
 * Serves calls on an HTTP server, or on a host of one, beside whatever else is there (libevent's evrpc_base). A call is a POST to its
 * {@linkcode RpcMethod.path}. Whatever goes wrong is a 503, as in libevent.
 *
 * libevent's own client sends no Host field, which HTTP/1.1 requires: a server for it has to be told, by
 * `leniency: { allowMissingHost: true }`.
 *
 * @example
 * ```ts
 * import { EventBase, field, HttpClientConnection, HttpServer, rpcMethod, RpcPool, RpcServer, rpcStruct } from "@evbase/evbase";
 *
 * const Sum = rpcMethod(
 *   "Sum",
 *   rpcStruct("numbers", { each: field.array(field.int(1)) }),
 *   rpcStruct("total", { total: field.int(1) }),
 * );
 * using base = new EventBase();
 * using server = new HttpServer(base, { leniency: { allowMissingHost: true } });
 * using rpc = new RpcServer(server);
 * rpc.register(Sum, ({ each }) => ({ total: each.reduce((sum, one) => sum + one, 0) }));
 * const { port } = server.listen({ port: 0 });
 *
 * using pool = new RpcPool(base);
 * pool.addConnection(new HttpClientConnection(base, { host: "127.0.0.1", port }));
 * pool.request(Sum, { each: [1, 2, 3] }, {}, (reply, error) => {
 *   console.log(error ?? reply!.total); // 6
 *   base.loopBreak();
 * });
 * await base.run();
 * ```
 */
export class RpcServer implements Disposable {
  readonly #host: HttpHost;
  readonly #limits: RpcLimits;
  readonly #onError: (error: unknown, request: HttpRequest) => void;
  readonly #paths = new Map<string, string>();
  readonly #hooks = new RpcHooks<HttpConnection, HttpRequest>();
  // How to end calls that hooks hold back.
  readonly #paused = new Map<RpcServerHookContext, () => void>();
  readonly #owner: RpcCallOwner;
  #isClosed = false;

  /**
   * Makes a server that knows no calls yet (evrpc_init).
   *
   * @throws {RangeError} when a limit is none.
   */
  constructor(host: HttpHost, options: RpcServerOptions = {}) {
    this.#host = host;
    this.#limits = rpcLimits(options.limits);
    this.#onError = options.onError ?? reportError;
    this.#owner = this.#makeOwner();
  }

  /** The names of the calls that are served. */
  get methods(): string[] {
    return [...this.#paths.keys()];
  }

  /** Calls that hooks hold back. */
  get pausedCount(): number {
    return this.#paused.size;
  }

  /**
   * Serves a call (EVRPC_REGISTER).
   *
   * @throws {Error} when something is at its path already, or the server was closed.
   */
  register<Request, Reply>(method: RpcMethod<Request, Reply>, handler: RpcHandler<Request, Reply>): void {
    if (this.#isClosed) throw new Error(`Cannot register ${method.name}: the server is closed`);
    this.#host.route(method.path, (http) => this.#serve(method, handler, http));
    this.#paths.set(method.name, method.path);
  }

  /** Serves a call no more (EVRPC_UNREGISTER); those that have begun go on. Returns whether it was served. */
  unregister(name: string): boolean {
    const path = this.#paths.get(name);
    if (path === undefined) return false;
    this.#paths.delete(name);
    this.#host.unroute(path);
    return true;
  }

  /**
   * Adds a hook behind the others: on requests before they are read ({@linkcode EVRPC_INPUT}), or on replies before they are sent
   * ({@linkcode EVRPC_OUTPUT}) (evrpc_add_hook).
   */
  addHook(side: RpcHookSide, hook: RpcHook<RpcServerHookContext>): RpcHookHandle {
    return this.#hooks.add(side, hook);
  }

  /** Removes a hook; returns whether it was there (evrpc_remove_hook). */
  removeHook(handle: RpcHookHandle): boolean {
    return this.#hooks.remove(handle);
  }

  /**
   * Serves no calls any more (evrpc_free). Calls that hooks hold back get 503; those that handlers have can still be answered. The HTTP
   * server goes on. Closing twice is harmless.
   */
  close(): void {
    this.#isClosed = true;
    for (const name of this.methods) this.unregister(name);
    for (const end of [...this.#paused.values()]) end();
  }

  /** Same as {@linkcode RpcServer.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #serve<Request, Reply>(
    method: RpcMethod<Request, Reply>,
    handler: RpcHandler<Request, Reply>,
    http: HttpRequest,
  ): void {
    // Not even a structure without members can be asked for by nothing: libevent takes an empty body for a mistake.
    if (http.methodId !== EVHTTP_REQ_POST || http.body.length === 0) return refuse(http);
    const meta = new Map<string, unknown>();
    if (!this.#hooks.has(EVRPC_INPUT)) return this.#answer(method, handler, http, meta);
    const { body, headers, connection } = http;
    const { name } = method;
    const context = new RpcHookContext({ method: name, side: EVRPC_INPUT, body, headers, meta, connection, http });
    this.#passHooks(context, (goesOn) => {
      // A hook may have closed this server.
      if (!goesOn || this.#isClosed) refuse(http);
      // Nobody may be there any more after a pause.
      else if (!http.finished) this.#answer(method, handler, http, meta);
    });
  }

  #answer<Request, Reply>(
    method: RpcMethod<Request, Reply>,
    handler: RpcHandler<Request, Reply>,
    http: HttpRequest,
    meta: Map<string, unknown>,
  ): void {
    let call: ServedCall<Request, Reply>;
    try {
      const request = method.request.unmarshal(http.body, this.#limits);
      call = new ServedCall(this.#owner, method, http, meta, request);
    } catch (error) {
      refuse(http);
      if (!(error instanceof TagError)) this.#report(error, http);
      return;
    }
    try {
      const result = handler(call.request, call);
      if (result instanceof Promise) {
        result.then((reply) => this.#finish(call, reply)).catch((error: unknown) => this.#failed(call, error));
      } else {
        this.#finish(call, result);
      }
    } catch (error) {
      this.#failed(call, error);
    }
  }

  #finish<Request, Reply>(call: ServedCall<Request, Reply>, reply: Reply | void): void {
    if (reply !== undefined) call.done(reply as Reply);
  }

  #failed<Request, Reply>(call: ServedCall<Request, Reply>, error: unknown): void {
    try {
      call.fail();
    } finally {
      this.#report(error, call.http);
    }
  }

  /** Tells of an error. What that throws gets to the loop, as what callbacks throw; behind a promise nobody else would catch it. */
  #report(error: unknown, http: HttpRequest): void {
    try {
      this.#onError(error, http);
    } catch (thrown) {
      tellSoon(http.connection.server.base, () => {
        throw thrown;
      });
    }
  }

  #passHooks(context: RpcServerHookContext, done: (goesOn: boolean) => void): void {
    const { http } = context;
    let isDecided = false;
    const cancel = this.#hooks.run(context, (goesOn, error) => {
      isDecided = true;
      this.#paused.delete(context);
      try {
        done(goesOn);
      } finally {
        if (error !== undefined) this.#report(error, http);
      }
    });
    if (isDecided) return;
    const end = (): void => {
      if (!this.#paused.delete(context)) return;
      cancel();
      done(false);
    };
    this.#paused.set(context, end);
    const isLate = http.signal.aborted || (this.#isClosed && context.side === EVRPC_INPUT);
    // A hook that never resumes must not keep a client that is known to have gone.
    if (isLate) end();
    else http.signal.addEventListener("abort", end, { once: true });
  }

  #makeOwner(): RpcCallOwner {
    return {
      limits: this.#limits,
      hasHooks: (side) => this.#hooks.has(side),
      passHooks: (context, done) => this.#passHooks(context, done),
      report: (error, http) => this.#report(error, http),
    };
  }
}

function reportError(error: unknown, request: HttpRequest): void {
  console.error(`Error while serving ${request.method} ${request.target}:`, error);
}
