import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  EV_CLOSED,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EVENT_BASE_COUNT_ACTIVE,
  EVENT_BASE_COUNT_ADDED,
  EVENT_BASE_COUNT_VIRTUAL,
} from "../../src/core/constants.ts";
import { EventBase, reactorOf } from "../../src/core/event_base.ts";
import { countEvents } from "../../src/core/introspection.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";
import { runScript } from "../support/run_script.ts";
import { countWaits } from "../support/waits.ts";

const EVERY_KIND = EVENT_BASE_COUNT_ACTIVE | EVENT_BASE_COUNT_VIRTUAL | EVENT_BASE_COUNT_ADDED;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

forEachBackend(({ newBase, open, name }) => {
  it("run ends with false when nothing is pending", async () => {
    using base = newBase();
    assertFalse(await base.run());
  });

  it("run ends only when whoever has awaited what was pending last asks for no more, also one that comes after it", async () => {
    using base = newBase();
    const running = base.run();
    for (let round = 0; round < 20; round++) {
      await new Promise<void>((resolve) => base.once(-1, EV_TIMEOUT, () => resolve(), round % 2));
      for (let step = 0; step < 10; step++) await null;
    }
    assertEquals(await running, false);
  });

  it("ends although something is pending that is not to keep it, in whatever list that is", async () => {
    using base = newBase();
    let calls = 0;
    const event = base.timer(() => void calls++);
    event.add(60_000);
    reactorOf(base).keepLoop(event, false);
    assertFalse(await base.run());
    event.activate(EV_TIMEOUT);
    assertFalse(await base.run());
    assertEquals(calls, 1);
    event.add(60_000);
    reactorOf(base).keepLoop(event, true);
    const running = base.run();
    base.loopExit(5);
    assert(await running);
    event.close();
    assertFalse(await base.run());
  });

  it("run serves descriptors and timers while host timers, promises and files go on", async () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const reader = base.event(near, EV_READ | EV_PERSIST, () => log.push(`read ${readText(near)}`)).add();
    let ticks = 0;
    const ticker = base.timer(() => ticks++, { repeat: true }).add(1);
    const running = base.run();
    const host = async (): Promise<void> => {
      for (let round = 0; round < 5; round++) {
        await sleep(2);
        writeText(far, `${round}`);
      }
      assert((await readFile(fileURLToPath(import.meta.url), "utf8")).length > 100);
      while (log.join("").match(/[0-9]/g)?.length !== 5 || ticks === 0) await sleep(1);
      reader.delete();
      ticker.delete();
    };
    await host();
    assertFalse(await running);
    assertEquals(log.join(" ").replaceAll("read ", "").replaceAll(" ", ""), "01234");
    assertGreater(ticks, 0);
  });

  it("run is woken from its sleep by an event that the host adds", async () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const [idle] = fds.socketpair();
    const log: string[] = [];
    const keeper = base.event(idle, EV_READ, () => log.push("never")).add();
    writeText(far, "x");
    setTimeout(() => base.event(near, EV_READ, () => log.push(`read ${readText(near)}`)).add(), 10);
    setTimeout(() => keeper.delete(), 40);
    assertFalse(await base.run());
    assertEquals(log, ["read x"]);
  });

  it("run is woken from its sleep by a timeout that the host adds or moves forward, and by an activation", async () => {
    using base = newBase();
    const log: string[] = [];
    const late = base.timer(() => log.push("moved")).add(60_000);
    setTimeout(() => base.timer(() => log.push("added")).add(1), 5);
    setTimeout(() => base.event(-1, 0, () => log.push("activated")).activate(EV_TIMEOUT), 15);
    setTimeout(() => late.add(1), 25);
    assertFalse(await base.run());
    assertEquals(log.sort(), ["activated", "added", "moved"]);
  });

  it("run is woken from its sleep by the host's loopBreak, loopExit and abort", async () => {
    using base = newBase();
    const timer = base.timer(() => {}).add(60_000);
    setTimeout(() => base.loopBreak(), 5);
    assert(await base.run());
    assert(base.gotBreak);
    setTimeout(() => base.loopExit(), 5);
    assert(await base.run());
    assert(base.gotExit);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    assert(await base.run({ signal: controller.signal }));
    assertEquals(timer.pending(), EV_TIMEOUT);
  });

  it("run sleeps although a closed peer is waited for that the backend cannot report", async () => {
    const backend = open();
    const waits = countWaits(backend);
    using base = new EventBase({ openBackend: () => backend });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const event = base.event(near, EV_CLOSED, () => {}).add();
    shutdown(far, os.constants.SHUT_WR);
    base.timer(() => event.delete()).add(50);
    assertFalse(await base.run());
    assert(waits.count < 20, `${waits.count} turns in 50 ms with ${name}`);
  });
});

