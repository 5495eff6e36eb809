import { LoopEvent } from "./event.ts";
import type { LoopCallback } from "./loop_callback.ts";
import type { Reactor } from "./reactor.ts";

/**
 * Closes what depends on a base and deletes every event, in whatever list it is. Throws the first error of a finalizer, or of who is given
 * memory back, when all is done.
 *
 * @internal
 */
export function deleteAll(reactor: Reactor): void {
  const errors: unknown[] = [];
  // Until nothing is left, since a finalizer may have added more, or who is given memory back.
  do {
    for (const event of waiting(reactor)) event.delete();
    emptyQueues(reactor, errors);
    // Only now, since a finalizer may have made one.
    closeDependents(reactor, errors);
  } while (waiting(reactor).size > 0 || firstQueued(reactor) !== null);
  reactor.prepareWatchers.clear();
  reactor.checkWatchers.clear();
  if (errors.length > 0) throw errors[0];
}

/** All events that wait for a descriptor, a signal or a time. */
function waiting(reactor: Reactor): Set<LoopEvent> {
  const found = new Set<LoopEvent>();
  for (let fd = 0; fd < reactor.fds.limit; fd++) {
    for (let event = reactor.fds.headOf(fd); event !== null; event = event.fdNext) found.add(event);
  }
  reactor.signals.forEach((event) => found.add(event));
  reactor.timers.forEach((event) => found.add(event));
  return found;
}

/** Takes all callbacks out of their queues, and runs the finalizers among them. */
function emptyQueues(reactor: Reactor, errors: unknown[]): void {
  // From the start after each, since a finalizer may finalize an event of a queue that has been emptied already.
  for (let queued = firstQueued(reactor); queued !== null; queued = firstQueued(reactor)) {
    try {
      // What it was to finalize is finalized now, since there will be no loop to do it.
      if (queued instanceof LoopEvent) queued.finalizeNow();
      reactor.deactivate(queued);
    } catch (error) {
      errors.push(error);
    }
  }
}

function closeDependents(reactor: Reactor, errors: unknown[]): void {
  for (const dependent of reactor.dependents) {
    try {
      dependent.close();
    } catch (error) {
      errors.push(error);
    }
  }
}

function firstQueued(reactor: Reactor): LoopCallback | null {
  return [reactor.later, ...reactor.queues].find((queue) => queue.head !== null)?.head ?? null;
}
