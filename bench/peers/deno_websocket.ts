/** The peer "Deno.serve": its own WebSocket server, which sends back what comes. */

/** The part of Deno that is used; written out so that Bun's types do not stand against it. */
interface DenoServe {
  serve(
    options: { port: number; hostname: string; onListen(address: { port: number }): void },
    handler: (request: Request) => Response,
  ): void;
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
}

const { Deno: deno } = globalThis as unknown as { Deno: DenoServe };
const onListen = ({ port }: { port: number }): void => console.log(`listening on http://127.0.0.1:${port}`);
deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, (request) => {
  const { socket, response } = deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});
