/**
 * How large the benches are. By default they are tiny and say only whether everything works; `EVBASE_BENCH=full` measures.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { findCommand } from "../../tests/support/requires.ts";

/** Whether to measure, instead of only seeing that everything works. */
export const isFull: boolean = process.env["EVBASE_BENCH"] === "full";

/** How often each measurement is repeated; the tables show medians. */
export const rounds: number = isFull ? positive("EVBASE_BENCH_ROUNDS", 5) : 1;

/** Seconds per measurement of a server. */
export const secondsPerLoad: number = positive("EVBASE_BENCH_SECONDS", 2);

/**
 * Words to put before a command so that servers have one processor and the load another, which takes the scheduler's choices
 * out of the comparison. Empty where that cannot be had.
 */
export const onServerCore: readonly string[] = pinning(0);
/** The same for the load generator. */
export const onLoadCore: readonly string[] = pinning(1);

function pinning(core: number): readonly string[] {
  if (!isFull || process.env["EVBASE_BENCH_PIN"] === "0" || availableParallelism() < 2) return [];
  const taskset = findCommand("taskset");
  return taskset === undefined ? [] : [taskset, "-c", String(core)];
}

function positive(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!(value > 0)) throw new RangeError(`Cannot use ${name}=${process.env[name]}: expected a number above zero`);
  return value;
}
