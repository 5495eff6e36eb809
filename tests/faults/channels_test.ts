/** The channels by which threads and signals reach the loop fail: no wake-up and no signal is lost, and nobody spins. */
import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { EV_PERSIST, EV_READ } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopPort } from "../../src/core/loop_port.ts";
import { LoopPortSender } from "../../src/core/loop_port_sender.ts";
import { kill, os, runtime, SignalChannel, signalChannel, sigqueue, SystemError } from "../../src/ffi/mod.ts";
import { runFor, settle, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { canFail, type Fault, withFault, withFaults } from "../support/faults.ts";
import { channelCall, takeSpareChannels } from "../support/spare_channels.ts";
import { runScript } from "../support/run_script.ts";
import { assertNoneLeft, everyError, faultyBase, never, total } from "./waiting.ts";

const { SIGUSR2, SIGURG } = os.constants;
/** A real-time signal that no runtime uses. */
const REAL_TIME = 45;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Leaves the thread to the host until `done` holds. */
async function eventually(done: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 15_000; !done(); await sleep(1)) {
    assert(performance.now() < end, `waited too long: ${what}`);
  }
}

forEachBackend((backend) => {
  it("a wake-up whose write is interrupted arrives", () => {
    using base = backend.newBase();
    const log: string[] = [];
    using port = new LoopPort(base, () => log.push("message"), { onWake: () => log.push("wake") });
    using sender = new LoopPortSender(port.handle);
    for (const send of [() => sender.wake(), () => sender.post("x")]) {
      withFault({ call: "write", error: "EINTR", times: 3, when: (fd) => fd === port.handle.fd }, (count) => {
        assert(send());
        assertEquals(count.calls, 4);
      });
      settle(base);
    }
    assertEquals(log, ["wake", "message"]);
  });

  for (const error of everyError) {
    it(`a wake-up whose read fails with ${error} calls back once, and the bell falls silent when the fault is over`, () => {
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      let calls = 0;
      using port = new LoopPort(base, () => {}, { onWake: () => calls++ });
      using sender = new LoopPortSender(port.handle);
      sender.wake();
      withFault({ call: "read", error, times: 2, when: (fd) => fd === port.handle.fd }, (count) => {
        settle(base);
        assertEquals([calls, count.injected], [1, 2]);
      });
      withFaults(waitFaults({ error: "EINTR", when: never }), (...counts) => {
        runFor(base, 20);
        assertLessOrEqual(total(counts), 6);
      });
      sender.wake();
      settle(base);
      assertEquals(calls, 2);
    });

    it(`a run that can open no channel (${error}) is rejected, and the next one works`, async () => {
      using base = backend.newBase();
      const timer = base.timer(() => {});
      const descriptors = openDescriptorCount();
      await withFault({ call: channelCall, error }, async () => {
        timer.add(60_000);
        assertEquals((await assertRejects(() => base.run(), SystemError)).code, error);
      });
      assertNoneLeft(descriptors);
      timer.add(5);
      assertEquals(await base.run(), false);
    });

    it(`a run whose channel cannot be emptied because of ${error} sleeps again as soon as it can`, async () => {
      const { base, waitFaults } = faultyBase(backend);
      using _base = base;
      const timer = base.timer(() => {}).add(60_000);
      const running = base.run();
      await sleep(5);
      await withFault(
        { call: "read", error, times: 2, when: (_fd, _bytes, length) => length === 512 },
        async (count) => {
          base.timer(() => {}).add(1);
          // Both failures, and the one that succeeds after them.
          await eventually(() => count.calls >= 3, "the channel to be emptied");
          assertEquals(count.injected, 2);
        },
      );
      await withFaults(waitFaults({ error: "EINTR", when: never }), async (...counts) => {
        await sleep(40);
        assertLessOrEqual(total(counts), 4);
      });
      timer.delete();
      assertEquals(await running, false);
    });
  }

  it("a run is woken although the write that wakes it is interrupted", async () => {
    using base = backend.newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: unknown[] = [];
    // Were the wake-up lost, nothing but this would end the sleep.
    const keeper = base.timer(() => {}).add(5000);
    const running = base.run();
    let remainingMs: number | undefined;
    await sleep(5);
    writeText(far, "x");
    withFault({ call: "write", error: "EINTR", times: 2 }, () => {
      base.event(near, EV_READ, () => {
        log.push(readText(near));
        remainingMs = keeper.remainingMs;
        keeper.delete();
      }).add();
    });
    assertEquals([await running, log], [false, ["x"]]);
    assert(remainingMs! > 0, "the timer was due before the event");
  });

  it("a run whose sleeper fails again and again neither starves the host nor spins, and recovers", async () => {
    const { base, waitFaults } = faultyBase(backend);
    using _base = base;
    const createWaiter = runtime.createWaiter;
    let isBroken = true;
    (runtime as { createWaiter: typeof createWaiter }).createWaiter = (path) => {
      const real = createWaiter(path);
      return {
        wait: (fds, count, timeoutMs) => isBroken ? Promise.resolve(-1) : real.wait(fds, count, timeoutMs),
        close: () => real.close(),
      };
    };
    try {
      let fired = false;
      base.timer(() => fired = true).add(60);
      const running = base.run();
      await withFaults(waitFaults({ error: "EINTR", when: never }), async (...counts) => {
        const started = performance.now();
        await sleep(45);
        // Each failure is followed by 10 ms of patience; the first few turns come before the first.
        assertLessOrEqual(total(counts), 7 + (performance.now() - started) / 10);
      });
      isBroken = false;
      assertEquals([await running, fired], [false, true]);
    } finally {
      (runtime as { createWaiter: typeof createWaiter }).createWaiter = createWaiter;
    }
  });
});

