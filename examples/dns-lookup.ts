/**
 * Looks names up and prints what is found, one line per answer.
 *
 * ```sh
 * deno run --allow-ffi examples/dns-lookup.ts [options] name...
 * bun examples/dns-lookup.ts [options] name...
 * ```
 *
 * `--help` lists the options. Try it with `-t MX example.com`, or `-x ::1`.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type DnsAnswer,
  dnsDataText,
  DnsError,
  DnsResolver,
  dnsTypeName,
  dnsTypeNumber,
  EVENT_LOG_WARN,
  EventBase,
  type NameLookupAnswer,
  TlsContext,
} from "../mod.ts";

const USAGE = `Usage: dns-lookup [options] name...

Looks names up and prints what is found, one line per answer; where nothing is found, the code of the error.

  -t, --type TYPE      type of the records, such as A, AAAA, MX, TXT; without it the addresses of the name, as connections find them
  -x, --reverse        the names are addresses, and their names are wanted
  -s, --server SERVER  address[:port] to ask, in place of the system's name servers; may be given several times
      --tcp            ask over TCP
      --tls            ask over TLS, and verify the certificate
      --ca FILE        with --tls: trust these authorities instead of the system's
      --hostname NAME  with --tls: the name that the certificate must have, instead of the address
      --search         look under the search domains too with -t, as without it
      --timeout SECS   how long one server is waited for (5)
  -v, --verbose        say what is asked, on standard error
  -h, --help           print this text
`;

/** The command line is wrong: exit code 2. */
class UsageError extends Error {}

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        type: { type: "string", short: "t" },
        reverse: { type: "boolean", short: "x", default: false },
        server: { type: "string", short: "s", multiple: true },
        tcp: { type: "boolean", default: false },
        tls: { type: "boolean", default: false },
        ca: { type: "string" },
        hostname: { type: "string" },
        search: { type: "boolean", default: false },
        timeout: { type: "string", default: "5" },
        verbose: { type: "boolean", short: "v", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(String((error as Error).message).split(/\.?\s*\n|\. /)[0]);
  }
}

type Values = ReturnType<typeof readArguments>["values"];

function openResolver(base: EventBase, values: Values, tls: TlsContext | undefined): DnsResolver {
  const resolver = new DnsResolver(base, {
    nameservers: values.server,
    tls,
    tlsHostname: values.hostname,
    useTcp: values.tcp,
    log: values.verbose
      ? (level, message) => console.error(`dns-lookup: ${level === EVENT_LOG_WARN ? "warning: " : ""}${message}`)
      : undefined,
  });
  resolver.setOption("timeout", values.timeout);
  return resolver;
}

/** Looks one name up; answers lines to print. */
async function lookUp(resolver: DnsResolver, name: string, values: Values): Promise<string[]> {
  if (values.reverse) return (await resolver.reverse(name)).map((found) => `${name} PTR ${found}`);
  if (values.type !== undefined) {
    return linesOf(await resolver.resolve(name, values.type, { noSearch: !values.search }));
  }
  const found = await resolver.getaddrinfo(name, null, { type: "stream", canonicalName: true });
  return found.map(({ address }: NameLookupAnswer) =>
    `${name} ${address.family === "ipv4" ? "A" : "AAAA"} ${address.host}`
  );
}

function linesOf({ records }: DnsAnswer): string[] {
  return records.map(({ name, ttl, type, data }) => `${name} ${ttl} ${dnsTypeName(type)} ${dnsDataText(data)}`);
}

async function main(): Promise<number> {
  try {
    const { values, positionals: names } = readArguments();
    if (values.help) {
      console.log(USAGE.trimEnd());
      return 0;
    }
    if (names.length === 0) throw new UsageError("there is no name to look up");
    if (values.reverse && values.type !== undefined) throw new UsageError("-x and -t exclude each other");
    if (!values.tls && (values.ca ?? values.hostname) !== undefined) {
      throw new UsageError("--ca and --hostname need --tls");
    }
    if (values.type !== undefined && dnsTypeNumber(values.type) === undefined) {
      throw new UsageError(`there is no type "${values.type}"`);
    }
    return await lookUpAll(names, values);
  } catch (error) {
    console.error(`dns-lookup: ${error instanceof Error ? error.message : error}`);
    return error instanceof UsageError || error instanceof TypeError || error instanceof RangeError ? 2 : 1;
  }
}

/** All names are looked up at the same time, and printed in their order. */
async function lookUpAll(names: readonly string[], values: Values): Promise<number> {
  using base = new EventBase();
  using tls = values.tls ? TlsContext.client(values.ca === undefined ? {} : { ca: { file: values.ca } }) : undefined;
  using resolver = openResolver(base, values, tls);
  const lookups = names.map((name) => lookUp(resolver, name, values));
  for (const lookup of lookups) lookup.catch(() => {});
  await base.run();
  let failures = 0;
  for (const [index, lookup] of lookups.entries()) {
    try {
      for (const line of await lookup) console.log(line);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      failures++;
      console.log(`${names[index]} ${error.code}`);
      if (values.verbose) {
        console.error(`dns-lookup: ${error.message}${error.cause === undefined ? "" : `: ${error.cause}`}`);
      }
    }
  }
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
