import { assertEquals, assertFalse, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type EventBase, EVLOOP_NONBLOCK, LoopEvent } from "../../src/core/mod.ts";
import { LazyTimer } from "../../src/core/lazy_timer.ts";
import { forEachBackend } from "../support/backends.ts";
import { passTime, runFor, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  describe("LazyTimer", () => {
    let base: EventBase;
    let timer: LazyTimer;
    let firedAt: number[];

    beforeEach(() => {
      base = backend.newBase();
      firedAt = [];
      timer = new LazyTimer(base, () => firedAt.push(base.now()));
    });
    afterEach(() => {
      timer.close();
      base.close();
    });

    it("fires once, not before its time", () => {
      const setAt = base.now();
      timer.set(10);
      until(base, () => firedAt.length > 0, "the timer");
      assertGreaterOrEqual(firedAt[0]!, setAt + 10);
      assertFalse(base.dispatch());
      assertEquals(firedAt.length, 1);
    });

    it("fires at the last time it was postponed to", () => {
      timer.set(5);
      timer.set(10);
      const setAt = base.now();
      timer.set(30);
      until(base, () => firedAt.length > 0, "the timer");
      assertGreaterOrEqual(firedAt[0]!, setAt + 30);
    });

    it("is postponed only to a later time, and set where it was not", () => {
      const setAt = base.now();
      timer.set(30);
      timer.postpone(5);
      until(base, () => firedAt.length > 0, "the timer");
      assertGreaterOrEqual(firedAt[0]!, setAt + 30);
      timer.postpone(5);
      until(base, () => firedAt.length > 1, "the timer again");
      timer.set(5);
      timer.postpone(1_000_000);
      passTime(base, 10);
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(firedAt.length, 2);
    });

    it("is brought forward by a nearer time", () => {
      timer.set(1_000_000);
      timer.set(5);
      until(base, () => firedAt.length > 0, "the timer");
    });

    it("does not fire when it was postponed after its old time had passed", () => {
      timer.set(5);
      passTime(base, 10);
      timer.set(1_000_000);
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(firedAt, []);
    });

    it("does not fire when an earlier callback of the same turn postpones or clears it", () => {
      for (const interfere of [() => timer.set(1_000_000), () => timer.clear()]) {
        base.timer(interfere).add(1);
        timer.set(2);
        passTime(base, 5);
        base.loop(EVLOOP_NONBLOCK);
        assertEquals(firedAt, []);
        timer.clear();
      }
    });

    it("does not fire after clear(), and does after being set again", () => {
      timer.set(5);
      timer.clear();
      runFor(base, 15);
      assertEquals(firedAt, []);
      timer.set(1_000_000);
      timer.clear();
      timer.set(5);
      until(base, () => firedAt.length > 0, "the timer");
    });

    it("can be set again by its own callback", () => {
      let count = 0;
      const again = new LazyTimer(base, () => {
        if (++count < 3) again.set(1);
      });
      again.set(1);
      assertFalse(base.dispatch());
      assertEquals(count, 3);
    });

    it("can be closed by its own callback", () => {
      let count = 0;
      const once = new LazyTimer(base, () => {
        count++;
        once.close();
      });
      once.set(1);
      assertFalse(base.dispatch());
      assertEquals(count, 1);
      assertThrows(() => once.set(1), Error, "closed");
    });

    it("leaves nothing for the loop to wait for after close()", () => {
      timer.set(1_000_000);
      timer.close();
      assertFalse(base.dispatch());
      assertEquals(firedAt, []);
    });

    it("does not touch the heap when it is postponed", () => {
      const { add } = LoopEvent.prototype;
      let adds = 0;
      LoopEvent.prototype.add = function (timeout) {
        adds++;
        return add.call(this, timeout);
      };
      try {
        for (let round = 0; round < 1000; round++) timer.set(1000 + round);
        assertEquals(adds, 1);
      } finally {
        LoopEvent.prototype.add = add;
      }
    });
  });
});
