import type { AwaitOptions, EventBase } from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import { WS_CR_ABNORMAL, WS_CR_NO_STATUS, WS_CR_NONE } from "./close_codes.ts";
import type { CloseFacts } from "./close_frame.ts";
import type { WebSocketClose } from "./session_options.ts";
import { CLOSING, ENDING, OPEN, OVER } from "./session_state.ts";
import { WebSocketError, type WebSocketErrorCode } from "./ws_error.ts";

const ABNORMAL: CloseFacts = { code: WS_CR_ABNORMAL, reason: "" };

/**
 * How a session has ended, or will, and who waits for that.
 *
 * @internal
 */
export class SessionEnd {
  /** Null before the end. */
  close: WebSocketClose | null = null;
  /** What has gone wrong. */
  error: WebSocketError | null = null;
  // What the other side's close frame has said; before that, and after a fault, what ours has.
  #facts: CloseFacts | null = null;
  readonly #waiters = new Set<Waiter<WebSocketClose>>();

  /** Our close frame says so. */
  closed(code: number): void {
    this.#facts = { code: code === WS_CR_NONE ? WS_CR_NO_STATUS : code, reason: "" };
  }

  /** The other side's close frame has come. */
  closeCame(facts: CloseFacts): void {
    this.#facts = facts;
  }

  /** The other side has broken the rules. It is told so, unless it was told something else already. */
  faulted(state: number, error: WebSocketError): void {
    this.error = error;
    if (state === OPEN) this.closed(error.closeCode);
  }

  /**
   * The connection is of no more use. After both close frames, or a fault that was told, this is how it has to end, which is no news.
   *
   * @param isUnsent whether something will not be sent any more.
   * @returns the error that is to be told, or null.
   */
  aborted(state: number, isUnsent: boolean, code: WebSocketErrorCode, cause: Error | null): WebSocketError | null {
    // Nobody has answered ours.
    if (state === CLOSING) this.#facts = null;
    if (this.error !== null || state === OVER || (state === ENDING && !isUnsent)) return null;
    return this.error = new WebSocketError(code, cause ? { cause, detail: cause.message } : {});
  }

  /** The connection is closed; returns how that is to be told. */
  conclude(state: number, isUnsent: boolean): WebSocketClose {
    const wasClean = this.error === null && (state === OVER || (state === ENDING && !isUnsent));
    const { code, reason } = (state === CLOSING ? null : this.#facts) ?? ABNORMAL;
    return this.close = { code, reason, wasClean };
  }

  /** Waits for it; rejected when the base is closed before, or a signal is aborted. */
  wait(base: EventBase, { signal }: AwaitOptions): Promise<WebSocketClose> {
    if (this.close !== null) return Promise.resolve(this.close);
    const waiter = new Waiter<WebSocketClose>();
    this.#waiters.add(waiter);
    waiter.wait(base, signal, () => void this.#waiters.delete(waiter));
    return waiter.promise;
  }

  /** Tells whoever waits; the facts are there already. */
  tell(close: WebSocketClose): void {
    for (const waiter of this.#waiters) waiter.resolve(close);
    this.#waiters.clear();
  }
}
