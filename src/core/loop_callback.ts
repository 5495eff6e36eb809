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

/** Something that can wait in an active queue: an event, or a deferred callback (libevent's event_callback). */
export abstract class LoopCallback {
  /** @internal Its place in the queue. */
  queuePlace = 0;
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
