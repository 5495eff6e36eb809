/**
 * Sends back whatever it receives, connection by connection, in the style of `for await`.
 *
 * ```sh
 * deno run --allow-ffi examples/echo.ts [-p port] [--backend name]
 * bun examples/echo.ts [-p port] [--backend name]
 * ```
 */
import { parseArgs } from "node:util";
import { Listener, type SocketBufferEvent } from "../mod.ts";
import { endOnSignals, openBase, orRefuse, runMain, wholeNumber } from "./shared/program.ts";

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

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({ options: { port: { type: "string", short: "p", default: "7777" }, backend: { type: "string" } } })
  );
  using base = openBase(values.backend);
  using listener = new Listener(base, { port: wholeNumber("--port", values.port, 0, 65_535) });
  endOnSignals(base);
  console.log(`listening on 127.0.0.1:${listener.port}`);
  const serving = serve(listener);
  await base.run();
  listener.close();
  await serving;
  return 0;
}

await runMain("echo", main);
