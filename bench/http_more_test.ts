/**
 * How much processor time does an HTTP request cost that brings a body, or whose response has a large one, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server answers every request rightly. `EVBASE_BENCH=full` measures and prints a
 * table; see docs/benchmarks.md.
 */
import { assert } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LARGE_BYTES } from "./peers/bodies.ts";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { type ServerCommand, ServerFleet } from "./support/server_fleet.ts";
import { ServerResults } from "./support/server_results.ts";
import { isFull, rounds } from "./support/settings.ts";
import { loadInSlices, type SlicedLoad } from "./support/slice_load.ts";

const CONNECTIONS = 64;
/** Those that differ in how they send the large body only. */
const BY_REFERENCE = ", by reference";
const GET_LARGE: SlicedLoad["what"] = `get:${LARGE_BYTES}`;
const scenarios: readonly (readonly [name: string, what: SlicedLoad["what"]])[] = [
  ["64 connections, POST of 1 KiB that comes back", "post:1024"],
  ["64 connections, responses of 100 KiB", GET_LARGE],
];

const evhttp: CProgram = compile("bench/peers/bodies_evhttp.c", ["event_core", "event_extra"]);
const load: CProgram = compile("bench/peers/load.c", []);
const servers: readonly ServerCommand[] = [
  ["evbase, Bun", runWith("bun", "bench/peers/bodies_evbase.ts")],
  ["evbase, Deno", runWith("deno", "bench/peers/bodies_evbase.ts")],
  [`evbase, Bun${BY_REFERENCE}`, runWith("bun", "bench/peers/bodies_evbase.ts", ["--reference"])],
  [`evbase, Deno${BY_REFERENCE}`, runWith("deno", "bench/peers/bodies_evbase.ts", ["--reference"])],
  ["Bun.serve", runWith("bun", "bench/peers/bodies_bun_serve.ts")],
  ["Deno.serve", runWith("deno", "bench/peers/bodies_deno_serve.ts")],
  ["node:http, Bun", runWith("bun", "bench/peers/bodies_node_http.ts")],
  ["node:http, Deno", runWith("deno", "bench/peers/bodies_node_http.ts")],
  ["evhttp, C libevent", evhttp.path === undefined ? undefined : [evhttp.path]],
];
const fleet = new ServerFleet(servers);
const results = new ServerResults(
  ["Bun.serve", "Deno.serve", "evhttp, C libevent"].filter((name) => fleet.names.includes(name)),
);

describe("bodies over HTTP", () => {
  beforeAll(async () => {
    if (load.path !== undefined) await fleet.start();
  });

  afterAll(async () => {
    await fleet.stop();
    for (const program of [evhttp, load]) program[Symbol.dispose]();
  });

  if (evhttp.path === undefined) it.skip(`leave out evhttp, C libevent: ${evhttp.problem}`, () => {});
  const { path, problem } = load;
  if (path === undefined) {
    it.skip(`come rightly from every server (${problem})`, () => {});
    return;
  }
  const takingPart = (what: SlicedLoad["what"]): string[] =>
    fleet.names.filter((name) => what === GET_LARGE || !name.endsWith(BY_REFERENCE));
  const measure = (what: SlicedLoad["what"]): ReturnType<typeof loadInSlices> =>
    loadInSlices(path, fleet.some(takingPart(what)), {
      what,
      connections: CONNECTIONS,
      depth: 1,
    });

  if (isFull) {
    it("warm every server up", () => {
      for (const [, what] of scenarios) measure(what);
    });
  }
  for (const [name, what] of scenarios) {
    for (let part = 1; part <= rounds; part++) {
      it(`come rightly from every server: ${name}, part ${part} of ${rounds}`, () => {
        const names = takingPart(what);
        for (const { server, result, cpuNs } of measure(what)) results.add(name, names[server]!, result, cpuNs);
      });
    }
  }

  it("are counted for every server and scenario", () => {
    for (const [name, what] of scenarios) {
      for (const server of takingPart(what)) assert(results.countOf(name, server) > 0, `${server}, ${name}`);
    }
    if (isFull) console.log(`\n${results.table()}\n`);
  });
});
