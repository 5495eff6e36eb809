/** Programs in a network namespace of their own. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { os, runtime } from "../../src/ffi/mod.ts";

/** What the title of a test that is left out says it needs. */
export const OWN_NETWORK_NEEDS =
  " [needs unshare (util-linux), ip (iproute2), and the right to make network namespaces]";

/** How a program has ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs shell commands there, in which only a loopback interface is, and that is down. */
export function inOwnNetwork(command: string): Ended {
  const options = { encoding: "utf8", timeout: 30_000 } as const;
  const { status, stdout, stderr } = spawnSync("unshare", ["-rn", "sh", "-c", command], options);
  return { status, stdout, stderr };
}

/** Whether that can be had, and `prepare` succeeds in it. */
export function canHaveOwnNetwork(prepare: string): boolean {
  try {
    return os.name === "linux" && inOwnNetwork(prepare).status === 0;
  } catch {
    return false;
  }
}

/** The command that runs a script by the runtime that is running. */
export function commandFor(script: string): string {
  const options = runtime.name === "deno" ? "run --no-prompt --no-check --allow-ffi" : "run";
  return `exec ${process.execPath} ${options} ${script}`;
}
