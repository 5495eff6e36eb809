/** A process on the runtime that runs the tests, which can be talked to while it runs. `run_script.ts` waits for the end instead. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { runtime } from "../../src/ffi/mod.ts";

const source = new URL("../../src/", import.meta.url).href;
const TIME_LIMIT_MS = 30_000;

/** How a program ended: its exit code, or the signal that ended it. */
export type Ending = number | string;

/** A running program. */
export class HostProgram {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #limit: ReturnType<typeof setTimeout>;
  readonly #ended: Promise<Ending>;
  #output = "";
  #errors = "";
  #look: () => void = () => {};
  #isOver = false;

  /** Starts `program`, in which `"../../src/` (or `"src:`) at the start of an import stands for our source folder. */
  constructor(program: string) {
    this.#folder = mkdtempSync(join(tmpdir(), "evbase-program-"));
    const file = join(this.#folder, "program.ts");
    writeFileSync(file, program.replaceAll('"../../src/', `"${source}`).replaceAll('"src:', `"${source}`));
    const args = runtime.name === "deno"
      ? ["run", "--no-prompt", "--no-config", "--no-check", "--allow-ffi", file]
      : ["run", file];
    this.#child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.#limit = setTimeout(() => this.#child.kill("SIGKILL"), TIME_LIMIT_MS);
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
      this.#look();
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#isOver = true;
        clearTimeout(this.#limit);
        rmSync(this.#folder, { recursive: true });
        this.#look();
        resolve(signal ?? code ?? -1);
      });
    });
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Waits until it has printed `text`. */
  async printed(text: string): Promise<void> {
    while (!this.#output.includes(text)) {
      if (this.#isOver) throw new Error(`The program ended before it printed ${text}: ${this.#output}${this.#errors}`);
      await new Promise<void>((resolve) => this.#look = resolve);
    }
  }

  /** Waits for its end. */
  ended(): Promise<Ending> {
    return this.#ended;
  }

  /** Waits for a good end and returns what it has printed. */
  async result(): Promise<string> {
    const ending = await this.#ended;
    if (ending !== 0) throw new Error(`The program ended with ${ending}: ${this.#output}${this.#errors}`);
    return this.#output.trimEnd();
  }
}
