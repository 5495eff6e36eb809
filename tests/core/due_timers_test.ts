/** Many timers that are due in one turn. Only a few of them are active at a time, which nobody may see. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_READ,
  EV_TIMEOUT,
  EVENT_BASE_COUNT_ACTIVE,
  EVENT_BASE_COUNT_ADDED,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { Deferred } from "../../src/core/deferred.ts";
import { EventBase, reactorOf } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { activateByFd, countEvents, dumpEvents, forEachEvent, maxEvents } from "../../src/core/introspection.ts";
import { DUE_AT_ONCE } from "../../src/core/timer_queue.ts";

const ACTIVE = EVENT_BASE_COUNT_ACTIVE;
const MANY = 3 * DUE_AT_ONCE + 5;

/** Timers that are due at once, and the names of those that have run. */
interface Crowd {
  readonly events: readonly LoopEvent[];
  readonly ran: string[];
}

/** Adds timers `0`, `1`, ... that are due in the next turn, the first of which does `act`. */
function crowd(base: EventBase, count: number, act: () => void = () => {}): Crowd {
  const ran: string[] = [];
  const events = Array.from({ length: count }, (_, index) =>
    base.timer(() => {
      ran.push(`${index}`);
      if (index === 0) act();
    }).add(0));
  return { events, ran };
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}

for (const dueAtOnce of [1, 2, DUE_AT_ONCE]) {
  const newBase = (): EventBase => {
    const base = new EventBase();
    reactorOf(base).timers.dueAtOnce = dueAtOnce;
    return base;
  };

  describe(`timers that are due together, ${dueAtOnce} of which leave the heap at once`, () => {
    it("all run in one turn, in the order of their adding", () => {
      using base = newBase();
      const { ran } = crowd(base, MANY);
      base.loop(EVLOOP_ONCE);
      assertEquals(ran, names(MANY));
      assertStrictEquals(countEvents(base, ACTIVE | EVENT_BASE_COUNT_ADDED), 0);
    });

    it("are counted as active from the first callback on", () => {
      using base = newBase();
      const found: number[] = [];
      crowd(base, MANY, () => found.push(countEvents(base, ACTIVE), countEvents(base, EVENT_BASE_COUNT_ADDED)));
      base.loop(EVLOOP_ONCE);
      assertEquals(found, [MANY - 1, MANY - 1]);
    });

    it("count at the high-water mark as active together, asked for in a callback or afterwards", () => {
      using base = newBase();
      let found = 0;
      crowd(base, MANY, () => found = maxEvents(base, ACTIVE));
      base.loop(EVLOOP_ONCE);
      assertStrictEquals(found, MANY);
      assertStrictEquals(maxEvents(base, ACTIVE, true), MANY);
      crowd(base, MANY + 7);
      base.loop(EVLOOP_ONCE);
      assertStrictEquals(maxEvents(base, ACTIVE), MANY + 7);
    });

    it("are listed as active", () => {
      using base = newBase();
      let dump = "";
      let visited = 0;
      crowd(base, MANY, () => {
        dump = dumpEvents(base);
        forEachEvent(base, () => void visited++);
      });
      base.loop(EVLOOP_ONCE);
      assertStrictEquals(visited, MANY - 1);
      assertStrictEquals(dump.split("Timeout active").length - 1, MANY - 1);
      assertStrictEquals(dump.includes("Timeout="), false);
    });

    it("have no time left", () => {
      using base = newBase();
      let left: unknown[] = [];
      const { events } = crowd(base, MANY, () => left = events.map(({ remainingMs }) => remainingMs));
      base.loop(EVLOOP_ONCE);
      assertEquals(left, new Array(MANY).fill(undefined));
    });

    it("run before what the first of them puts off, of which only so much is called in a turn", () => {
      using base = newBase();
      const { ran } = crowd(base, MANY, () => {
        new Deferred(base, 0, () => ran.push("deferred")).schedule();
      });
      base.loop(EVLOOP_ONCE);
      assertEquals(ran, [...names(MANY), "deferred"]);
    });

    it("run after what was active before, which hears of a timeout of its own", () => {
      using base = newBase();
      const heard: number[] = [];
      const { ran } = crowd(base, MANY);
      const event = base.event(-1, EV_READ, (what) => {
        heard.push(what);
        ran.push("event");
      });
      event.activate(EV_READ);
      event.add(0);
      base.loop(EVLOOP_ONCE);
      assertEquals(heard, [EV_READ | EV_TIMEOUT]);
      assertEquals(ran, ["event", ...names(MANY)]);
    });

    it("stay active when a callback throws, and when it ends the loop", () => {
      for (const end of [(base: EventBase) => base.loopBreak(), raise]) {
        using base = newBase();
        const { ran } = crowd(base, MANY, () => end(base));
        try {
          base.dispatch();
        } catch (error) {
          assertStrictEquals((error as Error).message, "in a callback");
        }
        assertEquals(ran, ["0"]);
        assertStrictEquals(reactorOf(base).activeCount, MANY - 1);
        base.dispatch();
        assertEquals(ran, names(MANY));
      }
    });

    it("forbid another number of priorities", () => {
      using base = newBase();
      const { ran } = crowd(
        base,
        2,
        () => assertThrows(() => base.initPriorities(3), Error, "while events are active"),
      );
      base.dispatch();
      assertEquals(ran, names(2));
    });

    it("are not found by descriptor once they are due", () => {
      using base = newBase();
      const heard: number[] = [];
      const { ran } = crowd(base, MANY, () => activateByFd(base, 12_345, EV_TIMEOUT));
      base.event(12_345, 0, (what) => heard.push(what)).add(0);
      base.loop(EVLOOP_ONCE);
      assertEquals(ran, names(MANY));
      assertEquals(heard, [EV_TIMEOUT]);
      assertStrictEquals(countEvents(base, ACTIVE), 0);
    });

    it("can be deleted and closed by the first, all of them", () => {
      using base = newBase();
      const { events, ran } = crowd(base, MANY, () => {
        for (const [index, event] of events.entries()) {
          if (index % 2 === 0) event.delete();
          else event.close();
        }
      });
      base.dispatch();
      assertEquals(ran, ["0"]);
      assertStrictEquals(countEvents(base, ACTIVE | EVENT_BASE_COUNT_ADDED), 0);
    });
  });
}

function raise(): never {
  throw new Error("in a callback");
}
