/** Programs that measure when asked: a line in, a line of figures out. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** A round of a million host timers on the slower runtime takes a tenth of this. */
const ANSWER_LIMIT_MS = 120_000;

const running = new Set<ChildProcess>();
// Nothing may be left behind, also when a bench ends in the middle.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * A program that waits for a line of numbers, measures, and answers with another. It lives through all rounds, so that what counts
 * is compiled code, and sleeps while others are measured.
 */
export class AskedProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #printed = "";
  #complaints = "";
  #waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;

  /** Starts `command`. */
  constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    this.#child = child;
    running.add(child);
    child.stdout.on("data", (chunk: Uint8Array) => {
      this.#printed += String(chunk);
      this.#deliver();
    });
    child.stderr.on("data", (chunk: Uint8Array) => this.#complaints += String(chunk));
    // Writing to a program that has ended; how it ended is told below.
    child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      const end = (how: unknown): void => {
        running.delete(child);
        this.#waiting?.reject(new Error(`${command.join(" ")} ended (${how}): ${this.#complaints}`));
        resolve();
      };
      child.once("close", (code, signal) => end(signal ?? code));
      child.once("error", end);
    });
  }

  /**
   * Asks for one round and waits for its figures.
   *
   * @throws {Error} when the program ends instead, or takes longer than two minutes.
   */
  async ask(...request: readonly number[]): Promise<number[]> {
    const answer = new Promise<string>((resolve, reject) => this.#waiting = { resolve, reject });
    const late = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_LIMIT_MS);
    try {
      this.#child.stdin?.write(`${request.join(" ")}\n`);
      return (await answer).split(" ").map(Number);
    } finally {
      clearTimeout(late);
      this.#waiting = undefined;
    }
  }

  /** Ends its input, which ends it, and waits until it has. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  #deliver(): void {
    const end = this.#printed.indexOf("\n");
    if (end < 0) return;
    this.#waiting?.resolve(this.#printed.slice(0, end));
    this.#printed = this.#printed.slice(end + 1);
  }
}

/** Starts those of `commands` that can be had. */
export function startAll(commands: ReadonlyMap<string, readonly string[] | undefined>): Map<string, AskedProcess> {
  const processes = new Map<string, AskedProcess>();
  for (const [name, command] of commands) if (command !== undefined) processes.set(name, new AskedProcess(command));
  return processes;
}

/** Ends them all, whether or not they have been asked. */
export async function stopAll(processes: ReadonlyMap<string, AskedProcess>): Promise<void> {
  await Promise.all([...processes.values()].map((each) => each.stop()));
}
