/** An example in a process of its own, on the runtime that runs the tests and with no permission but the one it needs. */
import { assert } from "@std/assert";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../../src/ffi/mod.ts";

/** What ends an example. */
export type EndSignal = "SIGTERM" | "SIGINT" | "SIGKILL";

interface Child {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Writes to its standard input, if that is a pipe. */
  write(text: string): void;
  endInput(): void;
  kill(signal: EndSignal): void;
  /** The exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Only a failing test waits so long. */
const PATIENCE_MS = 30_000;

/** How an example is started. */
export interface ExampleStart {
  /** Give it a pipe as standard input, see {@linkcode ExampleProcess.write}; nothing can be read there otherwise. */
  readonly hasInput?: boolean;
  /** A line for the shell in which `"$@"` stands for the example, such as `exec "$@" < file`. */
  readonly shellLine?: string;
}

/**
 * The runtimes' own ways to start a process: Deno's `node:child_process` adds `-A` to the arguments of every Deno it starts,
 * which would hide a permission that is missing, and says nothing of exit codes after a `kill`.
 */
function start(file: string, options: readonly string[], { hasInput = false, shellLine }: ExampleStart): Child {
  const example = runtime.name === "deno"
    ? [process.execPath, "run", "--no-prompt", "--no-check", "--quiet", "--allow-ffi", file, ...options]
    : [process.execPath, file, ...options];
  const command = shellLine === undefined ? example : ["sh", "-c", shellLine, "sh", ...example];
  return runtime.name === "deno" ? startDeno(command, hasInput) : startBun(command, hasInput);
}

interface DenoChild extends Pick<Child, "pid" | "stdout" | "stderr" | "kill"> {
  readonly stdin: WritableStream<Uint8Array>;
  readonly status: Promise<{ readonly code: number; readonly signal: string | null }>;
}

function startDeno([program = "", ...args]: readonly string[], hasInput: boolean): Child {
  const { Deno } = globalThis as unknown as {
    Deno: { Command: new (program: string, options: object) => { spawn(): DenoChild } };
  };
  const child = new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1" },
    stdin: hasInput ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = hasInput ? child.stdin.getWriter() : undefined;
  // Whether it still reads is what tests find out by other means.
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    write: (text) => void input?.write(new TextEncoder().encode(text)).catch(() => {}),
    endInput: () => void input?.close().catch(() => {}),
    kill: (signal) => child.kill(signal),
    ended: child.status.then(({ code, signal }) => signal === null ? code : null),
  };
}

interface BunChild extends Pick<Child, "pid" | "stdout" | "stderr" | "kill"> {
  readonly stdin: { write(text: string): void; flush(): void; end(): void };
  readonly exited: Promise<unknown>;
  readonly exitCode: number | null;
}

function startBun(command: readonly string[], hasInput: boolean): Child {
  const { Bun } = globalThis as unknown as { Bun: { spawn(command: readonly string[], options: object): BunChild } };
  const child = Bun.spawn(command, {
    env: { ...process.env, NO_COLOR: "1" },
    stdin: hasInput ? "pipe" : "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    write: (text) => {
      child.stdin.write(text);
      child.stdin.flush();
    },
    endInput: () => child.stdin.end(),
    kill: (signal) => child.kill(signal),
    ended: child.exited.then(() => child.exitCode),
  };
}

/** A running example and what it has printed so far. */
export class ExampleProcess {
  stdout = "";
  stderr = "";
  readonly #child: Child;
  readonly #ended: Promise<number | null>;
  #hasEnded = false;
  #waiters: (() => void)[] = [];
  #resume: (() => void) | undefined;
  #pause: Promise<void> | undefined;

  /** Starts `examples/<name>`. */
  constructor(name: string, ...options: string[]);
  constructor(how: ExampleStart, name: string, ...options: string[]);
  constructor(...what: (string | ExampleStart)[]) {
    const how = typeof what[0] === "object" ? what.shift() as ExampleStart : {};
    const [name, ...options] = what as string[];
    this.#child = start(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)), options, how);
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    const stdout = this.#read(this.#child.stdout, (text) => this.stdout += text);
    const stderr = this.#read(this.#child.stderr, (text) => this.stderr += text);
    this.#ended = Promise.all([this.#child.ended, stdout, stderr]).then(([code]) => {
      clearTimeout(killer);
      this.#hasEnded = true;
      this.#wake();
      return code;
    });
  }

  /** Waits until it has printed what is expected; fails when it ends before. */
  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      assert(!this.#hasEnded, `it has ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** What it listens on, as it says. */
  async address(): Promise<string> {
    await this.until(() => this.stdout.includes("\n"));
    return /^listening on (.*)$/m.exec(this.stdout)?.[1] ?? this.stdout;
  }

  /** What it listens on, where stdout is data and it says so on stderr. */
  async addressOnStderr(): Promise<string> {
    await this.until(() => /^listening on .*\n/m.test(this.stderr));
    return /^listening on (.*)$/m.exec(this.stderr)![1]!;
  }

  /** Its process id, or that of the shell. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Writes to its standard input, if it has one. */
  write(text: string): void {
    this.#child.write(text);
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child.endInput();
  }

  /** Stops reading what it prints on stdout, until {@linkcode ExampleProcess.resumeReading}. */
  pauseReading(): void {
    this.#pause ??= new Promise((resolve) => this.#resume = resolve);
  }

  /** Reads on. */
  resumeReading(): void {
    this.#resume?.();
    this.#pause = undefined;
  }

  /** Waits for its end; returns its exit code, null when a signal ended it. */
  end(): Promise<number | null> {
    this.resumeReading();
    return this.#ended;
  }

  /** Ends it by a signal, if it still runs; returns as {@linkcode ExampleProcess.end}. */
  stop(signal: EndSignal = "SIGTERM"): Promise<number | null> {
    if (!this.#hasEnded) this.#child.kill(signal);
    return this.end();
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      add(decoder.decode(bytes, { stream: true }));
      this.#wake();
      if (stream === this.#child.stdout) await this.#pause;
    }
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
