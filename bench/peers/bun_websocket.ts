/** The peer "Bun.serve": its own WebSocket server, which sends back what comes. */

/** The part of Bun that is used; written out so that type-checking needs no Bun. */
interface BunSocket {
  send(message: string | Uint8Array): number;
}
interface BunServer {
  readonly port: number;
  upgrade(request: Request): boolean;
}
interface BunServe {
  serve(options: {
    port: number;
    hostname: string;
    fetch: (request: Request, server: BunServer) => Response | undefined;
    websocket: { message(socket: BunSocket, message: string | Uint8Array): void };
  }): BunServer;
}

const { Bun: bun } = globalThis as unknown as { Bun: BunServe };
const server = bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request, server) => server.upgrade(request) ? undefined : new Response("no session", { status: 400 }),
  websocket: { message: (socket, message) => void socket.send(message) },
});
console.log(`listening on http://127.0.0.1:${server.port}`);
