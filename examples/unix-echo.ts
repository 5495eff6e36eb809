/**
 * Sends back whatever it receives on a Unix socket, with Web Streams: each connection's input is piped into its output. The
 * socket's file is removed at the end.
 *
 * ```sh
 * deno run --allow-ffi examples/unix-echo.ts [path] [--backend name]
 * bun examples/unix-echo.ts [path] [--backend name]
 * ```
 */
import { parseArgs } from "node:util";
import { Listener } from "../mod.ts";
import { endOnSignals, openBase, orRefuse, runMain, UsageError } from "./shared/program.ts";

async function serve(listener: Listener): Promise<void> {
  for await (const { readable, writable } of listener.connections()) {
    // The end of the input ends the output, and then the connection is closed.
    readable.pipeTo(writable).catch((error: Error) => console.error(`unix-echo: ${error.message}`));
  }
}

async function main(): Promise<number> {
  const { values, positionals } = orRefuse(() =>
    parseArgs({ allowPositionals: true, options: { backend: { type: "string" } } })
  );
  if (positionals.length > 1) throw new UsageError("there can be one path only");
  const path = positionals[0] ?? "/tmp/evbase-echo.sock";
  using base = openBase(values.backend);
  using listener = new Listener(base, { path, unlinkFirst: true });
  endOnSignals(base);
  console.log(`listening on ${path}`);
  const serving = serve(listener);
  await base.run();
  listener.close();
  await serving;
  return 0;
}

await runMain("unix-echo", main);
