/** Signals in great number, from other processes, and beside the host's own handlers. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/event_base.ts";
import { EVLOOP_NO_EXIT_ON_EMPTY, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { allocate, getpid, os, poll, signalChannel } from "../../src/ffi/mod.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import process from "node:process";
import { HostProgram } from "../support/host_program.ts";

const { SIGUSR2 } = os.constants;
const REALTIME = 41;
const isLinux = os.name === "linux";
const libc = openFromLibc({ raise: { args: ["i32"], result: "i32" } });

describe("many signals", { ignore: !isLinux }, () => {
  it("to itself, ten thousand in batches, all arrive and tell the sender", () => {
    using base = new EventBase();
    const pid = getpid();
    let calls = 0, wrong = 0;
    using _event = base.signal(SIGUSR2, (_what, event) => {
      calls++;
      if (event.signalDetails?.pid !== pid || event.signalDetails.signo !== SIGUSR2) wrong++;
    }).add();
    for (let batch = 1; batch <= 10; batch++) {
      for (let count = 0; count < 1000; count++) libc.raise(SIGUSR2);
      while (calls < batch * 1000) base.loop(EVLOOP_ONCE);
    }
    assertEquals([calls, wrong], [10_000, 0]);
  });

  it("more than the pipe takes are still counted, the last ones without details", () => {
    using base = new EventBase();
    const sent = 45_000;
    let calls = 0, detailed = 0;
    using _event = base.signal(SIGUSR2, (_what, event) => {
      calls++;
      if (event.signalDetails !== null) detailed++;
    }).add();
    for (let count = 0; count < sent; count++) libc.raise(SIGUSR2);
    while (calls < sent) base.loop(EVLOOP_ONCE);
    // One more shows that the count has not run ahead.
    libc.raise(SIGUSR2);
    base.loop(EVLOOP_ONCE);
    assertEquals(calls, sent + 1);
    assertGreater(detailed, 0);
    assert(detailed < sent, "the pipe took everything, so nothing was tested");
  });

  it("more than the pipe takes are not told to an event that is added after they were dropped", () => {
    using base = new EventBase();
    let calls = 0;
    const event = base.signal(SIGUSR2, () => calls++).add();
    for (let count = 0; count < 45_000; count++) libc.raise(SIGUSR2);
    event.delete();
    // Until the channel is empty. Nobody waits for what is in it.
    const { readFd } = signalChannel()!;
    const pollfds = allocate(8);
    new Int32Array(pollfds.buffer).set([readFd, os.constants.POLLIN]);
    for (let turn = 0; poll(pollfds, 1, 0) > 0; turn++) {
      assert(turn < 1000, "the channel is never empty");
      base.loop(EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
    }
    event.add();
    libc.raise(SIGUSR2);
    base.loop(EVLOOP_ONCE);
    event.delete();
    assertEquals(calls, 1);
  });

  it("from another process, a thousand with values, all arrive with value and sender", async () => {
    using base = new EventBase();
    const values = new Set<number>();
    const pids = new Set<number>();
    let calls = 0;
    const event = base.signal(REALTIME, (_what, event) => {
      values.add(event.signalDetails?.value ?? -1);
      pids.add(event.signalDetails?.pid ?? -1);
      if (++calls === 1000) event.delete();
    }).add();
    const sender = new HostProgram(`
      import { getpid, sigqueue } from "../../src/ffi/mod.ts";
      for (let value = 1; value <= 1000; value++) {
        // Only the limit of queued signals can refuse one; then the receiver needs time.
        while (sigqueue(${getpid()}, ${REALTIME}, value) < 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      console.log(getpid());
    `);
    const limit = AbortSignal.timeout(30_000);
    await base.run({ signal: limit });
    event.delete();
    const pid = Number(await sender.result());
    assertEquals(calls, 1000);
    assertEquals(values.size, 1000);
    assert(!values.has(-1));
    assertEquals([...pids], [pid]);
  });
});

/** Waits beside the host's loop for every signal that a runtime is known to handle itself, and tells what came. */
const waitingProgram = `
  import { EventBase } from "../../src/core/event_base.ts";
  const base = new EventBase();
  const left = new Set(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"]);
  for (const name of left) {
    const event = base.signal(name, () => {
      console.log(name);
      left.delete(name);
      event.delete();
    });
    event.add();
  }
  // Some 500 ms after its start, and once its loop runs, Deno installs handlers of its own.
  const timer = base.timer(() => console.log("ready"));
  timer.add(700);
  await base.run();
  console.log("left", left.size);
`;

describe("signals beside the host", () => {
  it("that the host would handle itself reach a loop that has waited beside it for a while", async () => {
    const program = new HostProgram(waitingProgram);
    await program.printed("ready");
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"]) {
      process.kill(program.pid, name);
      await program.printed(name);
    }
    assertEquals((await program.result()).split("\n").at(-1), "left 0");
  });

  it("that the host would handle itself reach a loop that blocks, in bursts", async () => {
    const program = new HostProgram(waitingProgram.replace("await base.run()", "base.dispatch()"));
    await program.printed("ready");
    for (const name of ["SIGUSR1", "SIGHUP", "SIGINT", "SIGTERM"]) process.kill(program.pid, name);
    const lines = (await program.result()).split("\n");
    assertEquals(lines.at(-1), "left 0");
    assertEquals(lines.slice(1, -1).sort(), ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"]);
  });

  it("end the process as ever after their events are deleted", async () => {
    const program = new HostProgram(`
      import { EventBase } from "../../src/core/event_base.ts";
      const base = new EventBase();
      const event = base.signal("SIGTERM", () => {
        console.log("caught");
        event.delete();
        console.log("deleted");
      });
      event.add();
      console.log("ready");
      await base.run();
      setInterval(() => {}, 1000);
      console.log("waiting");
    `);
    await program.printed("ready");
    process.kill(program.pid, "SIGTERM");
    await program.printed("waiting");
    process.kill(program.pid, "SIGTERM");
    assertEquals(await program.ended(), "SIGTERM");
  });
});
