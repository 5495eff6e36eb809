/**
 * Serves the files of a folder, with listings, ranges and conditional requests. Requests to `/dump`, and those that are
 * neither GET nor HEAD, are printed and answered with 200.
 *
 * ```sh
 * deno run --allow-ffi examples/http-server.ts [options] [docroot]
 * bun examples/http-server.ts [options] [docroot]
 * ```
 *
 * `--help` lists the options.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  backendNames,
  EV_WRITE,
  EvBuffer,
  EventBase,
  EVHTTP_REQ_CONNECT,
  EVLOOP_ONCE,
  type HttpRequest,
  HttpServer,
  type Listener,
  type ListenerOptions,
  type LoopEvent,
  METHOD_NAMES,
  StaticFiles,
  SystemError,
} from "../mod.ts";

const USAGE = `Usage: http-server [options] [docroot]

Serves the files in docroot (by default the folder "www" beside this program).

  -p, --port PORT      TCP port to listen on, 0 for a free one (8080)
  -H, --host ADDRESS   address to listen on (127.0.0.1)
  -U, --unix PATH      listen on a Unix socket instead
  -u, --unlink         remove what stands at PATH first
  -m, --max-body N     most bytes a request's body may have (16 MiB)
  -v, --verbose        print each request line to stderr
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
      --run            run beside the host's own event loop
  -h, --help           print this text
`;

/** The command line is wrong: exit code 2. */
class UsageError extends Error {}

interface Options {
  readonly listener: ListenerOptions;
  readonly docroot: string;
  readonly bodyBytesMax: number | undefined;
  readonly verbose: boolean;
  readonly backend: string | undefined;
  readonly run: boolean;
}

function readArguments(): Options | "help" {
  const { values, positionals } = parseOrRefuse();
  if (values.help) return "help";
  if (positionals.length > 1) throw new UsageError("there can be one docroot only");
  if (values.unlink && values.unix === undefined) throw new UsageError("--unlink needs --unix");
  if (values.backend !== undefined && !backendNames().some((name) => name === values.backend)) {
    throw new UsageError(`unknown backend "${values.backend}" (there are: ${backendNames().join(", ")})`);
  }
  const maxBody = values["max-body"];
  return {
    listener: values.unix !== undefined
      ? { path: values.unix, unlinkFirst: values.unlink }
      : { port: wholeNumber("port", values.port, 65_535), host: values.host },
    docroot: positionals[0] ?? fileURLToPath(new URL("www", import.meta.url)),
    bodyBytesMax: maxBody === undefined ? undefined : wholeNumber("max-body", maxBody, Number.MAX_SAFE_INTEGER),
    verbose: values.verbose,
    backend: values.backend,
    run: values.run,
  };
}

// deno-lint-ignore explicit-function-return-type -- parseArgs infers the options' types from their table
function parseOrRefuse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        port: { type: "string", short: "p", default: "8080" },
        host: { type: "string", short: "H", default: "127.0.0.1" },
        unix: { type: "string", short: "U" },
        unlink: { type: "boolean", short: "u", default: false },
        "max-body": { type: "string", short: "m" },
        verbose: { type: "boolean", short: "v", default: false },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // Further sentences explain how to write things nobody means here.
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

/** What may wait for a console that does not keep up; beyond that, output is left out rather than requests delayed. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** A descriptor that is ready for writing takes this much without blocking: a pipe's unit of room. */
const WRITE_BYTES_MAX = 4096;
/** How long the end of the program waits for what is still to be printed. */
const FLUSH_MS = 200;

/**
 * Prints without ever blocking the loop: a terminal that is stopped, or a pipe whose reader sleeps, must not stop the
 * server. The descriptor belongs to others too, so it is not made non-blocking; it is asked before each small write.
 */
class Printer {
  readonly #base: EventBase;
  readonly #fd: number;
  readonly #waiting: EvBuffer = new EvBuffer();
  readonly #event: LoopEvent;
  #isBroken = false;
  #leftOut = 0;

  constructor(base: EventBase, fd: number) {
    this.#base = base;
    this.#fd = fd;
    this.#event = base.event(fd, EV_WRITE, () => this.#writeSome());
  }

