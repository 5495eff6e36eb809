/**
 * The subject of the bench of idle connections, on whichever runtime runs it: `echo` sends back what comes, `http` answers requests.
 * SIGUSR2 gets garbage out of the way for whoever weighs the process; on Deno that needs the flag `--v8-flags=--expose-gc`.
 */
import process from "node:process";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  EV_READ,
  EventBase,
  HttpServer,
  Listener,
  SocketBufferEvent,
} from "../../mod.ts";

const base = new EventBase();

function echoPort(): number {
  const callbacks = {
    read: (connection: SocketBufferEvent): void => connection.writeBuffer(connection.input),
    event: (what: number, connection: SocketBufferEvent): void => {
      if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) !== 0) connection.close();
    },
  };
  const listener = new Listener(base, { port: 0, backlog: 1024 }, (fd) => {
    const connection = new SocketBufferEvent(base, fd);
    connection.setCallbacks(callbacks);
    connection.enable(EV_READ);
  });
  return listener.port;
}

function httpPort(): number {
  const server = new HttpServer(base, { maxConnections: 20_000, keepAliveTimeoutMs: 600_000 }, (request) => {
    request.reply(200, "Hello, World!");
  });
  return server.listen({ port: 0, backlog: 1024 }).port;
}

base.signal("SIGTERM", () => base.loopBreak()).add();
const { gc, Bun: bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc: (force: boolean) => void } };
base.signal("SIGUSR2", () => gc === undefined ? bun?.gc(true) : gc()).add();
console.log(`listening on http://127.0.0.1:${process.argv[2] === "http" ? httpPort() : echoPort()}`);
base.dispatch();
process.exit(0);
