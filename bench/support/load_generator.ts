/**
 * The load generator, a program of its own: opens keep-alive connections to a server on 127.0.0.1, sends requests, checks every
 * response and prints one line of JSON, a {@linkcode LoadResult}.
 *
 * ```sh
 * bun bench/support/load_generator.ts --port 8080 --connections 64 --depth 16 (--requests 1000 | --seconds 2)
 * ```
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { EventBase } from "../../mod.ts";
import { LoadConnection, type LoadPlan } from "./load_connection.ts";

/** What a load found. */
export interface LoadResult {
  /** Requests that were answered, all of them rightly. */
  readonly requests: number;
  /** From the first request to the last response, once all connections were open. */
  readonly seconds: number;
  /** Requests per second. */
  readonly perSecond: number;
  /** Half of the responses came within this many milliseconds of their request. */
  readonly p50Ms: number;
  /** 99 of 100 did. */
  readonly p99Ms: number;
}

/** Latencies kept; of more responses the last ones count. */
const SAMPLES_MAX = 1 << 20;

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    connections: { type: "string", default: "1" },
    depth: { type: "string", default: "1" },
    requests: { type: "string" },
    seconds: { type: "string" },
    body: { type: "string", default: "Hello, World!" },
  },
});

const connections = Number(values.connections);
const depth = Number(values.depth);
const limit = Number(values.requests ?? Infinity);
const limitMs = Number(values.seconds ?? Infinity) * 1000;
if (limit === Infinity && limitMs === Infinity) {
  throw new TypeError("Cannot generate load without --requests or --seconds");
}

using base = new EventBase();
const latencies = new Float64Array(SAMPLES_MAX);
let [asked, answered, open] = [0, 0, connections];
let startedMs = 0;
let failure: string | undefined;

const plan: LoadPlan = {
  depth,
  body: new TextEncoder().encode(values.body),
  take() {
    if (performance.now() - startedMs >= limitMs) return 0;
    const count = Math.min(depth, limit - asked);
    asked += count;
    return count;
  },
  answered(latencyMs) {
    latencies[answered++ % SAMPLES_MAX] = latencyMs;
  },
  failed(why) {
    failure ??= why;
    base.loopBreak();
  },
  done() {
    if (--open === 0) base.loopBreak();
  },
};

let connected = 0;
const all: LoadConnection[] = [];
for (let i = 0; i < connections; i++) {
  const connection = new LoadConnection(base, Number(values.port), plan, () => {
    if (++connected < connections) return;
    startedMs = performance.now();
    for (const each of all) each.send();
  });
  all.push(connection);
}
base.dispatch();

const seconds = (performance.now() - startedMs) / 1000;
if (failure !== undefined || answered !== asked) {
  console.error(failure ?? `Asked for ${asked} responses and got ${answered}`);
  process.exit(1);
}
const sorted = latencies.subarray(0, Math.min(answered, SAMPLES_MAX)).sort();
const quantile = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const result: LoadResult = {
  requests: answered,
  seconds,
  perSecond: answered / seconds,
  p50Ms: quantile(0.5),
  p99Ms: quantile(0.99),
};
console.log(JSON.stringify(result));
