import { EvBuffer } from "../core/mod.ts";
import type { HttpRequest } from "../http/mod.ts";
import { EVRPC_OUTPUT, RpcHookContext, type RpcHookSide, type RpcServerHookContext } from "./rpc_hooks.ts";
import type { RpcMethod } from "./rpc_method.ts";
import type { RpcLimits } from "./struct_limits.ts";

/** A call that a client has made, while it is served (EVRPC_STRUCT): its request, and the way to its reply. */
export interface RpcCall<Request, Reply> {
  /** What was called. */
  readonly method: RpcMethod<Request, Reply>;
  /** What the client has sent (evrpc_get_request). */
  readonly request: Request;
  /** The request of HTTP that it came by (EVRPC_REQUEST_HTTP): fields, the client's address, `signal`. */
  readonly http: HttpRequest;
  /** Notes of the hooks. */
  readonly meta: Map<string, unknown>;
  /** Whether it was answered, or cannot be any more. */
  readonly isOver: boolean;
  /**
   * Answers (EVRPC_REQUEST_DONE). Without effect when the client has gone.
   *
   * @throws {TypeError} when the reply is not complete; the client gets 503 then.
   * @throws {Error} when it was answered already.
   */
  done(reply: Reply): void;
  /** Answers that there is no reply: 503, by which the client's call fails. Without effect when the client has gone or has its answer. */
  fail(): void;
}

/**
 * Answers a call: at once by what it returns, or later by a promise or {@linkcode RpcCall.done}. What it throws, or rejects with, becomes
 * a 503, and is reported.
 */
export type RpcHandler<Request, Reply> = (
  request: Request,
  call: RpcCall<Request, Reply>,
) => Reply | void | Promise<Reply | void>;

/** What a call needs of the server it came to. @internal */
export interface RpcCallOwner {
  readonly limits: RpcLimits;
  hasHooks(side: RpcHookSide): boolean;
  /** Asks the hooks of a side; the call is paused until they have decided. */
  passHooks(context: RpcServerHookContext, done: (goesOn: boolean) => void): void;
  /** Tells of what has gone wrong where nobody is left to throw it at. */
  report(error: unknown, http: HttpRequest): void;
}

/** @internal */
export class ServedCall<Request, Reply> implements RpcCall<Request, Reply> {
  readonly method: RpcMethod<Request, Reply>;
  readonly request: Request;
  readonly http: HttpRequest;
  readonly meta: Map<string, unknown>;
  readonly #owner: RpcCallOwner;
  #isAnswered = false;

  constructor(
    owner: RpcCallOwner,
    method: RpcMethod<Request, Reply>,
    http: HttpRequest,
    meta: Map<string, unknown>,
    request: Request,
  ) {
    this.#owner = owner;
    this.method = method;
    this.http = http;
    this.meta = meta;
    this.request = request;
  }

  get isOver(): boolean {
    return this.#isAnswered || this.http.finished;
  }

  done(reply: Reply): void {
    if (this.#isAnswered) throw new Error(`Cannot answer ${this.method.name}: it was answered already`);
    let bytes: Uint8Array;
    try {
      bytes = this.method.reply.marshal(reply, this.#owner.limits);
    } catch (error) {
      this.fail();
      throw error;
    }
    this.#isAnswered = true;
    const { http, meta } = this;
    if (http.finished) return;
    if (!this.#owner.hasHooks(EVRPC_OUTPUT)) return sendReply(http, bytes);
    const body = new EvBuffer();
    body.add(bytes);
    const context = new RpcHookContext({
      method: this.method.name,
      side: EVRPC_OUTPUT,
      body,
      headers: http.replyHeaders,
      meta,
      connection: http.connection,
      http,
    });
    this.#owner.passHooks(context, (goesOn) => {
      try {
        if (goesOn) sendReply(http, body);
        else refuse(http);
      } catch (error) {
        // A hook has made it a reply that cannot be sent, maybe long after this was called.
        refuse(http);
        this.#owner.report(error, http);
      } finally {
        body.close();
      }
    });
  }

  fail(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    refuse(this.http);
  }
}

function sendReply(http: HttpRequest, body: Uint8Array | EvBuffer): void {
  if (http.finished) return;
  if (!http.replyHeaders.has("content-type")) http.replyHeaders.set("Content-Type", "application/octet-stream");
  http.reply(200, body);
}

/** Any failure is a 503 on the wire. @internal */
export function refuse(http: HttpRequest): void {
  if (http.finished || http.replyStarted) return;
  // Fields of the reply that was meant, such as Content-Encoding, would be wrong for this one.
  http.replyHeaders.clear();
  http.replyError(503);
}
