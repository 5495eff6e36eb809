import type { LoopEvent } from "./event.ts";
import type { EventExtras } from "./event_extras.ts";
import { OwnerTable } from "./owner_table.ts";
import { TimerHeap } from "./timer_heap.ts";
import { TimerRows } from "./timer_rows.ts";

/**
 * One duration shared by many events, as a connection timeout is: they wait in a list, oldest first, with one entry in
 * the heap for all of them, and fire in the order in which they were added (event_base_init_common_timeout). Adding and
 * removing cost the same however many wait.
 *
 * Made by {@linkcode EventBase.commonTimeout} and given to {@linkcode LoopEvent.add} in place of a number.
 */
export class CommonTimeout {
  /** The duration in milliseconds. */
  readonly durationMs: number;
  /** @internal The list, linked through the events. */
  head: LoopEvent | null = null;
  /** @internal */
  tail: LoopEvent | null = null;
  /** @internal Slot of the one heap entry, -1 while the list is empty. */
  timerSlot = -1;

  /** @internal */
  constructor(durationMs: number) {
    this.durationMs = durationMs;
  }
}

/** How many different common timeouts a base can have, as in libevent. */
const COMMON_TIMEOUTS_MAX = 256;

/** With so many at once the processor is as good as busy fetching them, and its first cache still holds them when they run. */
export const DUE_AT_ONCE = 32;

/** All timeouts of one base: a heap of slots, and what each slot stands for. */
export class TimerQueue {
  /** How many leave the heap together, {@linkcode DUE_AT_ONCE} at most: with fewer, tests need no crowd. */
  dueAtOnce: number = DUE_AT_ONCE;

  readonly #heap = new TimerHeap();
  readonly #owners = new OwnerTable<LoopEvent | CommonTimeout>();
  readonly #commons = new Map<number, CommonTimeout>();
  // Who has left the heap together, when each was due, and which of them takeDue() returns next.
  readonly #due: (LoopEvent | CommonTimeout | null)[] = new Array(DUE_AT_ONCE).fill(null);
  readonly #dueRows = new TimerRows(DUE_AT_ONCE);
  #next = 0;
  #dueEnd = 0;
  /** @internal Says nothing; but what nobody could ask for, a compiler need not fetch. */
  seen = 0;

  /** When the first timeout is due, `Infinity` without one. */
  get nextDeadlineMs(): number {
    return this.#heap.peekDeadline();
  }

  /** How many slots it has memory for; follows the number of timeouts down as well as up, with hysteresis (see the heap). */
  get slotLimit(): number {
    return this.#heap.slotLimit;
  }

  /** Whether some have left the heap already that {@linkcode TimerQueue.takeDue} has yet to return. */
  get isTaking(): boolean {
    return this.#next < this.#dueEnd;
  }

  /** The shared list for `durationMs`; the same one for the same duration. */
  common(durationMs: number): CommonTimeout {
    let common = this.#commons.get(durationMs);
    if (common === undefined) {
      if (this.#commons.size === COMMON_TIMEOUTS_MAX) {
        throw new RangeError(
          `Cannot create a common timeout of ${durationMs} ms: the base has ${COMMON_TIMEOUTS_MAX} already`,
        );
      }
      common = new CommonTimeout(durationMs);
      this.#commons.set(durationMs, common);
    }
    return common;
  }

  /** Throws unless `timeout` is none, or something that an event can be added with. */
  check(timeout: number | CommonTimeout | undefined): void {
    if (typeof timeout === "number") {
      if (!(timeout >= 0)) throw new RangeError(`Cannot add an event: a timeout of ${timeout} ms is not a time`);
    } else if (timeout !== undefined && this.#commons.get(timeout.durationMs) !== timeout) {
      throw new TypeError("Cannot add an event: the common timeout belongs to another base");
    }
  }

  /** Schedules `event` on its own. */
  insert(event: LoopEvent, deadlineMs: number): void {
    const slot = this.#heap.add(deadlineMs);
    event.timerSlot = slot;
    this.#owners.set(slot, event);
  }

  /** Moves the deadline of an event that is scheduled; returns false, and does nothing, when it is in a common list. */
  move(event: LoopEvent, deadlineMs: number): boolean {
    if (event.extras !== null && event.extras.common !== null) return false;
    this.#heap.update(event.timerSlot, deadlineMs);
    return true;
  }

  /** When an event is due that is scheduled. */
  deadlineOf(event: LoopEvent): number {
    const { extras, timerSlot } = event;
    return extras !== null && extras.common !== null ? extras.deadlineMs : this.#heap.deadlineOf(timerSlot);
  }

  /** Forgets `event`'s deadline. */
  remove(event: LoopEvent): void {
    const { extras, timerSlot } = event;
    event.timerSlot = -1;
    if (extras !== null && extras.common !== null) return this.#removeCommon(extras, extras.common);
    this.#heap.remove(timerSlot);
    this.#owners.clear(timerSlot, this.#heap.slotLimit);
  }

