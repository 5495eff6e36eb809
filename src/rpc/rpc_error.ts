import type { HttpClientResponse } from "../http/mod.ts";

/** There is a reply. */
export const EVRPC_STATUS_ERR_NONE = 0;
/** No reply has come. */
export const EVRPC_STATUS_ERR_TIMEOUT = 1;
/** What has come is no reply. */
export const EVRPC_STATUS_ERR_BADPAYLOAD = 2;
/** The request was not sent. */
export const EVRPC_STATUS_ERR_UNSTARTED = 3;
/** A hook has terminated the call after the reply has come. */
export const EVRPC_STATUS_ERR_HOOKABORTED = 4;

/** Why a call has no reply. Codes are stable; messages are not. */
export type RpcErrorCode =
  /** The time was up. */
  | "RPC_TIMEOUT"
  /** There is no connection, it has failed, or what came was no response of HTTP; `cause` says more. */
  | "RPC_NO_RESPONSE"
  /** The response is no reply: another status than success, or a body that is not the structure; `cause` is the {@linkcode TagError}. */
  | "RPC_BAD_PAYLOAD"
  /** A hook has refused to let the request go out, or has made it one that cannot; `cause` is what was thrown. */
  | "RPC_UNSTARTED"
  /** A hook has refused the reply; `cause` is what it has thrown. */
  | "RPC_HOOK_ABORTED"
  /** More calls wait than may. */
  | "RPC_QUEUE_FULL"
  /** It was cancelled on this side; `cause` is the reason of a signal. */
  | "RPC_CANCELLED"
  /** The pool, its base, or the connection that had the call, was closed on this side. */
  | "RPC_CLOSED";

const FAULTS: Readonly<Record<RpcErrorCode, readonly [text: string, status: number]>> = {
  RPC_TIMEOUT: ["the time is up", EVRPC_STATUS_ERR_TIMEOUT],
  RPC_NO_RESPONSE: ["no response has come", EVRPC_STATUS_ERR_TIMEOUT],
  RPC_BAD_PAYLOAD: ["the response is no reply", EVRPC_STATUS_ERR_BADPAYLOAD],
  RPC_UNSTARTED: ["a hook did not let the request go out", EVRPC_STATUS_ERR_UNSTARTED],
  RPC_HOOK_ABORTED: ["a hook has refused the reply", EVRPC_STATUS_ERR_HOOKABORTED],
  RPC_QUEUE_FULL: ["too many calls are waiting", EVRPC_STATUS_ERR_UNSTARTED],
  RPC_CANCELLED: ["it was cancelled", EVRPC_STATUS_ERR_TIMEOUT],
  RPC_CLOSED: ["it was closed on this side", EVRPC_STATUS_ERR_TIMEOUT],
};

/** What an {@linkcode RpcError} knows besides its code. */
export interface RpcErrorFacts {
  /** Whether the request was on its way. */
  readonly isStarted?: boolean | undefined;
  /** The response that was no reply. */
  readonly response?: HttpClientResponse | null | undefined;
  /** What was behind it. */
  readonly cause?: unknown;
}

/** Why a call has no reply. */
export class RpcError extends Error {
  /** Always `RpcError`. */
  override readonly name: string = "RpcError";
  /** The stable code to branch on. */
  readonly code: RpcErrorCode;
  /** The `EVRPC_STATUS_ERR_` number that evrpc has for it. */
  readonly status: number;
  /** The response of HTTP, if one has come (the http_req of an evrpc_status). */
  readonly response: HttpClientResponse | null;

  /** Describes what went wrong with the call named `method`. */
  constructor(code: RpcErrorCode, method: string, facts: RpcErrorFacts = {}) {
    const { isStarted = true, response = null, cause } = facts;
    const [text, status] = FAULTS[code];
    const because = cause instanceof Error && cause.message !== "" ? `: ${cause.message}` : "";
    super(`Cannot call ${method}: ${text}${because} (${code})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = isStarted ? status : EVRPC_STATUS_ERR_UNSTARTED;
    this.response = response;
  }
}
