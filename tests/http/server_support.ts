/** A server beside its clients: its loop runs by `base.run()`, they are the runtime's own sockets. */
import { EventBase } from "../../src/core/mod.ts";
import { type HttpHandler, HttpServer, type HttpServerOptions } from "../../src/http/mod.ts";
import { HttpClient } from "../support/http_client.ts";

/** A server that runs. */
export interface RunningServer {
  readonly base: EventBase;
  readonly server: HttpServer;
  readonly port: number;
  /** What handlers threw. */
  readonly errors: readonly unknown[];
  /** A new client. */
  connect(): Promise<HttpClient>;
  /** Sends one request on a connection of its own; returns all that came until its end. */
  exchange(request: string): Promise<string>;
}

/** Runs a server for as long as `body` does. */
export async function withServer(
  options: HttpServerOptions,
  handler: HttpHandler | undefined,
  body: (running: RunningServer) => Promise<void>,
  base: EventBase = new EventBase(),
): Promise<void> {
  const errors: unknown[] = [];
  const clients: HttpClient[] = [];
  const server = new HttpServer(base, { onError: (error) => void errors.push(error), ...options }, handler);
  const { port } = server.listen({ port: 0 });
  const connect = async (): Promise<HttpClient> => {
    const client = await HttpClient.connect(port);
    clients.push(client);
    return client;
  };
  const exchange = async (request: string): Promise<string> => {
    using client = await connect();
    return await client.send(request).untilClose();
  };
  const running = base.run();
  // A loop that has run out of things to wait for is nothing bad, since tests close the server; one that failed is.
  const failed = running.then(() => new Promise<never>(() => {}));
  try {
    await Promise.race([body({ base, server, port, errors, connect, exchange }), failed]);
  } finally {
    server.close();
    for (const client of clients) client.close();
    base.loopBreak();
    await running.catch(() => {});
    base.close();
  }
}

/** A request without a body. */
export function get(path: string, fields: string = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`;
}

/** A request with a body of known length. */
export function post(path: string, body: string, fields: string = ""): string {
  return `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

/** Answers every request with its method, target and body. */
export const echo: HttpHandler = (request) => {
  request.reply(200, `${request.method} ${request.target} ${request.body.takeText()}`);
};

/** A promise and what settles it. */
export interface Signal<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

/** Something to wait for; rejects when nothing has come after 15 s, so that a failing test ends by itself. */
export function signal<T = void>(): Signal<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((onValue, onError) => {
    const timer = setTimeout(() => onError(new Error("Waited 15 s for a signal, in vain")), 15_000);
    resolve = (value) => {
      clearTimeout(timer);
      onValue(value);
    };
  });
  promise.catch(() => {});
  return { promise, resolve };
}

/** Waits until `condition` holds, giving way to everything else meanwhile. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const limitMs = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > limitMs) throw new Error(`Waited 15 s until ${what}, in vain`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
