/** What a base tells about itself, and what can be made to happen through it by number. */
import { assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EV_WRITE,
  EVENT_BASE_COUNT_ACTIVE,
  EVENT_BASE_COUNT_ADDED,
  EVENT_BASE_COUNT_VIRTUAL,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { EventBase, reactorOf } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import {
  activateByFd,
  activateBySignal,
  countEvents,
  dumpEvents,
  forEachEvent,
  maxEvents,
  serialOf,
} from "../../src/core/introspection.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";

const { SIGHUP, SIGUSR1, SIGUSR2 } = os.constants;

const ALL = EVENT_BASE_COUNT_ACTIVE | EVENT_BASE_COUNT_VIRTUAL | EVENT_BASE_COUNT_ADDED;
const KINDS = [EVENT_BASE_COUNT_ACTIVE, EVENT_BASE_COUNT_VIRTUAL, EVENT_BASE_COUNT_ADDED, ALL];

function counts(base: EventBase): number[] {
  return KINDS.map((kinds) => countEvents(base, kinds));
}

function maxima(base: EventBase): number[] {
  return KINDS.map((kinds) => maxEvents(base, kinds));
}

function visited(base: EventBase): LoopEvent[] {
  const events: LoopEvent[] = [];
  forEachEvent(base, (event) => void events.push(event));
  return events;
}

describe("countEvents", () => {
  it("counts an event once for each list it is in, and things that are no events apart", () => {
    using base = new EventBase();
    const event = base.event(-1, EV_READ, () => {}).add(1000);
    assertEquals(counts(base), [0, 0, 2, 2]);
    event.activate(EV_READ);
    assertEquals(counts(base), [1, 0, 3, 4]);
    event.activate(EV_WRITE);
    assertEquals(counts(base), [1, 0, 3, 4]);
    base.dispatch();
    assertEquals(counts(base), [0, 0, 0, 0]);
    reactorOf(base).countVirtual(1);
    assertEquals(counts(base), [0, 1, 0, 1]);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    reactorOf(base).countVirtual(-1);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
  });

  it("leaves the loop's own events out", () => {
    using base = new EventBase();
    const event = base.signal(SIGUSR1, () => {}).add();
    assertEquals(counts(base), [0, 0, 1, 1]);
    event.close();
    assertEquals(counts(base), [0, 0, 0, 0]);
  });

  it("is nothing on a base that is closed", () => {
    const base = new EventBase();
    base.event(-1, EV_READ, () => {}).add(1000).activate(EV_READ);
    base.close();
    assertEquals(counts(base), [0, 0, 0, 0]);
  });
});

describe("maxEvents", () => {
  it("keeps the highest counts until it is told to forget them", () => {
    using base = new EventBase();
    const event = base.event(-1, EV_READ, () => base.loopExit());
    event.add(1000);
    const other = base.event(-1, EV_READ, () => {}).add(1000);
    other.delete();
    assertEquals(maxima(base), [0, 0, 4, 4]);
    event.activate(EV_READ);
    assertEquals(maxima(base), [1, 0, 4, 5]);
    base.dispatch();
    assertEquals(counts(base), [0, 0, 0, 0]);
    assertEquals(maxima(base), [1, 0, 4, 5]);
    assertEquals(maxEvents(base, EVENT_BASE_COUNT_ADDED, true), 4);
    assertEquals(maxima(base), [1, 0, 0, 1]);
    assertEquals(maxEvents(base, ALL, true), 1);
    assertEquals(maxima(base), [0, 0, 0, 0]);
    reactorOf(base).countVirtual(1);
    reactorOf(base).countVirtual(-1);
    assertEquals(maxima(base), [0, 1, 0, 1]);
  });
});

describe("forEachEvent", () => {
  it("visits each event once, whatever lists it is in, and none that is idle", () => {
    using base = new EventBase();
    const plain = base.timer(() => {}).add(10_000);
    const both = base.timer(() => {}).add(10_000);
    both.activate(EV_TIMEOUT);
    const active = base.timer(() => {});
    active.activate(EV_TIMEOUT);
    base.timer(() => {});
    assertEquals(visited(base), [plain, both, active]);
  });

  it("goes by descriptor, signal, timer, common timeout, and last what is only active", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [low, high] = fds.socketpair().toSorted((a, b) => a - b) as [number, number];
    const active = base.timer(() => {});
    active.activate(EV_TIMEOUT);
    const common = base.timer(() => {}).add(base.commonTimeout(5000));
    const timer = base.timer(() => {}).add(5000);
    const [first, second] = [SIGUSR1, SIGUSR2].toSorted((a, b) => a - b) as [number, number];
    const later = base.signal(second, () => {}).add(5000);
    const sooner = base.signal(first, () => {}).add();
    const reader = base.event(high, EV_READ, () => {}).add();
    const older = base.event(low, EV_READ, () => {}).add();
    const newer = base.event(low, EV_WRITE, () => {}).add(5000);
    assertEquals(visited(base), [newer, older, reader, sooner, later, timer, common, active]);
    for (const event of visited(base)) event.close();
    assertEquals(visited(base), []);
  });

  it("ends with the first result that is neither nothing nor zero, and returns it", () => {
    using base = new EventBase();
    const [, wanted] = [1, 2, 3].map((count) => base.timer(() => {}).add(count * 1000));
    let visits = 0;
    const found = forEachEvent(base, (event) => {
      visits++;
      return event === wanted ? event : null;
    });
    assertStrictEquals(found, wanted);
    assertEquals(visits, 2);
    assertEquals(forEachEvent(base, () => 0), undefined);
  });

  it("hands on what the visitor throws", () => {
    using base = new EventBase();
    base.timer(() => {}).add(1000);
    assertThrows(
      () =>
        forEachEvent(base, () => {
          throw new Error("enough");
        }),
      Error,
      "enough",
    );
  });
});

