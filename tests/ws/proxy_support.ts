/** A proxy for tests, made of the runtime's own sockets: HTTP's CONNECT and SOCKS5, with a password if one is set. */
import { connect, createServer, type Server, type Socket } from "node:net";

/** What a {@linkcode TestProxy} is told to do. */
export interface TestProxyOptions {
  /** What it answers instead of connecting: words for the client. Empty: nothing at all, for ever. */
  readonly refusal?: string;
  /** Whom it lets through; everybody by default. For HTTP the Authorization, for SOCKS5 "user\0password". */
  readonly password?: string;
}

/** One proxy, which finds every target on this machine, whatever its name. */
export class TestProxy implements AsyncDisposable {
  /** Where it was asked to connect to. */
  readonly targets: string[] = [];
  readonly #options: TestProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param kind what it speaks. */
  constructor(kind: "http" | "socks5", options: TestProxyOptions = {}) {
    this.#options = options;
    this.#server = createServer((client) => {
      this.#own(client);
      if (kind === "http") this.#speakHttp(client);
      else this.#speakSocks(client);
    });
  }

  /** Begins to listen; resolves with the port. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  /** How many connections it has, of both sides. */
  get socketCount(): number {
    return this.#sockets.size;
  }

  /** Ends all connections at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  }

  /** Goes through what a client says, one answer at a time; `step` takes what it understands and returns null for more. */
  #talk(client: Socket, step: (said: Buffer) => number | null): void {
    let said = Buffer.alloc(0);
    const listen = (bytes: Buffer): void => {
      said = Buffer.concat([said, bytes]);
      for (let taken = step(said); taken !== null; taken = step(said)) said = said.subarray(taken);
    };
    client.on("data", listen);
    client.once("tunnel", () => client.off("data", listen));
  }

  #open(client: Socket, host: string, port: number, answer: string): void {
    this.targets.push(`${host}:${port}`);
    const { refusal } = this.#options;
    if (refusal !== undefined) {
      if (refusal !== "") client.end(refusal, "latin1");
      return;
    }
    const target = connect(port, "127.0.0.1", () => {
      client.emit("tunnel");
      client.write(answer, "latin1");
      client.pipe(target);
      target.pipe(client);
    });
    this.#own(target);
    client.on("close", () => target.destroy());
    target.on("close", () => client.destroy());
  }

  #speakHttp(client: Socket): void {
    this.#talk(client, (said) => {
      const end = said.indexOf("\r\n\r\n");
      if (end < 0) return null;
      const text = said.toString("latin1", 0, end);
      const [, host, port] = /^CONNECT ([^:]*):(\d+) HTTP\/1\.1\r\nHost: \1:\2/.exec(text)!;
      const { password } = this.#options;
      if (password !== undefined && !text.includes(`Proxy-Authorization: ${password}`)) {
        client.end("HTTP/1.1 407 Who are you?\r\n\r\n");
      } else {
        this.#open(client, host!, Number(port), "HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n");
      }
      return end + 4;
    });
  }

  #speakSocks(client: Socket): void {
    const { password } = this.#options;
    const methods = (said: Buffer): number | null => {
      if (said.length < 2 || said.length < 2 + said[1]!) return null;
      client.write(Buffer.from([5, password === undefined ? 0 : 2]));
      next = password === undefined ? request : authentication;
      return 2 + said[1]!;
    };
    const authentication = (said: Buffer): number | null => {
      const userLength = said[1] ?? 0;
      const length = 3 + userLength + (said[2 + userLength] ?? 0);
      if (said.length < 3 || said.length < length) return null;
      const words = `${said.toString("latin1", 2, 2 + userLength)}\0${said.toString("latin1", 3 + userLength, length)}`;
      if (words === password) client.write(Buffer.from([1, 0]));
      else client.end(Buffer.from([1, 1]));
      next = request;
      return length;
    };
    const request = (said: Buffer): number | null => {
      const length = said[3] === 1 ? 10 : 7 + (said[4] ?? 0);
      if (said.length < length) return null;
      const host = said[3] === 1 ? said.subarray(4, 8).join(".") : said.toString("latin1", 5, length - 2);
      this.#open(client, host, said.readUInt16BE(length - 2), "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00");
      return length;
    };
    let next = methods;
    this.#talk(client, (said) => said.length === 0 ? null : next(said));
  }
}
