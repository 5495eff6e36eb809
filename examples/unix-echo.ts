/**
 * Sends back whatever it receives on a Unix socket, with Web Streams: each connection's input is piped into its output. The
 * socket's file is removed at the end.
 *
 * ```sh
 * deno run --allow-ffi examples/unix-echo.ts [path] [--backend name]
 * bun examples/unix-echo.ts [path] [--backend name]
 * ```
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { backendNames, EventBase, Listener } from "../mod.ts";

async function serve(listener: Listener): Promise<void> {
  for await (const { readable, writable } of listener.connections()) {
    // The end of the input ends the output, and then the connection is closed.
    readable.pipeTo(writable).catch((error: Error) => console.error(`unix-echo: ${error.message}`));
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { backend: { type: "string" } } });
  const path = positionals[0] ?? "/tmp/evbase-echo.sock";
  using base = new EventBase({
    avoid: backendNames().filter((name) => values.backend !== undefined && name !== values.backend),
  });
  using listener = new Listener(base, { path, unlinkFirst: true });
  const signals = ["SIGINT", "SIGTERM"].map((name) => base.signal(name, () => base.loopBreak()).add());
  console.log(`listening on ${path}`);
  const serving = serve(listener);
  await base.run();
  listener.close();
  await serving;
  for (const signal of signals) signal.close();
}

try {
  await main();
} catch (error) {
  console.error(`unix-echo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
