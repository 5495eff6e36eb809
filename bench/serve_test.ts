/**
 * How much processor time does a request to a standard handler cost, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server answers every request rightly. `EVBASE_BENCH=full` measures and prints a table;
 * see docs/benchmarks.md.
 */
import { assert } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { type ServerCommand, ServerFleet } from "./support/server_fleet.ts";
import { ServerResults } from "./support/server_results.ts";
import { isFull, rounds } from "./support/settings.ts";
import { loadInSlices, type Slice } from "./support/slice_load.ts";

const scenarios: readonly (readonly [name: string, connections: number, depth: number])[] = [
  ["64 connections", 64, 1],
  ["64 connections, 16 pipelined", 64, 16],
];

const SERVE = "bench/support/serve_program.ts";
const HELLO = "examples/http-hello.ts";
const servers: readonly ServerCommand[] = [
  ["serve(), Bun", runWith("bun", SERVE)],
  ["serve(), Deno", runWith("deno", SERVE)],
  ["HttpServer, Bun", runWith("bun", HELLO, ["-p", "0", "--run"])],
  ["HttpServer, Deno", runWith("deno", HELLO, ["-p", "0", "--run"])],
  ["Bun.serve", runWith("bun", "bench/peers/bun_serve.ts")],
  ["Deno.serve", runWith("deno", "bench/peers/deno_serve.ts")],
  ["node:http, Bun", runWith("bun", "bench/peers/node_http.ts")],
  ["node:http, Deno", runWith("deno", "bench/peers/node_http.ts")],
];
const fleet = new ServerFleet(servers);
const load: CProgram = compile("bench/peers/load.c", []);
const results = new ServerResults(["Bun.serve", "Deno.serve"]);

describe("standard handlers", () => {
  beforeAll(async () => {
    if (load.path !== undefined) await fleet.start();
  });

  afterAll(async () => {
    await fleet.stop();
    load[Symbol.dispose]();
  });

  const { path, problem } = load;
  if (path === undefined) {
    it.skip(`answer every request (${problem})`, () => {});
    return;
  }
  const measure = (connections: number, depth: number): Slice[] =>
    loadInSlices(path, fleet.some(fleet.names), { what: "http", connections, depth });

  if (isFull) {
    it("warm up", () => {
      for (const [, connections, depth] of scenarios) measure(connections, depth);
    });
  }
  for (const [name, connections, depth] of scenarios) {
    for (let part = 1; part <= rounds; part++) {
      it(`answer every request rightly: ${name}, part ${part} of ${rounds}`, () => {
        for (const { server, result, cpuNs } of measure(connections, depth)) {
          results.add(name, fleet.names[server]!, result, cpuNs);
        }
      });
    }
  }

  it("are counted for every server and scenario", () => {
    for (const server of fleet.names) {
      for (const [name] of scenarios) assert(results.countOf(name, server) > 0, `${server}, ${name}`);
    }
    if (isFull) console.log(`\n${results.table()}\n`);
  });
});
