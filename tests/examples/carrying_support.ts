/** What the tests of becat and le-proxy share: files, other programs, and peers made of node:net. */
import { spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder with a file of random bytes in it, removed with everything in it. */
export class Files implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "evbase-carrying-"));

  /** The path of a file. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes a file of random bytes; returns its path. */
  random(name: string, bytes: number): string {
    writeFileSync(this.path(name), randomFillSync(new Uint8Array(bytes)));
    return this.path(name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The digest of a file. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

/** How a command ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only a failing test waits so long. */
const PATIENCE_MS = 30_000;

/** Runs a line of shell to its end; no runtime may be started by it. */
export function runLine(line: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", line], { stdio: ["ignore", "pipe", "pipe"], timeout: PATIENCE_MS });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (piece) => stdout += String(piece));
    child.stderr.on("data", (piece) => stderr += String(piece));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Waits until a file is there. */
export async function untilThere(path: string): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !existsSync(path);) {
    if (Date.now() > end) throw new Error(`Waited too long for ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A server on 127.0.0.1 that hands its connections out; they may be half closed. */
export class Peer implements AsyncDisposable {
  readonly #server: Server;
  readonly #all: Socket[] = [];
  readonly #sockets: Socket[] = [];
  readonly #waiting: ((socket: Socket) => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      // A reset is an event for the test that wants to see it, and no reason to end all others.
      socket.on("error", () => {});
      this.#all.push(socket);
      const taker = this.#waiting.shift();
      if (taker === undefined) this.#sockets.push(socket);
      else taker(socket);
    });
  }

  static listen(): Promise<Peer> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve(new Peer(server)));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection. It is paused. */
  accept(): Promise<Socket> {
    const socket = this.#sockets.shift();
    return socket !== undefined ? Promise.resolve(socket) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#all) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Everything a socket brings up to its end, as text. */
export function textOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (piece) => text += String(piece));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
    // One that was paused when it was accepted does not start by itself.
    socket.resume();
  });
}

/** The digest of everything a socket brings up to its end. The socket may be written to afterwards. */
export function digestOfSocket(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  return new Promise((resolve, reject) => {
    socket.on("data", (piece) => hash.update(piece as Uint8Array));
    socket.on("end", () => resolve(hash.digest("hex")));
    socket.on("error", reject);
    socket.resume();
  });
}

/** Waits for the next event of a socket. */
export function once(socket: Socket, event: string): Promise<unknown> {
  return new Promise((resolve) => socket.once(event, resolve));
}
