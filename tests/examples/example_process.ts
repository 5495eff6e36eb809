/** An example in a process of its own, on the runtime that runs the tests and with no permission but the one it needs. */
import { assert } from "@std/assert";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../../src/ffi/mod.ts";

/** What ends an example. */
export type EndSignal = "SIGTERM" | "SIGINT" | "SIGKILL";

interface Child {
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  kill(signal: EndSignal): void;
  /** The exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Only a failing test waits so long. */
const PATIENCE_MS = 20_000;

/**
 * The runtimes' own ways to start a process: Deno's `node:child_process` adds `-A` to the arguments of every Deno it starts,
 * which would hide a permission that is missing, and says nothing of exit codes after a `kill`.
 */
function start(file: string, options: readonly string[]): Child {
  return runtime.name === "deno" ? startDeno(file, options) : startBun(file, options);
}

interface DenoChild extends Pick<Child, "stdout" | "stderr" | "kill"> {
  readonly status: Promise<{ readonly code: number; readonly signal: string | null }>;
}

function startDeno(file: string, options: readonly string[]): Child {
  const { Deno } = globalThis as unknown as {
    Deno: { Command: new (program: string, options: object) => { spawn(): DenoChild } };
  };
  const child = new Deno.Command(process.execPath, {
    args: ["run", "--no-prompt", "--no-check", "--quiet", "--allow-ffi", file, ...options],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return {
    stdout: child.stdout,
    stderr: child.stderr,
    kill: (signal) => child.kill(signal),
    ended: child.status.then(({ code, signal }) => signal === null ? code : null),
  };
}

interface BunChild extends Pick<Child, "stdout" | "stderr" | "kill"> {
  readonly exited: Promise<unknown>;
  readonly exitCode: number | null;
}

function startBun(file: string, options: readonly string[]): Child {
  const { Bun } = globalThis as unknown as { Bun: { spawn(command: readonly string[], options: object): BunChild } };
  const child = Bun.spawn([process.execPath, file, ...options], {
    env: { ...process.env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    stdout: child.stdout,
    stderr: child.stderr,
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
  constructor(name: string, ...options: string[]) {
    this.#child = start(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)), options);
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
