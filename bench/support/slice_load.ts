/** Load in slices: every server gets a moment of it, over and over, so that the machine's moods meet all of them alike. */
import { spawnSync } from "node:child_process";
import type { LoadResult } from "./load_generator.ts";
import type { ServerProcess } from "./server_process.ts";
import { isFull, onLoadCore, secondsPerLoad } from "./settings.ts";

/** Slices of each server; together they last as long as one load by another generator. */
const PASSES = 10;
/** Where nothing is measured every server has to answer rightly, and that is all. */
const SLICE_MS = isFull ? Math.round(secondsPerLoad * 1000 / PASSES) : 5;
const LIMIT_MS = 55_000;

/** What is sent. */
export interface SlicedLoad {
  /**
   * GET requests, also with so many bytes in their responses; POST requests whose bodies of so many bytes are to come back; or such messages,
   * bare or as text by WebSocket.
   */
  readonly what: "http" | `get:${number}` | `post:${number}` | number | `ws:${number}`;
  /** Connections to each server. */
  readonly connections: number;
  /** Requests on the way on each. */
  readonly depth: number;
}

/** One slice of one server. */
export interface Slice {
  /** Index of the server. */
  readonly server: number;
  /** What the load saw. */
  readonly result: LoadResult;
  /** Nanoseconds of processor time that the server's process took. */
  readonly cpuNs: number;
}

/**
 * Loads all of `servers` in turn by `bench/peers/load.c`, compiled at `program`. The slices of one pass follow each other.
 *
 * @throws {Error} when any response was not as it must be.
 */
export function loadInSlices(
  program: string,
  servers: readonly ServerProcess[],
  load: SlicedLoad,
): Slice[] {
  const sizes = [load.connections, load.depth, SLICE_MS, PASSES];
  const places = servers.map(({ pid, port }) => `${pid}:${port}`);
  const [command = "", ...args] = [...onLoadCore, program, String(load.what), ...sizes.map(String), ...places];
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: LIMIT_MS });
  if (status !== 0) throw new Error(`The load ended with ${status}: ${stderr}`);
  return stdout.trim().split("\n").map((line) => {
    const [server = NaN, requests = NaN, wallNs = NaN, cpuNs = NaN, p50Ns = NaN, p99Ns = NaN] = line.split(" ").map(
      Number,
    );
    const seconds = wallNs / 1e9;
    const result = { requests, seconds, perSecond: requests / seconds, p50Ms: p50Ns / 1e6, p99Ms: p99Ns / 1e6 };
    return { server, result, cpuNs };
  });
}
