/** Misuse that is found at once instead of much later, and where the event came from. */
import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_ET, EV_PERSIST, EV_READ, EV_WRITE } from "../../src/core/constants.ts";
import { describe as inWords, disableDebugMode, enableDebugMode } from "../../src/core/debug_mode.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";

const { F_GETFL, F_SETFL, O_NONBLOCK, SIGUSR1 } = os.constants;

function makeBlocking(fd: number): void {
  assertEquals(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) & ~O_NONBLOCK), 0);
}

describe("debug mode", () => {
  beforeEach(enableDebugMode);
  afterEach(disableDebugMode);

  forEachBackend(({ newBase }) => {
    it("refuses to mix edge and level triggering on a descriptor, in either order", () => {
      using base = newBase();
      using fds = new Descriptors();
      const [near] = fds.socketpair();
      const edge = base.event(near, EV_READ | EV_ET, () => {});
      const level = base.event(near, EV_READ, () => {});
      edge.add();
      assertThrows(() => level.add(), Error, "it mixes edge and level triggering with the event on descriptor");
      assertEquals([edge.pending(), level.pending()], [EV_READ, 0]);
      edge.delete();
      level.add();
      assertThrows(() => edge.add(), Error, "it mixes edge and level triggering");
      assertEquals([edge.pending(), level.pending()], [0, EV_READ]);
      // What agrees may be added.
      base.event(near, EV_WRITE, () => {}).add();
    });

    it("refuses descriptors that are not open or that block, and leaves the event as it was", () => {
      using base = newBase();
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      makeBlocking(near);
      const blocking = base.event(near, EV_READ, () => {});
      assertThrows(() => blocking.add(1000), Error, "the descriptor blocks");
      assertEquals(blocking.pending(), 0);
      const gone = base.event(far, EV_READ | EV_PERSIST, () => {});
      fds.close(far);
      assertThrows(() => gone.add(1000), Error, "the descriptor is not open");
      assertEquals(gone.pending(), 0);
      assertFalse(base.dispatch());
    });
  });

  it("changes nothing for events that are used as they should be", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const reader = base.event(near, EV_READ | EV_PERSIST, () => {
      log.push("read");
      reader.delete();
    }).add(1000);
    writeText(far, "x");
    base.timer(() => log.push("timer")).add(0);
    using _signal = base.signal(SIGUSR1, () => {}).add();
    _signal.delete();
    base.event(-1, EV_READ, () => {}).add(0);
    assertFalse(base.dispatch());
    assertEquals(log, ["read", "timer"]);
  });

  it("names the event and the place where it was made", () => {
    using base = new EventBase();
    const made = [
      new LoopEvent(base, -1, EV_READ, () => {}),
      base.event(-1, EV_READ, () => {}),
      base.timer(() => {}),
      base.signal(SIGUSR1, () => {}),
    ];
    for (const event of made) {
      event.close();
      const error = assertThrows(() => event.add(), Error, "created at ") as Error;
      assertMatch(error.message, /debug_mode_test\.ts:\d+/);
    }
  });

  it("covers events made while it is on, and only those", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    makeBlocking(near);
    const covered = base.event(near, EV_READ, () => {});
    disableDebugMode();
    const free = base.event(near, EV_READ, () => {}).add();
    enableDebugMode();
    const error = assertThrows(() => covered.add(), Error) as Error;
    assertStringIncludes(error.message, "created at");
    assertEquals(free.pending(), EV_READ);
    free.delete();
    free.add();
    assertFalse(inWords(free).includes("created at"));
  });
});

describe("without debug mode", () => {
  it("nothing of that is looked at", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    makeBlocking(near);
    base.event(near, EV_READ | EV_ET, () => {}).add();
    const level = base.event(near, EV_READ, () => {}).add();
    assertEquals(level.pending(), EV_READ);
  });

  it("an error still names the event", () => {
    using base = new EventBase();
    const event = base.event(7, EV_READ | EV_WRITE | EV_PERSIST | EV_ET, () => {});
    event.close();
    assertThrows(() => event.add(), Error, "Cannot add the event on descriptor 7 (read, write, persist, edge): it was");
    const timer = base.timer(() => {});
    assertEquals(inWords(timer), "the event without a descriptor");
    assert(inWords(base.signal(SIGUSR1, () => {})).startsWith(`the event on signal ${SIGUSR1} (signal, persist)`));
  });
});
