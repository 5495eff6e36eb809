/**
 * What was to be done takes an event base that is open; or it was awaited when the base was closed.
 *
 * Loops (`for await`) over a connection, a listener, a datagram socket or a port end quietly instead, as they do when that is closed
 * itself.
 *
 * @example
 * ```ts
 * import { BaseClosedError, EventBase, PairBufferEvent } from "@evbase/evbase";
 *
 * const base = new EventBase();
 * const [near] = PairBufferEvent.create(base);
 * const reading = near.readSome();
 * base.close();
 * await reading.catch((error: unknown) => {
 *   if (error instanceof BaseClosedError) console.log(error.code); // BASE_CLOSED
 * });
 * ```
 */
export class BaseClosedError extends Error {
  /** Always `BaseClosedError`. */
  override readonly name: string = "BaseClosedError";
  /** Always `BASE_CLOSED`. */
  readonly code: "BASE_CLOSED" = "BASE_CLOSED";

  /**
   * Describes what has not come about.
   *
   * @param doing completes "Cannot ...".
   */
  constructor(doing: string) {
    super(`Cannot ${doing}: the event base is closed`);
  }
}