forEachBackend(({ newBase, open }) => {
  it("run stays until a promise is settled, also with nothing pending, and serves what comes meanwhile", async () => {
    using base = newBase();
    const log: string[] = [];
    const work = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        assert((await readFile(fileURLToPath(import.meta.url), "utf8")).length > 100);
        await sleep(20);
        await new Promise<void>((resolve) => base.once(-1, EV_TIMEOUT, () => resolve(), 1));
        log.push(`round ${round}`);
      }
    };
    assert(await base.run({ until: work() }));
    assertEquals(log, ["round 0", "round 1", "round 2"]);
    assertEquals([base.gotBreak, base.gotExit, countEvents(base, EVERY_KIND)], [false, false, 0]);
    assertFalse(await base.run());
  });

  it("run ends with its promise although something is pending or always ready, which stays so", async () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let calls = 0;
    const timer = base.timer(() => {}).add(60_000);
    assert(await base.run({ until: sleep(5) }));
    assert(await base.run({ until: Promise.resolve("settled already") }));
    base.event(near, EV_READ | EV_PERSIST, () => void calls++).add();
    writeText(far, "x");
    assert(await base.run({ until: sleep(5) }));
    assertGreater(calls, 0);
    assertEquals(timer.pending(), EV_TIMEOUT);
  });

  it("run serves what does not keep the loop alive while its promise does, without spinning", async () => {
    const backend = open();
    const waits = countWaits(backend);
    using base = new EventBase({ openBackend: () => backend });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const reader = base.event(near, EV_READ | EV_PERSIST, () => log.push(`read ${readText(near)}`)).add();
    reactorOf(base).keepLoop(reader, false);
    const work = async (): Promise<void> => {
      await sleep(10);
      writeText(far, "x");
      while (log.length === 0) await sleep(1);
      await sleep(30);
    };
    assert(await base.run({ until: work() }));
    assertEquals(log, ["read x"]);
    assert(waits.count < 20, `${waits.count} turns`);
  });

  it("run is rejected with what its promise is, unless it was stopped before", async () => {
    using base = newBase();
    const reason = new Error("no luck");
    const failing = async (): Promise<void> => {
      await sleep(5);
      throw reason;
    };
    assertStrictEquals(await base.run({ until: failing() }).catch((error) => error), reason);
    assertStrictEquals(
      await base.run({ until: Promise.reject(undefined) }).then(() => "?", (error) => error),
      undefined,
    );
    const broken: PromiseLike<void> = {
      then(): never {
        throw reason;
      },
    };
    assertStrictEquals(await base.run({ until: broken }).catch((error) => error), reason);
    // Nothing of it keeps the loop.
    assertFalse(await base.run());
    const stopped = failing();
    base.once(-1, EV_TIMEOUT, () => base.loopBreak(), 1);
    assert(await base.run({ until: stopped }));
    assert(base.gotBreak);
    // The end of the earlier one is nothing to this run.
    assert(await base.run({ until: sleep(20) }));
    assertStrictEquals(await stopped.catch((error) => error), reason);
    assert(await base.run({ signal: AbortSignal.abort(), until: new Promise(() => {}) }));
    setTimeout(() => base.loopExit(), 5);
    assert(await base.run({ until: new Promise(() => {}) }));
    await assertRejects(() => base.run({ until: 5 as unknown as Promise<void> }), TypeError, "no promise");
    await assertRejects(() => base.run({ until: null as unknown as Promise<void> }), TypeError, "no promise");
    assertEquals(countEvents(base, EVERY_KIND), 0);
    assertFalse(await base.run());
  });
});

