import { Deferred } from "./deferred.ts";
import { type EventBase, reactorOf } from "./event_base.ts";

/**
 * Calls back once, from the loop; or when the base is closed before that, and at once when it is closed already: whoever waits for the
 * call would otherwise wait for ever.
 *
 * @internal
 */
export function tellSoon(base: EventBase, callback: () => void): void {
  const { closed, dependents } = reactorOf(base);
  if (closed) return callback();
  const untold = {
    close: (): void => {
      dependents.delete(untold);
      deferred.cancel();
      callback();
    },
  };
  const deferred = new Deferred(base, base.priorities >> 1, untold.close);
  dependents.add(untold);
  deferred.schedule();
}