  /**
   * Takes the event out that is due first, if its deadline is not after `nowMs`; otherwise returns null. Nothing else may be asked of the
   * queue while it {@linkcode TimerQueue.isTaking}. The event's extras, if it has any, know when it was due.
   */
  takeDue(nowMs: number): LoopEvent | null {
    if (this.#next === this.#dueEnd && !this.#findDue(nowMs)) return null;
    const dueMs = this.#dueRows.deadlines[this.#next]!;
    // Another one of a list may be due before the next of those that were found together with the one before it.
    if (this.#commons.size > 0 && this.#heap.peekDeadline() < dueMs) return this.#takeOvertaker();
    const owner = this.#due[this.#next]!;
    this.#due[this.#next++] = null;
    return this.#take(owner, dueMs);
  }

  #take(owner: LoopEvent | CommonTimeout, dueMs: number): LoopEvent {
    if ("head" in owner) return this.#takeHead(owner);
    owner.timerSlot = -1;
    if (owner.extras !== null) owner.extras.deadlineMs = dueMs;
    return owner;
  }

  #takeOvertaker(): LoopEvent {
    const owner = this.#owners.take(this.#heap.pop());
    this.#owners.cut(this.#heap.slotLimit);
    return this.#take(owner, this.#heap.poppedMs);
  }

  /**
   * Takes up to {@linkcode TimerQueue.dueAtOnce} due timers out of the heap, and looks at what they stand for; returns whether there are any.
   * One by one each event is waited for when it lies scattered among a million; the loads of one loop do not depend on each other and go on
   * side by side. To activate a million took 270 to 350 ns each instead of 740 to 900.
   */
  #findDue(nowMs: number): boolean {
    const owners = this.#owners;
    const due = this.#due;
    const { slots } = this.#dueRows;
    const count = this.#heap.popAllDue(nowMs, this.#dueRows, this.dueAtOnce);
    // First where they are, as the processor looks ahead over so many instructions only.
    for (let index = 0; index < count; index++) due[index] = owners.take(slots[index]!);
    let seen = 0;
    for (let index = 0; index < count; index++) seen += due[index]!.timerSlot;
    this.seen = seen;
    owners.cut(this.#heap.slotLimit);
    this.#next = 0;
    this.#dueEnd = count;
    return count > 0;
  }

  /** Takes out the first event of a list whose entry has just left the heap. */
  #takeHead(common: CommonTimeout): LoopEvent {
    const event = common.head!;
    common.timerSlot = -1;
    event.timerSlot = -1;
    this.#unlink(event.extras!, common);
    if (common.head !== null) this.#rescheduleCommon(common);
    return event;
  }

  /** Calls `visit` with every scheduled event: first those on their own, then the common lists. */
  forEach(visit: (event: LoopEvent) => void): void {
    for (const owner of this.#owners.all()) if (!("head" in owner)) visit(owner);
    for (const common of this.#commons.values()) {
      for (let event = common.head; event !== null; event = event.extras!.next) visit(event);
    }
  }

  /**
   * Schedules `event` in a common list. Its place is searched from the tail, where it is found at once unless the clock was cached
   * differently meanwhile.
   */
  insertCommon(event: LoopEvent, extras: EventExtras, common: CommonTimeout, deadlineMs: number): void {
    let before = common.tail;
    while (before !== null && before.extras!.deadlineMs > deadlineMs) before = before.extras!.previous;
    const after = before === null ? common.head : before.extras!.next;
    extras.common = common;
    extras.deadlineMs = deadlineMs;
    extras.previous = before;
    extras.next = after;
    if (before === null) common.head = event;
    else before.extras!.next = event;
    if (after === null) common.tail = event;
    else after.extras!.previous = event;
    event.timerSlot = 0;
    if (common.head === event) this.#rescheduleCommon(common);
  }

  #removeCommon(extras: EventExtras, common: CommonTimeout): void {
    const wasHead = extras.previous === null;
    this.#unlink(extras, common);
    if (wasHead) this.#rescheduleCommon(common);
  }

  #unlink(extras: EventExtras, common: CommonTimeout): void {
    const { previous: before, next: after } = extras;
    if (before === null) common.head = after;
    else before.extras!.next = after;
    if (after === null) common.tail = before;
    else after.extras!.previous = before;
    extras.common = null;
    extras.previous = null;
    extras.next = null;
  }

  #rescheduleCommon(common: CommonTimeout): void {
    if (common.head === null) {
      this.#heap.remove(common.timerSlot);
      this.#owners.clear(common.timerSlot, this.#heap.slotLimit);
      common.timerSlot = -1;
    } else if (common.timerSlot < 0) {
      common.timerSlot = this.#heap.add(common.head.extras!.deadlineMs);
      this.#owners.set(common.timerSlot, common);
    } else {
      this.#heap.update(common.timerSlot, common.head.extras!.deadlineMs);
    }
  }
}
