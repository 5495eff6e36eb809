/** Servers in processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { cpuTimeNs } from "./cpu_time.ts";

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 2000;

const running = new Set<ChildProcess>();
// Nothing may be left behind, also when a bench ends in the middle.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A server that is running and has said where it listens. */
export class ServerProcess {
  /** Port on 127.0.0.1. */
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess, port: number, ended: Promise<void>) {
    this.#child = child;
    this.port = port;
    this.#ended = ended;
  }

  /**
   * Starts a server and waits until it prints `listening on 127.0.0.1:PORT`, or the same as a URL, or udp.
   *
   * @throws {Error} when it ends or says nothing for 15 seconds; the message holds what it printed.
   */
  static async start(command: readonly string[]): Promise<ServerProcess> {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    running.add(child);
    const ended = new Promise<void>((resolve) => {
      const end = (): void => {
        running.delete(child);
        resolve();
      };
      child.once("exit", end);
      child.once("error", end);
    });
    try {
      return new ServerProcess(child, await readyPort(child, command), ended);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Nanoseconds of processor time used so far, see {@linkcode cpuTimeNs}. */
  cpuTimeNs(): number | undefined {
    return this.#child.pid === undefined ? undefined : cpuTimeNs(this.#child.pid);
  }

  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Asks it to end, makes it end when it does not, and waits until it has. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

function readyPort(child: ChildProcess, command: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const refuse = (what: string): void => {
      clearTimeout(timer);
      reject(new Error(`Cannot start ${command.join(" ")}: ${what}\n${printed}`));
    };
    const timer = setTimeout(() => refuse("it does not say where it listens"), START_LIMIT_MS);
    const read = (chunk: Uint8Array): void => {
      if (printed.length > 65_536) return;
      printed += String(chunk);
      const match = /listening on (?:(?:http|udp):\/\/)?127\.0\.0\.1:(\d+)\s/.exec(printed);
      if (match === null) return;
      clearTimeout(timer);
      resolve(Number(match[1]));
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", (error) => refuse(error.message));
    child.once("exit", (code, signal) => refuse(`it ended with ${signal ?? code}`));
  });
}
