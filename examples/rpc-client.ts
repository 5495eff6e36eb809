/**
 * Makes calls of rpc-server.ts and prints what comes back: `greet name [times]`, or `sum number...`. What has failed is told by its code.
 *
 * ```sh
 * deno run --allow-ffi examples/rpc-client.ts [-p port] [-t seconds] greet Ada 3
 * bun examples/rpc-client.ts [-p port] [-t seconds] sum 1 2 3
 * ```
 */
import { parseArgs } from "node:util";
import { HttpClientConnection, RpcError, RpcPool } from "../mod.ts";
import { openBase, orRefuse, runMain, UsageError, wholeNumber } from "./shared/program.ts";
import { Greet, Sum } from "./shared/rpc_calls.ts";

/** Prints the answer to what the command line asks for. */
async function ask(pool: RpcPool, [what, ...rest]: readonly string[]): Promise<void> {
  if (what === "greet" && rest.length >= 1 && rest.length <= 2) {
    const times = rest[1] === undefined ? undefined : wholeNumber("times", rest[1], 0, 10);
    const { lines } = await pool.call(Greet, { name: rest[0]!, times });
    for (const line of lines) console.log(line);
  } else if (what === "sum" && rest.length > 0) {
    const numbers = rest.map((text) => BigInt(wholeNumber("a number", text, 0, Number.MAX_SAFE_INTEGER)));
    const { total } = await pool.call(Sum, { numbers });
    console.log(String(total));
  } else {
    throw new UsageError("one of these is needed: greet name [times], sum number...");
  }
}

async function main(): Promise<number> {
  const { values, positionals } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "8080" },
        timeout: { type: "string", short: "t", default: "10" },
      },
      allowPositionals: true,
    })
  );
  using base = openBase(undefined);
  using pool = new RpcPool(base, { timeoutMs: wholeNumber("--timeout", values.timeout, 1, 3600) * 1000 });
  const port = wholeNumber("--port", values.port, 1, 65_535);
  pool.addConnection(new HttpClientConnection(base, { host: "127.0.0.1", port }));
  const asking = ask(pool, positionals).finally(() => base.loopBreak());
  const running = base.run();
  try {
    await asking;
    return 0;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    console.error(`rpc-client: ${error.code}: ${error.message}`);
    return 1;
  } finally {
    await running;
  }
}

await runMain("rpc-client", main);