forEachBackend(({ newBase }) => {
  it("dumpEvents lists what waits and what is active, in libevent's words", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const second = base.commonTimeout(1000);
    const longer = base.commonTimeout(2500);
    const signal = base.signal(SIGHUP, () => {}).add();
    const write = base.event(near, EV_WRITE, () => {}).add();
    const read = base.event(far, EV_READ | EV_PERSIST, () => {}).add(1000);
    const shared = base.event(-1, EV_PERSIST, () => {}).add(longer);
    const timer = base.timer(() => {}).add(second);
    const active = base.event(-1, 0, () => {});
    active.activate(EV_READ | EV_WRITE | EV_TIMEOUT);
    const justRead = base.event(-1, 0, () => {});
    justRead.activate(EV_READ);
    read.activate(EV_READ);
    const nowMs = base.wallClockMs();
    const text = dumpEvents(base).replace(/Timeout=(\d+\.\d{6})$/gm, (_, time: string) => {
      const inMs = Number(time) * 1000 - nowMs;
      return inMs > 900 && inMs < 1100
        ? "Timeout=T+1"
        : inMs > 2400 && inMs < 2600
        ? "Timeout=T+2.5"
        : `Timeout=${time}`;
    });
    const id = (event: LoopEvent): string => `0x${serialOf(event).toString(16)}`;
    const [inserted = "", actives = ""] = text.split("Active events:\n");
    const sorted = (part: string): string[] =>
      part.split("\n").filter((line) => line !== "" && !line.includes("Internal")).sort();
    assertEquals(
      sorted(inserted),
      [
        "Inserted events:",
        `  ${id(write)} [fd  ${near}] Write`,
        `  ${id(read)} [fd  ${far}] Read Persist Timeout=T+1`,
        `  ${id(signal)} [sig ${SIGHUP}] Signal Persist`,
        `  ${id(timer)} [fd  -1] Timeout=T+1`,
        `  ${id(shared)} [fd  -1] Persist Timeout=T+2.5`,
      ].sort(),
    );
    assertEquals(
      sorted(actives),
      [
        `  ${id(read)} [fd  ${far}, priority=0] Read active`,
        `  ${id(active)} [fd  -1, priority=0] Read Write Timeout active`,
        `  ${id(justRead)} [fd  -1, priority=0] Read active`,
      ].sort(),
    );
  });

  it("activateByFd and activateBySignal activate what waits for that, and nothing else", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: [string, number][] = [];
    const event = (name: string, fd: number, events: number): LoopEvent =>
      base.event(fd, events, (what) => log.push([name, what]));
    event("near read", near, EV_READ).add(600_000);
    event("near write", near, EV_WRITE).add();
    event("far read", far, EV_READ).add();
    event("far read with a time", far, EV_READ).add(600_000);
    event("far read with a common time", far, EV_READ).add(base.commonTimeout(600_000));
    event("signal", SIGHUP, EV_SIGNAL).add(600_000);
    activateByFd(base, near, EV_WRITE);
    activateByFd(base, far, EV_READ);
    activateByFd(base, far, EV_TIMEOUT);
    activateBySignal(base, SIGHUP);
    base.loop(EVLOOP_ONCE);
    assertEquals(log, [
      ["near write", EV_WRITE],
      ["far read with a common time", EV_READ | EV_TIMEOUT],
      ["far read with a time", EV_READ | EV_TIMEOUT],
      ["far read", EV_READ],
      ["signal", EV_SIGNAL],
    ]);
    // Only the first is left.
    assertEquals(visited(base).map((left) => left.pending()), [EV_READ | EV_TIMEOUT]);
  });
});

