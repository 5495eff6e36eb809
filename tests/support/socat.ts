/** Datagrams by socat, an independent peer. */
import { type ChildProcess, spawn } from "node:child_process";

/** Only a failing test waits so long. */
const LIMIT_MS = 20_000;

/** A running socat, and what it has printed. */
export class Socat {
  readonly #child: ChildProcess;
  readonly #limit: ReturnType<typeof setTimeout>;
  readonly #ended: Promise<void>;
  #changed: () => void = () => {};
  #isOver = false;
  stdout = "";
  stderr = "";

  /** Starts it with these arguments. */
  constructor(...args: string[]) {
    this.#child = spawn("socat", args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#limit = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    this.#child.stdout!.on("data", (bytes: Uint8Array) => {
      this.stdout += String(bytes);
      this.#changed();
    });
    this.#child.stderr!.on("data", (bytes: Uint8Array) => {
      this.stderr += String(bytes);
      this.#changed();
    });
    this.#child.stdin!.on("error", () => {});
    this.#ended = new Promise((resolve) =>
      this.#child.once("close", () => {
        clearTimeout(this.#limit);
        this.#isOver = true;
        this.#changed();
        resolve();
      })
    );
  }

  /** Gives it something to send. Each write is one datagram. */
  write(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Waits until it has printed what is expected. */
  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      if (this.#isOver) throw new Error(`socat has ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#changed = resolve);
    }
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Sends one datagram to an address of socat's, again and again until an answer comes, and returns that. */
export async function exchangeBySocat(address: string, text: string): Promise<string> {
  const socat = new Socat("-", address);
  const again = setInterval(() => socat.write(text), 1000);
  try {
    socat.write(text);
    await socat.until(() => socat.stdout !== "");
    return socat.stdout.slice(0, text.length);
  } finally {
    clearInterval(again);
    await socat.stop();
  }
}
