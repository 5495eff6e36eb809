/** What the HTTP clients have in common: a command line, one request, and where its response goes. */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  backendNames,
  EvBuffer,
  type EventBase,
  HttpClient,
  type HttpClientCall,
  HttpClientError,
  type HttpClientOptions,
  type HttpClientResponse,
  HttpHeaders,
  type HttpRequestCallback,
  lookUpBlocking,
  OpenFile,
  type ProxyOptions,
  SystemError,
} from "../../mod.ts";
import { endOnSignals, openBase, orRefuse, UsageError, wholeNumber } from "./program.ts";
import { StandardOutput } from "./standard_streams.ts";

/** What the usage of either client says of the options they share. */
export const COMMON_USAGE = `  -X METHOD            method (GET, or POST with -d)
  -d DATA              body to send; @FILE sends a file
  -H "NAME: VALUE"     a header field; may be repeated
  -o FILE              write the body to FILE instead of standard output
  -v                   show the heads of the request and the response on standard error
  -L                   follow up to 20 redirects
  -U PATH              connect to a Unix socket
  -4, -6               connect by IPv4, or by IPv6
  -m SECONDS           give up when the server does nothing for so long (50)
      --retries N      try so often again to connect
      --compressed     ask for a compressed body, and decode it
      --proxy URL      go through a proxy: http://[user:password@]host:port or socks5://...
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
  -h, --help           print this text
`;

