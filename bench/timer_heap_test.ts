/**
 * What do adding, cancelling and expiring a million timers cost: C libevent, events of evbase, its bare heap, and the host's setTimeout?
 *
 * Tiny by default: it then only says that all timers expire. `EVBASE_BENCH=full` measures.
 */
import { assertEquals } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { type AskedProcess, withProcesses } from "./support/asked_process.ts";
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

/** Asks all in turn, A B C, A B C; answers the nanoseconds per timer of each step, one list per step. */
async function measure(processes: ReadonlyMap<string, AskedProcess>): Promise<Map<string, number[][]>> {
  const found = new Map([...processes.keys()].map((name) => [name, steps.map((): number[] => [])]));
  // The first round is the warm-up: it counts only where nothing is measured.
  for (let round = isFull ? 0 : 1; round <= rounds; round++) {
    for (const [name, asked] of processes) {
      const cpuUs = await asked.ask(count, spreadMs);
      assertEquals(cpuUs.length, steps.length);
      if (round > 0) cpuUs.forEach((us, step) => found.get(name)![step]!.push(us * 1000 / count));
    }
  }
  return found;
}

describe("a crowd of timers", () => {
  afterAll(() => libevent[Symbol.dispose]());

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  it("all expire, however they are kept", async () => {
    await withProcesses(commands, async (processes) => {
      const found = await measure(processes);
      assertEquals(found.size, processes.size);
      if (!isFull) return;
      const rows = [...found].map(([name, all]) => [name, ...all.map((ns) => figure(median(ns), 0))]);
      console.log(`\n${markdownTable([`${count} timers, CPU ns each`, ...steps], rows)}\n`);
    });
  });
});
