/** A server that programs of others are pointed at, and how such programs are run beside it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BEV_EVENT_EOF, EV_READ, type SocketAddress } from "../../src/core/mod.ts";
import { type FetchHandler, type HttpHandler, type HttpRequest, serve } from "../../src/http/mod.ts";
import { type RunningServer, withServer } from "./server_support.ts";

/** Only a failing test waits so long. */
const LIMIT_MS = 60_000;
const PIECE_BYTES = 16 * 1024;
const OPTIONS = { limits: { maxBodyBytes: 64 << 20 } };

/** `length` bytes that differ at every period a buffer is likely to have. */
export function pattern(length: number): string {
  const line = Array.from({ length: 251 }, (_, index) => String.fromCharCode(97 + index * 7 % 26)).join("");
  return line.repeat(Math.ceil(length / line.length)).slice(0, length);
}

/** The SHA-256 of text or bytes, in hexadecimal. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A service, and what it has seen. */
export class PeerService {
  /** Ports of the clients that have asked for something. */
  readonly clients = new Set<string>();
  /** How many requests came. */
  requests = 0;
  readonly #body = pattern(1 << 20);

  /** For whole requests. */
  readonly handle: HttpHandler = (request) => {
    this.#note(request);
    const [, what = "", argument = ""] = request.path.split("/");
    const size = Number(argument);
    switch (what) {
      case "hello":
        return request.reply(200, "hello");
      case "echo":
        return request.reply(200, request.body, { "Content-Type": "application/octet-stream" });
      case "bytes":
        return request.reply(200, this.#part(0, size));
      case "chunked":
        return request.replyFrom(200, this.#pieces(size));
      case "declared":
        return request.replyFrom(200, this.#pieces(size), { "Content-Length": argument });
      case "late":
        return void setTimeout(() => request.reply(200, "late"), 10);
      case "status":
        return request.reply(size, size === 204 || size === 304 ? "" : "a body");
      case "cut":
        // Says how much is to come, and breaks off.
        request.replyStart(200, { "Content-Length": "1000" });
        request.onDrain = () => request.replyEnd();
        return void request.replyChunk("half");
      case "seen":
        return request.reply(200, JSON.stringify([...request.headers]), { "Content-Type": "application/json" });
      case "tunnel":
        return this.#echoStream(request);
    }
    request.replyError(404);
  };

  /** For requests whose body is taken while it comes: answers with its length and hash. */
  readonly digest: HttpHandler = async (request) => {
    this.#note(request);
    request.reply(200, await digestOf(request));
  };

  /** The same by standard requests and responses, streamed both ways; all but upgrades. */
  readonly fetch: FetchHandler = async (request, info) => {
    this.#note(info);
    const [, what = "", argument = ""] = new URL(request.url).pathname.split("/");
    const size = Number(argument);
    switch (what) {
      case "hello":
        return new Response("hello");
      case "echo":
        return new Response(await request.arrayBuffer());
      case "relay":
        return new Response(request.body);
      case "bytes":
        // Said for HEAD, whose body nobody makes.
        return new Response(this.#part(0, size), { headers: { "Content-Length": argument } });
      case "chunked":
        return new Response(streamOf(this.#pieces(size)));
      case "declared":
        return new Response(streamOf(this.#pieces(size)), { headers: { "Content-Length": argument } });
      case "digest":
        return new Response(await digestOf(request.body ?? streamOf([])));
      case "late":
        await sleep(10);
        return new Response("late");
      case "status":
        return new Response(size === 204 || size === 304 ? null : "a body", { status: size });
      case "cut":
        return new Response(streamOf(breakingOff()), { headers: { "Content-Length": "1000" } });
      case "seen":
        return Response.json([...request.headers]);
    }
    return new Response("There is nothing", { status: 404 });
  };

  #note(request: { readonly remoteAddress: SocketAddress | undefined }): void {
    this.requests++;
    const address = request.remoteAddress;
    if (address !== undefined && "port" in address) this.clients.add(String(address.port));
  }

  #part(start: number, end: number): string {
    if (end <= this.#body.length) return this.#body.slice(start, end);
    return pattern(end).slice(start);
  }

  *#pieces(size: number): Generator<string> {
    const body = this.#part(0, size);
    for (let at = 0; at < size; at += PIECE_BYTES) yield body.slice(at, at + PIECE_BYTES);
  }

  #echoStream(request: HttpRequest): void {
    const stream = request.takeOver(101);
    stream.setCallbacks({
      read: () => stream.writeBuffer(stream.input),
      event: (what) => (what & BEV_EVENT_EOF) === 0 ? stream.close() : stream.closeAfterFlush(),
    });
    stream.enable(EV_READ);
    stream.writeBuffer(stream.input);
  }
}

/** The length and hash of a body. */
async function digestOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    hash.update(piece);
  }
  return `${length} ${hash.digest("hex")}`;
}

function* breakingOff(): Generator<string> {
  yield "half";
  throw new Error("the source breaks off");
}

/** A stream that is made as it is read. */
function streamOf(pieces: Iterable<string>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      // What came before has left by then, as it does where a source takes its time.
      await sleep(0);
      const { done, value } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

/** A service that runs. */
export interface RunningService extends RunningServer {
  readonly service: PeerService;
}

/** Runs a {@linkcode PeerService} for as long as `body` does. Bodies of more than 64 MiB are refused. */
export function withPeerService(body: (running: RunningService) => Promise<void>): Promise<void> {
  const service = new PeerService();
  return withServer(OPTIONS, service.handle, (running) => {
    running.server.route("/digest", service.digest, { streamBody: true });
    return body({ ...running, service });
  });
}

/** The same through `serve`; `errors` are what its streams and handlers have failed with. */
export function withStandardService(body: (running: RunningService) => Promise<void>): Promise<void> {
  const service = new PeerService();
  return withServer({}, undefined, async (running) => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    using server = serve(running.base, { ...OPTIONS, port: 0, onError }, service.fetch);
    await body({ ...running, server, port: server.listeners[0]!.port!, errors, service });
  });
}

/** How a program ended, and what it printed, one character per byte. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, beside the loop; `input` is what it reads. */
export function runPeer(command: readonly string[], input: string = ""): Promise<Ended> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("latin1").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("latin1").on("data", (text: string) => stderr += text);
    // A program that ends without reading all of it is judged by how it ends.
    child.stdin.on("error", () => {});
    child.stdin.end(input, "latin1");
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

/** As {@linkcode runPeer}, for programs that must end well; what they printed. */
export async function output(command: readonly string[], input: string = ""): Promise<string> {
  const { code, stdout, stderr } = await runPeer(command, input);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr}${stdout.slice(0, 2000)}`);
  return stdout;
}

/** A folder for the files of a program, removed with it. */
export class PeerFolder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "evbase-peer-"));

  /** Writes a file; returns its path. */
  write(name: string, text: string): string {
    const file = join(this.path, name);
    writeFileSync(file, text, "latin1");
    return file;
  }

  /** Compiles a C program of this folder's; returns its path. */
  compile(source: URL, ...libraries: string[]): string {
    const program = join(this.path, "program");
    const flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];
    const names = libraries.map((name) => `-l${name}`);
    const { status, stderr } = spawnSync("cc", [...flags, "-o", program, source.pathname, ...names], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`Cannot compile ${source.pathname}:\n${stderr}`);
    return program;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const daemons = new Set<ChildProcess>();
// Nothing may be left behind, also when the tests end in the middle.
process.on("exit", () => {
  for (const child of daemons) child.kill("SIGKILL");
});

/** A program that serves at a Unix socket until it is stopped. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #complaints = "";

  private constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    daemons.add(this.#child);
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#complaints += text);
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", () => resolve());
      this.#child.once("error", () => resolve());
    });
  }

  /** Starts it and waits until somebody can connect to `socket`. */
  static async start(command: readonly string[], socket: string): Promise<Daemon> {
    const daemon = new Daemon(command);
    const limitMs = Date.now() + LIMIT_MS;
    while (!await canConnect(socket)) {
      const hasEnded = await Promise.race([daemon.#ended.then(() => true), sleep(20).then(() => false)]);
      if (!hasEnded && Date.now() < limitMs) continue;
      await daemon.stop();
      throw new Error(`Cannot start ${command.join(" ")}: ${daemon.#complaints}`);
    }
    return daemon;
  }

  /** What it has complained about. */
  get complaints(): string {
    return this.#complaints;
  }

  /** Ends it and waits until it has. */
  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    daemons.delete(this.#child);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
