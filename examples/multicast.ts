/**
 * Listens to a multicast group, or sends to it.
 *
 * ```sh
 * deno run --allow-ffi examples/multicast.ts -i lo listen
 * deno run --allow-ffi examples/multicast.ts -i lo send "Hello, everybody"
 * bun examples/multicast.ts -g ff02::1234 -i eth0 listen
 * ```
 *
 * `--help` lists the options.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { Datagram, EventBase, formatSocketAddress, ipSocketAddress } from "../mod.ts";

const USAGE = `Usage: multicast [options] listen
       multicast [options] send MESSAGE...

Prints what is sent to a multicast group, or sends each MESSAGE to it.

  -g, --group GROUP    IPv4 or IPv6 multicast group (239.255.77.77)
  -p, --port PORT      UDP port (7077)
  -i, --interface NAME network interface; by default the routing table says which
  -t, --ttl HOPS       how many hops a message may take, 0 to 255 (1)
  -n, --count N        listen: end after N messages
  -h, --help           print this text
`;

/** The command line is wrong: exit code 2. */
class UsageError extends Error {}

interface Options {
  readonly group: string;
  readonly family: "ipv4" | "ipv6";
  readonly port: number;
  readonly interface: string | undefined;
  readonly ttl: number;
  readonly count: number;
}

function readArguments(): { options: Options; command: string; messages: readonly string[] } | "help" {
  const { values, positionals: [command, ...messages] } = parseOrRefuse();
  if (values.help) return "help";
  if (command !== "listen" && command !== "send") throw new UsageError("say whether to listen or to send");
  if (command === "send" && messages.length === 0) throw new UsageError("there is no message to send");
  if (command === "listen" && messages.length > 0) throw new UsageError("listen takes no messages");
  const family = ipSocketAddress(values.group, 0)?.family;
  if (family === undefined) throw new UsageError(`"${values.group}" is not an IP address`);
  return {
    command,
    messages,
    options: {
      group: values.group,
      family,
      port: wholeNumber("port", values.port, 65_535),
      interface: values.interface,
      ttl: wholeNumber("ttl", values.ttl, 255),
      count: values.count === undefined ? Infinity : wholeNumber("count", values.count, Number.MAX_SAFE_INTEGER),
    },
  };
}

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function parseOrRefuse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        group: { type: "string", short: "g", default: "239.255.77.77" },
        port: { type: "string", short: "p", default: "7077" },
        interface: { type: "string", short: "i" },
        ttl: { type: "string", short: "t", default: "1" },
        count: { type: "string", short: "n" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(String((error as Error).message).split(/\.?\s*\n|\. /)[0]);
  }
}

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) {
    throw new UsageError(`--${option} must be a whole number from 0 to ${max}, not "${text}"`);
  }
  return value;
}

/** Anyone may send, so what would steer a terminal is shown as a code instead. */
function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function listen({ group, family, port, interface: through, count }: Options): void {
  using base = new EventBase();
  let left = count;
  // Others on this host may listen to the same group.
  using socket = new Datagram(
    base,
    { host: family === "ipv4" ? "0.0.0.0" : "::", port, reuseAddress: true },
    (datagram) => {
      console.log(`${formatSocketAddress(datagram.sender)}: ${printable(datagram.text())}`);
      if (--left <= 0) base.loopBreak();
    },
  );
  socket.join(group, { interface: through });
  const signals = ["SIGINT", "SIGTERM"].map((name) => base.signal(name, () => base.loopBreak()).add());
  console.log(`listening on udp://${family === "ipv4" ? group : `[${group}]`}:${socket.port}`);
  if (count > 0) base.dispatch();
  for (const signal of signals) signal.close();
}

function send(options: Options, messages: readonly string[]): void {
  const { group, family, port, ttl, interface: through } = options;
  using base = new EventBase();
  using socket = new Datagram(base, { family, multicastTtl: ttl, multicastInterface: through });
  const address = ipSocketAddress(group, port);
  const sent = address === undefined ? 0 : socket.sendMany(messages.map((message) => [message, address]));
  if (sent < messages.length && socket.lastError !== null) throw socket.lastError;
  console.log(`sent ${sent} of ${messages.length}`);
}

function main(): number {
  try {
    const found = readArguments();
    if (found === "help") console.log(USAGE.trimEnd());
    else if (found.command === "listen") listen(found.options);
    else send(found.options, found.messages);
    return 0;
  } catch (error) {
    console.error(`multicast: ${error instanceof Error ? error.message : error}`);
    return error instanceof UsageError || error instanceof TypeError || error instanceof RangeError ? 2 : 1;
  }
}

process.exitCode = main();