describe("a port", () => {
  for (const error of everyError) {
    it(`that cannot be opened (${error}) or watched throws and leaves no descriptor behind`, () => {
      using base = new EventBase();
      using _others = takeSpareChannels();
      const descriptors = openDescriptorCount();
      for (const call of [channelCall, "epoll_ctl"].filter(canFail)) {
        withFault({ call, error, times: 1 }, () => {
          assertEquals(assertThrows(() => new LoopPort(base, () => {}), SystemError).code, error);
        });
      }
      assertNoneLeft(descriptors);
      assertEquals(base.dispatch(), false);
    });
  }
});

describe("the Worker that sleeps for Bun", { ignore: runtime.name !== "bun" }, () => {
  it("is started anew when it could not start", async () => {
    using base = new EventBase();
    const globals = globalThis as unknown as { Worker: unknown };
    const real = globals.Worker;
    let started = 0;
    globals.Worker = class {
      onerror: (event: unknown) => void = () => {};
      constructor() {
        started++;
        setTimeout(() => this.onerror({}), 1);
      }
      postMessage(): void {}
      ref(): void {}
      unref(): void {}
      terminate(): void {}
    };
    try {
      let fired = false;
      base.timer(() => fired = true).add(200);
      const running = base.run();
      await eventually(() => started >= 2, "another Worker to start");
      const before = started, since = performance.now();
      await sleep(30);
      // Each failure is followed by 10 ms of patience.
      assertLessOrEqual(started - before, 2 + (performance.now() - since) / 10, "Workers started");
      globals.Worker = real;
      assertEquals([await running, fired], [false, true]);
    } finally {
      globals.Worker = real;
    }
  });
});

