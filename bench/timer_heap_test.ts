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
const c = "C libevent";
const hostOf = (title: string): string => `setTimeout, ${title}`;

const commands = new Map<string, readonly string[] | undefined>([
  [c, libevent.path === undefined ? undefined : [libevent.path]],
]);
for (const [subject, label] of [["events", "evbase"], ["heap", "bare heap"], ["host", "setTimeout"]] as const) {
  for (const [name, title] of [["deno", "Deno"], ["bun", "Bun"]] as const) {
    const command = runWith(name, "bench/support/timer_program.ts", [subject], ["--v8-flags=--expose-gc"]);
    commands.set(`${label}, ${title}`, command);
  }
}

/** Deno takes so long for its own timers that a million would not end in time; fewer are cheaper, if anything. */
function crowdOf(name: string): number {
  return isFull && name === hostOf("Deno") ? count / 4 : count;
}

/** Nanoseconds per timer: by name one list per round, in which there is one figure per step. */
const found = new Map<string, number[][]>();

async function measure(name: string, asked: AskedProcess): Promise<number[]> {
  const crowd = crowdOf(name);
  const cpuUs = await asked.ask(crowd, spreadMs);
  assertEquals(cpuUs.length, steps.length);
  return cpuUs.map((us) => us * 1000 / crowd);
}

function sum(figures: readonly number[]): number {
  return figures.reduce((all, figure) => all + figure, 0);
}

/** The median over the rounds of what `name` took of the time of `other`, in one step or in all. */
function ratio(name: string, other: string, step?: number): string {
  const of = (figures: readonly number[]): number => step === undefined ? sum(figures) : figures[step]!;
  const others = found.get(other) ?? [];
  return figure(
    median(
      (found.get(name) ?? []).flatMap((each, round) =>
        others[round] === undefined ? [] : [of(each) / of(others[round])]
      ),
    ),
  );
}

function row(name: string): string[] {
  const all = found.get(name)!;
  const host = hostOf(name.endsWith("Bun") ? "Bun" : "Deno");
  return [
    name,
    ...steps.map((_, step) => figure(median(all.map((each) => each[step]!)), 0)),
    figure(median(all.map(sum)), 0),
    ...steps.map((_, step) => ratio(name, c, step)),
    ratio(name, c),
    name === c ? "-" : ratio(name, host),
  ];
}

describe("a crowd of timers", () => {
  let processes: Map<string, AskedProcess>;
  beforeAll(() => void (processes = startAll(commands)));
  afterAll(async () => {
    await stopAll(processes);
    libevent[Symbol.dispose]();
  });

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  // One test for each, as all of a round together may outlast what a test may take. The first round warms up.
  for (let round = isFull ? 0 : 1; round <= rounds; round++) {
    for (const [name, command] of commands) {
      if (command === undefined) continue;
      it(`all expires: ${name}, round ${round} of ${rounds}`, async () => {
        const taken = await measure(name, processes.get(name)!);
        if (round > 0) found.set(name, [...found.get(name) ?? [], taken]);
      });
    }
  }

  if (isFull) {
    it("has figures for every way to keep it", () => {
      const head = [
        `${count} timers, CPU ns each`,
        ...steps,
        "all",
        ...steps.map((step) => `${step} / C`),
        "all / C",
        "all / setTimeout",
      ];
      console.log(`\n${markdownTable(head, [...found.keys()].map(row))}\n`);
    });
  }
});
