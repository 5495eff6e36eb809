/** How the backends sleep for fractions of a millisecond, and what they do where the kernel's call for it is missing. */
import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  type Backend,
  type BackendChoice,
  chooseBackend,
  EpollBackend,
  type EpollCalls,
  epollCalls,
  EpollChangelistBackend,
  type EpollOptions,
  INTEREST_READ,
  PollBackend,
  putTimespec,
  SelectBackend,
} from "../../src/backends/mod.ts";
import { allocate, clockMs, dup, os, poll, pollNanoseconds, runtime } from "../../src/ffi/mod.ts";
import { Descriptors, empty, openDescriptorCount, writeText } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { ready } from "./readiness.ts";

const READ = INTEREST_READ;
const { CLOCK_MONOTONIC, POLLIN } = os.constants;
const { EINTR, ENOSYS, EPERM, EBADF } = os.errno as Record<"EINTR" | "ENOSYS" | "EPERM" | "EBADF", number>;
const isLinux = os.name === "linux";

/** Whether a wait of 0.2 ms is ever shorter than a whole one: a busy machine may oversleep often, but hardly a thousand times. */
function sleepsBelowOneMs(backend: Backend): boolean {
  for (let round = 0; round < 1000; round++) {
    const start = clockMs(CLOCK_MONOTONIC);
    assertEquals([...ready(backend, 0.2)], []);
    const sleptMs = clockMs(CLOCK_MONOTONIC) - start;
    assertGreaterOrEqual(sleptMs, 0.2);
    if (sleptMs < 1) return true;
  }
  return false;
}

/** One struct pollfd that waits for `fd` to become readable. */
function pollfd(fd: number): Uint8Array {
  const bytes = allocate(8);
  new Int32Array(bytes.buffer)[0] = fd;
  new Int16Array(bytes.buffer)[2] = POLLIN;
  return bytes;
}

/** `poll`, begun anew when it is interrupted. */
function sleep(pollfds: Uint8Array, count: number, timeoutMs: number): number {
  let found: number;
  do found = poll(pollfds, count, timeoutMs); while (found === -EINTR);
  return found;
}

/** The system's calls, with the waits written down as [call, timeout]. */
function noted(log: [string, number][], withNanoseconds: (timeout: Uint8Array) => number | undefined): EpollCalls {
  return {
    ...epollCalls,
    wait: (epollFd, events, eventsMax, timeoutMs) => {
      log.push(["wait", timeoutMs]);
      return epollCalls.wait(epollFd, events, eventsMax, timeoutMs);
    },
    waitNanoseconds: (epollFd, events, eventsMax, timeout) => {
      const words = new Int32Array(timeout.buffer);
      const nanoseconds = words[0]! * 1e9 + words[2]!;
      log.push(["nanoseconds", nanoseconds]);
      return withNanoseconds(timeout) ?? epollCalls.wait(epollFd, events, eventsMax, Math.ceil(nanoseconds / 1e6));
    },
  };
}

describe("putTimespec", () => {
  const timespec = (timeoutMs: number): number[] => {
    const words = new Int32Array(4);
    putTimespec(words, timeoutMs);
    return [...words];
  };

  it("splits milliseconds into seconds and nanoseconds", () => {
    assertEquals(timespec(0), [0, 0, 0, 0]);
    assertEquals(timespec(0.25), [0, 0, 250_000, 0]);
    assertEquals(timespec(1500.5), [1, 0, 500_500_000, 0]);
    assertEquals(timespec(2000), [2, 0, 0, 0]);
  });

  it("rounds up, over the edge of a second too", () => {
    assertEquals(timespec(1e-9), [0, 0, 1, 0]);
    assertEquals(timespec(Number.MIN_VALUE), [0, 0, 1, 0]);
    assertEquals(timespec(0.0000011), [0, 0, 2, 0]);
    assertEquals(timespec(999.9999999), [1, 0, 0, 0]);
  });

  it("bounds long times", () => {
    assertEquals(timespec(2 ** 40), [2100, 0, 0, 0]);
    assertEquals(timespec(Infinity), [2100, 0, 0, 0]);
  });

  it("writes where it is told, over what was there", () => {
    const words = new Int32Array([7, 0, 7, 0, 9, 0, 9, 0]);
    putTimespec(words, 1001, 4);
    assertEquals([...words], [7, 0, 7, 0, 1, 0, 1_000_000, 0]);
  });
});