describe("EventBase.run", () => {
  it("refuses a second loop on the same base while it runs, and closing it", async () => {
    using base = new EventBase();
    base.timer(() => {}).add(5);
    const running = base.run();
    assertThrows(() => base.dispatch(), Error, "running already");
    await assertRejects(() => base.run(), Error, "running already");
    assertThrows(() => base.close(), Error, "while its loop is running");
    assertFalse(await running);
  });

  it("returns true at once for a signal that is aborted already, without running anything", async () => {
    using base = new EventBase();
    let called = false;
    base.event(-1, 0, () => called = true).activate(EV_TIMEOUT);
    assert(await base.run({ signal: AbortSignal.abort() }));
    assertFalse(called);
    assertFalse(await base.run());
    assert(called);
  });

  it("lets several bases run at once, also one inside a callback of the other", async () => {
    using first = new EventBase();
    using second = new EventBase();
    const log: string[] = [];
    first.timer(() => log.push("first")).add(5);
    second.timer(() => log.push("second")).add(10);
    const inner: Promise<boolean>[] = [];
    first.timer(() => inner.push(second.run())).add(1);
    assertFalse(await first.run());
    assertFalse(await inner[0]!);
    assertEquals(log.sort(), ["first", "second"]);
    first.timer(() => log.push("first")).add(5);
    second.timer(() => log.push("second")).add(5);
    assertEquals(await Promise.all([first.run(), second.run()]), [false, false]);
    assertEquals(log.length, 4);
  });

  it("lets a callback await, and go on in the same loop", async () => {
    using base = new EventBase();
    const log: string[] = [];
    base.timer(async () => {
      log.push("before");
      await sleep(2);
      log.push("after");
      keeper.delete();
    }).add(1);
    const keeper = base.timer(() => log.push("never")).add(60_000);
    assertFalse(await base.run());
    assertEquals(log, ["before", "after"]);
  });

  it("shares the thread with the host while it is busy", async () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let turns = 0, hostTurns = 0;
    // Never read, so always ready.
    const busy = base.event(near, EV_READ | EV_PERSIST, () => turns++).add();
    writeText(far, "x");
    const host = async (): Promise<void> => {
      for (; hostTurns < 20; hostTurns++) await sleep(0);
      busy.delete();
    };
    await Promise.all([base.run(), host()]);
    assertEquals(hostTurns, 20);
    assertGreater(turns, 20);
  });

  it("lets the time run while the host has the thread, also between turns that are busy", async () => {
    using base = new EventBase();
    const busy = base.timer(() => {}, { repeat: true }).add(0);
    const running = base.run();
    const shown: number[] = [];
    let earlyMs = Infinity;
    await new Promise<void>((resolve) => {
      // Whichever task of the host this is: the loop has run some turns before it and runs more after it.
      setTimeout(() => {
        const started = base.now();
        for (const end = performance.now() + 20; performance.now() < end;);
        shown.push(base.now() - started);
        const from = performance.now();
        base.timer(() => {
          earlyMs = 15 - (performance.now() - from);
          resolve();
        }).add(15);
      }, 5);
    });
    busy.delete();
    await running;
    assertGreaterOrEqual(shown[0]!, 19);
    assert(earlyMs <= 1, `${earlyMs} ms early`);
  });

  it("waits no shorter than its timers ask for", async () => {
    using base = new EventBase();
    const startedMs = base.now();
    base.timer(() => {}).add(20);
    await base.run();
    assertGreaterOrEqual(base.now() - startedMs, 20);
  });

  it("does not keep the process alive once it has ended, whether the base is closed or not", async () => {
    for (const ending of ["base.close();", ""]) {
      const { code, stdout, stderr } = await runScript(`
        import { EventBase } from "../../src/core/event_base.ts";
        addEventListener("unhandledrejection", () => console.log("unhandled"));
        const base = new EventBase();
        base.timer(() => console.log("tick")).add(20);
        console.log(await base.run());
        ${ending}
      `);
      assertEquals({ code, stdout }, { code: 0, stdout: "tick\nfalse" }, stderr);
    }
  });

  it("keeps the process alive until its promise is settled, and no longer", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { EventBase } from "../../src/core/event_base.ts";
      const base = new EventBase();
      const work = new Promise((resolve) => setTimeout(() => resolve(console.log("work")), 50));
      base.run({ until: work }).then((stopped) => console.log("done " + stopped));
    `);
    assertEquals({ code, stdout }, { code: 0, stdout: "work\ndone true" }, stderr);
  });

  it("keeps the process alive while something is pending", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { EventBase } from "../../src/core/event_base.ts";
      const base = new EventBase();
      base.timer(() => console.log("tick")).add(100);
      base.run().then(() => console.log("done"));
    `);
    assertEquals({ code, stdout }, { code: 0, stdout: "tick\ndone" }, stderr);
  });
});
