/** The command line of becat. */
import { parseArgs } from "node:util";
import { backendNames, ipSocketAddress, lookUpBlocking, type SocketAddress } from "../../mod.ts";
import { orRefuse, UsageError, wholeNumber } from "./program.ts";

/** What `--help` prints. */
export const USAGE = `Usage: becat [options] [host] [port]

Connects to host (127.0.0.1) and port (10024), sends standard input there and writes what comes back to standard output.
The end of the input is passed on, and the other side may go on sending; the program ends when both sides have ended. At a
terminal the end of the other side suffices.

  -l                   listen on host and port instead, and serve the first who connects
  -k                   with -l: serve one after the other
  -p PORT              port to connect from; with -l, port to listen on, 0 for a free one
  -s ADDRESS           address to connect from; with -l, address to listen on
  -U PATH              a Unix socket instead of host and port
  -K SECONDS           send keep-alive probes after so many seconds of silence
  -t, -T SECONDS       give up when nothing could be read, or written, for so long
  -R, -b BYTES         read at most so many bytes at a time (65536, which is also the most)
  -S                   speak TLS; a client verifies the server's certificate, for host
      --cert FILE      with -S: certificate to show; a server makes one that vouches for itself otherwise
      --key FILE       its private key, if that is not in the same file
      --ca FILE        with -S: trust these authorities instead of the system's
      --insecure       with -S: trust everybody
  -v                   say what happens, on standard error
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
  -h, --help           print this text
`;

/** What becat was told about TLS. */
export interface TlsChoices {
  /** Whom a client wants to reach. */
  readonly hostname: string;
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly caFile: string | undefined;
  readonly insecure: boolean;
}

/** What becat was told. */
export interface BecatOptions {
  /** Where to connect to, or to listen. */
  readonly address: SocketAddress;
  /** Where else, when that fails. */
  readonly furtherAddresses: readonly SocketAddress[];
  /** Where to connect from. */
  readonly localAddress: SocketAddress | undefined;
  readonly listens: boolean;
  readonly keepListening: boolean;
  readonly keepAliveSeconds: number | undefined;
  /** -1: none. */
  readonly readTimeoutMs: number;
  /** -1: none. */
  readonly writeTimeoutMs: number;
  readonly readBytesMax: number;
  /** Undefined: no TLS. */
  readonly tls: TlsChoices | undefined;
  readonly verbose: boolean;
  readonly backend: string | undefined;
}

const READ_BYTES_MAX = 64 * 1024;
const SECONDS_MAX = 2_000_000;

/** Reads the command line. */
export function readArguments(): BecatOptions | "help" {
  const { values, positionals } = orRefuse(parse);
  if (values.help) return "help";
  if (positionals.length > 2) throw new UsageError("there can be a host and a port only");
  if (values.keep && !values.listen) throw new UsageError("-k needs -l");
  const [address, ...furtherAddresses] = addresses(values, positionals);
  const readSize = values["read-size"] ?? values["buffer-size"];
  return {
    address: address!,
    furtherAddresses,
    localAddress: localAddress(values, address!),
    listens: values.listen,
    keepListening: values.keep,
    keepAliveSeconds: values["keep-alive"] === undefined
      ? undefined
      : wholeNumber("-K", values["keep-alive"], 1, 32_767),
    readTimeoutMs: timeoutMs("-t", values["read-timeout"]),
    writeTimeoutMs: timeoutMs("-T", values["write-timeout"]),
    readBytesMax: readSize === undefined ? READ_BYTES_MAX : wholeNumber("-R", readSize, 1, READ_BYTES_MAX),
    tls: tlsChoices(values, positionals[0] ?? (values.unix === undefined ? "127.0.0.1" : "localhost")),
    verbose: values.verbose,
    backend: values.backend,
  };
}

type Values = ReturnType<typeof parse>["values"];

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: "boolean", short: "l", default: false },
      keep: { type: "boolean", short: "k", default: false },
      port: { type: "string", short: "p" },
      source: { type: "string", short: "s" },
      unix: { type: "string", short: "U" },
      "keep-alive": { type: "string", short: "K" },
      "read-timeout": { type: "string", short: "t" },
      "write-timeout": { type: "string", short: "T" },
      "read-size": { type: "string", short: "R" },
      "buffer-size": { type: "string", short: "b" },
      tls: { type: "boolean", short: "S", default: false },
      cert: { type: "string" },
      key: { type: "string" },
      ca: { type: "string" },
      insecure: { type: "boolean", default: false },
      verbose: { type: "boolean", short: "v", default: false },
      backend: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}

function addresses(values: Values, [host, port]: readonly string[]): SocketAddress[] {
  if (values.unix !== undefined) {
    if (host !== undefined) throw new UsageError("-U stands for host and port");
    return [{ family: "unix", path: values.unix }];
  }
  const where = (values.listen ? values.source : undefined) ?? host ?? "127.0.0.1";
  const number = wholeNumber("the port", (values.listen ? values.port : undefined) ?? port ?? "10024", 0, 65_535);
  if (number === 0 && !values.listen) throw new UsageError("the port to connect to cannot be 0");
  const address = ipSocketAddress(where, number);
  // A name is looked up at the start, where nobody has to wait for it.
  return address !== undefined ? [address] : lookUpBlocking(where, number).map((answer) => answer.address);
}

function localAddress(values: Values, remote: SocketAddress): SocketAddress | undefined {
  if (values.listen || (values.source === undefined && values.port === undefined)) return undefined;
  if (remote.family === "unix") throw new UsageError("-p and -s make no sense with -U");
  const host = values.source ?? (remote.family === "ipv6" ? "::" : "0.0.0.0");
  const address = ipSocketAddress(host, wholeNumber("-p", values.port ?? "0", 0, 65_535));
  if (address === undefined) throw new UsageError(`-s must be an address, not "${host}"`);
  return address;
}

function tlsChoices({ tls, cert, key, ca, insecure }: Values, hostname: string): TlsChoices | undefined {
  if (!tls && (cert ?? key ?? ca) !== undefined || !tls && insecure) {
    throw new UsageError("--cert, --key, --ca and --insecure need -S");
  }
  if (key !== undefined && cert === undefined) throw new UsageError("--key needs --cert");
  if (ca !== undefined && insecure) throw new UsageError("--ca and --insecure exclude each other");
  return tls ? { hostname, certificateFile: cert, keyFile: key, caFile: ca, insecure } : undefined;
}

function timeoutMs(option: string, seconds: string | undefined): number {
  if (seconds === undefined) return -1;
  const value = Number(seconds);
  if (!(value > 0) || value > SECONDS_MAX) {
    throw new UsageError(`${option} must be a number of seconds above 0, not "${seconds}"`);
  }
  return value * 1000;
}
