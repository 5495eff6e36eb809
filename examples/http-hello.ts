/**
 * Answers every request with `Hello, World!`, through the full HTTP server. The benches use it.
 *
 * ```sh
 * deno run --allow-ffi examples/http-hello.ts [-p port] [--backend name] [--run] [--spin us]
 * bun examples/http-hello.ts [-p port] [--backend name] [--run] [--spin us]
 * ```
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type BackendName, backendNames, EventBase, HttpServer } from "../mod.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", short: "p", default: "8080" },
    backend: { type: "string" },
    run: { type: "boolean", default: false },
    spin: { type: "string", default: "0" },
  },
});

const avoid: BackendName[] = backendNames().filter((name) => values.backend !== undefined && name !== values.backend);
using base = new EventBase({ avoid, spinUs: Number(values.spin) });
using server = new HttpServer(base, {}, (request) => request.reply(200, "Hello, World!"));
const { port } = server.listen({ port: Number(values.port) });

for (const name of ["SIGINT", "SIGTERM"]) base.signal(name, () => base.loopBreak()).add();
console.log(`listening on http://127.0.0.1:${port}`);
if (values.run) await base.run();
else base.dispatch();
process.exitCode = 0;
