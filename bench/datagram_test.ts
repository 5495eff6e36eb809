/**
 * How much processor time does it cost to echo a small datagram, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server sends everything back as it was. `EVBASE_BENCH=full` measures.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { AskedProcess } from "./support/asked_process.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerFleet } from "./support/server_fleet.ts";
import type { ServerProcess } from "./support/server_process.ts";
import type { ServerKind } from "./support/servers.ts";
import { isFull, onLoadCore, rounds } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

/** How many datagrams of what size are on their way at once. */
interface Scenario {
  readonly window: number;
  readonly bytes: number;
}

interface Found {
  readonly cpuUs: number[];
  readonly perSecond: number[];
}

const scenarios: Scenario[] = [{ window: 64, bytes: 64 }, { window: 64, bytes: 1200 }, { window: 1, bytes: 64 }];
/** A lone datagram waits for a wake-up at either end, so that fewer of them take as long. */
const countOf = ({ window }: Scenario): number => !isFull ? 200 : window === 1 ? 5000 : 20_000;

const c = compile("bench/peers/udp_echo.c", []);
const ECHO = "bench/support/datagram_echo.ts";
const scripted = (
  name: string,
  runtime: "deno" | "bun",
  script: string,
  args: string[] = [],
  options: string[] = [],
): ServerKind => ({
  name,
  command: runWith(runtime, script, args, options),
  problem: "the runtime is not installed",
});
const servers: ServerKind[] = [
  scripted("evbase, Bun", "bun", ECHO),
  scripted("evbase, Deno", "deno", ECHO),
  scripted("evbase, Bun, run()", "bun", ECHO, ["run"]),
  scripted("evbase, Deno, run()", "deno", ECHO, ["run"]),
  scripted("Bun.udpSocket", "bun", "bench/peers/bun_udp.ts"),
  scripted("Deno.listenDatagram", "deno", "bench/peers/deno_datagram.ts", [], ["--unstable-net"]),
  scripted("node:dgram, Bun", "bun", "bench/peers/node_dgram.ts"),
  scripted("node:dgram, Deno", "deno", "bench/peers/node_dgram.ts"),
  { name: "C, recvmmsg", command: c.path === undefined ? undefined : [c.path], problem: c.problem },
  { name: "C, recvfrom", command: c.path === undefined ? undefined : [c.path, "one"], problem: c.problem },
];

const title = ({ window, bytes }: Scenario): string => `${window} on their way, ${bytes} bytes`;

describe("datagrams echoed", () => {
  const fleet = new ServerFleet(servers.map(({ name, command }) => [name, command]));
  const found = new Map<string, Found>();
  let load: AskedProcess;

  beforeAll(async () => {
    const program = runWith("bun", "bench/support/datagram_load.ts") ??
      runWith("deno", "bench/support/datagram_load.ts");
    load = new AskedProcess([...onLoadCore, ...program!]);
    await fleet.start();
  });
  afterAll(async () => {
    await Promise.all([load.stop(), fleet.stop()]);
    c[Symbol.dispose]();
  });

  async function measure(scenario: Scenario, name: string, server: ServerProcess): Promise<void> {
    const { window, bytes } = scenario;
    const count = countOf(scenario);
    await load.ask(server.port, window, bytes, isFull ? count / 2 : 20);
    const before = server.cpuTimeNs();
    const [echoed = 0, lost = 0, wrong = 0, wallUs = NaN] = await load.ask(server.port, window, bytes, count);
    const after = server.cpuTimeNs();
    assertEquals([wrong, echoed + lost], [0, count], name);
    assert(lost < count / 10, `${name} has lost ${lost}`);
    const key = `${title(scenario)}: ${name}`;
    const figures = found.get(key) ?? { cpuUs: [], perSecond: [] };
    found.set(key, figures);
    figures.cpuUs.push(before === undefined || after === undefined ? NaN : (after - before) / 1000 / echoed);
    figures.perSecond.push(echoed / wallUs * 1e6);
  }

  for (let round = 1; round <= rounds; round++) {
    // A test for each, since there is a limit on how long one may take.
    for (const scenario of scenarios) {
      for (const name of fleet.names) {
        it(`all come back from ${name}, ${title(scenario)}, round ${round} of ${rounds}`, async () => {
          await measure(scenario, name, fleet.get(name)!);
        });
      }
    }
  }

  it("have figures for every server that there is", () => {
    const left = servers.filter(({ name }) => fleet.get(name) === undefined);
    for (const { name, problem } of left) console.log(`left out: ${name}, since ${problem}`);
    assertEquals(found.size, fleet.names.length * scenarios.length);
    if (!isFull) return;
    for (const scenario of scenarios) {
      const figures = (name: string): Found => found.get(`${title(scenario)}: ${name}`)!;
      const base = (name: string): number => fleet.names.includes(name) ? median(figures(name).cpuUs) : NaN;
      const rows = fleet.names.map((name) => {
        const { cpuUs, perSecond } = figures(name);
        const cpu = median(cpuUs);
        return [
          name,
          figure(cpu / base("Bun.udpSocket")),
          figure(cpu / base("Deno.listenDatagram")),
          figure(cpu / base("C, recvmmsg")),
          figure(cpu),
          `${figure(Math.min(...cpuUs))} to ${figure(Math.max(...cpuUs))}`,
          thousands(median(perSecond)),
        ];
      });
      const head = [
        title(scenario),
        "CPU / Bun.udpSocket",
        "CPU / Deno.listenDatagram",
        "CPU / C",
        "CPU us",
        "lowest to highest",
        "datagrams/s",
      ];
      console.log(`\n${markdownTable(head, rows)}\n`);
    }
  });
});
