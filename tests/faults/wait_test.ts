/** The call that waits fails: nothing that was ready is lost, nothing spins, and the loop can go on. */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_PERSIST, EV_READ, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { SystemError } from "../../src/ffi/mod.ts";
import { backendsUnderTest, forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { withFaults } from "../support/faults.ts";
import { assertNoneLeft, callsToFail, everyError, faultyBase, never, total } from "./waiting.ts";

forEachBackend((backend) => {
  // A kqueue from a library on Linux is opened and called by the library's own table.
  if (backend.name === "kqueue" && !backend.isDouble) return;

  for (const times of [1, 5]) {
    it(`a wait that is interrupted ${times} times delivers what is ready, once, and keeps its timers`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      const log: string[] = [];
      base.event(near, EV_READ, () => log.push(`read ${readText(near)}`)).add();
      const started = performance.now();
      base.timer(() => log.push("timer")).add(10.5);
      writeText(far, "x");
      withFaults(waitFaults({ error: "EINTR", times }), (...counts) => {
        base.dispatch();
        assertEquals(log, ["read x", "timer"]);
        assertGreaterOrEqual(performance.now() - started, 10);
        // Those that failed, the one that found the data, and those that slept for the timer.
        assertLessOrEqual(total(counts), 2 * times + 4);
      });
    });
  }

  it("a wait that is interrupted leaves the flags of the loop their meaning", () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const { base, waitFaults } = faultyBase(backend);
    using _base = base;
    let reads = 0;
    base.event(near, EV_READ | EV_PERSIST, () => reads += Number(readText(near) !== "")).add();
    writeText(far, "x");
    withFaults(waitFaults({ error: "EINTR", times: 1 }), () => {
      assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
      assertEquals(reads, 0);
      assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
      assertEquals(reads, 1);
    });
    writeText(far, "x");
    withFaults(waitFaults({ error: "EINTR", times: 3 }), () => assertEquals(base.loop(EVLOOP_ONCE), 0));
    assertEquals(reads, 2);
  });

  it("a wait that is interrupted while it spins goes on as any other", () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const { base, waitFaults } = faultyBase(backend, { spinUs: 50 });
    using _base = base;
    const log: unknown[] = [];
    base.event(near, EV_READ, () => log.push(readText(near))).add();
    writeText(far, "x");
    withFaults(waitFaults({ error: "EINTR", times: 3 }), () => base.dispatch());
    assertEquals(log, ["x"]);
  });

  for (const error of everyError.filter((error) => error !== "EINTR")) {
    const calls = callsToFail(error, backend.isDouble);

    it(`a wait that fails with ${error} reaches the caller of dispatch at once, and the next one delivers`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const handled: unknown[] = [];
      const { base, waitFaults } = faultyBase(backend, { onError: (error) => handled.push(error) });
      using _base = base;
      const descriptors = openDescriptorCount();
      const log: string[] = [];
      base.event(near, EV_READ, () => log.push(`read ${readText(near)}`)).add();
      base.timer(() => log.push("timer")).add(0);
      base.event(-1, 0, () => log.push("active")).activate(EV_READ);
      writeText(far, "x");
      withFaults(waitFaults({ error, times: calls }), (...counts) => {
        const thrown = assertThrows(() => base.dispatch(), SystemError, "wait for events");
        assertEquals(thrown.code, error);
        assertEquals(total(counts), calls);
        assertEquals([log, handled], [[], []]);
        base.dispatch();
      });
      assertEquals(log.sort(), ["active", "read x", "timer"]);
      assertNoneLeft(descriptors);
    });

    it(`a wait that goes on failing with ${error} is called no more often than it takes for each dispatch`, () => {
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      let fired = 0;
      base.timer(() => fired++).add(0);
      withFaults(waitFaults({ error }), (...counts) => {
        for (let round = 1; round <= 3; round++) {
          assertThrows(() => base.dispatch(), SystemError, error);
          assertEquals(total(counts), round * calls);
        }
      });
      base.dispatch();
      assertEquals(fired, 1);
    });

    it(`a wait that fails with ${error} rejects run, and the next run delivers`, async () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      const log: unknown[] = [];
      base.event(near, EV_READ, () => log.push(readText(near))).add();
      writeText(far, "x");
      await withFaults(waitFaults({ error, times: calls }), async () => {
        const thrown = await assertRejects(() => base.run(), SystemError);
        assertEquals(thrown.code, error);
        assertEquals(await base.run(), false);
      });
      assertEquals(log, ["x"]);
    });
  }

  for (const error of ["EBADF", "EINTR"]) {
    if (backend.isDouble) continue;

    it(`a wait that failed with ${error} by the system and with EAGAIN by the runtime is asked what it was`, () => {
      using fds = new Descriptors();
      const [near, far] = fds.socketpair();
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      const log: unknown[] = [];
      base.event(near, EV_READ, () => log.push(readText(near))).add();
      writeText(far, "x");
      // The first is asked last: it fails once, and EAGAIN is said of that.
      const faults = [...waitFaults({ error, times: 2 }), ...waitFaults({ error: "EAGAIN", times: 1, after: true })];
      withFaults(faults, () => {
        if (error === "EINTR") return assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
        assertEquals(assertThrows(() => base.loop(EVLOOP_NONBLOCK), SystemError).code, error);
      });
      base.dispatch();
      assertEquals(log, ["x"]);
    });
  }

  it("a run whose waits are interrupted delivers, and sleeps meanwhile", async () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const { base, waitFaults } = faultyBase(backend);
    using _base = base;
    const log: unknown[] = [];
    base.event(near, EV_READ, () => log.push(readText(near))).add();
    setTimeout(() => writeText(far, "x"), 30);
    await withFaults(waitFaults({ error: "EINTR", when: eachOther() }), async (...counts) => {
      await base.run();
      assertLessOrEqual(total(counts), 12);
    });
    assertEquals(log, ["x"]);
  });

  it("an idle loop makes a handful of calls, which the other tests' bounds rest on", () => {
    const { base, waitFaults } = faultyBase(backend);
    using _base = base;
    base.timer(() => {}).add(20);
    withFaults(waitFaults({ error: "EINTR", when: never }), (...counts) => {
      base.dispatch();
      assertLessOrEqual(total(counts), 4);
      assert(total(counts) > 0);
    });
  });
});

/** True for the first call, the third, and so on. */
function eachOther(): () => boolean {
  let call = 0;
  return () => call++ % 2 === 0;
}

describe("a fault", () => {
  it("is over when its body has ended, however it ended", async () => {
    const { base, waitFaults } = faultyBase(backendsUnderTest[0]!);
    using _base = base;
    const faults = waitFaults({ error: "ENOMEM" });
    assertThrows(
      () =>
        withFaults(faults, () => {
          throw new Error("on purpose");
        }),
      Error,
      "on purpose",
    );
    await assertRejects(() => withFaults(faults, () => Promise.reject(new Error("on purpose"))), Error, "on purpose");
    base.timer(() => {}).add(0);
    base.dispatch();
  });
});
