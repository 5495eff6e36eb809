/** Compiles the runner and hands scenarios to it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { splitScenarios } from "./trace.ts";

/** What it is made of: a file for the loop and the frame around everything, and one or more for each further noun of the language. */
const SOURCES = ["runner.c", "buffers.c", "bufferevents.c", "sending.c", "transforms.c"];

/** A compiled runner; give it back with `close()`. */
export class Runner implements Disposable {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "evbase-differential-"));
  readonly #program: string = join(this.#folder, "runner");

  /** @throws {Error} when it does not compile, with what the compiler says. */
  constructor() {
    const sources = SOURCES.map((name) => fileURLToPath(new URL(name, import.meta.url)));
    const flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];
    const { status, stderr } = spawnSync("cc", [...flags, "-o", this.#program, ...sources, "-levent_core"], {
      encoding: "utf8",
    });
    if (status === 0) return;
    this.close();
    throw new Error(`Cannot compile the runner:\n${stderr}`);
  }

  /**
   * Plays scenarios, by name, in one process, and returns their traces.
   *
   * @throws {Error} when the process fails; the message names the scenario.
   */
  play(scenarios: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
    // In a file: with much to write and much to read, a pipe in each direction can block both sides.
    const file = join(this.#folder, "scenarios.txt");
    const text = [...scenarios].map(([name, lines]) => ["scenario " + name, ...lines, "end\n"].join("\n")).join("");
    writeFileSync(file, text);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("EVENT_")));
    const { status, signal, stdout, stderr, error } = spawnSync(this.#program, [file], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      env: env as Record<string, string>,
    });
    if (error !== undefined) throw error;
    const traces = splitScenarios(stdout);
    const missing = [...scenarios.keys()].find((name) => !stdout.includes(`scenario ${name}\n`)) ??
      [...traces.keys()].at(-1);
    if (status === 0) return traces;
    throw new Error(
      `The runner ended with ${signal ?? status} in or before "${missing}": ${stderr}\n${stdout.slice(-2000)}`,
    );
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Same as {@linkcode Runner.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
