/**
 * How much can `becat` and `le-proxy` carry, and at what price, beside bufferevents in C and node:net in one run?
 *
 * Tiny by default: it then only says that all of them carry bytes. `EVBASE_BENCH=full` measures and prints tables.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import { BulkResults } from "./support/bulk_results.ts";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerProcess } from "./support/server_process.ts";
import { isFull, onLoadCore, onServerCore, rounds, secondsPerLoad } from "./support/settings.ts";

/** One way of loading, and what carries it. */
interface Scenario {
  readonly name: string;
  readonly role: "sink" | "source" | "proxy";
  readonly readBytes: number;
}

const scenarios: readonly Scenario[] = ["sink", "source", "proxy"].flatMap((role) =>
  [4096, 65_536].map((readBytes) => ({ name: `${role}, read size ${readBytes}`, role, readBytes }) as Scenario)
);

const PASSES = 10;
const LIMIT_MS = 110_000;
const TINY_BYTES = 1_000_000;
const libevent: CProgram = compile("bench/peers/bulk.c", ["event_core"]);
const load: CProgram = compile("bench/peers/bulk_load.c", ["pthread"]);

/** Standard streams that are always ready and cost next to nothing; le-proxy says on its own where it listens. */
function withStreams(role: Scenario["role"], command: readonly string[] | undefined): readonly string[] | undefined {
  if (command === undefined || role === "proxy") return command;
  return ["sh", "-c", `exec "$@" < /dev/${role === "source" ? "zero" : "null"} > /dev/null`, "sh", ...command];
}

/** The servers of a scenario; those that cannot be had here are undefined. */
function commandsOf({ role, readBytes }: Scenario, upstream: number): Map<string, readonly string[] | undefined> {
  const ours = role === "proxy"
    ? ["examples/le-proxy.ts", "-R", String(readBytes), "127.0.0.1:0", `127.0.0.1:${upstream}`]
    : ["examples/becat.ts", "-k", "-l", "-R", String(readBytes), "127.0.0.1", "0"];
  const [script = "", ...options] = ours;
  const runtimes = [["Bun", "bun"], ["Deno", "deno"]] as const;
  const c = libevent.path === undefined ? undefined : [libevent.path, role, String(readBytes), String(upstream)];
  return new Map([
    ...runtimes.map(([name, runtime]) =>
      [`evbase, ${name}`, withStreams(role, runWith(runtime, script, options))] as const
    ),
    ["C libevent", withStreams(role, c)] as const,
    ...runtimes.map(([name, runtime]) =>
      [
        `node:net, ${name}`,
        withStreams(role, runWith(runtime, "bench/peers/node_bulk.ts", [role, String(upstream)])),
      ] as const
    ),
  ]);
}

/** Moves a few bytes, and waits until they have arrived. */
function tinyLoad(port: number, sends: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let count = 0;
    socket.on("error", reject);
    socket.on("close", () => resolve(count));
    if (sends) {
      socket.on("connect", () =>
        socket.write(new Uint8Array(TINY_BYTES), () => {
          count = TINY_BYTES;
          socket.destroy();
        }));
      return;
    }
    socket.on("data", (piece: Uint8Array) => {
      count += piece.length;
      if (piece.some((byte) => byte !== 0)) reject(new Error("the source sends what it was not given"));
      if (count >= TINY_BYTES) socket.destroy();
    });
  });
}

describe("bulk throughput", () => {
  let drain: ServerProcess | undefined;
  const tables: string[] = [];

  beforeAll(async () => {
    if (load.path !== undefined) drain = await ServerProcess.start([...onLoadCore, load.path, "drain"]);
  });
  afterAll(async () => {
    await drain?.stop();
    libevent[Symbol.dispose]();
    load[Symbol.dispose]();
    if (tables.length > 0) console.log(`\n${tables.join("\n\n")}\n`);
  });

  for (const program of [libevent, load]) {
    if (program.path === undefined) it.skip(`leaves out what is written in C: ${program.problem}`, () => {});
  }

  for (const scenario of load.path === undefined ? [] : scenarios) {
    const { name, role } = scenario;
    describe(name, () => {
      const running = new Map<string, ServerProcess>();
      const results = new BulkResults(name);

      beforeAll(async () => {
        for (const [server, command] of commandsOf(scenario, drain!.port)) {
          if (command !== undefined) running.set(server, await ServerProcess.start([...onServerCore, ...command]));
        }
      });
      afterAll(async () => {
        await Promise.all([...running.values()].map((server) => server.stop()));
      });

      it("is carried by every server", async () => {
        for (const [server, { port }] of running) {
          assert(await tinyLoad(port, role !== "source") >= TINY_BYTES, server);
        }
      });

      if (!isFull) return;
      for (let part = 1; part <= rounds; part++) {
        it(`costs processor time, part ${part} of ${rounds}`, () => {
          const names = [...running.keys()];
          const places = [...running.values()].map(({ pid, port }) => `${pid}:${port}`);
          const sizes = [String(Math.round(secondsPerLoad * 1000 / PASSES)), String(PASSES)];
          const direction = role === "source" ? "receive" : "send";
          const [command = "", ...args] = [...onLoadCore, load.path!, direction, ...sizes, ...places];
          const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: LIMIT_MS });
          assertEquals([status, stderr], [0, ""]);
          for (const line of stdout.trim().split("\n")) {
            const [server = NaN, bytes = NaN, wallNs = NaN, cpuNs = NaN] = line.split(" ").map(Number);
            results.add(names[server]!, { bytes, wallNs, cpuNs });
          }
          if (part === rounds) tables.push(results.table(["C libevent", "node:net, Bun", "node:net, Deno"]));
        });
      }
    });
  }
});
