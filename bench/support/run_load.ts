/** Runs load against a server, by our generator or by wrk. */
import { spawn } from "node:child_process";
import process from "node:process";
import { runtime } from "../../src/ffi/mod.ts";
import type { LoadResult } from "./load_generator.ts";
import { runWith } from "./runtimes.ts";
import { onLoadCore } from "./settings.ts";

/** How much load. */
export interface LoadOptions {
  /** Keep-alive connections. */
  readonly connections: number;
  /** Requests sent at once on each. */
  readonly depth: number;
  /** End after so many requests. */
  readonly requests?: number;
  /** End after so many seconds. */
  readonly seconds?: number;
}

/**
 * Runs our generator in a process of its own.
 *
 * @throws {Error} when any response was not as it must be.
 */
export async function runLoad(port: number, options: LoadOptions): Promise<LoadResult> {
  const args = Object.entries({ port, ...options }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const command = runWith(runtime.name, "bench/support/load_generator.ts", args)!;
  return JSON.parse(await output([...onLoadCore, ...command])) as LoadResult;
}

/**
 * Runs wrk, which tells errors but does not look at bodies.
 *
 * @throws {Error} when it saw errors, or responses other than 200.
 */
export async function runWrk(port: number, connections: number, seconds: number): Promise<LoadResult> {
  const whole = String(Math.max(1, Math.round(seconds)));
  const args = ["-t1", `-c${connections}`, `-d${whole}s`, "--latency", `http://127.0.0.1:${port}/`];
  const text = await output([...onLoadCore, "wrk", ...args]);
  const total = /(\d+) requests in ([\d.]+)(m?s)/.exec(text);
  if (total === null || /Socket errors|Non-2xx/.test(text)) throw new Error(`wrk saw errors:\n${text}`);
  const [requests, took] = [Number(total[1]), Number(total[2]) / (total[3] === "ms" ? 1000 : 1)];
  return {
    requests,
    seconds: took,
    perSecond: requests / took,
    p50Ms: percentile(text, 50),
    p99Ms: percentile(text, 99),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

function percentile(text: string, percent: number): number {
  const match = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
  return match === null ? NaN : Number(match[1]) * UNIT_MS[match[2]!]!;
}

function output([program = "", ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    let [out, complaints] = ["", ""];
    child.stdout.on("data", (chunk) => out += String(chunk));
    child.stderr.on("data", (chunk) => complaints += String(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      process.removeListener("exit", kill);
      if (code === 0) resolve(out);
      else reject(new Error(`${[program, ...args].join(" ")} ended with ${code}: ${complaints}`));
    });
  });
}
