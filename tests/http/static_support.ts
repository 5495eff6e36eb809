/** A folder to serve, a server beside the host's loop, and a client that shows replies as they come over the wire. */
import { assertEquals } from "@std/assert";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EventBase, type HttpHandler, HttpServer } from "../../mod.ts";

/** When every file of a {@linkcode Folder} was changed, in seconds: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export const CHANGED_S = 784_111_777;

/** A temporary folder. */
export class Folder implements Disposable {
  readonly path: string = realpathSync(mkdtempSync(join(tmpdir(), "evbase-static-")));

  /** Writes a file, and the folders it is in. */
  file(name: string, content: string | Uint8Array, changedS: number = CHANGED_S): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    utimesSync(path, changedS, changedS);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** A server on a free port of the loopback. */
export class RunningServer implements AsyncDisposable {
  readonly port: number;
  readonly errors: unknown[] = [];
  readonly #base = new EventBase();
  readonly #server: HttpServer;
  readonly #stop = new AbortController();
  readonly #running: Promise<boolean>;

  constructor(handler: HttpHandler) {
    this.#server = new HttpServer(this.#base, { onError: (error) => this.errors.push(error) }, handler);
    this.port = this.#server.listen({ port: 0 }).port;
    this.#running = this.#base.run({ signal: this.#stop.signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#server.close();
    this.#base.close();
  }
}

/** A reply, taken apart. */
export interface Reply {
  readonly status: number;
  /** Fields by their names in lower case; Date is left out. */
  readonly fields: Readonly<Record<string, string>>;
  /** One character per byte. */
  readonly body: string;
}

/** How long a test waits for something that should have come; only a failing test waits so long. */
const PATIENCE_MS = 10_000;

/** One connection, used for one request after the other. */
export class Client implements Disposable {
  readonly socket: Socket;
  #received = "";
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => {
      this.#received += text;
      this.#wake?.();
    });
    for (const event of ["close", "error"]) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  /** Sends one request and waits for its whole reply. */
  async request(line: string, fields: Readonly<Record<string, string>> = {}, body: string = ""): Promise<Reply> {
    this.send(line, fields, body);
    const head = await this.#upTo(() => this.#received.indexOf("\r\n\r\n") + 4, 4);
    const reply = parseHead(head);
    const hasBody = !line.startsWith("HEAD ") && reply.status !== 304;
    const length = hasBody ? Number(reply.fields["content-length"]) : 0;
    return { ...reply, body: await this.#upTo(() => this.#received.length >= length ? length : -1, 0) };
  }

  send(line: string, fields: Readonly<Record<string, string>> = {}, body: string = ""): void {
    const lines = Object.entries({ Host: "localhost", ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  }

  /** Everything until the server closes the connection. */
  rest(): Promise<string> {
    return this.#upTo(() => this.#ended ? this.#received.length : -1, 0);
  }

  /** Waits for the first bytes of a reply, which then stay to be read. */
  async begun(): Promise<void> {
    await this.#waitUntil(() => this.#received.length > 0);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #upTo(end: () => number, endMin: number): Promise<string> {
    await this.#waitUntil(() => end() >= endMin);
    const at = end();
    const text = this.#received.slice(0, at);
    this.#received = this.#received.slice(at);
    return text;
  }

  async #waitUntil(isDone: () => boolean): Promise<void> {
    const timer = setTimeout(() => this.socket.destroy(), PATIENCE_MS);
    try {
      while (!isDone()) {
        if (this.#ended) throw new Error(`The connection ended after ${JSON.stringify(this.#received.slice(0, 200))}`);
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function parseHead(head: string): { status: number; fields: Record<string, string> } {
  const [line = "", ...lines] = head.trimEnd().split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]);
  const fields: Record<string, string> = {};
  for (const text of lines) {
    const colon = text.indexOf(": ");
    const name = text.slice(0, colon).toLowerCase();
    assertEquals(fields[name], undefined, `${name} occurs twice`);
    fields[name] = text.slice(colon + 2);
  }
  delete fields["date"];
  return { status, fields };
}
