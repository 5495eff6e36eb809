/**
 * Sends every WebSocket message back. The benches use it.
 *
 * ```sh
 * deno run --allow-ffi examples/ws-echo.ts [-p port] [--deflate] [--backend name] [--run]
 * bun examples/ws-echo.ts [-p port] [--deflate] [--backend name] [--run]
 * ```
 */
import { parseArgs } from "node:util";
import { HttpServer, type UpgradeOptions, upgradeWebSocket } from "../mod.ts";
import { openBase, orRefuse, runMain, serveUntilSignal, wholeNumber } from "./shared/program.ts";

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "8080" },
        deflate: { type: "boolean", default: false },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
      },
    })
  );
  using base = openBase(values.backend);
  const options: UpgradeOptions = { message: (data, session) => void session.send(data), deflate: values.deflate };
  using server = new HttpServer(base, {}, (request) => {
    upgradeWebSocket(request, options);
  });
  const { port } = server.listen({ port: wholeNumber("--port", values.port, 0, 65_535) });
  return await serveUntilSignal(base, `listening on http://127.0.0.1:${port}`, values.run);
}

await runMain("ws-echo", main);
