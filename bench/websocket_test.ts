/**
 * How much processor time does it cost to send a WebSocket message back, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server sends every message back rightly. `EVBASE_BENCH=full` measures and prints a
 * table; see docs/benchmarks.md.
 */
import { assert } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { type ServerCommand, ServerFleet } from "./support/server_fleet.ts";
import { ServerResults } from "./support/server_results.ts";
import { isFull, rounds } from "./support/settings.ts";
import { loadInSlices } from "./support/slice_load.ts";

/** One way of loading a server. */
interface Scenario {
  readonly name: string;
  readonly bytes: number;
  readonly connections: number;
  readonly depth: number;
}

const scenarios: readonly Scenario[] = [
  { name: "64 connections, 20 bytes", bytes: 20, connections: 64, depth: 1 },
  { name: "64 connections, 1000 bytes", bytes: 1000, connections: 64, depth: 1 },
  { name: "64 connections, 16 messages of 20 bytes at once", bytes: 20, connections: 64, depth: 16 },
];

const ECHO = "examples/ws-echo.ts";
const readsPackages = ["--allow-read", "--allow-env"];
const servers: readonly ServerCommand[] = [
  ["evbase, Bun", runWith("bun", ECHO, ["-p", "0"])],
  ["evbase, Deno", runWith("deno", ECHO, ["-p", "0"])],
  ["Bun.serve", runWith("bun", "bench/peers/bun_websocket.ts")],
  ["Deno.serve", runWith("deno", "bench/peers/deno_websocket.ts")],
  ["ws, Bun", runWith("bun", "bench/peers/ws_package.ts")],
  ["ws, Deno", runWith("deno", "bench/peers/ws_package.ts", [], readsPackages)],
];
const fleet = new ServerFleet(servers);
const load: CProgram = compile("bench/peers/load.c", []);
const results = new ServerResults(["Bun.serve", "ws, Bun", "ws, Deno"]);

describe("messages by WebSocket", () => {
  beforeAll(async () => {
    if (load.path !== undefined) await fleet.start();
  });

  afterAll(async () => {
    await fleet.stop();
    load[Symbol.dispose]();
  });

  const { path, problem } = load;
  if (path === undefined) {
    it.skip(`come back from every server (${problem})`, () => {});
    return;
  }
  const measure = ({ bytes, connections, depth }: Scenario): ReturnType<typeof loadInSlices> =>
    loadInSlices(path, fleet.some(fleet.names), { what: `ws:${bytes}`, connections, depth });

  if (isFull) {
    it("warm every server up", () => {
      for (const scenario of scenarios) measure(scenario);
    });
  }
  for (const scenario of scenarios) {
    for (let part = 1; part <= rounds; part++) {
      it(`come back unchanged from every server: ${scenario.name}, part ${part} of ${rounds}`, () => {
        for (const { server, result, cpuNs } of measure(scenario)) {
          results.add(scenario.name, fleet.names[server]!, result, cpuNs);
        }
      });
    }
  }

  it("are counted for every server and scenario", () => {
    for (const name of fleet.names) {
      for (const scenario of scenarios) assert(results.countOf(scenario.name, name) > 0, `${name}, ${scenario.name}`);
    }
    if (isFull) console.log(`\n${results.table()}\n`);
  });
});