describe("activateByFd", () => {
  it("tells each event only what it waits for", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const log: number[] = [];
    base.event(near, EV_READ | EV_WRITE | EV_PERSIST, (what) => log.push(what)).add();
    base.event(near, EV_WRITE | EV_PERSIST, (what) => log.push(what)).add();
    activateByFd(base, near, EV_READ | EV_PERSIST | EV_ET | EV_SIGNAL);
    activateByFd(base, near, EV_PERSIST | EV_ET | EV_SIGNAL);
    assertEquals(countEvents(base, EVENT_BASE_COUNT_ACTIVE), 1);
    activateByFd(base, near, EV_WRITE);
    assertEquals(countEvents(base, EVENT_BASE_COUNT_ACTIVE), 2);
  });

  it("means timeouts alone by EV_TIMEOUT, whatever else is asked for", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const timed = base.event(near, EV_READ, () => {}).add(1000);
    const untimed = base.event(near, EV_READ, () => {}).add();
    activateByFd(base, near, EV_READ | EV_TIMEOUT);
    assertEquals([timed.pendingResult, untimed.pendingResult], [EV_TIMEOUT, 0]);
  });

  it("is no error for descriptors and signals that nobody waits for, or that do not exist", () => {
    using base = new EventBase();
    for (const number of [1000, -1, 2 ** 31 - 1]) {
      activateByFd(base, number, EV_READ);
      activateBySignal(base, number);
    }
    activateByFd(base, 1000, EV_TIMEOUT);
    assertEquals(counts(base), [0, 0, 0, 0]);
  });
});

describe("dumpEvents", () => {
  it("marks edges, the loop's own events and what is put off to the next turn", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    base.event(near, EV_READ | EV_ET, () => {}).add();
    const later = base.timer(() => {});
    reactorOf(base).activateLater(later);
    using _signal = base.signal(SIGUSR1, () => {}).add();
    const text = dumpEvents(base);
    assertMatch(text, new RegExp(`^  0x[0-9a-f]+ \\[fd  ${near}\\] Read ET$`, "m"));
    assertMatch(text, /^ {2}0x[0-9a-f]+ \[fd {2}-1, priority=0\] active \[NextTime\]$/m);
    if (os.name === "linux") assertMatch(text, /^ {2}0x[0-9a-f]+ \[fd {2}\d+\] Read Persist Internal$/m);
  });

  it("has both headings where there is nothing", () => {
    using base = new EventBase();
    assertEquals(dumpEvents(base), "Inserted events:\nActive events:\n");
  });
});
