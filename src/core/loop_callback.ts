/** Not queued. */
export const IDLE = 0;
/** In an active queue: runs in this pass or the next one. */
export const ACTIVE = 1;
/** Becomes active at the start of the next turn. */
export const LATER = 2;

const STATE_BITS = 0x3, INTERNAL = 0x4;
/** The first of the bits that are a subclass's own, the last is 0x80; there is room above {@linkcode OWN_SHIFT} as well. */
export const OWN_BIT = 0x8;
const LEVEL_SHIFT = 8, LEVEL_BITS = 0xff << LEVEL_SHIFT;
/** From here on up the bits are a subclass's own. */
export const OWN_SHIFT = 16;

/**
 * Something that can wait in an active queue: an event, or a deferred callback (libevent's event_callback). The links of
 * the queue stand in the object itself, so that activating allocates nothing.
 */
export abstract class LoopCallback {
  /** @internal Neighbours in the queue. */
  queueNext: LoopCallback | null = null;
  /** @internal */
  queuePrevious: LoopCallback | null = null;
  /** @internal State, level and what a subclass adds: a field for each would make an idle event half as large again. */
  protected bits: number;

  /** @internal */
  constructor(level: number, isInternal: boolean) {
    this.bits = level << LEVEL_SHIFT | (isInternal ? INTERNAL : 0);
  }

  /** @internal IDLE, ACTIVE or LATER. */
  get queueState(): number {
    return this.bits & STATE_BITS;
  }

  /** @internal */
  set queueState(state: number) {
    this.bits = this.bits & ~STATE_BITS | state;
  }

  /** @internal Index of the active queue, 0 to 255; 0 runs first. */
  get level(): number {
    return (this.bits & LEVEL_BITS) >> LEVEL_SHIFT;
  }

  /** @internal */
  set level(level: number) {
    this.bits = this.bits & ~LEVEL_BITS | level << LEVEL_SHIFT;
  }

  /** @internal Housekeeping of the loop itself: never keeps the loop alive, never ends a pass. */
  get isInternal(): boolean {
    return (this.bits & INTERNAL) !== 0;
  }

  /** @internal Only while nobody counts it; see {@linkcode Reactor.keepLoop}. */
  set isInternal(on: boolean) {
    this.bits = on ? this.bits | INTERNAL : this.bits & ~INTERNAL;
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
