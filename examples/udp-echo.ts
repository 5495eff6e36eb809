/**
 * Sends every datagram back to where it came from.
 *
 * ```sh
 * deno run --allow-ffi examples/udp-echo.ts [options]
 * bun examples/udp-echo.ts [options]
 * ```
 *
 * `--help` lists the options. Try it with `socat - UDP:127.0.0.1:7007`.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { backendNames, Datagram, EventBase, formatSocketAddress } from "../mod.ts";

const USAGE = `Usage: udp-echo [options]

Sends every datagram back to where it came from.

  -p, --port PORT      UDP port to listen on, 0 for a free one (7007)
  -H, --host ADDRESS   address to listen on (127.0.0.1)
  -v, --verbose        print who sends how much
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
      --run            run beside the host's own event loop
  -h, --help           print this text
`;

/** The command line is wrong: exit code 2. */
class UsageError extends Error {}

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function readOptions() {
  try {
    return parseArgs({
      options: {
        port: { type: "string", short: "p", default: "7007" },
        host: { type: "string", short: "H", default: "127.0.0.1" },
        verbose: { type: "boolean", short: "v", default: false },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(String((error as Error).message).split(/\.?\s*\n|\. /)[0]);
  }
}

async function echo(options: ReturnType<typeof readOptions>): Promise<void> {
  const { backend, host } = options;
  if (!/^\d{1,5}$/.test(options.port)) throw new UsageError(`--port must be a number, not "${options.port}"`);
  if (backend !== undefined && !backendNames().some((name) => name === backend)) {
    throw new UsageError(`unknown backend "${backend}" (there are: ${backendNames().join(", ")})`);
  }
  using base = new EventBase({ avoid: backendNames().filter((name) => backend !== undefined && name !== backend) });
  // With packet info an answer leaves from the address that was asked, also where the host has several.
  using socket = new Datagram(base, {
    host,
    port: Number(options.port),
    packetInfo: true,
    onError: (error) => console.error(`udp-echo: ${error.message}`),
  }, (datagram) => {
    datagram.reply(datagram.bytes);
    if (options.verbose) console.log(`${datagram.length} bytes from ${formatSocketAddress(datagram.sender)}`);
  });
  const signals = ["SIGINT", "SIGTERM"].map((name) => base.signal(name, () => base.loopBreak()).add());
  console.log(`listening on udp://${formatSocketAddress(socket.address)}`);
  if (options.run) await base.run();
  else base.dispatch();
  for (const signal of signals) signal.close();
}

async function main(): Promise<number> {
  try {
    const options = readOptions();
    if (options.help) console.log(USAGE.trimEnd());
    else await echo(options);
    return 0;
  } catch (error) {
    console.error(`udp-echo: ${error instanceof Error ? error.message : error}`);
    // A host that is no address is a mistake of the command line as well.
    return error instanceof UsageError || error instanceof TypeError || error instanceof RangeError ? 2 : 1;
  }
}

process.exitCode = await main();
