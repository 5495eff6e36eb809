/**
 * What do adding, cancelling and expiring a million timers cost: C libevent, events of evbase, its bare heap, and the host's setTimeout?
 *
 * Tiny by default: it then only says that all timers expire. `EVBASE_BENCH=full` measures.
 */
import { assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { type AskedProcess, startAll, stopAll } from "./support/asked_process.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { isFull, rounds } from "./support/settings.ts";
import { figure, markdownTable, median } from "./support/table.ts";

const count = isFull ? 1_000_000 : 500;
const spreadMs = isFull ? 1000 : 10;
const steps = ["add", "cancel", "expire"];
const libevent = compile("bench/peers/timer_bench.c", ["event_core"]);

const commands = new Map<string, readonly string[] | undefined>([
  ["C libevent", libevent.path === undefined ? undefined : [libevent.path]],
]);
for (const [subject, label] of [["events", "evbase"], ["heap", "bare heap"], ["host", "setTimeout"]] as const) {
  for (const [name, title] of [["deno", "Deno"], ["bun", "Bun"]] as const) {
    const command = runWith(name, "bench/support/timer_program.ts", [subject], ["--v8-flags=--expose-gc"]);
    commands.set(`${label}, ${title}`, command);
  }
}

/** Nanoseconds per timer, one list per step. */
const found = new Map<string, number[][]>();

async function measure(processes: ReadonlyMap<string, AskedProcess>): Promise<void> {
  for (const [name, asked] of processes) {
    const cpuUs = await asked.ask(count, spreadMs);
    assertEquals(cpuUs.length, steps.length);
    const all = found.get(name) ?? steps.map((): number[] => []);
    cpuUs.forEach((us, step) => all[step]!.push(us * 1000 / count));
    found.set(name, all);
  }
}

describe("a crowd of timers", () => {
  let processes: Map<string, AskedProcess>;
  beforeAll(() => void (processes = startAll(commands)));
  afterAll(async () => {
    await stopAll(processes);
    libevent[Symbol.dispose]();
  });

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  if (isFull) {
    it("warms everybody up", async () => {
      await measure(processes);
      found.clear();
    });
  }

  for (let round = 1; round <= rounds; round++) {
    it(`all expires, however it is kept, round ${round} of ${rounds}`, async () => {
      await measure(processes);
      assertEquals(found.size, processes.size);
    });
  }

  if (isFull) {
    it("has figures for every way to keep it", () => {
      const rows = [...found].map(([name, all]) => [name, ...all.map((ns) => figure(median(ns), 0))]);
      console.log(`\n${markdownTable([`${count} timers, CPU ns each`, ...steps], rows)}\n`);
    });
  }
});