describe("signals", { ignore: os.name !== "linux" }, () => {
  for (const error of everyError) {
    it(`an event whose sigaction fails with ${error} throws, and works when it is added again`, () => {
      using base = new EventBase();
      let raised = 0;
      using event = base.signal("SIGUSR2", () => raised++);
      signalChannel();
      const descriptors = openDescriptorCount();
      withFault({ call: "sigaction", error }, () => {
        const thrown = assertThrows(() => event.add(), SystemError, `catch signal ${SIGUSR2}`);
        assertEquals([thrown.code, thrown.syscall, event.pending()], [error, "sigaction", 0]);
      });
      assertEquals(base.dispatch(), false);
      assertNoneLeft(descriptors);
      event.add();
      kill(process.pid, SIGUSR2);
      until(base, () => raised === 1, "the signal");
    });

    it(`signals that are read with ${error} at first are counted in full`, () => {
      using base = new EventBase();
      let raised = 0;
      // Signals of this kind do not merge while they wait.
      using event = base.signal(REAL_TIME, () => raised++).add();
      const readFd = signalChannel()!.readFd;
      withFault({ call: "read", error, times: 3, when: (fd) => fd === readFd }, (count) => {
        for (let value = 0; value < 2; value++) assertEquals(sigqueue(process.pid, REAL_TIME, value), 0);
        until(base, () => raised === 2, "the signals");
        assertLessOrEqual(count.calls, 6);
      });
      event.delete();
    });

    it(`an event whose channel cannot be watched because of ${error} gives its signal back, and works when it is added again`, () => {
      using base = new EventBase({ avoid: ["epoll (with changelist)"], ignoreEnvironment: true });
      let raised = 0;
      using event = base.signal("SIGURG", () => raised++);
      signalChannel();
      withFault({ call: "epoll_ctl", error }, () => {
        assertEquals(assertThrows(() => event.add(), SystemError).code, error);
        assertEquals(event.pending(), 0);
      });
      // Ignored by default, so that its default disposition can be told from ours.
      kill(process.pid, SIGURG);
      settle(base);
      event.add();
      settle(base);
      assertEquals(raised, 0);
      kill(process.pid, SIGURG);
      until(base, () => raised === 1, "the signal");
    });
  }

  it("a signal that could not be given back is caught again, and given back to its first owner after that", () => {
    const channel = SignalChannel.open();
    if (typeof channel === "number") throw new Error(`Cannot open a channel: ${channel}`);
    assertEquals(channel.install(SIGURG), 0);
    withFault({ call: "sigaction", error: "ENOMEM" }, () => assert(channel.restore(SIGURG) < 0));
    assertEquals(channel.install(SIGURG), 0);
    assertEquals(channel.restore(SIGURG), 0);
    kill(process.pid, SIGURG);
    const seen: number[] = [];
    channel.drain((signo) => seen.push(signo));
    assertEquals(seen, []);
  });

  it("a channel that cannot be opened answers with the error and leaves no descriptor behind", () => {
    const descriptors = openDescriptorCount();
    for (const call of ["pipe", "mmap", "mprotect"]) {
      for (const error of everyError) {
        withFault({ call, error }, () => assertEquals(SignalChannel.open(), -os.errno[error]!));
        assertNoneLeft(descriptors);
      }
    }
    // Making the pipe non-blocking takes four calls, each of which may be the one.
    for (let when = 1; when <= 4; when++) {
      withFault({ call: "fcntl", error: "EBADF", when }, (count) => {
        const result = SignalChannel.open();
        if (count.injected > 0 && typeof result === "number") assertNoneLeft(descriptors);
      });
    }
  });

  it("an event whose channel cannot be opened throws a SystemError, and works when it is added again", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { EventBase } from "../../src/core/event_base.ts";
      import { getpid, kill, os } from "../../src/ffi/mod.ts";
      import { withFault } from "../../src/../tests/support/faults.ts";
      const base = new EventBase();
      const event = base.signal("SIGUSR2", () => {
        console.log("raised");
        event.delete();
        base.loopBreak();
      });
      for (const [call, error] of [["pipe", "EMFILE"], ["mmap", "ENOMEM"], ["mprotect", "EACCES"]]) {
        withFault({ call, error }, () => {
          try {
            event.add();
          } catch (error) {
            console.log([error.name, error.code, error.syscall].join(" "));
          }
        });
      }
      event.add();
      kill(getpid(), os.constants.SIGUSR2);
      base.dispatch();`);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.split("\n"), [
      "SystemError EMFILE pipe",
      "SystemError ENOMEM mmap",
      "SystemError EACCES mmap",
      "raised",
    ]);
  });

  it("a signal arrives while waits and reads around it are interrupted", () => {
    using base = new EventBase({ ignoreEnvironment: true });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: unknown[] = [];
    using reader = base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
    using event = base.signal("SIGUSR2", () => log.push("signal")).add();
    const faults: Fault[] = ["epoll_wait", "read", "poll"].filter(canFail)
      .map((call) => ({ call, error: "EINTR", when: odd() }));
    withFaults(faults, () => {
      kill(process.pid, SIGUSR2);
      writeText(far, "x");
      until(base, () => log.includes("signal") && log.includes("x"), "both");
    });
    assertEquals(log.filter((entry) => entry === "signal" || entry === "x").length, 2);
    reader.delete();
    event.delete();
  });
});

/** True for the first call, the third, and so on. */
function odd(): () => boolean {
  let call = 0;
  return () => call++ % 2 === 0;
}
