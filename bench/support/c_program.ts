/** C programs among the peers. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFile } from "./runtimes.ts";

/** A compiled program, or why there is none. */
export interface CProgram extends Disposable {
  /** Where it is; undefined when it could not be compiled. */
  readonly path: string | undefined;
  /** Why it could not be compiled. */
  readonly problem: string;
}

/** Compiles a C file of the project with the system's compiler, into a temporary folder that lasts until it is disposed of. */
export function compile(source: string, libraries: readonly string[]): CProgram {
  const folder = mkdtempSync(join(tmpdir(), "evbase-bench-"));
  const path = join(folder, "program");
  const args = ["-O2", "-o", path, projectFile(source), ...libraries.map((name) => `-l${name}`)];
  const { status, stderr, error } = spawnSync("cc", args, { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  const problem = error?.message ??
    (status === 0 ? "" : stderr.split("\n").find((line) => line.includes("error")) ?? stderr);
  return {
    path: status === 0 ? path : undefined,
    problem,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
