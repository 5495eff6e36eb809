/**
 * Sends back whatever it receives, connection by connection, in the style of `for await`.
 *
 * ```sh
 * deno run --allow-ffi examples/echo.ts [-p port] [--backend name]
 * bun examples/echo.ts [-p port] [--backend name]
 * ```
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { backendNames, EventBase, Listener, type SocketBufferEvent } from "../mod.ts";

/** A client that sends nothing for so long is let go; so is one that reads nothing. */
const IDLE_MS = 60_000;

async function echo(connection: SocketBufferEvent): Promise<void> {
  using client = connection;
  client.setTimeouts(IDLE_MS, IDLE_MS);
  // Nothing is read while the client does not take its echo.
  for await (const chunk of client) await client.send(chunk);
}

async function serve(listener: Listener): Promise<void> {
  for await (const connection of listener.connections()) {
    echo(connection).catch((error: Error) => console.error(`echo: ${error.message}`));
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: "string", short: "p", default: "7777" }, backend: { type: "string" } },
  });
  using base = new EventBase({
    avoid: backendNames().filter((name) => values.backend !== undefined && name !== values.backend),
  });
  using listener = new Listener(base, { port: Number(values.port) });
  const signals = ["SIGINT", "SIGTERM"].map((name) => base.signal(name, () => base.loopBreak()).add());
  console.log(`listening on 127.0.0.1:${listener.port}`);
  const serving = serve(listener);
  await base.run();
  listener.close();
  await serving;
  for (const signal of signals) signal.close();
}

try {
  await main();
} catch (error) {
  console.error(`echo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
