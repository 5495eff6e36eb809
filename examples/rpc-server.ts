/**
 * Serves calls: `Greet` answers a name with a greeting, `Sum` adds numbers. Programs with libevent's evrpc can make them as well.
 *
 * ```sh
 * deno run --allow-ffi examples/rpc-server.ts [-p port] [-v]
 * bun examples/rpc-server.ts [-p port] [-v]
 * ```
 */
import { parseArgs } from "node:util";
import { EVRPC_CONTINUE, EVRPC_INPUT, HttpServer, RpcServer } from "../mod.ts";
import { openBase, orRefuse, runMain, serveUntilSignal, wholeNumber } from "./shared/program.ts";
import { Greet, Sum } from "./shared/rpc_calls.ts";

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "8080" },
        verbose: { type: "boolean", short: "v", default: false },
      },
    })
  );
  using base = openBase(undefined);
  // libevent's client sends no Host field.
  using server = new HttpServer(base, { leniency: { allowMissingHost: true } });
  using rpc = new RpcServer(server);
  if (values.verbose) {
    rpc.addHook(EVRPC_INPUT, ({ method, body }) => {
      console.log(`${method}: ${body.length} bytes`);
      return EVRPC_CONTINUE;
    });
  }
  rpc.register(
    Greet,
    ({ name, times = 1 }) => ({ lines: Array.from({ length: Math.min(times, 10) }, () => `Hello, ${name}!`) }),
  );
  rpc.register(Sum, ({ numbers }) => ({ total: BigInt.asUintN(64, numbers.reduce((sum, each) => sum + each, 0n)) }));
  const { port } = server.listen({ host: "127.0.0.1", port: wholeNumber("--port", values.port, 0, 65_535) });
  return await serveUntilSignal(base, `listening on http://127.0.0.1:${port}`, false);
}

await runMain("rpc-server", main);
