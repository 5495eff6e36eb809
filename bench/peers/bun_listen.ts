/** The peer "Bun.listen": sends back what comes; what the kernel does not take waits for `drain`. */

/** The part of Bun that is used; written out so that type-checking needs no Bun. */
interface BunSocket {
  data: Uint8Array[] | undefined;
  write(data: Uint8Array): number;
}
interface BunListen {
  listen(options: {
    port: number;
    hostname: string;
    socket: { data(socket: BunSocket, data: Uint8Array): void; drain(socket: BunSocket): void };
  }): { port: number };
}

function send(socket: BunSocket, data: Uint8Array): void {
  const waiting = socket.data ??= [];
  waiting.push(data);
  while (waiting.length > 0) {
    const first = waiting[0]!;
    const sent = Math.max(0, socket.write(first));
    if (sent < first.length) {
      waiting[0] = first.subarray(sent);
      return;
    }
    waiting.shift();
  }
}

/** Without anything waiting, which is nearly always so, no list is touched. */
function receive(socket: BunSocket, data: Uint8Array): void {
  if (socket.data !== undefined && socket.data.length > 0) return send(socket, data.slice());
  const sent = Math.max(0, socket.write(data));
  if (sent < data.length) send(socket, data.slice(sent));
}

const { Bun: bun } = globalThis as unknown as { Bun: BunListen };
const server = bun.listen({
  port: 0,
  hostname: "127.0.0.1",
  socket: { data: receive, drain: (socket) => socket.data !== undefined && send(socket, new Uint8Array()) },
});
console.log(`listening on http://127.0.0.1:${server.port}`);
