/** Collecting garbage now: waiting for that to happen by itself would leave a verdict to chance. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The runtime's way to collect all garbage at once. */
export function garbageCollector(): () => void {
  const { Bun } = globalThis as unknown as { Bun?: { gc(isSync: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
