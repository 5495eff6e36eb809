/** Descriptors that are ready in one turn. Most events run without having been queued, which nobody may see. */
import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FEATURE_EDGE } from "../../src/backends/mod.ts";
import {
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  EVENT_BASE_COUNT_ACTIVE,
  EVENT_BASE_COUNT_ADDED,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { Deferred } from "../../src/core/deferred.ts";
import type { EventBase } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import { countEvents, dumpEvents, maxEvents } from "../../src/core/introspection.ts";
import { CheckWatcher } from "../../src/core/watcher.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";

const ACTIVE = EVENT_BASE_COUNT_ACTIVE, ADDED = EVENT_BASE_COUNT_ADDED;
const MANY = 5;
/** Never sleeps, and ends after a turn in which anything has run. */
const ONE_TURN = EVLOOP_ONCE | EVLOOP_NONBLOCK;

forEachBackend((backend) => {
  describe("events that are ready together", () => {
    let base: EventBase;
    let descriptors: Descriptors;
    freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

    /** Adds readers of `count` sockets that have something to read; the first to run does `act`, for once. */
    function crowd(
      act: (events: LoopEvent[]) => void = () => {},
      count: number = MANY,
    ): { ran: LoopEvent[]; events: LoopEvent[] } {
      const ran: LoopEvent[] = [];
      const events = Array.from({ length: count }, () => {
        const [fd, other] = descriptors.socketpair();
        writeText(other, "x");
        return new LoopEvent(base, fd, EV_READ | EV_PERSIST, (what, event) => {
          assertStrictEquals(what, EV_READ);
          ran.push(event);
          if (ran.length === 1) act(events);
        }).add();
      });
      return { ran, events };
    }

    it("all run in one turn, each once", () => {
      const { ran, events } = crowd();
      base.loop(ONE_TURN);
      assertStrictEquals(ran.length, MANY);
      assertEquals(new Set(ran), new Set(events));
      base.loop(ONE_TURN);
      assertStrictEquals(ran.length, 2 * MANY);
    });

    it("are counted as active from the first callback on, and at the high-water mark", () => {
      const found: number[] = [];
      const { ran } = crowd(() =>
        found.push(countEvents(base, ACTIVE), countEvents(base, ADDED), maxEvents(base, ACTIVE))
      );
      base.loop(ONE_TURN);
      assertEquals(found, [MANY - 1, MANY + MANY - 1, MANY]);
      assertStrictEquals(ran.length, MANY);
      assertStrictEquals(countEvents(base, ACTIVE), 0);
      assertEquals([maxEvents(base, ACTIVE, true), maxEvents(base, ADDED, true)], [MANY, 2 * MANY]);
    });

    it("count at the high-water mark though nobody asks before all have run", () => {
      crowd();
      maxEvents(base, ACTIVE | ADDED, true);
      base.loop(ONE_TURN);
      assertEquals([maxEvents(base, ACTIVE), maxEvents(base, ADDED)], [MANY, 2 * MANY]);
    });

    it("count at the high-water mark together where the rest is queued later than the first", () => {
      let calls = 0;
      const { ran } = crowd();
      const [fd, other] = descriptors.socketpair();
      writeText(other, "x");
      const last = new LoopEvent(base, fd, EV_READ, () => calls++).add();
      maxEvents(base, ACTIVE, true);
      // It is not persistent, so its turn changes what is waited for.
      base.loop(ONE_TURN);
      assertEquals([ran.length, calls, last.pending()], [MANY, 1, 0]);
      assertStrictEquals(maxEvents(base, ACTIVE), MANY + 1);
    });

    it("are listed as active", () => {
      let dump = "";
      crowd(() => dump = dumpEvents(base));
      base.loop(ONE_TURN);
      assertStrictEquals(
        dump.split("\n").filter((line) => /active/i.test(line) && /fd/.test(line)).length > 0,
        true,
        dump,
      );
    });

    it("do not run when the first deletes them", () => {
      const { ran } = crowd((events) => events.filter((event) => event !== ran[0]).forEach((event) => event.delete()));
      base.loop(ONE_TURN);
      assertStrictEquals(ran.length, 1);
      assertStrictEquals(countEvents(base, ACTIVE | ADDED), 1);
    });

    it("are not taken for others that the first adds on the same descriptors", () => {
      let strangers = 0;
      const { ran } = crowd((events) => {
        for (const event of events) {
          if (event === ran[0]) continue;
          event.delete();
          new LoopEvent(base, event.fd, EV_WRITE, () => strangers++).add();
        }
      });
      base.loop(ONE_TURN);
      assertEquals([ran.length, strangers], [1, 0]);
      base.loop(ONE_TURN);
      assertStrictEquals(strangers, MANY - 1);
    });

    it("run before what the first activates", () => {
      const order: string[] = [];
      const { ran } = crowd(() => {
        new Deferred(base, 0, () => order.push(`deferred after ${ran.length}`)).schedule();
        base.once(-1, EV_TIMEOUT, () => order.push(`timer after ${ran.length}`), 0);
      });
      base.loop(ONE_TURN);
      assertEquals(order, [`deferred after ${MANY}`, `timer after ${MANY}`]);
    });

    it("run in the next turn when the first breaks the loop, or asks for another look, and only once", () => {
      for (const stop of [() => base.loopBreak(), () => base.loopContinue()]) {
        const { ran, events } = crowd(stop);
        base.loop(ONE_TURN);
        assertStrictEquals(countEvents(base, ACTIVE), ran.length === 1 ? MANY - 1 : 0);
        if (ran.length === 1) base.loop(ONE_TURN);
        assertEquals(new Set(ran), new Set(events));
        assertNotStrictEquals(ran[1], ran[0]);
        events.forEach((event) => event.delete());
      }
    });

    it("run although the first throws", () => {
      const { ran } = crowd(() => {
        throw new Error("thrown");
      });
      assertThrows(() => base.loop(ONE_TURN), Error, "thrown");
      assertStrictEquals(countEvents(base, ACTIVE), MANY - 1);
      base.loop(ONE_TURN);
      assertStrictEquals(ran.length >= MANY, true);
    });

    it("are not forgotten when a check watcher breaks the loop", () => {
      const edge = (base.features & FEATURE_EDGE) !== 0 ? EV_ET : 0;
      let breaks = true;
      using watcher = new CheckWatcher(base, () => {
        if (breaks) base.loopBreak();
      });
      const ran: number[] = [];
      const others = Array.from({ length: 2 * MANY }, (_, nth) => {
        const [fd, other] = descriptors.socketpair();
        new LoopEvent(base, fd, EV_READ | EV_PERSIST | edge, () => void ran.push(nth)).add();
        return other;
      });
      others.slice(MANY).forEach((other) => writeText(other, "x"));
      base.loop(ONE_TURN);
      assertEquals(ran, []);
      breaks = false;
      // The next wait has others to report.
      others.slice(0, MANY).forEach((other) => writeText(other, "x"));
      base.loop(ONE_TURN);
      assertEquals(ran.sort(), others.map((_, nth) => nth));
      watcher.close();
    });

    it("have the priority with which they became active", () => {
      const refused: unknown[] = [];
      const { ran } = crowd((events) => {
        for (const event of events.filter((other) => other !== ran[0])) {
          refused.push(assertThrows(() => event.priority = 0, Error, "active"));
        }
      });
      base.loop(ONE_TURN);
      assertEquals([ran.length, refused.length], [MANY, MANY - 1]);
    });

    it("run once with all that has happened where one is activated by hand before its turn", () => {
      const seen: number[] = [];
      const [fd, other] = descriptors.socketpair();
      const [fd2, other2] = descriptors.socketpair();
      writeText(other, "x");
      writeText(other2, "x");
      const both: LoopEvent[] = [fd, fd2].map((each) =>
        new LoopEvent(base, each, EV_READ | EV_PERSIST, (what, event) => {
          seen.push(what);
          if (seen.length === 1) both.find((one) => one !== event)!.activate(EV_WRITE);
        }).add()
      );
      base.loop(ONE_TURN);
      assertEquals(seen, [EV_READ, EV_READ | EV_WRITE]);
    });
  });
});