/** The options they share, for `parseArgs`. */
export const COMMON_OPTIONS = {
  request: { type: "string", short: "X" },
  data: { type: "string", short: "d" },
  header: { type: "string", short: "H", multiple: true },
  output: { type: "string", short: "o" },
  verbose: { type: "boolean", short: "v" },
  location: { type: "boolean", short: "L" },
  unix: { type: "string", short: "U" },
  ipv4: { type: "boolean", short: "4" },
  ipv6: { type: "boolean", short: "6" },
  timeout: { type: "string", short: "m" },
  retries: { type: "string" },
  compressed: { type: "boolean" },
  proxy: { type: "string" },
  backend: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** What they share of a command line. */
export type CommonValues = ReturnType<typeof parseCommon>["values"];

function parseCommon() {
  return parseArgs({ options: COMMON_OPTIONS, allowPositionals: true });
}

/** The proxy that a URL names. */
export function proxyOf(text: string): ProxyOptions {
  const url = orRefuse(() => new URL(text));
  const kind = url.protocol === "http:"
    ? "http"
    : url.protocol === "socks5:" || url.protocol === "socks5h:"
    ? "socks5"
    : undefined;
  if (kind === undefined) throw new UsageError(`a proxy is http: or socks5:, not "${text}"`);
  const port = url.port === "" ? kind === "http" ? 80 : 1080 : Number(url.port);
  const credentials = { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  return { kind, host: url.hostname, port, ...(credentials.user === "" ? {} : { credentials }) };
}

/** What a client is told by the options that they share. */
export function clientOptions(values: CommonValues): HttpClientOptions {
  if (values.ipv4 === true && values.ipv6 === true) throw new UsageError("it is -4 or -6");
  const seconds = values.timeout === undefined ? 50 : wholeNumber("-m", values.timeout, 1, 86_400);
  return {
    // One request is all there is to do, so nothing else has to wait.
    resolver: { resolve: (host) => lookUpBlocking(host, null).map(({ address }) => address) },
    family: values.ipv4 === true ? "ipv4" : values.ipv6 === true ? "ipv6" : "any",
    readTimeoutMs: seconds * 1000,
    writeTimeoutMs: seconds * 1000,
    connectTimeoutMs: seconds * 1000,
    retries: values.retries === undefined ? 0 : wholeNumber("--retries", values.retries, 0, 1000),
    maxRedirects: values.location === true ? 20 : 0,
    ...(values.proxy === undefined ? {} : { proxy: proxyOf(values.proxy) }),
  };
}

function fieldsOf(lines: readonly string[]): HttpHeaders {
  const fields = new HttpHeaders();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new UsageError(`-H takes "name: value", not "${line}"`);
    fields.add(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

function bodyOf(data: string | undefined): string | EvBuffer | undefined {
  if (data === undefined || !data.startsWith("@")) return data;
  using file = OpenFile.open(data.slice(1));
  if (!file.isFile) throw new UsageError(`${file.path} is no file`);
  const buffer = new EvBuffer();
  const { size } = file;
  buffer.addFile(file.detach(), 0, size, { closeOnFree: true });
  return buffer;
}

/** Where the body of the response goes, as fast as that takes it. */
class Sink {
  readonly #buffer = new EvBuffer();
  readonly #file: OpenFile | null;
  readonly #output: StandardOutput;
  #whenDrained: (() => void) | null = null;

  constructor(base: EventBase, path: string | undefined, failed: (error: SystemError) => void) {
    this.#file = path === undefined ? null : OpenFile.create(path);
    this.#output = new StandardOutput(base, this.#file?.fd ?? 1, {
      drained: () => {
        const whenDrained = this.#whenDrained;
        this.#whenDrained = null;
        whenDrained?.();
      },
      failed,
    });
  }

  /** Whether everything has been written. */
  get isEmpty(): boolean {
    return this.#buffer.length === 0;
  }

  write(bytes: Uint8Array): void {
    this.#buffer.add(bytes);
    this.#output.write(this.#buffer);
  }

  whenDrained(callback: () => void): void {
    if (this.isEmpty) callback();
    else this.#whenDrained = callback;
  }

  close(): void {
    this.#output.close();
    this.#file?.close();
  }
}

function showHead(response: HttpClientResponse): void {
  console.error(`< HTTP/1.${response.head.versionMinor} ${response.status} ${response.reason}`);
  for (const [name, value] of response.headers) console.error(`< ${name}: ${value}`);
  console.error("<");
}

/** Makes the request and writes what comes back. Returns the exit code: 0 for a response, whatever its status. */
export function fetchOnce(url: string, values: CommonValues, options: HttpClientOptions): number {
  const headers = fieldsOf(values.header ?? []);
  const body = bodyOf(values.data);
  const method = values.request ?? (body === undefined ? "GET" : "POST");
  using base = openBase(values.backend);
  using client = new HttpClient(base, options);
  let exitCode = 1;
  let call: HttpClientCall | null = null;
  const stop = (error: Error): void => {
    console.error(`Cannot go on: ${error.message}`);
    base.loopBreak();
  };
  const sink = new Sink(base, values.output, stop);
  const signals = endOnSignals(base, () => call?.cancel());
  const ended: HttpRequestCallback = (response, error) => {
    if (response === null) {
      console.error(error!.message);
      return base.loopBreak();
    }
    if (response.body.length > 0) sink.write(response.bytes());
    exitCode = 0;
    sink.whenDrained(() => base.loopBreak());
  };
  const onData = (bytes: Uint8Array): void => {
    sink.write(bytes);
    if (sink.isEmpty) return;
    call!.pause();
    sink.whenDrained(() => call!.resume());
  };
  if (values.verbose === true) {
    console.error(`> ${method} ${url}`);
    for (const [name, value] of headers) console.error(`> ${name}: ${value}`);
    console.error(">");
  }
  try {
    call = client.request(url, {
      method,
      headers,
      body,
      unixPath: values.unix,
      onHead: (response) => void (values.verbose === true && showHead(response)),
      // What is decoded has to be there as a whole.
      ...(values.compressed === true ? { decompress: true } : { onData }),
    }, ended);
    base.dispatch();
  } finally {
    for (const signal of signals) signal.close();
    sink.close();
  }
  return exitCode;
}

/** Whether a failure is one of the request's, not of the program's. */
export function isExpected(error: unknown): boolean {
  return error instanceof HttpClientError || error instanceof SystemError;
}

/** The only URL of a command line. */
export function onlyUrl(positionals: readonly string[]): string {
  if (positionals.length !== 1) throw new UsageError("there has to be one URL; --help lists the options");
  return positionals[0]!;
}

/** Prints the usage. */
export function help(usage: string): number {
  process.stdout.write(usage);
  return 0;
}
