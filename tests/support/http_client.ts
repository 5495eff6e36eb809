/** A client that sends exactly the bytes it is told to, and waits for what comes back no longer than it should. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** A reply as it came over the wire. */
export interface RawReply {
  /** The status code. */
  readonly status: number;
  /** The status line. */
  readonly statusLine: string;
  /** Field values by lower-case name; several with one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The field lines as they came. */
  readonly headerLines: readonly string[];
  /** The body without its framing, one character per byte. */
  readonly body: string;
}

/** How to connect. */
export interface ClientOptions {
  /** How long to wait for anything, in milliseconds; 15 s by default. Only a failing test ever waits so long. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 15_000;

/** One connection to a server on the loopback interface. */
export class HttpClient implements Disposable {
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  // What has come and was not taken, one character per byte.
  #received = "";
  #pieces: string[] = [];
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, deadlineMs: number) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    // Latin-1 keeps bytes and characters in step.
    socket.on("data", (bytes) => {
      this.#pieces.push(bytes.toString("latin1"));
      this.#wake?.();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on("error", (error) => {
      this.#error = error;
      this.#wake?.();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Connects to a port of this machine. The connection stays open for writing when the server has ended its side. */
  static connect(port: number, options: ClientOptions = {}): Promise<HttpClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.setNoDelay(true);
        resolve(new HttpClient(socket, options.deadlineMs ?? DEADLINE_MS));
      });
    });
  }

  /** Connects by TLS to a port of this machine, for the name `localhost`; `ca` is the authority to trust, as PEM. */
  static connectTls(port: number, ca: string, options: ClientOptions = {}): Promise<HttpClient> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["http/1.1"] });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        socket.off("error", reject);
        resolve(new HttpClient(socket, options.deadlineMs ?? DEADLINE_MS));
      });
    });
  }

  /** The error that ended the connection, such as a reset. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Sends bytes, or text with one byte per character. */
  send(data: string | Uint8Array): this {
    if (typeof data === "string") this.#socket.write(data, "latin1");
    else this.#socket.write(data);
    return this;
  }

  /** Sends, and waits until the bytes have been handed to the kernel. */
  sendAndWait(data: string): Promise<void> {
    return new Promise((resolve) => this.#socket.write(data, "latin1", () => resolve()));
  }

  /** Reads no further, so that whoever sends has to wait. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }

  /** Ends our side and goes on reading. */
  end(): this {
    this.#socket.end();
    return this;
  }

  /** Ends the connection by a reset, as a crashed client's kernel does. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Waits until `text` has come; returns and takes everything up to its end. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#buffer().indexOf(text);
      if (at >= 0) return this.#take(at + text.length);
      await this.#more(`for ${JSON.stringify(text)}`);
    }
  }

  /**
   * Waits for the end of the connection and returns what had not been taken.
   *
   * @throws {Error} when it ends by a reset.
   */
  async untilClose(): Promise<string> {
    while (!this.#ended && this.#error === undefined) await this.#more("for the end of the connection");
    if (this.#error !== undefined) throw this.#error;
    return this.#take(this.#buffer().length);
  }

  /** Waits for the end of the connection, in whichever way, and returns what had not been taken. */
  async untilGone(): Promise<string> {
    while (!this.#ended && this.#error === undefined) await this.#more("for the connection to go");
    return this.#take(this.#buffer().length);
  }

  /** Reads one reply by its framing. `method` is that of the request: a reply to HEAD has no body. */
  async reply(method: string = "GET"): Promise<RawReply> {
    const head = (await this.until("\r\n\r\n")).slice(0, -4);
    const [statusLine, ...headerLines] = head.split("\r\n");
    const headers: Record<string, string> = {};
    for (const line of headerLines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    const status = Number(statusLine!.split(" ")[1]);
    return { status, statusLine: statusLine!, headers, headerLines, body: await this.#body(method, status, headers) };
  }

  async #body(method: string, status: number, headers: Readonly<Record<string, string>>): Promise<string> {
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "";
    if (headers["transfer-encoding"] === "chunked") return await this.#chunks();
    const length = headers["content-length"];
    return length === undefined ? await this.untilClose() : await this.bytes(Number(length));
  }

  async #chunks(): Promise<string> {
    let body = "";
    for (;;) {
      const size = parseInt((await this.until("\r\n")).slice(0, -2), 16);
      const chunk = await this.bytes(size + 2);
      if (!chunk.endsWith("\r\n")) throw new Error(`A chunk of ${size} bytes does not end after them`);
      if (size === 0) return body;
      body += chunk.slice(0, -2);
    }
  }

  /** Waits for `count` bytes and takes them. */
  async bytes(count: number): Promise<string> {
    while (this.#buffer().length < count) await this.#more(`for ${count} bytes`);
    return this.#take(count);
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #buffer(): string {
    if (this.#pieces.length > 0) {
      this.#received += this.#pieces.join("");
      this.#pieces = [];
    }
    return this.#received;
  }

  #take(count: number): string {
    const taken = this.#received.slice(0, count);
    this.#received = this.#received.slice(count);
    return taken;
  }

  /** Waits until something has happened; throws when nothing can happen any more. */
  async #more(reason: string): Promise<void> {
    const facts = (): string => `after ${JSON.stringify(this.#buffer().slice(0, 400))}`;
    if (this.#ended || this.#error !== undefined) {
      throw new Error(`Cannot wait ${reason}: the connection ended ${facts()}`, { cause: this.#error });
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`Waited ${this.#deadlineMs} ms ${reason}, in vain, ${facts()}`)),
        this.#deadlineMs,
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
