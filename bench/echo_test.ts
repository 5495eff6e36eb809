/**
 * How much processor time does it cost to send a small message back, ours beside its peers in one run?
 *
 * Tiny by default: it then only says that every server sends every byte back. `EVBASE_BENCH=full` measures and prints tables.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { connect } from "node:net";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerFleet } from "./support/server_fleet.ts";
import { ServerResults } from "./support/server_results.ts";
import { isFull, rounds } from "./support/settings.ts";
import { loadInSlices } from "./support/slice_load.ts";

/** One way of loading a server. */
interface Scenario {
  readonly name: string;
  readonly what: number;
  readonly connections: number;
  readonly depth: number;
}

const scenarios: readonly Scenario[] = [
  { name: "64 connections, 64 bytes", what: 64, connections: 64, depth: 1 },
  { name: "64 connections, 1024 bytes", what: 1024, connections: 64, depth: 1 },
  { name: "1 connection, 64 bytes", what: 64, connections: 1, depth: 1 },
];

const PROGRAM = "bench/support/echo_program.ts";
const libevent: CProgram = compile("bench/peers/echo.c", ["event_core"]);
const load: CProgram | undefined = isFull ? compile("bench/peers/load.c", []) : undefined;
const fleet = new ServerFleet([
  ["evbase, Bun", runWith("bun", PROGRAM)],
  ["evbase, Deno", runWith("deno", PROGRAM)],
  ["evbase, Bun, run()", runWith("bun", PROGRAM, ["--run"])],
  ["evbase, Deno, run()", runWith("deno", PROGRAM, ["--run"])],
  ["Bun.listen", runWith("bun", "bench/peers/bun_listen.ts")],
  ["Deno.listen", runWith("deno", "bench/peers/deno_listen.ts")],
  ["node:net, Bun", runWith("bun", "bench/peers/node_net.ts")],
  ["node:net, Deno", runWith("deno", "bench/peers/node_net.ts")],
  ["C libevent", libevent.path === undefined ? undefined : [libevent.path]],
]);
const results = new ServerResults(
  ["Bun.listen", "Deno.listen", "node:net, Bun", "C libevent"].filter((name) => fleet.names.includes(name)),
);

/** Sends `message` and collects as many bytes as come back. */
function echoed(port: number, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(message));
    const received = new Uint8Array(message.length);
    let count = 0;
    socket.on("error", reject);
    socket.on("data", (data: Uint8Array) => {
      received.set(data.subarray(0, received.length - count), count);
      count += data.length;
      if (count >= received.length) socket.end(() => resolve(received));
    });
  });
}

describe("small messages that come back", () => {
  beforeAll(() => fleet.start());

  afterAll(async () => {
    await fleet.stop();
    libevent[Symbol.dispose]();
    load?.[Symbol.dispose]();
  });

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  it("come back as they were from every server", async () => {
    const message = Uint8Array.from({ length: 200_000 }, (_, index) => index * 7);
    for (const name of fleet.names) assertEquals(await echoed(fleet.get(name)!.port, message), message, name);
  });

  if (load?.path === undefined) return;
  const program = load.path;
  const { names } = fleet;
  const measure = (scenario: Scenario, into: ServerResults): void => {
    for (const { server, result, cpuNs } of loadInSlices(program, fleet.some(names), scenario)) {
      into.add(scenario.name, names[server]!, result, cpuNs);
    }
  };

  it("warm every server up", () => measure(scenarios[0]!, new ServerResults([])));

  for (const scenario of scenarios) {
    for (let part = 1; part <= rounds; part++) {
      it(`cost processor time: ${scenario.name}, part ${part} of ${rounds}`, () => measure(scenario, results));
    }
  }

  it("have figures for every server", () => {
    for (const name of names) assert(results.countOf(scenarios[0]!.name, name) > 0, name);
    console.log(`\n${results.table()}\n`);
  });
});
