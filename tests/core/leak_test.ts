/** Two thousand rounds of everything that owns something: descriptors stay as many, and memory does not grow with the rounds. */
import { assertLess, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { EV_PERSIST, EV_READ, EV_TIMEOUT, EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopPort } from "../../src/core/loop_port.ts";
import { LoopPortSender } from "../../src/core/loop_port_sender.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";

const ROUNDS = 2000;
/**
 * What the process may grow by in so many rounds. As measured, keeping every event base costs 20 to 36 MiB and keeping
 * none up to 9, which is the garbage collector's and the compilers'.
 */
const GROWTH_MAX = 16 * 1024 * 1024;

/** A leak grows in every attempt; what a garbage collector or a compiler takes at one time, it does not take again. */
const ATTEMPTS = 8;

/** Runs `round` until the caches are warm, and then so often that a leak would show. */
async function assertLeakFree(rounds: number, round: () => void | Promise<void>): Promise<void> {
  for (let count = 0; count < rounds / 4; count++) await round();
  await settle(() => false);
  const descriptors = openDescriptorCount();
  let growth = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && growth >= GROWTH_MAX; attempt++) {
    const resident = process.memoryUsage().rss;
    for (let count = 0; count < rounds; count++) {
      await round();
      if (count % 250 === 0) await sleep(0);
    }
    await settle(() => openDescriptorCount() > descriptors);
    growth = process.memoryUsage().rss - resident;
  }
  assertLessOrEqual(openDescriptorCount(), descriptors);
  assertLess(growth, GROWTH_MAX);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Collects garbage and waits for what ends by itself, such as Bun's Workers, for as long as `isLate` says so and 10 s at most. */
async function settle(isLate: () => boolean): Promise<void> {
  collect();
  let before = -1;
  for (let tries = 0; tries < 500 && (isLate() || openDescriptorCount() !== before); tries++) {
    before = openDescriptorCount();
    await sleep(20);
  }
}

/** Collects garbage where the runtime lets a program ask for it. */
function collect(): void {
  const { Bun, gc } = globalThis as { Bun?: { gc(isSync: boolean): void }; gc?: () => void };
  Bun?.gc(true);
  gc?.();
}

forEachBackend(({ newBase }) => {
  it("event bases that are opened, used and closed leave nothing behind", async () => {
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    await assertLeakFree(ROUNDS, () => {
      using base = newBase();
      base.event(near, EV_READ | EV_PERSIST, () => {}).add(1000);
      base.timer(() => {}).add(base.commonTimeout(5));
      base.once(-1, EV_TIMEOUT, () => {});
      base.loop(EVLOOP_NONBLOCK);
    });
  });
});

describe("nothing is left behind by", () => {
  it("events that are added and closed, and events that are added and forgotten after they ran", async () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    await assertLeakFree(ROUNDS, () => {
      const event = base.event(near, EV_READ | EV_PERSIST, () => {}).add(1000);
      base.once(far, EV_READ, () => {}, 0.01);
      base.timer(() => {}).add(0);
      base.loop(EVLOOP_NONBLOCK);
      event.close();
    });
  });

  it("ports and their senders", async () => {
    using base = new EventBase();
    await assertLeakFree(ROUNDS, () => {
      const port = new LoopPort(base, () => {});
      const sender = new LoopPortSender(port.handle);
      sender.post("x");
      base.loop(EVLOOP_NONBLOCK);
      sender.close();
      port.close();
    });
  });

  it("signal events", async () => {
    using base = new EventBase();
    await assertLeakFree(ROUNDS, () => {
      const event = base.signal("SIGUSR2", () => {}).add();
      base.loop(EVLOOP_NONBLOCK);
      event.delete();
    });
  });

  it("bases with signal events that are closed with them", async () => {
    await assertLeakFree(ROUNDS, () => {
      using base = new EventBase();
      base.signal("SIGUSR2", () => {}).add();
    });
  });

  it("runs beside the host's loop", async () => {
    // On Bun each base that sleeps starts a Worker, so there are fewer rounds.
    await assertLeakFree(40, async () => {
      using base = new EventBase();
      base.timer(() => {}).add(1);
      await base.run();
    });
  });

  it("opening that fails half-way", async () => {
    await assertLeakFree(ROUNDS, () => {
      try {
        new EventBase({ priorities: 300 });
      } catch {
        // That is what was wanted.
      }
    });
  });
});
