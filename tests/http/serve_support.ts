/** A standard handler that is served beside its clients. */
import { EventBase } from "../../src/core/mod.ts";
import { type FetchHandler, type HttpServer, serve, type ServeOptions } from "../../src/http/mod.ts";
import { HttpClient } from "../support/http_client.ts";
import { testCertificates } from "../tls/certificate_folder.ts";

/** What is served. */
export interface Serving {
  readonly server: HttpServer;
  readonly port: number;
  /** What handlers threw. */
  readonly errors: unknown[];
  /** A new client. */
  connect(): Promise<HttpClient>;
}

/** Serves for as long as `body` takes. */
export async function withHandler(
  handler: FetchHandler,
  body: (serving: Serving) => Promise<void>,
  options: ServeOptions = {},
  base: EventBase = new EventBase(),
): Promise<void> {
  const errors: unknown[] = [];
  const server = serve(base, { port: 0, onError: (error) => void errors.push(error), ...options }, handler);
  const { port } = server.listeners[0]!;
  const clients: HttpClient[] = [];
  const connect = async (): Promise<HttpClient> => {
    const { authority } = testCertificates();
    const client =
      await (options.tls === undefined ? HttpClient.connect(port) : HttpClient.connectTls(port, authority.certificate));
    clients.push(client);
    return client;
  };
  const running = base.run();
  try {
    await body({ server, port, errors, connect });
  } finally {
    server.close();
    for (const client of clients) client.close();
    base.loopBreak();
    await running.catch(() => {});
    base.close();
  }
}
