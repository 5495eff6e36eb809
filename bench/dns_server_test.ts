/**
 * How much processor time does it cost to answer a DNS query, ours beside libevent's server in one run? dnsperf asks.
 *
 * Tiny by default: it then only says that every query is answered. `EVBASE_BENCH=full` measures.
 */
import { assert, assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { itNeeds } from "../tests/support/requires.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerFleet } from "./support/server_fleet.ts";
import type { ServerKind } from "./support/servers.ts";
import { isFull, onLoadCore, rounds, secondsPerLoad } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

interface Found {
  readonly cpuUs: number[];
  readonly perSecond: number[];
}

const c = compile("bench/peers/evdns.c", ["event"]);
const PROGRAM = "bench/support/dns_program.ts";
const ours = (name: string, runtime: "deno" | "bun", args: string[] = []): ServerKind => ({
  name,
  command: runWith(runtime, PROGRAM, args),
  problem: "the runtime is not installed",
});
/** Queries that do not count, so that what counts is compiled code. */
const WARM_UP = 100_000;
const PEER = "C libevent's evdns";
const servers: ServerKind[] = [
  ours("evbase, Bun", "bun"),
  ours("evbase, Deno", "deno"),
  ours("evbase, Bun, zone", "bun", ["zone"]),
  ours("evbase, Deno, zone", "deno", ["zone"]),
  { name: PEER, command: c.path === undefined ? undefined : [c.path], problem: c.problem },
];

describe("DNS queries answered", () => {
  const fleet = new ServerFleet(servers.map(({ name, command }) => [name, command]));
  const found = new Map<string, Found>();
  const folder = mkdtempSync(join(tmpdir(), "evbase-bench-dns-"));
  const queries = join(folder, "queries");

  beforeAll(async () => {
    writeFileSync(queries, Array.from({ length: 1000 }, (_, index) => `host-${index}.example.org A\n`).join(""));
    await fleet.start();
  });
  afterAll(async () => {
    await fleet.stop();
    c[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** What dnsperf reports: how many queries it has sent and got answers to, and how many a second. */
  async function load(port: number, ...size: string[]): Promise<[sent: number, completed: number, perSecond: number]> {
    const where = ["-s", "127.0.0.1", "-p", String(port), "-d", queries];
    const [program = "", ...args] = [...onLoadCore, "dnsperf", ...where, ...size, "-q", "100", "-c", "4", "-t", "5"];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Uint8Array) => output += String(chunk));
    await new Promise((resolve) => child.once("close", resolve));
    const number = (label: string): number => Number(new RegExp(`${label}: +([0-9.]+)`).exec(output)?.[1]);
    assert(output.includes("NOERROR"), output);
    return [number("Queries sent"), number("Queries completed"), number("Queries per second")];
  }

  async function measure(name: string): Promise<void> {
    const server = fleet.get(name)!;
    if (isFull) await load(server.port, "-l", "0.2");
    const before = server.cpuTimeNs();
    const [sent, completed, perSecond] = await load(
      server.port,
      ...isFull ? ["-l", String(secondsPerLoad)] : ["-n", "1"],
    );
    const after = server.cpuTimeNs();
    assert(sent > 0 && completed > sent * 0.99, `${name} has answered ${completed} of ${sent}`);
    const figures = found.get(name) ?? { cpuUs: [], perSecond: [] };
    found.set(name, figures);
    figures.cpuUs.push(before === undefined || after === undefined ? NaN : (after - before) / 1000 / completed);
    figures.perSecond.push(perSecond);
  }

  if (isFull) {
    for (const name of fleet.names) {
      itNeeds("dnsperf", "dnsperf", `by ${name}, before it counts`, async () => {
        const [sent] = await load(fleet.get(name)!.port, "-n", String(WARM_UP / 1000));
        assert(sent >= WARM_UP);
      });
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const name of fleet.names) {
      itNeeds("dnsperf", "dnsperf", `by ${name}, round ${round} of ${rounds}`, () => measure(name));
    }
  }

  it("have figures for every server that there is", () => {
    for (const { name, problem } of servers) {
      if (fleet.get(name) === undefined) console.log(`left out: ${name}, since ${problem}`);
    }
    if (found.size === 0) return;
    assertEquals(found.size, fleet.names.length);
    if (!isFull) return;
    const peer = found.get(PEER);
    const rows = [...found].map(([name, { cpuUs, perSecond }]) => {
      // Within each round, since the machine may be another one in the next.
      const ratios = cpuUs.map((cpu, round) => cpu / (peer?.cpuUs[round] ?? NaN));
      const speeds = perSecond.map((speed, round) => speed / (peer?.perSecond[round] ?? NaN));
      return [
        name,
        figure(median(ratios)),
        figure(median(cpuUs)),
        `${figure(Math.min(...cpuUs))} to ${figure(Math.max(...cpuUs))}`,
        figure(median(speeds)),
        thousands(median(perSecond)),
      ];
    });
    console.log(
      `\n${markdownTable(["", "CPU / evdns", "CPU us", "lowest to highest", "answers / evdns", "answers/s"], rows)}\n`,
    );
  });
});
