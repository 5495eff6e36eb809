/**
 * Answers every request with `Hello, World!`, through the full HTTP server. The benches use it.
 *
 * ```sh
 * deno run --allow-ffi examples/http-hello.ts [-p port] [--backend name] [--run] [--spin us]
 * bun examples/http-hello.ts [-p port] [--backend name] [--run] [--spin us]
 * ```
 */
import { parseArgs } from "node:util";
import { HttpServer } from "../mod.ts";
import { openBase, orRefuse, runMain, serveUntilSignal, wholeNumber } from "./shared/program.ts";

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "8080" },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
        spin: { type: "string", default: "0" },
      },
    })
  );
  using base = openBase(values.backend, { spinUs: wholeNumber("--spin", values.spin, 0, 1_000_000) });
  using server = new HttpServer(base, {}, (request) => request.reply(200, "Hello, World!"));
  const { port } = server.listen({ port: wholeNumber("--port", values.port, 0, 65_535) });
  return await serveUntilSignal(base, `listening on http://127.0.0.1:${port}`, values.run);
}

await runMain("http-hello", main);
