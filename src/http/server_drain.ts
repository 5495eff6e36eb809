import { EV_PERSIST, type EventBase, LoopEvent } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { Waiter } from "../core/waiter.ts";

/** How {@linkcode HttpServer.drain} ends. */
export interface DrainOptions {
  /** How long to wait for what is under way, in milliseconds; 30 s by default, Infinity for as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Cuts the waiting short. */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
/** Streams that were taken over tell nobody when they close, so it is looked for. */
const LOOK_MS = 5;

/**
 * Waits in the loop until nobody is connected any more; resolves with whether that came about in time.
 *
 * @internal
 */
export function untilDrained(base: EventBase, isDrained: () => boolean, options: DrainOptions): Promise<boolean> {
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  if (!(timeoutMs >= 0)) throw new RangeError(`Cannot drain within ${timeoutMs} ms: a time is needed`);
  if (isDrained()) return Promise.resolve(true);
  const waiter = new Waiter<boolean>();
  // A busy callback's time so far is not part of it.
  const deadlineMs = base.now() + reactorOf(base).clock.ageMs + timeoutMs;
  const clean = (): void => {
    look.close();
    signal?.removeEventListener("abort", onAbort);
  };
  const end = (hasCome: boolean): void => {
    clean();
    waiter.resolve(hasCome);
  };
  const onAbort = (): void => end(isDrained());
  const look = new LoopEvent(base, -1, EV_PERSIST, () => {
    if (isDrained()) end(true);
    else if (base.now() >= deadlineMs) end(false);
  });
  look.add(LOOK_MS);
  signal?.addEventListener("abort", onAbort);
  waiter.wait(base, undefined, clean);
  if (signal?.aborted === true) onAbort();
  // Without its base nobody will be served any more, which is one way to run out of time.
  return waiter.promise.catch(() => false);
}
