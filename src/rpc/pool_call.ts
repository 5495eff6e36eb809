import { reactorOf } from "../core/event_base.ts";
import { LazyTimer } from "../core/lazy_timer.ts";
import { EvBuffer, type EventBase } from "../core/mod.ts";
import { tellSoon } from "../core/tell_soon.ts";
import {
  type HttpClientConnection,
  type HttpClientError,
  type HttpClientRequest,
  type HttpClientResponse,
  HttpHeaders,
} from "../http/mod.ts";
import { RpcError, type RpcErrorCode } from "./rpc_error.ts";
import { EVRPC_INPUT, EVRPC_OUTPUT, RpcHookContext, type RpcHooks, type RpcPoolHookContext } from "./rpc_hooks.ts";
import type { RpcMethod } from "./rpc_method.ts";
import type { RpcLimits } from "./struct_limits.ts";

/** How a single call is made. */
export interface RpcCallOptions {
  /** Milliseconds from now after which it fails, wherever it is; that of the pool by default, Infinity: never. */
  readonly timeoutMs?: number | undefined;
  /** Whether it may be sent again where a kept connection turns out to be closed; false by default. */
  readonly idempotent?: boolean | undefined;
  /** Cancels it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Told once how a call has ended: with a reply, or with the reason why there is none.
 *
 * @param response what carried the reply, for its fields.
 */
export type RpcCallback<Reply> = (
  reply: Reply | null,
  error: RpcError | null,
  response: HttpClientResponse | null,
) => void;

/** A call that a pool makes. */
export interface RpcRequest {
  /** Whether it has ended: its callback was called, or is about to be. */
  readonly isOver: boolean;
  /**
   * Ends it with `RPC_CANCELLED`; one that is under way takes its connection along. Harmless when it is over.
   *
   * @param reason becomes the error's `cause`.
   */
  cancel(reason?: unknown): void;
}

/** What a call needs of its pool. @internal */
export interface PoolCallOwner {
  readonly base: EventBase;
  readonly hooks: RpcHooks<HttpClientConnection, HttpClientResponse | null>;
  readonly limits: RpcLimits;
  /** The connection has nothing to do any more for this call. */
  released(connection: HttpClientConnection): void;
  /** The call is over. */
  ended(call: AnyPoolCall): void;
}

/** What a pool needs of a call, whatever its structures are. @internal */
export interface AnyPoolCall extends RpcRequest {
  start(connection: HttpClientConnection): void;
  fail(code: RpcErrorCode, cause?: unknown): void;
}

/** @internal */
export class PoolCall<Request, Reply> implements AnyPoolCall {
  readonly #owner: PoolCallOwner;
  readonly #method: RpcMethod<Request, Reply>;
  readonly #options: RpcCallOptions;
  readonly #bytes: Uint8Array;
  readonly #meta = new Map<string, unknown>();
  #callback: RpcCallback<Reply> | null;
  #timer: LazyTimer | null = null;
  // Has it until it is released.
  #connection: HttpClientConnection | null = null;
  // What hooks have seen, and may have changed; empty once it was sent.
  #outgoing: EvBuffer | null = null;
  #http: HttpClientRequest | null = null;
  #isStarted = false;
  #endHooks: (() => void) | null = null;
  /** Whether the call that has made it has not returned yet, inside of which no callback is called. */
  isNew = true;

