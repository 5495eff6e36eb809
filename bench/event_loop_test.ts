/**
 * What does it cost to be told that one of many descriptors is ready? Bytes travel along a row of socket pairs: each callback
 * reads one and passes it on to the next pair, on C libevent, on evbase under both runtimes, and on each of our backends.
 *
 * Tiny by default: it then only says that no byte is lost. `EVBASE_BENCH=full` measures.
 */
import { assertEquals } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { backendNames } from "../mod.ts";
import { runtime } from "../src/ffi/mod.ts";
import { type AskedProcess, withProcesses } from "./support/asked_process.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { isFull, onServerCore, rounds } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

/** One row of pairs. */
interface Shape {
  readonly pairs: number;
  /** Bytes on their way at once. */
  readonly active: number;
}

/** What rounds found, per event. */
interface Found {
  readonly cpuNs: number[];
  readonly wallNs: number[];
}

const shapes: Shape[] = isFull
  ? [10, 100, 1000, 9000].flatMap((pairs) => [1, 100].map((active) => ({ pairs, active: Math.min(active, pairs) })))
  : [{ pairs: 20, active: 1 }, { pairs: 20, active: 3 }];
// Pairs take two descriptors each, and select knows numbers below 1024 only.
const backendShapes: Shape[] = isFull ? [{ pairs: 100, active: 1 }, { pairs: 400, active: 100 }] : shapes;
const [warmUp, passes] = isFull ? [100_000, 200_000] : [30, 300];

const program = "bench/support/event_program.ts";
const libevent = compile("bench/peers/event_bench.c", ["event_core"]);
const ours = (name: "deno" | "bun", backend: string = backendNames()[0]!): readonly string[] | undefined => {
  const command = runWith(name, program, [backend]);
  return command === undefined ? undefined : [...onServerCore, ...command];
};

/** Asks all in turn, A B C, A B C, and checks that every byte came through. */
async function measure(processes: ReadonlyMap<string, AskedProcess>, shape: Shape): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, asked] of processes) {
      const [events = 0, wallUs = NaN, cpuUs = NaN] = await asked.ask(shape.pairs, shape.active, warmUp, passes);
      assertEquals(events, passes + shape.active);
      const { cpuNs, wallNs } = found.get(name) ?? { cpuNs: [], wallNs: [] };
      cpuNs.push(cpuUs * 1000 / events);
      wallNs.push(wallUs * 1000 / events);
      found.set(name, { cpuNs, wallNs });
    }
  }
  return found;
}

function print({ pairs, active }: Shape, first: string, found: ReadonlyMap<string, Found>): void {
  const base = median(found.get(first)?.cpuNs ?? []);
  const rows = [...found].map(([name, { cpuNs, wallNs }]) => [
    name,
    figure(median(cpuNs) / base),
    figure(median(cpuNs), 0),
    `${figure(Math.min(...cpuNs), 0)} to ${figure(Math.max(...cpuNs), 0)}`,
    thousands(1e9 / median(wallNs)),
  ]);
  const head = [`${pairs} pairs, ${active} active`, `CPU of ${first}`, "CPU ns/event", "lowest to highest", "events/s"];
  console.log(`\n${markdownTable(head, rows)}\n`);
}

describe("bytes that travel along socket pairs", () => {
  afterAll(() => libevent[Symbol.dispose]());

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  it("all arrive on C libevent and on evbase under both runtimes", async () => {
    const commands = new Map([
      ["C libevent", libevent.path === undefined ? undefined : [...onServerCore, libevent.path]],
      ["evbase, Deno", ours("deno")],
      ["evbase, Bun", ours("bun")],
    ]);
    await withProcesses(commands, async (processes) => {
      for (const shape of shapes) {
        const found = await measure(processes, shape);
        assertEquals(found.size, processes.size);
        if (isFull) print(shape, libevent.path === undefined ? "evbase, Bun" : "C libevent", found);
      }
    });
  });

  it("all arrive on every backend", async () => {
    const commands = new Map(backendNames().map((name) => [name, ours(runtime.name, name)]));
    await withProcesses(commands, async (processes) => {
      for (const shape of backendShapes) {
        const found = await measure(processes, shape);
        assertEquals([...found.keys()], [...backendNames()]);
        if (isFull) print(shape, backendNames()[0]!, found);
      }
    });
  });
});
