import { type EventBase, reactorOf } from "./event_base.ts";
import { LoopEvent } from "./event.ts";
import type { Reactor } from "./reactor.ts";

/**
 * Something with a deadline that moves often, such as a busy connection. It bears its place in the list itself, so that ten thousand
 * of them need neither a timer nor an entry of a set each.
 *
 * @internal
 */
export interface DeadlineMember<T extends DeadlineMember<T>> {
  /** The list it is in, or null. */
  deadlineList: DeadlineList<T> | null;
  /** When its time is up, by the clock of the base; not an integer at first, see {@linkcode EventExtras.deadlineMs}. */
  deadlineMs: number;
  /** Neighbours in the list. */
  deadlineNext: T | null;
  /** As {@linkcode DeadlineMember.deadlineNext}. */
  deadlinePrevious: T | null;
  /** Its time is up, and it is in no list any more. */
  deadlinePassed(): void;
}

/**
 * Who waits for the same time, the longest-waiting first, behind one timer for all. The timer is left as it is when deadlines move on,
 * and looks again when it was too early; it does not keep the loop alive, as whoever waits for nothing but a deadline would need.
 *
 * @internal
 */
export class DeadlineList<T extends DeadlineMember<T>> {
  /** The member that is due first. */
  head: T | null = null;
  #tail: T | null = null;
  readonly #durationMs: number;
  readonly #slackMs: number;
  readonly #reactor: Reactor;
  readonly #event: LoopEvent;

  /**
   * @param durationMs the time that members usually have; Infinity: for ever.
   * @param slackMs so much more they may have, so that those whose deadline moves often keep their place for a while.
   */
  constructor(base: EventBase, durationMs: number, slackMs: number = 0) {
    this.#durationMs = durationMs;
    this.#slackMs = slackMs;
    this.#reactor = reactorOf(base);
    this.#event = new LoopEvent(base, -1, 0, () => this.#sweep(), true);
    this.#event.level = base.priorities >> 1;
  }

  /**
   * Gives `member` that time from now on, in this list; it leaves the one it is in. Its place is searched from the tail, where it is found
   * at once unless it gets less time than the others.
   */
  add(member: T, delayMs: number = this.#durationMs): void {
    let deadlineMs = this.#reactor.clock.now() + delayMs;
    if (delayMs === this.#durationMs && this.#slackMs > 0) {
      if (member.deadlineList === this && member.deadlineMs >= deadlineMs) return;
      deadlineMs += this.#slackMs;
    }
    if (member.deadlineList !== this || member !== this.#tail) {
      member.deadlineList?.remove(member);
      let before = this.#tail;
      while (before !== null && before.deadlineMs > deadlineMs) before = before.deadlinePrevious;
      this.#link(member, before);
    } else if (member.deadlinePrevious !== null && member.deadlinePrevious.deadlineMs > deadlineMs) {
      this.remove(member);
      return this.add(member, delayMs);
    }
    member.deadlineMs = deadlineMs;
    if (member === this.head) this.#arm();
  }

  #link(member: T, before: T | null): void {
    const after = before === null ? this.head : before.deadlineNext;
    member.deadlineList = this;
    member.deadlinePrevious = before;
    member.deadlineNext = after;
    if (before === null) this.head = member;
    else before.deadlineNext = member;
    if (after === null) this.#tail = member;
    else after.deadlinePrevious = member;
  }

  /** Takes a member of this list out. */
  remove(member: T): void {
    const { deadlinePrevious: before, deadlineNext: after } = member;
    if (before === null) this.head = after;
    else before.deadlineNext = after;
    if (after === null) this.#tail = before;
    else after.deadlinePrevious = before;
    member.deadlineList = null;
    member.deadlinePrevious = null;
    member.deadlineNext = null;
  }

  /** Gives its timer back. */
  close(): void {
    this.#event.close();
  }

  /** Sets the timer for the head, unless it rings before that anyway. */
  #arm(): void {
    const { head } = this;
    if (head === null || head.deadlineMs === Infinity) return;
    const event = this.#event;
    if (event.timerSlot >= 0 && event.deadlineMs <= head.deadlineMs) return;
    event.add(Math.max(0, head.deadlineMs - this.#reactor.clock.now()));
  }

  #sweep(): void {
    const nowMs = this.#reactor.clock.now();
    try {
      for (let member = this.head; member !== null && member.deadlineMs <= nowMs; member = this.head) {
        this.remove(member);
        member.deadlinePassed();
      }
    } finally {
      // Whatever one has thrown, the others are still due.
      this.#arm();
    }
  }
}
