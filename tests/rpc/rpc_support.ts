/** What the tests of calls share: a server and a pool on one base. */
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpClientConnectionOptions, HttpServer } from "../../src/http/mod.ts";
import { RpcPool, type RpcPoolOptions, RpcServer } from "../../src/rpc/mod.ts";
import { alongside } from "../core/async_support.ts";

/** Both sides of calls, while they run. */
export class RpcPair {
  readonly base: EventBase;
  readonly http: HttpServer;
  readonly rpc: RpcServer;
  readonly pool: RpcPool;
  readonly port: number;
  /** What was thrown on the server. */
  readonly errors: unknown[] = [];

  constructor(base: EventBase, options: RpcPoolOptions = {}) {
    this.base = base;
    this.http = new HttpServer(base);
    this.rpc = new RpcServer(this.http, { onError: (error) => void this.errors.push(error) });
    this.port = this.http.listen({ port: 0 }).port;
    this.pool = new RpcPool(base, options);
  }

  /** Gives the pool connections to the server. */
  connect(count: number = 1, options: HttpClientConnectionOptions = {}): HttpClientConnection[] {
    return Array.from({ length: count }, () => {
      const connection = this.connection(options);
      this.pool.addConnection(connection);
      return connection;
    });
  }

  /** A connection to the server that nobody has. */
  connection(options: HttpClientConnectionOptions = {}): HttpClientConnection {
    return new HttpClientConnection(this.base, { host: "127.0.0.1", port: this.port }, options);
  }

  close(): void {
    this.pool.close();
    this.rpc.close();
    this.http.close();
  }
}

/** Runs `body` beside a loop with both sides. */
export async function withPair(
  base: EventBase,
  body: (pair: RpcPair) => Promise<void>,
  options: RpcPoolOptions = {},
): Promise<void> {
  const pair = new RpcPair(base, options);
  try {
    await alongside(base, () => body(pair));
  } finally {
    pair.close();
  }
}