  print(text: string): void {
    if (this.#isBroken) return;
    if (this.#waiting.length + text.length > WAITING_BYTES_MAX) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0) this.#waiting.add(`[${this.#leftOut} left out]\n`);
    this.#leftOut = 0;
    this.#waiting.add(text);
    try {
      this.#event.add();
    } catch {
      // A regular file cannot be watched, nor need it be: writing to it never waits for anybody.
      while (this.#waiting.length > 0 && !this.#isBroken) this.#write(this.#waiting.length);
    }
  }

  /** Waits a moment for the rest. Only after the loop has ended. */
  finish(): void {
    if (this.#waiting.length > 0) {
      this.#base.loopExit(FLUSH_MS);
      while (this.#waiting.length > 0 && this.#base.loop(EVLOOP_ONCE) === 0 && !this.#base.gotExit);
    }
    this.#event.close();
    this.#waiting.close();
  }

  #writeSome(): void {
    this.#write(WRITE_BYTES_MAX);
    if (this.#waiting.length > 0) this.#event.add();
  }

  #write(bytesMax: number): void {
    const result = this.#waiting.writeTo(this.#fd, bytesMax);
    if (result >= 0) return;
    const { code } = new SystemError(-result, "write", "print");
    if (code === "EAGAIN" || code === "EINTR") return;
    // Nobody reads it any more, which is no reason to stop serving.
    this.#isBroken = true;
    this.#waiting.drain(this.#waiting.length);
  }
}

/** Clients choose what is printed, so what would steer a terminal is shown as a code instead. */
function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

const DUMPED_BYTES_MAX = 64 * 1024;

/** Method and URI, the header fields and the beginning of the body, as text. */
function describe(request: HttpRequest): string {
  const lines = [`${request.method} ${request.target}`];
  for (const [name, value] of request.headers) lines.push(`  ${name}: ${value}`);
  const { length } = request.body;
  if (length > 0) {
    lines.push(`<<< ${length} bytes`, request.body.takeText(Math.min(length, DUMPED_BYTES_MAX)), ">>>");
    if (length > DUMPED_BYTES_MAX) lines.push(`(${length - DUMPED_BYTES_MAX} bytes more)`);
  }
  return printable(lines.join("\n")) + "\n";
}

function urlOf({ address }: Listener): string {
  if (address.family === "unix") return `unix:${address.path}`;
  return address.family === "ipv6"
    ? `http://[${address.host}]:${address.port}`
    : `http://${address.host}:${address.port}`;
}

async function serve(options: Options): Promise<void> {
  const files = new StaticFiles(options.docroot);
  using base = new EventBase({
    avoid: backendNames().filter((name) => options.backend !== undefined && name !== options.backend),
  });
  const output = new Printer(base, 1);
  const errors = new Printer(base, 2);

  using server = new HttpServer(base, {
    limits: options.bodyBytesMax === undefined ? {} : { maxBodyBytes: options.bodyBytesMax },
    // CONNECT asks for a tunnel, which this is not.
    allowedMethods: ((1 << METHOD_NAMES.length) - 1) & ~EVHTTP_REQ_CONNECT,
    onError: (error, request) => errors.print(printable(`${request?.method} ${request?.target}: ${error}`) + "\n"),
  }, (request) => {
    if (options.verbose) errors.print(printable(`${request.method} ${request.target}`) + "\n");
    if (request.path !== "/dump" && files.serve(request)) return;
    output.print(describe(request));
    request.reply(200, "OK\n");
  });
  const listener = server.listen(options.listener);
  const signals = ["SIGINT", "SIGTERM"].map((name) => base.signal(name, () => base.loopBreak()).add());
  console.log(`listening on ${urlOf(listener)}`);

  if (options.run) await base.run();
  else base.dispatch();

  server.close();
  for (const signal of signals) signal.close();
  output.finish();
  errors.finish();
}

async function main(): Promise<number> {
  try {
    const options = readArguments();
    if (options === "help") console.log(USAGE.trimEnd());
    else await serve(options);
    return 0;
  } catch (error) {
    console.error(`http-server: ${error instanceof Error ? error.message : error}`);
    // A host that is no address is a mistake of the command line as well.
    return error instanceof UsageError || error instanceof TypeError ? 2 : 1;
  }
}

process.exitCode = await main();
