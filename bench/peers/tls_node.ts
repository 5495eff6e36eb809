/** The peer "node:tls", on either runtime. Arguments: files with the certificate and the key. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createServer } from "node:tls";
import { answerBytes, Exchange } from "./tls_exchange.ts";

const [certificate = "", key = ""] = process.argv.slice(2);
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) => {
  const exchange = new Exchange();
  socket.on("error", () => {});
  socket.on("data", (data: Uint8Array) => {
    for (let rest = exchange.receive(data, 0, data.length); rest > 0; rest -= answerBytes.length) {
      socket.write(answerBytes.subarray(0, Math.min(rest, answerBytes.length)));
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