describe("poll and select", () => {
  it("sleep for fractions of a millisecond where the system lets them", () => {
    for (const backend of [new PollBackend(), new SelectBackend()]) {
      if (backend.name === "poll" && pollNanoseconds === undefined) continue;
      assert(sleepsBelowOneMs(backend), backend.name);
      backend.close();
    }
  });

  it("report what is ready within a fraction of a millisecond", () => {
    using descriptors = new Descriptors();
    const [near, far] = descriptors.socketpair();
    writeText(far, "x");
    for (const backend of [new PollBackend(), new SelectBackend()]) {
      backend.watch(near, 0, READ);
      assertEquals([...ready(backend, 5000.5)], [[near, READ]]);
      backend.close();
    }
  });
});

for (const Epoll of [EpollBackend, EpollChangelistBackend]) {
  describe(`the clock of ${Epoll.name}`, { ignore: !isLinux }, () => {
    let backend: EpollBackend | EpollChangelistBackend;
    let descriptors: Descriptors;
    beforeEach(() => {
      descriptors = new Descriptors();
    });
    afterEach(() => {
      backend.close();
      descriptors[Symbol.dispose]();
    });

    const withoutNanoseconds: EpollCalls = { ...epollCalls, waitNanoseconds: undefined };
    function openOne(options: EpollOptions = {}): typeof backend {
      return backend = new Epoll(options);
    }

    it("counts nanoseconds where the C library and the kernel do", () => {
      openOne({ preciseTimer: true });
      if (epollCalls.waitNanoseconds === undefined) return assertStrictEquals(backend.clock, "timerfd");
      assertStrictEquals(backend.clock, "nanoseconds");
      const sleepsBelow = sleepsBelowOneMs(backend);
      // An old kernel says so by the first such sleep.
      if (backend.clock === "nanoseconds") assert(sleepsBelow);
    });

    it("leaves whole milliseconds, no time and no limit to the cheaper call", () => {
      const log: [string, number][] = [];
      const [near, far] = descriptors.socketpair();
      openOne({ calls: noted(log, () => undefined) });
      backend.watch(near, 0, READ);
      for (const timeoutMs of [0, 1, 2, 0.25, 1.5, 0.0000001]) assertEquals([...ready(backend, timeoutMs)], []);
      writeText(far, "x");
      for (const timeoutMs of [-1, 2 ** 31, 10_000.5]) assertEquals([...ready(backend, timeoutMs)], [[near, READ]]);
      // An interrupted wait is repeated.
      const distinct = log.filter(([call, time], index) =>
        log[index - 1]?.[0] !== call || log[index - 1]?.[1] !== time
      );
      assertEquals(distinct, [
        ["wait", 0],
        ["wait", 1],
        ["wait", 2],
        ["nanoseconds", 250_000],
        ["nanoseconds", 1_500_000],
        ["nanoseconds", 1],
        ["wait", -1],
        ["wait", 2_100_000],
        ["nanoseconds", 10_000_500_000],
      ]);
    });

    it("falls back to whole milliseconds for good when the kernel or a sandbox has no such call", () => {
      for (const error of [ENOSYS, EPERM]) {
        const log: [string, number][] = [];
        openOne({ calls: noted(log, () => -error) });
        assertStrictEquals(backend.clock, "nanoseconds");
        for (const timeoutMs of [0.25, 1.5]) assertEquals([...ready(backend, timeoutMs)], []);
        assertStrictEquals(backend.clock, "milliseconds");
        assertEquals(log.filter(([call]) => call === "nanoseconds"), [["nanoseconds", 250_000]]);
        assertEquals([...new Set(log.map(([, time]) => time))], [250_000, 1, 2]);
        backend.close();
      }
      openOne();
    });

    it("does not fall back over any other error", () => {
      let error = EINTR;
      openOne({ calls: noted([], () => -error), preciseTimer: true });
      assertStrictEquals(backend.wait(0.5), -EINTR);
      error = EBADF;
      assertStrictEquals(backend.wait(0.5), -EBADF);
      assertStrictEquals(backend.clock, "nanoseconds");
    });

    it("falls back to a timer where precision was asked for", () => {
      openOne({ calls: noted([], () => -ENOSYS), preciseTimer: true });
      assertStrictEquals(backend.clock, "nanoseconds");
      assert(sleepsBelowOneMs(backend));
      assertStrictEquals(backend.clock, "timerfd");
    });

    it("counts whole milliseconds where nothing else is there or allowed", () => {
      for (const options of [{}, { noTimerfd: true }, { preciseTimer: true, noTimerfd: true }]) {
        openOne({ ...options, calls: withoutNanoseconds });
        assertStrictEquals(backend.clock, "milliseconds");
        const start = clockMs(CLOCK_MONOTONIC);
        assertEquals([...ready(backend, 0.2)], []);
        assertGreaterOrEqual(clockMs(CLOCK_MONOTONIC) - start, 1);
        backend.close();
      }
      openOne();
    });

    it("holds one more descriptor for a timer, and gives it back", () => {
      const before = openDescriptorCount();
      const timers = Array.from({ length: 100 }, () => openOne({ preciseTimer: true, calls: withoutNanoseconds }));
      // The runtime's other threads may open and close something meanwhile, but not 50 of them.
      assertGreaterOrEqual(openDescriptorCount() - before, 150);
      for (const timer of timers) timer.close();
      assertLess(openDescriptorCount() - before, 50);
      openOne();
    });

    describe("by a timer", () => {
      beforeEach(() => {
        openOne({ preciseTimer: true, calls: withoutNanoseconds });
        assertStrictEquals(backend.clock, "timerfd");
      });

      it("sleeps no shorter than it is told, and does not show the timer", () => {
        assert(sleepsBelowOneMs(backend));
        for (const timeoutMs of [0.001, 1, 0.2, 3.7, 0.0000001, 1]) {
          const start = clockMs(CLOCK_MONOTONIC);
          assertEquals([...ready(backend, timeoutMs)], []);
          assertGreaterOrEqual(clockMs(CLOCK_MONOTONIC) - start, timeoutMs);
        }
        assertStrictEquals(backend.wait(0), 0);
      });

      it("reports descriptors that are ready together with it", () => {
        const pairs = Array.from({ length: 5 }, () => descriptors.socketpair());
        for (const [near] of pairs) backend.watch(near, 0, READ);
        assertEquals([...ready(backend, 0.1)], []);
        for (const [, far] of pairs) writeText(far, "x");
        const expected = new Map(pairs.map(([near]) => [near, READ]));
        // So short that the timer mostly has run out by then.
        for (let round = 0; round < 200; round++) assertEquals(ready(backend, 0.000001), expected);
        assertEquals(ready(backend, 60_000), expected);
        assertEquals(ready(backend), expected);
      });

      it("reports them too when it had run out before", () => {
        const [first, firstFar] = descriptors.socketpair();
        const pairs = Array.from({ length: 5 }, () => descriptors.socketpair());
        for (const [near] of [[first], ...pairs]) backend.watch(near!, 0, READ);
        writeText(firstFar, "x");
        assertEquals([...ready(backend, 2)], [[first, READ]]);
        empty(first);
        sleep(allocate(0), 0, 10);
        for (const [, far] of pairs) writeText(far, "x");
        assertEquals(ready(backend), new Map(pairs.map(([near]) => [near, READ])));
      });

      it("is quiet once it has run out", () => {
        assertEquals([...ready(backend, 1)], []);
        assertStrictEquals(sleep(pollfd(backend.waitFd), 1, 5), 0);
      });

      it("stops the timer of an earlier sleep before one without limit", () => {
        const [near, far] = descriptors.socketpair();
        backend.watch(near, 0, READ);
        writeText(far, "x");
        assertEquals([...ready(backend, 20)], [[near, READ]]);
        assertEquals([...ready(backend, -1)], [[near, READ]]);
        empty(near);
        assertEquals([...ready(backend)], []);
        assertStrictEquals(sleep(pollfd(backend.waitFd), 1, 40), 0);
      });

      it("takes the longest times for long ones", () => {
        const [near, far] = descriptors.socketpair();
        backend.watch(near, 0, READ);
        writeText(far, "x");
        for (const timeoutMs of [2 ** 31, 2 ** 40, Infinity]) {
          assertEquals([...ready(backend, timeoutMs)], [[near, READ]]);
        }
      });
    });
  });
}

