/**
 * How much processor time does TLS cost, ours beside the runtimes' own in one run?
 *
 * Tiny by default: it then only says that every server answers every request rightly. `EVBASE_BENCH=full` measures and prints
 * a table; see docs/benchmarks.md.
 */
import { assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { testCertificates } from "../tests/tls/certificate_folder.ts";
import { findCommand } from "../tests/support/requires.ts";
import { runtime } from "../src/ffi/mod.ts";
import { compile } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerFleet } from "./support/server_fleet.ts";
import type { ServerProcess } from "./support/server_process.ts";
import { isFull, onLoadCore, rounds, secondsPerLoad } from "./support/settings.ts";
import { figure, markdownTable, median } from "./support/table.ts";

/** One way of loading a server. */
interface Scenario {
  readonly name: string;
  readonly connections: number;
  readonly upload: number;
  readonly download: number;
  readonly fresh?: boolean;
  /** Requests where they are counted and not the time. */
  readonly tiny: number;
}

const MIB = 1 << 20;
const scenarios: readonly Scenario[] = [
  { name: "hello, 16 connections", connections: 16, upload: 0, download: 128, tiny: 128 },
  { name: "4 MiB sent, 4 connections", connections: 4, upload: 0, download: 4 * MIB, tiny: 4 },
  { name: "4 MiB received, 4 connections", connections: 4, upload: 4 * MIB, download: 16, tiny: 4 },
  { name: "a handshake each, 16 at a time", connections: 16, upload: 0, download: 128, fresh: true, tiny: 32 },
];

const openssl = findCommand("openssl");
const { server } = openssl === undefined ? { server: undefined } : testCertificates();
const files = server === undefined ? [] : [server.certificateFile, server.keyFile];
const c = compile("bench/peers/tls_openssl.c", ["ssl", "crypto"]);
const peers: readonly [string, string[] | undefined][] = [
  ["evbase, Bun", runWith("bun", "bench/peers/tls_evbase.ts", files)],
  ["evbase, Deno", runWith("deno", "bench/peers/tls_evbase.ts", files)],
  ["Bun.listen", runWith("bun", "bench/peers/tls_bun_listen.ts", files)],
  ["Deno.listenTls", runWith("deno", "bench/peers/tls_deno_listen.ts", files, ["--allow-read"])],
  ["node:tls, Bun", runWith("bun", "bench/peers/tls_node.ts", files)],
  ["node:tls, Deno", runWith("deno", "bench/peers/tls_node.ts", files, ["--allow-read"])],
  ["C, OpenSSL", c.path === undefined ? undefined : [c.path, ...files]],
];

interface Sample {
  readonly scenario: string;
  readonly peer: string;
  readonly cpuUs: number;
  readonly perSecond: number;
}
const samples: Sample[] = [];

/** Requests after which the compilers of a runtime have seen enough of a server that is written in TypeScript. */
const WARM_UP: Scenario = { name: "warm-up", connections: 16, upload: 0, download: 128, tiny: 50_000 };

function runLoad(port: number, scenario: Scenario, seconds: number): Promise<{ requests: number; perSecond: number }> {
  const load = { ...scenario, port, seconds, requests: seconds > 0 && isFull ? 0 : scenario.tiny };
  const command = [...onLoadCore, ...runWith(runtime.name, "bench/support/tls_load.ts", [JSON.stringify(load)])!];
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let [out, complaints] = ["", ""];
    child.stdout.on("data", (chunk) => out += String(chunk));
    child.stderr.on("data", (chunk) => complaints += String(chunk));
    child.once("error", reject);
    child.once(
      "close",
      (code) => code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`the load failed: ${complaints}`)),
    );
  });
}

async function measure(scenario: Scenario, peer: string, server: ServerProcess): Promise<void> {
  if (isFull) await runLoad(server.port, scenario, secondsPerLoad / 2);
  const before = server.cpuTimeNs() ?? NaN;
  const { requests, perSecond } = await runLoad(server.port, scenario, secondsPerLoad);
  const cpuUs = ((server.cpuTimeNs() ?? NaN) - before) / 1000 / requests;
  if (!isFull) assertEquals(requests, scenario.tiny, peer);
  samples.push({ scenario: scenario.name, peer, cpuUs, perSecond });
}

function table(scenario: string): string {
  const of = (peer: string, value: (sample: Sample) => number): number =>
    median(samples.filter((sample) => sample.scenario === scenario && sample.peer === peer).map(value));
  const cpu = (peer: string): number => of(peer, ({ cpuUs }) => cpuUs);
  const rows = peers.filter(([, command]) => command !== undefined).map(([peer]) => [
    peer,
    figure(cpu(peer) / cpu("Bun.listen")),
    figure(cpu(peer) / cpu("Deno.listenTls")),
    figure(cpu(peer), 1),
    figure(of(peer, ({ perSecond }) => perSecond), 0),
  ]);
  return markdownTable([scenario, "CPU / Bun.listen", "CPU / Deno.listenTls", "CPU us/request", "requests/s"], rows);
}

for (let round = 1; round <= rounds; round++) {
  describe(`TLS, round ${round} of ${rounds}`, () => {
    const fleet = new ServerFleet(peers);

    beforeAll(async () => {
      if (openssl !== undefined) await fleet.start();
    });
    afterAll(() => fleet.stop());

    // Each by itself: all of them together take longer than a test may.
    for (const peer of isFull && openssl !== undefined ? fleet.names : []) {
      it(`warms up: ${peer}`, async () => void await runLoad(fleet.get(peer)!.port, WARM_UP, 0));
    }

    for (const scenario of scenarios) {
      const title = `gets every answer right from every server: ${scenario.name}`;
      if (openssl === undefined) it.skip(`${title} (needs openssl, Debian package openssl)`, () => {});
      else {
        it(title, async () => {
          for (const peer of fleet.names) await measure(scenario, peer, fleet.get(peer)!);
        });
      }
    }
  });
}

describe("the comparison of TLS", () => {
  afterAll(() => c[Symbol.dispose]());

  if (c.path === undefined) it.skip(`leaves out what is written in C: ${c.problem}`, () => {});

  it("has figures for every server and scenario", () => {
    const started = openssl === undefined ? 0 : peers.filter(([, command]) => command !== undefined).length;
    assertEquals(samples.length, started * scenarios.length * rounds);
    if (isFull) console.log(`\n${scenarios.map(({ name }) => table(name)).join("\n\n")}\n`);
  });
});
