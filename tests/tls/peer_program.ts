/** Programs that speak TLS, run beside a loop of ours. */
import { spawn } from "node:child_process";
import type { EventBase } from "../../src/core/mod.ts";

/** How a program ended. */
export interface PeerResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface PeerOptions {
  /** What it reads. Its input ends after that, unless `holdInput`. */
  readonly input?: string;
  /** Leave its input open until its output holds this text. */
  readonly holdInput?: string;
}

/** A broken test ends after so long; no verdict depends on it. */
const LIMIT_MS = 20_000;

/** A running program. */
export class Peer {
  stdout = "";
  stderr = "";
  readonly ended: Promise<PeerResult>;
  readonly #child: ReturnType<typeof spawn>;

  constructor(command: string, args: readonly string[], options: PeerOptions = {}) {
    const child = spawn(command, [...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    const endInput = (): void => void child.stdin!.end();
    child.stdin!.on("error", () => {});
    if (options.input !== undefined) child.stdin!.write(options.input);
    if (options.holdInput === undefined) endInput();
    child.stdout!.on("data", (data: Uint8Array) => {
      this.stdout += new TextDecoder().decode(data);
      if (options.holdInput !== undefined && this.stdout.includes(options.holdInput)) endInput();
    });
    child.stderr!.on("data", (data: Uint8Array) => this.stderr += new TextDecoder().decode(data));
    this.ended = new Promise((resolve) => {
      child.on("close", (code) => {
        clearTimeout(limit);
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Waits until what it has printed matches. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (const end = Date.now() + LIMIT_MS; Date.now() < end;) {
      const found = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`Waited too long for ${pattern} in ${this.stdout}\n${this.stderr}`);
  }

  stop(): Promise<PeerResult> {
    this.#child.kill("SIGTERM");
    return this.ended;
  }
}

/** Runs a program to its end while the loop runs. */
export async function runPeer(
  base: EventBase,
  command: string,
  args: readonly string[],
  options: PeerOptions = {},
): Promise<PeerResult> {
  const peer = new Peer(command, args, options);
  const result = peer.ended.finally(() => base.loopExit());
  await base.run();
  return await result;
}
