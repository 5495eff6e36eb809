/** The peer "dig -f" of the resolver bench: dig reads names from a pipe and asks one after the other. */
import { type ChildProcess, spawn } from "node:child_process";
import { cpuTimeNs } from "./cpu_time.ts";
import { addressOf } from "./lookup_round.ts";

/** Names written to it at once, so that it need not wait for us. */
const NAMES_PER_PIECE = 20;

/** A running dig that is asked as an `AskedProcess` is. */
export class DigBatch {
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<void> | undefined;
  #printed = "";
  #told: (() => void) | undefined;
  #next = 0;

  /** @param before words to put before the command. */
  constructor(before: readonly string[]) {
    this.#command = [...before, "dig"];
  }

  #start(port: number): ChildProcess {
    const [program = "", ...args] = this.#command;
    const where = ["-r", "@127.0.0.1", "-p", String(port), "+short", "-f", "-"];
    const child = spawn(program, [...args, ...where], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.on("data", (chunk: Uint8Array) => {
      this.#printed += String(chunk);
      this.#told?.();
    });
    child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
    void this.#ended.then(() => this.#told?.());
    return child;
  }

  /** Has it ask for so many milliseconds. Answers how many answers were right and wrong, and the microseconds that took, by the clock and of the processor. */
  async ask(port: number, _window: number, ms: number): Promise<number[]> {
    const child = this.#child ??= this.#start(port);
    // It has begun when it has answered something; that start does not count.
    if (this.#next === 0) await this.#piece(child, 1);
    const [startedMs, startedCpuNs = NaN] = [performance.now(), cpuTimeNs(child.pid!)];
    let [right, wrong] = [0, 0];
    do {
      const first = this.#next;
      const lines = await this.#piece(child, NAMES_PER_PIECE);
      for (const [index, line] of lines.entries()) line === addressOf(first + index) ? right++ : wrong++;
    } while (performance.now() - startedMs < ms);
    const cpuUs = ((cpuTimeNs(child.pid!) ?? NaN) - startedCpuNs) / 1000;
    return [right, wrong, (performance.now() - startedMs) * 1000, cpuUs];
  }

  /** The lines that it prints for that many names. */
  async #piece(child: ChildProcess, count: number): Promise<string[]> {
    const names = Array.from({ length: count }, () => `host-${this.#next++}.example.org\n`);
    this.#printed = "";
    child.stdin?.write(names.join(""));
    let lines: string[] = [];
    for (;;) {
      lines = this.#printed.split("\n");
      if (lines.length > count) return lines.slice(0, count);
      if (child.exitCode !== null) throw new Error(`dig ended: ${this.#printed}`);
      await new Promise<void>((resolve) => this.#told = resolve);
    }
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#child?.stdin?.end();
    await this.#ended;
  }
}
