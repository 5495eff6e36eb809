import { assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { LoopEvent } from "../../src/core/event.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { EventExtras } from "../../src/core/event_extras.ts";
import { TimerQueue } from "../../src/core/timer_queue.ts";

const MANY = 100_000;

/** Puts `count` events into the queue, the first of which is due first. */
function fill(base: EventBase, queue: TimerQueue, count: number): LoopEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const event = base.timer(() => {});
    queue.insert(event, index);
    return event;
  });
}

describe("TimerQueue", () => {
  it("gives memory back after a burst, and still knows whom it has kept", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const events = fill(base, queue, MANY);
    assertGreaterOrEqual(queue.slotLimit, MANY);
    const kept = events.slice(0, 10);
    for (const event of events.slice(10)) queue.remove(event);
    assertLessOrEqual(queue.slotLimit, 128);
    for (const event of kept) {
      assertStrictEquals(queue.takeDue(MANY), event);
    }
    assertStrictEquals(queue.takeDue(MANY), null);
  });

  it("keeps memory for a late one of a burst, and gives it back after that", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const events = fill(base, queue, MANY);
    const last = events.pop()!;
    for (const event of events) queue.remove(event);
    assertStrictEquals(queue.takeDue(MANY), last);
    assertLessOrEqual(queue.slotLimit, 128);
  });

  it("gives memory back when common timeouts are the last to go", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const events = fill(base, queue, MANY);
    const shared = base.timer(() => {});
    const extras = new EventExtras();
    shared.extras = extras;
    queue.insertCommon(shared, extras, queue.common(10), MANY);
    for (const event of events) queue.remove(event);
    queue.remove(shared);
    assertLessOrEqual(queue.slotLimit, 128);
  });

  it("takes out what is due, one by one from a common list, and leaves the rest", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const common = queue.common(10);
    const [early, late, first, second] = Array.from({ length: 4 }, () => base.timer(() => {})) as LoopEvent[];
    queue.insert(early!, 1);
    queue.insert(late!, 7.5);
    for (const [event, deadlineMs] of [[first!, 5], [second!, 9]] as const) {
      queue.insertCommon(event, event.extras = new EventExtras(), common, deadlineMs);
    }
    late!.extras = new EventExtras();
    assertStrictEquals(queue.takeDue(0.5), null);
    assertEquals([queue.takeDue(8), queue.takeDue(8), queue.takeDue(8), queue.takeDue(8)], [early, first, late, null]);
    assertEquals([early, first, late].map((event) => event!.timerSlot), [-1, -1, -1]);
    assertEquals([first, late].map((event) => event!.extras!.deadlineMs), [5, 7.5]);
    assertStrictEquals(first!.extras!.common, null);
    assertStrictEquals(queue.nextDeadlineMs, 9);
    assertStrictEquals(queue.takeDue(9), second);
    assertStrictEquals(queue.nextDeadlineMs, Infinity);
  });

  it("lets one of a common list overtake lone timers that left the heap together with the one before it", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const common = queue.common(10);
    const names = new Map<LoopEvent, string>();
    const lone = (name: string, deadlineMs: number): void => {
      const event = base.timer(() => {});
      names.set(event, name);
      queue.insert(event, deadlineMs);
    };
    const shared = (name: string, deadlineMs: number): void => {
      const event = base.timer(() => {});
      names.set(event, name);
      queue.insertCommon(event, event.extras = new EventExtras(), common, deadlineMs);
    };
    for (const deadlineMs of [1, 2, 3, 4, 5]) shared(`shared ${deadlineMs}`, deadlineMs);
    for (const deadlineMs of [2, 2.5, 4.5, 5, 6]) lone(`lone ${deadlineMs}`, deadlineMs);
    const taken: string[] = [];
    for (let event = queue.takeDue(5); event !== null; event = queue.takeDue(5)) taken.push(names.get(event)!);
    // Of two that are due at once, the one first whose entry has been in the heap for longer.
    const expected = "shared 1, lone 2, shared 2, lone 2.5, shared 3, shared 4, lone 4.5, lone 5, shared 5";
    assertStrictEquals(taken.join(", "), expected);
    assertStrictEquals(queue.nextDeadlineMs, 6);
  });

  it("takes a crowd out in order, also one that is larger than what leaves the heap at once", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const events = fill(base, queue, MANY);
    for (const [at, event] of events.entries()) if (at % 3 === 0) queue.remove(event);
    for (const [at, event] of events.entries()) {
      if (at % 3 !== 0) assertStrictEquals(queue.takeDue(MANY), event);
    }
    assertStrictEquals(queue.takeDue(MANY), null);
    assertLessOrEqual(queue.slotLimit, 128);
  });

  it("does not shrink and grow by turns where timers come and go by turns", () => {
    using base = new EventBase();
    const queue = new TimerQueue();
    const events = fill(base, queue, 1024);
    const limits = new Set<number>();
    for (let round = 0; round < 1000; round++) {
      const event = events.pop()!;
      queue.remove(event);
      limits.add(queue.slotLimit);
      queue.insert(event, MANY);
      events.push(event);
      limits.add(queue.slotLimit);
    }
    assertEquals(limits.size, 1);
  });
});
