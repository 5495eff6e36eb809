/** Where the runtimes are. Each bench covers both of them, whichever runs it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { runtime } from "../../src/ffi/mod.ts";
import { findCommand } from "../../tests/support/requires.ts";

/** The path of a file of the project. */
export function projectFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

/** The program of a runtime, and how it runs a script; undefined when it is not installed. */
export function runWith(
  name: "deno" | "bun",
  script: string,
  args: readonly string[] = [],
  denoOptions: readonly string[] = [],
): string[] | undefined {
  const local = projectFile(`node_modules/.bin/${name}`);
  // The running one goes by its own path, so that a bench compares the versions that run the tests.
  const program = runtime.name === name ? process.execPath : existsSync(local) ? local : findCommand(name);
  if (program === undefined) return undefined;
  const options = name === "deno"
    ? ["run", "--no-check", "--no-prompt", "--allow-ffi", "--allow-net", ...denoOptions]
    : [];
  return [program, ...options, projectFile(script), ...args];
}
