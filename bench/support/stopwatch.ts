/** Timing of things that happen very often. */
import process from "node:process";
import { median } from "./table.ts";

/**
 * Runs each of `subjects` in turn, as often as there are rounds, and answers the median of what one operation took, in
 * nanoseconds. A subject does its work and returns how long that took, in milliseconds, so that it can leave its
 * preparations out.
 *
 * @param operations in one run of a subject.
 */
export function interleaved(
  subjects: ReadonlyMap<string, () => number>,
  operations: number,
  rounds: number,
): Map<string, number> {
  const samples = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of subjects) {
      const taken = samples.get(name) ?? [];
      taken.push(subject() * 1e6 / operations);
      samples.set(name, taken);
    }
  }
  return new Map([...samples].map(([name, taken]) => [name, median(taken)]));
}

/** Milliseconds that `work` takes. */
export function timeMs(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Microseconds of processor time that this process has used, in user space and in the kernel, by all its threads. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
