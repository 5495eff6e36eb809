/** One timer for all who wait equally long. */
import { assert, assertEquals, assertFalse, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  countEvents,
  EVENT_BASE_COUNT_ADDED,
  type EventBase,
  EVLOOP_NONBLOCK,
  type LoopEvent,
} from "../../src/core/mod.ts";
import { DeadlineList, type DeadlineMember } from "../../src/core/deadline_list.ts";
import { forEachBackend } from "../support/backends.ts";
import { passTime } from "./bufferevent_support.ts";

class Member implements DeadlineMember<Member> {
  deadlineList: DeadlineList<Member> | null = null;
  deadlineMs = -Infinity;
  deadlineNext: Member | null = null;
  deadlinePrevious: Member | null = null;
  readonly #passed: (member: Member) => void;

  constructor(readonly name: string, passed: (member: Member) => void) {
    this.#passed = passed;
  }

  deadlinePassed(): void {
    this.#passed(this);
  }
}

function namesIn(list: DeadlineList<Member>): string {
  let names = "";
  let previous: Member | null = null;
  for (let member = list.head; member !== null; previous = member, member = member.deadlineNext) {
    assertEquals(member.deadlinePrevious, previous);
    names += member.name;
  }
  return names;
}

forEachBackend((backend) => {
  describe("DeadlineList", () => {
    let base: EventBase;
    let list: DeadlineList<Member>;
    let passed: string[];
    // What members wait for besides their deadline, as connections do for bytes.
    let other: LoopEvent;
    let a: Member, b: Member, c: Member;

    beforeEach(() => {
      base = backend.newBase();
      list = new DeadlineList<Member>(base, 10);
      passed = [];
      other = base.timer(() => {}).add(600_000);
      [a, b, c] = ["a", "b", "c"].map((name) => new Member(name, () => passed.push(name))) as [Member, Member, Member];
    });
    afterEach(() => {
      list.close();
      base.close();
    });

    function turn(): void {
      base.loop(EVLOOP_NONBLOCK);
    }

    it("tells members in the order in which they were added, not before their time", () => {
      const addedAt = base.now();
      for (const member of [b, a, c]) list.add(member);
      assertGreaterOrEqual(a.deadlineMs, addedAt + 10);
      assertEquals(namesIn(list), "bac");
      passTime(base, 11);
      turn();
      assertEquals(passed, ["b", "a", "c"]);
      assertEquals([list.head, a.deadlineList, a.deadlineNext, a.deadlinePrevious], [null, null, null, null]);
    });

    it("moves a member that is added again to the end, also from another list", () => {
      const longer = new DeadlineList<Member>(base, 10_000);
      for (const member of [a, b, c, a]) list.add(member);
      assertEquals(namesIn(list), "bca");
      longer.add(c);
      assertEquals([namesIn(list), namesIn(longer)], ["ba", "c"]);
      passTime(base, 11);
      turn();
      assertEquals(passed, ["b", "a"]);
      longer.close();
    });

    it("leaves a member in its place that is added again within the slack, and gives nobody less than its time", () => {
      const slack = new DeadlineList<Member>(base, 100, 20);
      for (const member of [a, b, c]) slack.add(member);
      passTime(base, 15);
      turn();
      slack.add(a);
      assertEquals(namesIn(slack), "abc");
      assertGreaterOrEqual(a.deadlineMs, base.now() + 100);
      passTime(base, 10);
      turn();
      slack.add(a);
      assertEquals(namesIn(slack), "bca");
      assertGreaterOrEqual(a.deadlineMs, base.now() + 100);
      // Another time than usual counts as it is.
      slack.add(b, 5);
      assertEquals(namesIn(slack), "bca");
      passTime(base, 6);
      turn();
      assertEquals(passed, ["b"]);
      slack.close();
    });

    it("puts a member that gets less time before the others, and fires in its time", () => {
      list.add(a, 10_000);
      list.add(b, 20_000);
      list.add(c, 15_000);
      assertEquals(namesIn(list), "acb");
      // The last one and the first one, in place and past others.
      list.add(b, 12_000);
      assertEquals(namesIn(list), "abc");
      list.add(c, 13_000);
      assertEquals(namesIn(list), "abc");
      list.add(c, 5);
      assertEquals(namesIn(list), "cab");
      passTime(base, 6);
      turn();
      assertEquals(passed, ["c"]);
    });

    it("calls nobody whose deadline has moved on when the timer rings, and is not too late for others after that", () => {
      list.add(a, 5);
      list.add(a, 60_000);
      passTime(base, 6);
      turn();
      assertEquals([passed, namesIn(list)], [[], "a"]);
      list.add(b, 5);
      passTime(base, 6);
      turn();
      assertEquals([passed, namesIn(list)], [["b"], "a"]);
    });

    it("waits for ever with Infinity, behind those that do not", () => {
      list.add(a, Infinity);
      list.add(b);
      assertEquals(namesIn(list), "ba");
      passTime(base, 11);
      turn();
      assertEquals([passed, namesIn(list)], [["b"], "a"]);
      list.remove(a);
      assertEquals(namesIn(list), "");
    });

    it("does not keep the loop alive", () => {
      list.add(a, 60_000);
      other.delete();
      assertEquals(countEvents(base, EVENT_BASE_COUNT_ADDED), 0);
      assertFalse(base.dispatch());
    });

    it("serves the others in spite of one that throws", () => {
      const angry = new Member("x", () => {
        throw new Error("out of time");
      });
      for (const member of [angry, a]) list.add(member);
      passTime(base, 11);
      assertThrows(turn, Error, "out of time");
      assertEquals(passed, []);
      passTime(base, 1);
      turn();
      assertEquals(passed, ["a"]);
    });

    it("lets members add and remove themselves and others when their time is up", () => {
      let rounds = 0;
      const busy = new Member("x", (member) => {
        rounds++;
        list.add(member, 10_000);
        if (a.deadlineList !== null) list.remove(a);
      });
      for (const member of [busy, a, b]) list.add(member);
      passTime(base, 11);
      turn();
      assertEquals([rounds, passed, namesIn(list)], [1, ["b"], "x"]);
      assert(busy.deadlineMs > base.now());
    });
  });
});
