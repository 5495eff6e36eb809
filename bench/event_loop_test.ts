/**
 * What does it cost to be told that one of many descriptors is ready? Bytes travel along a row of socket pairs: each callback
 * reads one and passes it on to the next pair, on C libevent, on evbase under both runtimes, and on each of our backends.
 *
 * Tiny by default: it then only says that no byte is lost. `EVBASE_BENCH=full` measures.
 */
import { assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { backendNames } from "../mod.ts";
import { runtime } from "../src/ffi/mod.ts";
import { type AskedProcess, startAll, stopAll } from "./support/asked_process.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { isFull, onServerCore, rounds } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

/** One row of pairs. */
interface Shape {
  /** Pairs that are watched. */
  readonly pairs: number;
  /** Those along which bytes travel; the rest stays idle. */
  readonly used: number;
  /** Bytes on their way at once. */
  readonly active: number;
}

/** What rounds found, per event. */
interface Found {
  readonly cpuNs: number[];
  readonly wallNs: number[];
}

const shapes: Shape[] = isFull
  ? [
    ...[100, 1000, 9000].flatMap((pairs) => [1, 100].map((active) => ({ pairs, used: pairs, active }))),
    // What the idle ones cost: sockets that take turns also cost what the processor's caches cannot hold.
    ...[10, 100, 1000, 9000].map((pairs) => ({ pairs, used: 10, active: 1 })),
  ]
  : [{ pairs: 20, used: 20, active: 1 }, { pairs: 20, used: 5, active: 3 }];
// Pairs take two descriptors each, and select knows numbers below 1024 only.
const backendShapes: Shape[] = isFull
  ? [{ pairs: 100, used: 100, active: 1 }, { pairs: 400, used: 400, active: 100 }]
  : shapes;
const [warmUp, passes] = isFull ? [100_000, 200_000] : [30, 300];

const program = "bench/support/event_program.ts";
const libevent = compile("bench/peers/event_bench.c", ["event_core"]);
const ours = (name: "deno" | "bun", backend: string = backendNames()[0]!): readonly string[] | undefined => {
  const command = runWith(name, program, [backend]);
  return command === undefined ? undefined : [...onServerCore, ...command];
};

/** Asks all in turn and checks that every byte came through. */
async function measure(
  processes: ReadonlyMap<string, AskedProcess>,
  shape: Shape,
  all: Map<string, Found>,
): Promise<void> {
  for (const [name, asked] of processes) {
    const [events = 0, wallUs = NaN, cpuUs = NaN] = await asked.ask(
      shape.pairs,
      shape.used,
      shape.active,
      warmUp,
      passes,
    );
    assertEquals(events, passes + shape.active);
    const found = all.get(name) ?? { cpuNs: [], wallNs: [] };
    found.cpuNs.push(cpuUs * 1000 / events);
    found.wallNs.push(wallUs * 1000 / events);
    all.set(name, found);
  }
}

function inWords({ pairs, used, active }: Shape): string {
  return `${pairs} pairs${used < pairs ? `, ${used} used` : ""}, ${active} active`;
}

function print(shape: Shape, all: ReadonlyMap<string, Found>): void {
  const [first = ""] = all.keys();
  const base = median(all.get(first)?.cpuNs ?? []);
  const rows = [...all].map(([name, { cpuNs, wallNs }]) => [
    name,
    figure(median(cpuNs) / base),
    figure(median(cpuNs), 0),
    `${figure(Math.min(...cpuNs), 0)} to ${figure(Math.max(...cpuNs), 0)}`,
    thousands(1e9 / median(wallNs)),
  ]);
  const head = [inWords(shape), `CPU of ${first}`, "CPU ns/event", "lowest to highest", "events/s"];
  console.log(`\n${markdownTable(head, rows)}\n`);
}

/** One test per row of pairs and round, as all of them together outlast what a test may take. */
function compare(shapes: readonly Shape[], commands: ReadonlyMap<string, readonly string[] | undefined>): void {
  let processes: Map<string, AskedProcess>;
  beforeAll(() => void (processes = startAll(commands)));
  afterAll(() => stopAll(processes));

  for (const shape of shapes) {
    const found = new Map<string, Found>();
    for (let round = 1; round <= rounds; round++) {
      it(`all arrive: ${inWords(shape)}, round ${round} of ${rounds}`, async () => {
        await measure(processes, shape, found);
        if (isFull && round === rounds) print(shape, found);
      });
    }
  }
}

describe("bytes that travel along socket pairs, beside C libevent", () => {
  afterAll(() => libevent[Symbol.dispose]());

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});
  const c = (...args: string[]): readonly string[] | undefined =>
    libevent.path === undefined ? undefined : [...onServerCore, libevent.path, ...args];
  compare(
    shapes,
    new Map([
      ["C libevent", c()],
      ["C libevent, two threads", c("with a second thread")],
      ["evbase, Deno", ours("deno")],
      ["evbase, Bun", ours("bun")],
      // Where there is no epoll there is no such loop.
      ...backendNames().includes("epoll")
        ? [["bare loop, Deno", ours("deno", "bare")], ["bare loop, Bun", ours("bun", "bare")]] as const
        : [],
    ]),
  );
});

describe("bytes that travel along socket pairs, on every backend", () => {
  compare(backendShapes, new Map(backendNames().map((name) => [name, ours(runtime.name, name)])));
});
