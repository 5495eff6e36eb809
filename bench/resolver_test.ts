/**
 * What does it cost to look up a name: our resolver, libevent's evdns, the runtimes' node:dns, and dig? All ask one name server, which
 * answers at once.
 *
 * Tiny by default: it then only says that every answer is right. `EVBASE_BENCH=full` measures.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { findCommand } from "../tests/support/requires.ts";
import { AskedProcess } from "./support/asked_process.ts";
import { compile } from "./support/c_program.ts";
import { DigBatch } from "./support/dig_batch.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerProcess } from "./support/server_process.ts";
import { isFull, onLoadCore, onServerCore, rounds, secondsPerLoad } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

/** Somebody who looks up names: `PORT WINDOW MS` is answered with how many were right and wrong, and microseconds by the clock and of the processor. */
interface Asker {
  ask(...request: number[]): Promise<number[]>;
  stop(): Promise<void>;
}

interface Found {
  readonly cpuUs: number[];
  readonly perSecond: number[];
}

/** Turns of everybody within a round, so that the machine's moods meet all of them alike. */
const TURNS = isFull ? 5 : 1;
const sliceMs = isFull ? secondsPerLoad * 1000 / TURNS : 5;
/** Lookups that do not count, so that what counts is compiled code, and for how long each of its pieces runs. */
const WARM_UP = 60_000;
const WARM_UP_MS = 1000;
const EVDNS = "C libevent's evdns", DIG = "dig -f";
const peers = [EVDNS, "node:dns, Bun", "node:dns, Deno", DIG];

const responder = compile("bench/peers/dns_responder.c", []);
const evdns = compile("bench/peers/resolver.c", ["event"]);
const program = (command: readonly string[] | undefined) => (): Asker | undefined =>
  command === undefined ? undefined : new AskedProcess([...onServerCore, ...command]);
const ours = (runtime: "bun" | "deno", ...args: string[]) =>
  program(runWith(runtime, "bench/support/resolver_program.ts", args));
const askers = new Map<string, () => Asker | undefined>([
  ["evbase, Bun", ours("bun")],
  ["evbase, Deno", ours("deno")],
  ["evbase, Bun, no cache", ours("bun", "uncached")],
  ["evbase, Deno, no cache", ours("deno", "uncached")],
  ["evbase, Bun, no cache, spin 50 us", ours("bun", "uncached", "spinning")],
  ["evbase, Deno, no cache, spin 50 us", ours("deno", "uncached", "spinning")],
  [EVDNS, program(evdns.path === undefined ? undefined : [evdns.path])],
  ["node:dns, Bun", program(runWith("bun", "bench/peers/node_dns.ts"))],
  ["node:dns, Deno", program(runWith("deno", "bench/peers/node_dns.ts", [], ["--allow-sys", "--allow-env"]))],
  [DIG, () => findCommand("dig") === undefined ? undefined : new DigBatch(onServerCore)],
]);

describe("names looked up", () => {
  const running = new Map<string, Asker>();
  let server: ServerProcess | undefined;

  beforeAll(async () => {
    if (responder.path === undefined) return;
    server = await ServerProcess.start([...onLoadCore, responder.path]);
    for (const [name, start] of askers) {
      const asker = start();
      if (asker !== undefined) running.set(name, asker);
    }
  });
  afterAll(async () => {
    await Promise.all([...running.values(), server].map((one) => one?.stop()));
    responder[Symbol.dispose]();
    evdns[Symbol.dispose]();
  });

  async function measure(name: string, window: number, ms: number, into?: Map<string, Found>): Promise<number> {
    const [right = 0, wrong = 0, wallUs = NaN, cpuUs = NaN] = await running.get(name)!.ask(server!.port, window, ms);
    assert(right > 0, `${name} has found nothing`);
    assertEquals(wrong, 0, name);
    if (into === undefined) return right;
    const found = into.get(name) ?? { cpuUs: [], perSecond: [] };
    into.set(name, found);
    found.cpuUs.push(cpuUs / right);
    found.perSecond.push(right / wallUs * 1e6);
    return right;
  }

  for (const window of [64, 1]) {
    const found = new Map<string, Found>();
    // dig asks one thing at a time.
    const takePart = (): string[] => [...running.keys()].filter((name) => window === 1 || name !== DIG);

    if (isFull) {
      for (const name of askers.keys()) {
        it(`by ${name}, ${window} at a time, before it counts`, async () => {
          if (!takePart().includes(name)) return;
          // What is compiled is the same however many are asked at a time.
          const most = name === DIG || window === 1 ? 1 : WARM_UP;
          for (let count = 0; count < most;) count += await measure(name, window, WARM_UP_MS);
        });
      }
    }
    for (let round = 1; round <= rounds; round++) {
      it(`are found, ${window} at a time, round ${round} of ${rounds}`, async () => {
        for (let turn = 0; turn < TURNS; turn++) {
          for (const name of takePart()) await measure(name, window, sliceMs, found);
        }
      });
    }
    it(`have figures, ${window} at a time`, () => {
      const left = [...askers.keys()].filter((name) => !running.has(name));
      if (left.length > 0) console.log(`left out: ${left.join(", ")}; ${responder.problem} ${evdns.problem}`);
      assertEquals(found.size, takePart().length);
      if (isFull) print(window, found);
    });
  }
});

function print(window: number, found: ReadonlyMap<string, Found>): void {
  const shown = peers.filter((peer) => found.has(peer));
  const rows = [...found].map(([name, { cpuUs, perSecond }]) => [
    name,
    // Within each turn, since the machine may be another one in the next.
    ...shown.map((peer) => figure(median(cpuUs.map((cpu, turn) => cpu / found.get(peer)!.cpuUs[turn]!)))),
    figure(median(cpuUs)),
    `${figure(Math.min(...cpuUs))} to ${figure(Math.max(...cpuUs))}`,
    ...shown.map((peer) => figure(median(perSecond.map((speed, turn) => speed / found.get(peer)!.perSecond[turn]!)))),
    thousands(median(perSecond)),
  ]);
  const head = [
    `${window} at a time`,
    ...shown.map((peer) => `CPU / ${peer}`),
    "CPU us",
    "lowest to highest",
    ...shown.map((peer) => `speed / ${peer}`),
    "lookups/s",
  ];
  console.log(`\n${markdownTable(head, rows)}\n`);
}