  /** @throws {TypeError} when the request is not complete. */
  constructor(
    owner: PoolCallOwner,
    method: RpcMethod<Request, Reply>,
    request: Request,
    options: RpcCallOptions,
    timeoutMs: number,
    callback: RpcCallback<Reply>,
  ) {
    this.#owner = owner;
    this.#method = method;
    this.#bytes = method.request.marshal(request, owner.limits);
    this.#options = options;
    this.#callback = callback;
    if (timeoutMs !== Infinity) {
      this.#timer = new LazyTimer(owner.base, () => this.fail("RPC_TIMEOUT"));
      this.#timer.set(timeoutMs);
    }
    options.signal?.addEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => this.cancel(this.#options.signal!.reason);

  get isOver(): boolean {
    return this.#callback === null;
  }

  cancel(reason?: unknown): void {
    this.fail("RPC_CANCELLED", reason);
  }

  /** Goes out by a connection that has nothing else to do. */
  start(connection: HttpClientConnection): void {
    this.#connection = connection;
    const headers = new HttpHeaders();
    if (!this.#owner.hooks.has(EVRPC_OUTPUT)) return this.#send(connection, this.#bytes, headers);
    const body = this.#outgoing = new EvBuffer();
    body.add(this.#bytes);
    this.#passHooks(this.#context(EVRPC_OUTPUT, body, headers, null), (goesOn, error) => {
      if (goesOn) this.#send(connection, body, headers);
      else this.fail("RPC_UNSTARTED", error);
    });
  }

  /** Ends it, wherever it is. */
  fail(code: RpcErrorCode, cause?: unknown, response: HttpClientResponse | null = null): void {
    if (this.isOver) return;
    this.#settle(
      null,
      new RpcError(code, this.#method.name, { isStarted: this.#isStarted, response, cause }),
      response,
    );
  }

  #context(
    side: typeof EVRPC_INPUT | typeof EVRPC_OUTPUT,
    body: EvBuffer,
    headers: HttpHeaders,
    http: HttpClientResponse | null,
  ): RpcPoolHookContext {
    const connection = this.#connection!;
    return new RpcHookContext({ method: this.#method.name, side, body, headers, meta: this.#meta, connection, http });
  }

  #passHooks(context: RpcPoolHookContext, done: (goesOn: boolean, error: unknown) => void): void {
    if (!this.#owner.hooks.has(context.side)) return done(true, undefined);
    let isDecided = false;
    const cancel = this.#owner.hooks.run(context, (goesOn, error) => {
      isDecided = true;
      this.#letGo();
      // A hook may have cancelled its own call.
      if (!this.isOver) done(goesOn, error);
    });
    if (isDecided) return;
    if (this.isOver) return cancel();
    this.#endHooks = cancel;
    // The hook waits for something else, and the loop must be there when that has come.
    reactorOf(this.#owner.base).countVirtual(1);
  }

  /** Hooks hold it back no more. */
  #letGo(): void {
    if (this.#endHooks === null) return;
    this.#endHooks = null;
    reactorOf(this.#owner.base).countVirtual(-1);
  }

  #send(connection: HttpClientConnection, body: Uint8Array | EvBuffer, headers: HttpHeaders): void {
    // A hook may have taken its time.
    if (connection.closed) return this.fail("RPC_CLOSED");
    const { idempotent } = this.#options;
    try {
      this.#http = connection.request(
        this.#method.path,
        { method: "POST", headers, body, idempotent },
        (response, error) => this.#responded(connection, response, error),
      );
      this.#isStarted = true;
    } catch (error) {
      this.fail("RPC_UNSTARTED", error);
    }
  }

  #responded(
    connection: HttpClientConnection,
    response: HttpClientResponse | null,
    error: HttpClientError | null,
  ): void {
    this.#http = null;
    if (this.isOver) return;
    if (response === null) {
      const { code } = error!;
      const own = code === "HTTP_CLOSED" ? "RPC_CLOSED" : code === "HTTP_TIMEOUT" ? "RPC_TIMEOUT" : "RPC_NO_RESPONSE";
      return this.fail(own, error);
    }
    const context = this.#context(EVRPC_INPUT, response.body, response.headers, response);
    this.#connection = null;
    try {
      this.#passHooks(context, (goesOn, reason) => {
        if (goesOn) this.#receive(response);
        else this.fail("RPC_HOOK_ABORTED", reason, response);
      });
    } finally {
      // The reply is there: whatever the hooks do with it, the next call can go out.
      this.#owner.released(connection);
    }
  }

  #receive(response: HttpClientResponse): void {
    if (!response.ok) {
      return this.fail("RPC_BAD_PAYLOAD", new Error(`the server has answered ${response.status}`), response);
    }
    let reply: Reply;
    try {
      reply = this.#method.reply.unmarshal(response.body, this.#owner.limits);
    } catch (error) {
      return this.fail("RPC_BAD_PAYLOAD", error, response);
    }
    this.#settle(reply, null, response);
  }

  #settle(reply: Reply | null, error: RpcError | null, response: HttpClientResponse | null): void {
    const callback = this.#callback!;
    this.#callback = null;
    this.#timer?.close();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#endHooks?.();
    this.#letGo();
    this.#outgoing?.close();
    const http = this.#http;
    const connection = this.#connection;
    this.#http = null;
    this.#connection = null;
    this.#owner.ended(this);
    try {
      // The response that is still to come would be taken for that of the next call, so the stream ends with this one.
      http?.cancel();
    } finally {
      try {
        this.#tell(() => callback(reply, error, response));
      } finally {
        if (connection !== null) this.#owner.released(connection);
      }
    }
  }

  #tell(callback: () => void): void {
    if (this.isNew) tellSoon(this.#owner.base, callback);
    else callback();
  }
}
