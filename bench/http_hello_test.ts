/**
 * How much processor time does an HTTP request cost, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server answers every request rightly. `EVBASE_BENCH=full` measures and prints
 * a table; see docs/benchmarks.md.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { findCommand } from "../tests/support/requires.ts";
import { compile, type CProgram } from "./support/c_program.ts";
import type { LoadResult } from "./support/load_generator.ts";
import { type LoadOptions, runLoad, runWrk } from "./support/run_load.ts";
import type { ServerProcess } from "./support/server_process.ts";
import { ServerFleet } from "./support/server_fleet.ts";
import { ServerResults } from "./support/server_results.ts";
import { scriptServers, type ServerKind } from "./support/servers.ts";
import { loadInSlices } from "./support/slice_load.ts";
import { isFull, rounds, secondsPerLoad } from "./support/settings.ts";

/** One way of loading a server. */
interface Scenario {
  readonly name: string;
  readonly load: LoadOptions;
  readonly isLone?: boolean;
  readonly byWrk?: boolean;
}

const tinyOrTimed = (requests: number): { requests: number } | { seconds: number } =>
  isFull ? { seconds: secondsPerLoad } : { requests };

const scenarios: Scenario[] = [
  { name: "64 connections", load: { connections: 64, depth: 1, ...tinyOrTimed(320) } },
  { name: "64 connections, 16 pipelined", load: { connections: 64, depth: 16, ...tinyOrTimed(2048) } },
  { name: "1 connection", load: { connections: 1, depth: 1, ...tinyOrTimed(100) }, isLone: true },
];
if (isFull && findCommand("wrk") !== undefined) {
  scenarios.push({ name: "64 connections, by wrk", load: { connections: 64, depth: 1 }, byWrk: true });
}

const evhttp: CProgram = compile("bench/peers/evhttp.c", ["event_core", "event_extra"]);
// Sliced load needs the compiler; without it, and for the tiny sizes, our own generator loads one server after the other.
const sliced: CProgram | undefined = isFull ? compile("bench/peers/load.c", []) : undefined;
const servers: ServerKind[] = [
  ...scriptServers(),
  {
    name: "evhttp, C libevent",
    command: evhttp.path === undefined ? undefined : [evhttp.path],
    problem: evhttp.problem,
  },
];
const results = new ServerResults(["Bun.serve", "Deno.serve"]);

/** Whether a server takes part in a scenario. */
const takesPart = (kind: ServerKind, scenario: Scenario): boolean =>
  kind.command !== undefined && (kind.forLoneConnection !== true || scenario.isLone === true);

/** Requests after which the compilers of a runtime have seen enough of a server that is written in TypeScript. */
const WARM_UP = { connections: 64, depth: 1, requests: 50_000, seconds: 4 };

async function measure(scenario: Scenario, kind: ServerKind, server: ServerProcess): Promise<LoadResult> {
  const { connections, depth } = scenario.load;
  // The servers are warm; this lets them get used to the scenario.
  if (isFull) await runLoad(server.port, { connections, depth, seconds: secondsPerLoad / 4 });
  const before = server.cpuTimeNs();
  const result = scenario.byWrk === true
    ? await runWrk(server.port, connections, secondsPerLoad)
    : await runLoad(server.port, scenario.load);
  const after = server.cpuTimeNs();
  const cpuNs = before === undefined || after === undefined ? NaN : after - before;
  results.add(scenario.name, kind.name, result, cpuNs);
  return result;
}

function measureInSlices(program: string, scenario: Scenario, fleet: ServerFleet): void {
  const kinds = servers.filter((kind) => takesPart(kind, scenario));
  const slices = loadInSlices(program, fleet.some(kinds.map(({ name }) => name)), {
    what: "http",
    ...scenario.load,
  });
  for (const { server, result, cpuNs } of slices) results.add(scenario.name, kinds[server]!.name, result, cpuNs);
}

const slicer = sliced?.path;
const isSliced = slicer !== undefined;
for (let round = 1; round <= (isSliced ? 1 : rounds); round++) {
  describe(isSliced ? "hello over HTTP, in slices" : `hello over HTTP, round ${round} of ${rounds}`, () => {
    const fleet = new ServerFleet(servers.map(({ name, command }) => [name, command]));

    // All wait at the same time, so that each scenario goes from one to the next without a pause: A B C, A B C.
    beforeAll(() => fleet.start());

    afterAll(() => fleet.stop());

    for (const kind of servers) {
      if (kind.command === undefined) it.skip(`leaves out ${kind.name}: ${kind.problem}`, () => {});
    }

    if (isFull) {
      it("warms every server up", async () => {
        for (const server of fleet.some(fleet.names)) await runLoad(server.port, WARM_UP);
      });
    }

    for (const scenario of scenarios) {
      const title = `gets every response right from every server: ${scenario.name}`;
      if (slicer !== undefined && scenario.byWrk !== true) {
        for (let part = 1; part <= rounds; part++) {
          it(`${title}, part ${part} of ${rounds}`, () => measureInSlices(slicer, scenario, fleet));
        }
        continue;
      }
      // Rounds of their own, where the servers live through all of them.
      const parts = isSliced ? rounds : 1;
      for (let part = 1; part <= parts; part++) {
        it(parts === 1 ? title : `${title}, part ${part} of ${parts}`, async () => {
          // There and back: whatever gets slower or faster by and by then does so for all alike.
          for (const kind of (round + part) % 2 === 0 ? servers : servers.toReversed()) {
            const server = fleet.get(kind.name);
            if (server === undefined || !takesPart(kind, scenario)) continue;
            const { requests } = await measure(scenario, kind, server);
            if (scenario.load.requests !== undefined) assertEquals(requests, scenario.load.requests);
          }
        });
      }
    }
  });
}

describe("the comparison of servers", () => {
  afterAll(() => {
    evhttp[Symbol.dispose]();
    sliced?.[Symbol.dispose]();
  });

  it("has figures for every server and scenario", () => {
    for (const kind of servers) {
      for (const scenario of scenarios.filter((each) => takesPart(kind, each))) {
        assert(results.countOf(scenario.name, kind.name) > 0, `${kind.name}, ${scenario.name}`);
      }
    }
    if (isFull) console.log(`\n${results.table()}\n`);
  });
});
