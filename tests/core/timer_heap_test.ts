import { assertEquals, assertLess, assertLessOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import { TimerHeap } from "../../src/core/timer_heap.ts";

/** A generator of fixed numbers from 0 up to, but not including, `limit` (xorshift). */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** What the heap is held against: an array in the order in which timers are due. */
class SortedTimers {
  timers: { slot: number; deadlineMs: number }[] = [];

  add(slot: number, deadlineMs: number): void {
    const later = this.timers.findIndex((timer) => timer.deadlineMs > deadlineMs);
    this.timers.splice(later < 0 ? this.timers.length : later, 0, {
      slot,
      deadlineMs,
    });
  }

  remove(slot: number): void {
    this.timers.splice(
      this.timers.findIndex((timer) => timer.slot === slot),
      1,
    );
  }
}

/** Pops everything and returns the slots in the order they came. */
function drain(heap: TimerHeap): number[] {
  const slots: number[] = [];
  while (heap.size > 0) {
    slots.push(heap.pop());
  }
  return slots;
}

describe("TimerHeap", () => {
  let heap: TimerHeap;

  beforeEach(() => {
    heap = new TimerHeap();
  });

  it("answers Infinity and -1 when it is empty", () => {
    assertStrictEquals(heap.size, 0);
    assertStrictEquals(heap.peekDeadline(), Infinity);
    assertStrictEquals(heap.peekSlot(), -1);
    assertStrictEquals(heap.pop(), -1);
    heap.remove(heap.add(5));
    assertStrictEquals(heap.peekDeadline(), Infinity);
    assertStrictEquals(heap.peekSlot(), -1);
    assertStrictEquals(heap.pop(), -1);
  });

  it("pops the earliest deadline first, fractions, negative numbers and infinities included", () => {
    const deadlines = [3, 0.25, Infinity, -7, 0.125, 1e15, -Infinity, 2.5];
    for (const deadline of deadlines) {
      heap.add(deadline);
    }
    const popped: number[] = [];
    while (heap.size > 0) {
      popped.push(heap.peekDeadline());
      heap.pop();
    }
    assertEquals(popped, deadlines.toSorted((a, b) => a < b ? -1 : 1));
  });

  it("tells the deadline of any timer, first or not", () => {
    const late = heap.add(20.5);
    const early = heap.add(10.25);
    assertStrictEquals(heap.deadlineOf(late), 20.5);
    assertStrictEquals(heap.deadlineOf(early), 10.25);
    assertStrictEquals(heap.peekSlot(), early);
    heap.update(early, 30);
    assertStrictEquals(heap.deadlineOf(early), 30);
    assertStrictEquals(heap.peekSlot(), late);
  });

  it("pops equal deadlines in the order they were added", () => {
    const slots: number[] = [];
    for (let i = 0; i < 1000; i++) {
      slots.push(heap.add(100));
    }
    assertEquals(drain(heap), slots);
  });

  it("pops equal deadlines in order although slots are handed out again and neighbours are removed", () => {
    const random = randomFrom(7);
    let expected: number[] = [];
    for (let round = 0; round < 300; round++) {
      for (let i = 0; i < 5; i++) {
        expected.push(heap.add(100));
      }
      for (let i = 0; i < 3; i++) {
        const slot = expected[random(expected.length)]!;
        heap.remove(slot);
        expected = expected.filter((other) => other !== slot);
      }
    }
    assertEquals(drain(heap), expected);
  });

  it("puts an updated timer behind those with the same deadline, whether it moved or not", () => {
    const [a, b, c, d] = [
      heap.add(10),
      heap.add(10),
      heap.add(10),
      heap.add(50),
    ] as const;
    heap.update(a, 10);
    heap.update(d, 10);
    heap.update(b, 5);
    heap.update(b, 10);
    assertEquals(drain(heap), [c, a, d, b]);
  });

  it("moves a timer that fires again without a pop", () => {
    const periodic = heap.add(10);
    const other = heap.add(15);
    heap.update(heap.peekSlot(), heap.peekDeadline() + 10);
    assertStrictEquals(heap.size, 2);
    assertEquals(drain(heap), [other, periodic]);
  });

  for (
    const [seed, spread] of [[1, 10], [2, 100], [3, 1_000_000], [4, 1]] as const
  ) {
    it(`agrees with a sorted array through random calls (seed ${seed}, ${spread} deadlines)`, () => {
      const random = randomFrom(seed);
      const model = new SortedTimers();
      for (let step = 0; step < 20_000; step++) {
        // Phases in which additions or removals prevail make the tables grow and shrink.
        const additions = Math.floor(step / 2500) % 2 === 0 ? 6 : 1;
        const action = random(10);
        if (action < additions || model.timers.length === 0) {
          const deadlineMs = random(spread);
          const slot = heap.add(deadlineMs);
          assertStrictEquals(
            model.timers.some((timer) => timer.slot === slot),
            false,
          );
          assertLess(slot, heap.slotLimit);
          model.add(slot, deadlineMs);
        } else if (action < 7) {
          const { slot } = model.timers[random(model.timers.length)]!;
          heap.remove(slot);
          model.remove(slot);
        } else if (action < 9) {
          const { slot } = model.timers[random(model.timers.length)]!;
          const deadlineMs = random(spread);
          heap.update(slot, deadlineMs);
          model.remove(slot);
          model.add(slot, deadlineMs);
        } else {
          assertStrictEquals(heap.pop(), model.timers.shift()!.slot);
        }
        assertStrictEquals(heap.size, model.timers.length);
        assertStrictEquals(
          heap.peekDeadline(),
          model.timers[0]?.deadlineMs ?? Infinity,
        );
        assertStrictEquals(heap.peekSlot(), model.timers[0]?.slot ?? -1);
        assertLessOrEqual(heap.capacity, heap.slotLimit);
        assertLessOrEqual(heap.capacity, Math.max(64, 4 * heap.size));
      }
      for (const { slot, deadlineMs } of model.timers) {
        assertStrictEquals(heap.deadlineOf(slot), deadlineMs);
      }
      assertEquals(drain(heap), model.timers.map((timer) => timer.slot));
    });
  }

  it("pops fifty thousand timers in order after as many among them were removed", () => {
    const random = randomFrom(5);
    const slots: number[] = [];
    const deadlines: number[] = [];
    for (let i = 0; i < 100_000; i++) {
      deadlines.push(random(60_000) / 4);
      slots.push(heap.add(deadlines[i]!));
    }
    for (let i = 0; i < slots.length; i += 2) {
      heap.remove(slots[i]!);
    }
    const kept = slots.map((_slot, i) => i).filter((i) => i % 2 === 1);
    // The sort is stable, so equal deadlines stay in the order of addition.
    kept.sort((a, b) => deadlines[a]! - deadlines[b]!);
    assertEquals(drain(heap).join(), kept.map((i) => slots[i]!).join());
  });

  describe("slots", () => {
    it("counts slots up from 0 in a new heap, beyond its first capacity too", () => {
      for (let i = 0; i < 1000; i++) {
        assertStrictEquals(heap.add(1000 - i), i);
      }
    });

    it("hands out the slot freed last first, whether it was removed or popped", () => {
      const [a, b, c] = [heap.add(1), heap.add(2), heap.add(3)] as const;
      heap.remove(c);
      assertStrictEquals(heap.pop(), a);
      heap.remove(b);
      assertEquals([heap.add(9), heap.add(9), heap.add(9)], [b, a, c]);
      assertStrictEquals(heap.add(9), 3);
    });

    it("keeps the slot of a timer while the heap grows and shrinks around it", () => {
      const kept = heap.add(1e6);
      for (let i = 0; i < 5000; i++) {
        heap.add(i);
      }
      assertStrictEquals(heap.deadlineOf(kept), 1e6);
      for (let i = 0; i < 5000; i++) {
        heap.pop();
      }
      assertStrictEquals(heap.peekSlot(), kept);
      assertStrictEquals(heap.peekDeadline(), 1e6);
    });
  });

  describe("memory", () => {
    it("shrinks to its first capacity as it empties, and halves no earlier than at a quarter", () => {
      const first = heap.capacity;
      for (let i = 0; i < 10_000; i++) {
        heap.add(i);
      }
      assertStrictEquals(heap.capacity, 16_384);
      for (
        let capacity = heap.capacity;
        heap.size > 0;
        capacity = heap.capacity
      ) {
        const size = heap.size;
        heap.pop();
        if (heap.capacity !== capacity) {
          assertStrictEquals(heap.capacity, capacity / 2);
          assertStrictEquals(size, capacity / 4);
        }
      }
      assertStrictEquals(heap.capacity, first);
      assertStrictEquals(heap.slotLimit, first);
    });

    it("does not resize back and forth at a boundary", () => {
      for (let i = 0; i < 1025; i++) {
        heap.add(i);
      }
      assertStrictEquals(heap.capacity, 2048);
      heap.pop();
      heap.pop();
      assertStrictEquals(heap.capacity, 2048);
      while (heap.capacity === 2048 && heap.size > 0) {
        heap.pop();
      }
      heap.add(1);
      heap.add(1);
      assertStrictEquals(heap.capacity, 1024);
    });

    it("cuts the table of slots together with the heap when the high slots are freed first", () => {
      for (let i = 0; i < 1000; i++) {
        heap.add(i);
      }
      for (let slot = 999; slot >= 0; slot--) {
        heap.remove(slot);
        assertStrictEquals(heap.slotLimit, heap.capacity);
      }
    });

    it("lets one timer in a high slot hold up the table of slots but not the heap", () => {
      const slots: number[] = [];
      for (let i = 0; i < 10_000; i++) {
        slots.push(heap.add(i));
      }
      const highest = slots.pop()!;
      for (const slot of slots) {
        heap.remove(slot);
      }
      assertStrictEquals(heap.capacity, 64);
      assertLess(highest, heap.slotLimit);
      assertStrictEquals(heap.deadlineOf(highest), 9999);
      heap.remove(highest);
      assertStrictEquals(heap.slotLimit, 64);
      assertThrows(() => heap.remove(highest), RangeError, "not in use");
    });

    it("does not hand out a high slot again that was left over from a larger crowd", () => {
      for (let i = 0; i < 1000; i++) {
        heap.add(i);
      }
      while (heap.size > 2) {
        heap.pop();
      }
      const [first, second] = [heap.pop(), heap.peekSlot()];
      assertThrows(() => heap.deadlineOf(first), RangeError, "not in use");
      const added = [heap.add(5000), heap.add(5000)];
      assertEquals(added, [0, 1]);
      heap.remove(second);
      assertEquals(drain(heap), added);
    });

    it("moves a crowd that is replaced bit by bit down to low slots", () => {
      for (let i = 0; i < 10_000; i++) {
        heap.add(i);
      }
      while (heap.size > 10) {
        heap.pop();
      }
      for (let i = 0; i < 40_000; i++) {
        heap.add(10_000 + i);
        heap.pop();
      }
      assertStrictEquals(heap.slotLimit, 64);
      assertStrictEquals(heap.size, 10);
    });

    it("grows again while a high slot holds up the table of slots", () => {
      const slots: number[] = [];
      for (let i = 0; i < 5000; i++) {
        slots.push(heap.add(1e9));
      }
      for (let i = 0; i < 4999; i++) {
        heap.remove(slots[i]!);
      }
      const expected: number[] = [];
      for (let i = 0; i < 20_000; i++) {
        expected.push(heap.add(i));
      }
      assertStrictEquals(new Set(expected).size, 20_000);
      assertEquals(drain(heap).join(), [...expected, slots[4999]!].join());
    });
  });

  describe("misuse", () => {
    it("refuses NaN as a deadline and stays as it was", () => {
      const slot = heap.add(5);
      assertThrows(() => heap.add(NaN), RangeError, "the deadline is NaN");
      assertThrows(() => heap.update(slot, NaN), RangeError, `slot ${slot}`);
      assertStrictEquals(heap.size, 1);
      assertStrictEquals(heap.deadlineOf(slot), 5);
      assertStrictEquals(heap.add(6), slot + 1);
    });

    for (const slot of [-1, -2, 1, 63, 64, 1e9, 2 ** 32, 0.5, NaN, Infinity]) {
      it(`refuses slot ${slot}, which was never handed out`, () => {
        heap.add(5);
        assertThrows(
          () => heap.remove(slot),
          RangeError,
          `Cannot remove the timer in slot ${slot}: the slot is not in use`,
        );
        assertThrows(
          () => heap.update(slot, 1),
          RangeError,
          `Cannot update the timer in slot ${slot}`,
        );
        assertThrows(
          () => heap.deadlineOf(slot),
          RangeError,
          `Cannot read the deadline of the timer in slot ${slot}`,
        );
        assertStrictEquals(heap.size, 1);
        assertStrictEquals(heap.peekDeadline(), 5);
      });
    }

    it("refuses a slot that was removed or popped", () => {
      const [popped, removed, kept] = [
        heap.add(1),
        heap.add(2),
        heap.add(3),
      ] as const;
      heap.pop();
      heap.remove(removed);
      for (const slot of [popped, removed]) {
        assertThrows(() => heap.remove(slot), RangeError, "not in use");
        assertThrows(() => heap.update(slot, 1), RangeError, "not in use");
        assertThrows(() => heap.deadlineOf(slot), RangeError, "not in use");
      }
      assertStrictEquals(heap.size, 1);
      assertStrictEquals(heap.deadlineOf(kept), 3);
    });
  });
});
