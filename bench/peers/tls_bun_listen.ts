/** The peer "Bun.listen" with TLS. Arguments: files with the certificate and the key. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { answerBytes, Exchange } from "./tls_exchange.ts";

/** The part of Bun that is used; written out so that type-checking needs no Bun. */
interface BunSocket {
  data: { exchange: Exchange; left: number };
  write(bytes: Uint8Array): number;
}
interface BunListen {
  listen(options: {
    hostname: string;
    port: number;
    tls: { cert: string; key: string };
    socket: Record<string, (socket: BunSocket, data: Uint8Array) => void>;
  }): { port: number };
}

const [certificate = "", key = ""] = process.argv.slice(2);
const { Bun: bun } = globalThis as unknown as { Bun: BunListen };

function send(socket: BunSocket): void {
  while (socket.data.left > 0) {
    const written = socket.write(answerBytes.subarray(0, Math.min(socket.data.left, answerBytes.length)));
    if (written <= 0) return;
    socket.data.left -= written;
  }
}

const server = bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  tls: { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") },
  socket: {
    open(socket) {
      socket.data = { exchange: new Exchange(), left: 0 };
    },
    data(socket, data) {
      socket.data.left += socket.data.exchange.receive(data, 0, data.length);
      send(socket);
    },
    drain: send,
    error() {},
  },
});
console.log(`listening on http://127.0.0.1:${server.port}`);
