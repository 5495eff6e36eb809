import type { Backend } from "../../src/backends/mod.ts";

/** Counts the waits of a backend from now on, which tell whether a loop sleeps or spins. */
export function countWaits(backend: Backend): { count: number } {
  const waits = { count: 0 };
  const wait = backend.wait.bind(backend);
  backend.wait = (timeoutMs) => {
    waits.count++;
    return wait(timeoutMs);
  };
  return waits;
}
