/** Runs a few lines of TypeScript in a process of their own, on the runtime that runs the tests. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { runtime } from "../../src/ffi/mod.ts";

/** How a script ended. */
export interface ScriptResult {
  /** Its exit code; null when a signal ended it, the time limit's included. */
  readonly code: number | null;
  /** What it printed, without the newline at the end. */
  readonly stdout: string;
  /** What it complained about, without colours. */
  readonly stderr: string;
}

/** How to run a script. */
export interface ScriptOptions {
  /** Variables to add; of our own environment only what the runtimes need to start is handed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Permissions on Deno; by default the only one that evbase asks for. */
  readonly permissions?: readonly string[];
  /** A command that is given the one to run as its last arguments, such as a shell that sets something up and then executes it. */
  readonly launcher?: readonly string[];
  /** Programs to be found beside it, by the names of their files. */
  readonly beside?: Readonly<Record<string, string>>;
}

const source = new URL("../../src/", import.meta.url).href;
const handedOn = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "BUN_INSTALL"];
const TIME_LIMIT_MS = 20_000;

/** The part of `Deno.Command` that we use. */
interface DenoCommand {
  spawn(): {
    kill(signal: string): void;
    output(): Promise<{ code: number; signal: string | null; stdout: Uint8Array; stderr: Uint8Array }>;
  };
}

/**
 * Runs `program`, in which `"../../src/` (or `"src:`) at the start of an import stands for our source folder: imports are
 * written as in the tests themselves, in double quotes. Deno is told not to ask for permissions, so that a missing one is
 * an error even in a terminal.
 */
export async function runScript(program: string, options: ScriptOptions = {}): Promise<ScriptResult> {
  const { env = {}, permissions = ["--allow-ffi"], launcher = [], beside = {} } = options;
  const folder = mkdtempSync(join(tmpdir(), "evbase-script-"));
  try {
    const file = join(folder, "script.ts");
    for (const [name, text] of Object.entries({ ...beside, "script.ts": program })) {
      writeFileSync(join(folder, name), text.replaceAll('"../../src/', `"${source}`).replaceAll('"src:', `"${source}`));
    }
    const variables: Record<string, string> = { NO_COLOR: "1" };
    for (const name of handedOn) if (process.env[name] !== undefined) variables[name] = process.env[name];
    Object.assign(variables, env);
    const args = runtime.name === "deno"
      ? ["run", "--no-prompt", "--no-config", "--no-check", ...permissions, file]
      : ["run", file];
    const command = [...launcher, process.execPath, ...args];
    return runtime.name === "deno" ? await runDeno(command, variables) : runBun(command, variables);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Not by `node:child_process`: Deno's version of it adds `-A` to the arguments of every Deno it starts, even behind a
 * shell, and a test of permissions would then hold without testing anything.
 */
async function runDeno([program = "", ...args]: readonly string[], env: object): Promise<ScriptResult> {
  const { Deno } = globalThis as unknown as {
    Deno: { Command: new (program: string, options: object) => DenoCommand };
  };
  const options = { args, env, clearEnv: true, stdin: "null", stdout: "piped", stderr: "piped" };
  const child = new Deno.Command(program, options).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT_MS);
  try {
    const { code, signal, stdout, stderr } = await child.output();
    const [out, complaints] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
    return { code: signal === null ? code : null, stdout: out.trimEnd(), stderr: complaints };
  } finally {
    clearTimeout(timer);
  }
}

function runBun([program = "", ...args]: readonly string[], env: Record<string, string>): ScriptResult {
  const { status, stdout, stderr } = spawnSync(program, args, {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  return { code: status, stdout: stdout.trimEnd(), stderr };
}
