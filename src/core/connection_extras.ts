import type { AsyncFace } from "./async_face.ts";
import type { ConnectionFailure } from "./bufferevent_callbacks.ts";
import type { DeferredCalls } from "./bufferevent_calls.ts";
import type { ConnectionRates } from "./connection_rates.ts";
import type { Deferred } from "./deferred.ts";
import type { LoopEvent } from "./event.ts";
import type { HostConnect } from "./host_connect.ts";

/**
 * What most connections never have, in an object that is made for the first of it. So a connection on which nothing happens needs no
 * room for any, and the hot path asks one question instead of many.
 *
 * @internal
 */
export class ConnectionExtras {
  /** The rate limits it obeys. */
  rates: ConnectionRates | null = null;
  /** The promises somebody has asked for. */
  face: AsyncFace | null = null;
  /** What a connection on top of this one wants to hear when something was sent, or a stream has begun. */
  whenOutputShrank: ((begun: boolean) => void) | null = null;
  /** What a connection on top of this one wants to hear when this one is closed. */
  whenClosed: (() => void) | null = null;
  /** Whether a connection on top of this one has still something to tell, before which this one is not to close by itself. */
  isHeldOpen: (() => boolean) | null = null;
  /** The error behind the last `BEV_EVENT_ERROR`. */
  error: ConnectionFailure | null = null;
  /** The callbacks that are to be called from the loop. */
  calls: DeferredCalls | null = null;
  /** Sends what was queued outside of our callbacks. */
  flush: Deferred | null = null;
  /** Waits for writability, from when the kernel has taken no more for the first time. */
  writeEvent: LoopEvent | null = null;
  /** Waits for the end of the stream out of turn. */
  closeEvent: LoopEvent | null = null;
  /** A connect by name that is under way, or was the last one and has failed. */
  hostConnect: HostConnect | null = null;
  /** Bytes that have left past the output of a socket, and are still to be told of. */
  sentAhead: number = 0;
  /** What the kernel has said to those behind them, as `-errno`; 0: nothing. */
  failureAhead: number = 0;

  /** Whether nothing of it concerns what is sent next. */
  get sendsPlainly(): boolean {
    return this.rates === null && this.sentAhead === 0 && this.failureAhead === 0;
  }
}
