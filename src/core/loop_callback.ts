/** Not queued. */
export const IDLE = 0;
/** In an active queue: runs in this pass or the next one. */
export const ACTIVE = 1;
/** Becomes active at the start of the next turn. */
export const LATER = 2;

/**
 * Something that can wait in an active queue: an event, or a deferred callback (libevent's event_callback). The links of
 * the queue stand in the object itself, so that activating allocates nothing.
 */
export abstract class LoopCallback {
  /** @internal Neighbours in the queue. */
  queueNext: LoopCallback | null = null;
  /** @internal */
  queuePrevious: LoopCallback | null = null;
  /** @internal IDLE, ACTIVE or LATER. */
  queueState: number = IDLE;
  /** @internal Index of the active queue; 0 runs first. */
  level: number;
  /** @internal Housekeeping of the loop itself: never keeps the loop alive, never ends a pass. */
  readonly isInternal: boolean;

  /** @internal */
  constructor(level: number, isInternal: boolean) {
    this.level = level;
    this.isInternal = isInternal;
  }

  /** @internal Leaves the queue and runs what the user gave; may throw whatever that throws. */
  abstract takeTurn(): void;
}

/** A first-in first-out queue of callbacks, linked through the callbacks themselves. */
export class CallbackQueue {
  /** The one that runs next. */
  head: LoopCallback | null = null;
  #tail: LoopCallback | null = null;

  /** Appends `callback`, which must be in no queue. */
  push(callback: LoopCallback): void {
    callback.queuePrevious = this.#tail;
    callback.queueNext = null;
    if (this.#tail === null) this.head = callback;
    else this.#tail.queueNext = callback;
    this.#tail = callback;
  }

  /** Takes `callback` out, which must be in this queue. */
  remove(callback: LoopCallback): void {
    const { queuePrevious: previous, queueNext: next } = callback;
    if (previous === null) this.head = next;
    else previous.queueNext = next;
    if (next === null) this.#tail = previous;
    else next.queuePrevious = previous;
    callback.queueNext = null;
    callback.queuePrevious = null;
  }
}
