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
import { ServerProcess } from "./support/server_process.ts";
import { ServerResults } from "./support/server_results.ts";
import { isFull, onServerCore, rounds } from "./support/settings.ts";
import { loadInSlices, type Slice } from "./support/slice_load.ts";

const scenarios: readonly (readonly [name: string, connections: number, depth: number])[] = [
  ["64 connections", 64, 1],
  ["64 connections, 16 pipelined", 64, 16],
];

const SERVE = "bench/support/serve_program.ts";
const HELLO = "examples/http-hello.ts";
const servers: readonly (readonly [name: string, command: string[] | undefined])[] = [
  ["serve(), Bun", runWith("bun", SERVE)],
  ["serve(), Deno", runWith("deno", SERVE)],
  ["HttpServer, Bun", runWith("bun", HELLO, ["-p", "0", "--run"])],
  ["HttpServer, Deno", runWith("deno", HELLO, ["-p", "0", "--run"])],
  ["Bun.serve", runWith("bun", "bench/peers/bun_serve.ts")],
  ["Deno.serve", runWith("deno", "bench/peers/deno_serve.ts")],
  ["node:http, Bun", runWith("bun", "bench/peers/node_http.ts")],
  ["node:http, Deno", runWith("deno", "bench/peers/node_http.ts")],
];
const started = servers.filter(([, command]) => command !== undefined).map(([name]) => name);
const load: CProgram = compile("bench/peers/load.c", []);
const results = new ServerResults(["Bun.serve", "Deno.serve"]);

describe("standard handlers", () => {
  const running = new Map<string, ServerProcess>();

  beforeAll(async () => {
    if (load.path === undefined) return;
    const starts = servers.map(async ([name, command]) => {
      if (command !== undefined) running.set(name, await ServerProcess.start([...onServerCore, ...command]));
    });
    // All of them, so that those that did start are known to the one who stops them.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  });

  afterAll(async () => {
    await Promise.all([...running.values()].map((server) => server.stop()));
    load[Symbol.dispose]();
  });

  const { path, problem } = load;
  if (path === undefined) {
    it.skip(`answer every request (${problem})`, () => {});
    return;
  }
  const measure = (connections: number, depth: number): Slice[] =>
    loadInSlices(path, started.map((name) => running.get(name)!), { what: "http", connections, depth });

  if (isFull) {
    it("warm up", () => {
      for (const [, connections, depth] of scenarios) measure(connections, depth);
    });
  }
  for (const [name, connections, depth] of scenarios) {
    for (let part = 1; part <= rounds; part++) {
      it(`answer every request rightly: ${name}, part ${part} of ${rounds}`, () => {
        for (const { server, result, cpuNs } of measure(connections, depth)) {
          results.add(name, started[server]!, result, cpuNs);
        }
      });
    }
  }

  it("are counted for every server and scenario", () => {
    for (const server of started) {
      for (const [name] of scenarios) assert(results.countOf(name, server) > 0, `${server}, ${name}`);
    }
    if (isFull) console.log(`\n${results.table()}\n`);
  });
});