describe("EpollChangelistBackend by a timer", { ignore: !isLinux }, () => {
  it("keeps the timer when a duplicate makes it take a fresh instance", () => {
    using descriptors = new Descriptors();
    const backend = new EpollChangelistBackend({
      preciseTimer: true,
      calls: { ...epollCalls, waitNanoseconds: undefined },
    });
    const [near, far] = descriptors.socketpair();
    descriptors.own(dup(near));
    backend.watch(near, 0, READ);
    assertEquals([...ready(backend, 0.1)], []);
    backend.watch(near, READ, 0);
    descriptors.close(near);
    writeText(far, "x");
    assertEquals([...ready(backend, 60_000)], []);
    assertStrictEquals(backend.clock, "timerfd");
    assert(sleepsBelowOneMs(backend));
    backend.close();
  });
});

describe("choosing a clock", { ignore: !isLinux }, () => {
  /** The clock after a sleep, in a process whose kernel has no `epoll_pwait2`. */
  function clockWithout(choice: BackendChoice, env: Record<string, string> = {}): string {
    const folder = mkdtempSync(join(tmpdir(), "evbase-clock-"));
    try {
      const file = join(folder, "script.ts");
      const source = new URL("../../src/backends/mod.ts", import.meta.url).href;
      const program = `import { chooseBackend } from ${JSON.stringify(source)};
        const backend = chooseBackend(${JSON.stringify(choice)});
        backend.wait(0.5);
        console.log(backend.name + ": " + backend.clock);`;
      writeFileSync(file, program);
      const flags = runtime.name === "deno" ? ["--no-prompt", "--no-config", "--no-check", "--allow-ffi"] : [];
      const injection = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=epoll_pwait2:error=ENOSYS"];
      const { stdout, stderr } = spawnSync("strace", [...injection, process.execPath, "run", ...flags, file], {
        env: { ...process.env, EVENT_PRECISE_TIMER: undefined, NO_COLOR: "1", ...env },
        encoding: "utf8",
        timeout: 20_000,
        killSignal: "SIGKILL",
      });
      return stdout.trimEnd() + stderr;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  itNeeds("strace", "strace", "heeds the options and the variable on a kernel without epoll_pwait2", () => {
    assertStrictEquals(clockWithout({}), "epoll: milliseconds");
    assertStrictEquals(clockWithout({ preciseTimer: true }), "epoll: timerfd");
    assertStrictEquals(clockWithout({}, { EVENT_PRECISE_TIMER: "1" }), "epoll: timerfd");
    assertStrictEquals(
      clockWithout({ ignoreEnvironment: true }, { EVENT_PRECISE_TIMER: "1" }),
      "epoll: milliseconds",
    );
    assertStrictEquals(
      clockWithout({ preciseTimer: true, noTimerfd: true, epollChangelist: true }),
      "epoll (with changelist): milliseconds",
    );
  });

  it("is handed on to both forms of epoll", () => {
    for (const epollChangelist of [false, true]) {
      const backend = chooseBackend({ epollChangelist, preciseTimer: true, ignoreEnvironment: true });
      assert(backend instanceof (epollChangelist ? EpollChangelistBackend : EpollBackend));
      backend.close();
    }
  });
});
