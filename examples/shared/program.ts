/** What the examples' command lines have in common. */
import process from "node:process";
import { backendNames, EventBase, type EventConfig, type LoopEvent } from "../../mod.ts";

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/** A number from an option's text. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${option} must be a whole number from ${min} to ${max}, not "${text}"`);
  }
  return value;
}

/** Calls `parse`, and shortens what `parseArgs` says about the command line to its first sentence. */
export function orRefuse<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    // Further sentences explain how to write things nobody means here.
    throw new UsageError(String((error as Error).message).split(/\.?\s*\n|\. /)[0]);
  }
}

/** Opens a loop that waits by `backend`, or by the best there is. */
export function openBase(backend: string | undefined, config: EventConfig = {}): EventBase {
  if (backend !== undefined && !backendNames().some((name) => name === backend)) {
    throw new UsageError(`unknown backend "${backend}" (there are: ${backendNames().join(", ")})`);
  }
  return new EventBase({
    ...config,
    avoid: backendNames().filter((name) => backend !== undefined && name !== backend),
  });
}

/** Ends the loop on SIGINT and SIGTERM, after `callback` has heard which it was. */
export function endOnSignals(base: EventBase, callback: (name: string) => void = () => {}): LoopEvent[] {
  return ["SIGINT", "SIGTERM"].map((name) =>
    base.signal(name, () => {
      callback(name);
      base.loopBreak();
    }).add()
  );
}

/** Says that it is ready, by `line`, and serves until SIGINT or SIGTERM, by `run()` or by `dispatch()`; returns the exit code. */
export async function serveUntilSignal(base: EventBase, line: string, byRun: boolean): Promise<number> {
  endOnSignals(base);
  console.log(line);
  if (byRun) await base.run();
  else base.dispatch();
  return 0;
}

/** Runs `main`, which returns the exit code, and turns what it throws into a line on stderr and an exit code. */
export async function runMain(program: string, main: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(`${program}: ${error instanceof Error ? error.message : error}`);
    // What is no address or no number is a mistake of the command line as well.
    const isUsage = error instanceof UsageError || error instanceof TypeError || error instanceof RangeError;
    process.exitCode = isUsage ? 2 : 1;
  }
}
