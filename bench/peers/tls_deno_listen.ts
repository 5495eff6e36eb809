/** The peer "Deno.listenTls". Arguments: files with the certificate and the key. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { answerBytes, Exchange } from "./tls_exchange.ts";

const [certificate = "", key = ""] = process.argv.slice(2);
const listener = Deno.listenTls({
  hostname: "127.0.0.1",
  port: 0,
  cert: readFileSync(certificate, "utf8"),
  key: readFileSync(key, "utf8"),
});

async function serve(connection: Deno.TlsConn): Promise<void> {
  const exchange = new Exchange();
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      for (let rest = exchange.receive(buffer, 0, count); rest > 0;) {
        rest -= await connection.write(answerBytes.subarray(0, Math.min(rest, answerBytes.length)));
      }
    }
    connection.close();
  } catch {
    // The client is gone.
  }
}

console.log(`listening on http://127.0.0.1:${listener.addr.port}`);
for await (const connection of listener) void serve(connection);
