/**
 * Carries standard input to a connection and the connection to standard output, as netcat does.
 *
 * ```sh
 * deno run --allow-ffi examples/becat.ts [options] [host] [port]
 * bun examples/becat.ts [options] [host] [port]
 * ```
 *
 * `--help` lists the options.
 */
import { isatty } from "node:tty";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_TIMEOUT,
  type BufferEvent,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  type EventBase,
  formatSocketAddress,
  Listener,
  setKeepAlive,
  setNoDelay,
  type SocketAddress,
  SocketBufferEvent,
  TlsBufferEvent,
  TlsContext,
} from "../mod.ts";
import { type BecatOptions, readArguments, type TlsChoices, USAGE } from "./shared/becat_options.ts";
import { endOnSignals, openBase, runMain } from "./shared/program.ts";
import { selfSigned } from "./shared/self_signed.ts";
import { ErrorLines, StandardInput, StandardOutput } from "./shared/standard_streams.ts";

/** What may wait in either direction: beyond this, the faster side is read no further until half is left. */
const WAITING_BYTES_MAX = 256 * 1024;

/** How often to look whether a connection that says goodbye is gone. */
const CLOSING_MS = 10;

type Connection = SocketBufferEvent | TlsBufferEvent;

/** What TLS goes by: a certificate of our own for a server, whom to trust for a client. */
async function openContext(listens: boolean, choices: TlsChoices): Promise<TlsContext> {
  const { hostname, certificateFile, keyFile, caFile, insecure } = choices;
  const file = certificateFile ?? keyFile;
  const own = certificateFile !== undefined
    ? { certificate: { file: certificateFile }, key: { file: keyFile ?? file! } }
    : undefined;
  const ca = caFile === undefined ? undefined : { file: caFile };
  if (!listens) return TlsContext.client({ ...own, ca, verifyPeer: !insecure });
  return TlsContext.server(own ?? await selfSigned(hostname));
}

/** The one connection at a time, and what goes in and out. */
class Becat {
  /** The exit code as it stands. */
  exitCode = 0;
  readonly #base: EventBase;
  readonly #options: BecatOptions;
  readonly #input: StandardInput;
  readonly #output: StandardOutput;
  readonly #errors: ErrorLines;
  #listener: Listener | null = null;
  #connection: Connection | null = null;
  readonly #context: TlsContext | null;
  #isConnected = false;
  // The other side will send no more, and our end was sent.
  #hasPeerEnded = false;
  #isEndSent = false;
  #hasFailed = false;

  /** @param context what TLS goes by, or null for no TLS. */
  constructor(base: EventBase, options: BecatOptions, context: TlsContext | null) {
    this.#base = base;
    this.#context = context;
    this.#options = options;
    this.#errors = new ErrorLines(base);
    this.#input = new StandardInput(base, 0, options.readBytesMax, {
      received: () => {
        if (this.#connection!.output.length >= WAITING_BYTES_MAX) this.#input.pause();
      },
      ended: (error) => {
        if (error !== null) this.#complain(error.message);
        this.#sendOn();
      },
    });
    this.#output = new StandardOutput(base, 1, {
      drained: () => this.#finishIfDone(),
      failed: (error) => {
        // Nobody is left to serve others for.
        this.#closeListener();
        this.#fail(error.message, 0);
      },
    });
  }

  /** Accepts a connection, or with `-k` one after the other. */
  listen(): void {
    const { address, keepAliveSeconds, keepListening } = this.#options;
    const where = address.family === "unix" ? { path: address.path, unlinkFirst: true } : address;
    this.#listener = new Listener(this.#base, { ...where, keepAlive: keepAliveSeconds ?? false }, (fd, listener) => {
      this.#tell(`Accepting ${formatSocketAddress(listener.peerAddress)}`);
      // Others wait until this one is served, or for ever.
      if (keepListening) listener.disable();
      else this.#closeListener();
      this.#serve(new SocketBufferEvent(this.#base, fd, { maxSingleRead: this.#options.readBytesMax }));
      // Over TLS that has to wait for the handshake.
      if (this.#context === null) this.#begin();
    });
    this.#errors.print(`listening on ${formatSocketAddress(this.#listener.address)}`);
  }

  /** Connects to one address after the other, until one answers. */
  connect(): void {
    const socket = new SocketBufferEvent(this.#base, -1, { maxSingleRead: this.#options.readBytesMax });
    this.#serve(socket);
    this.#tryNext(socket, [this.#options.address, ...this.#options.furtherAddresses]);
  }

  /** Gives everything back. */
  close(): void {
    this.#closeListener();
    this.#connection?.close();
    this.#input.close();
    this.#output.close();
    this.#errors.close();
  }

  /** Ends on a signal. */
  interrupted(name: string): void {
    this.#complain(`${name} received; terminating`);
  }

  #tryNext(socket: SocketBufferEvent, addresses: readonly SocketAddress[]): void {
    const [address, ...others] = addresses;
    const { localAddress, keepAliveSeconds } = this.#options;
    this.#setCallbacks(this.#connection!, () => {
      // What has failed later than that is no matter of the address.
      if (others.length === 0 || socket.fd >= 0) return false;
      this.#tell(`${socket.error?.message}; trying another address`);
      this.#tryNext(socket, others);
      return true;
    });
    socket.connect(address!, { localAddress });
    if (address!.family === "unix") return;
    setNoDelay(socket.fd, true);
    if (keepAliveSeconds !== undefined) setKeepAlive(socket.fd, keepAliveSeconds);
  }

  #serve(socket: SocketBufferEvent): void {
    const { readTimeoutMs, writeTimeoutMs, tls } = this.#options;
    const context = this.#context;
    const connection = context === null ? socket : new TlsBufferEvent(socket, context, {
      hostname: context.role === "client" ? tls!.hostname : undefined,
    });
    this.#connection = connection;
    this.#hasPeerEnded = this.#isEndSent = this.#hasFailed = false;
    connection.setTimeouts(readTimeoutMs, writeTimeoutMs);
    connection.setWatermark(EV_READ, 0, WAITING_BYTES_MAX);
    connection.setWatermark(EV_WRITE, WAITING_BYTES_MAX / 2, 0);
    this.#setCallbacks(connection, () => false);
  }

  /** @param tryAgain called when connecting has failed; returns whether it goes on. */
  #setCallbacks(connection: Connection, tryAgain: () => boolean): void {
    (connection as BufferEvent).setCallbacks({
      // The high watermark keeps the rest away while it is being written.
      read: () => this.#output.write(connection.input),
      write: () => this.#sendOn(),
      event: (what) => {
        if ((what & BEV_EVENT_CONNECTED) !== 0) {
          const how = connection instanceof TlsBufferEvent ? ` by ${connection.version}` : "";
          this.#tell(`Connected to ${formatSocketAddress(connection.remoteAddress!)}${how}`);
          this.#begin();
        } else if ((what & BEV_EVENT_EOF) !== 0) {
          this.#peerEnded();
        } else if (this.#isConnected || !tryAgain()) {
          this.#fail((what & BEV_EVENT_TIMEOUT) !== 0 ? "timed out" : String(connection.error?.message), what);
        }
      },
    });
  }

  #begin(): void {
    this.#isConnected = true;
    this.#connection!.enable(EV_READ);
    this.#sendOn();
  }

  /** Takes more input while there is room for it, and says when there was the last of it. */
  #sendOn(): void {
    const connection = this.#connection!;
    this.#input.start(connection.output);
    if (!this.#input.hasEnded || connection.output.length > 0 || this.#isEndSent) return;
    this.#isEndSent = true;
    connection.endWriting();
    this.#finishIfDone();
  }

  #peerEnded(): void {
    this.#tell("The other side has ended");
    this.#hasPeerEnded = true;
    // Whoever sits at a terminal would have to end the input by hand, for nobody.
    if (isatty(0)) this.#input.end();
    this.#sendOn();
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    const connection = this.#connection;
    if (connection === null || !this.#hasPeerEnded || !this.#isEndSent || connection.input.length > 0) return;
    this.#finish(connection);
  }

  #finish(connection: Connection): void {
    this.#tell("Freeing the connection");
    this.#connection = null;
    this.#isConnected = false;
    this.#input.pause();
    if (this.#hasFailed) connection.close();
    else connection.closeAfterFlush();
    if (this.#listener === null) this.#endWhenClosed(connection);
    else this.#listener.enable();
  }

  /** The last bytes may still be on their way through TLS. */
  #endWhenClosed(connection: Connection): void {
    if (connection.closed) this.#base.loopBreak();
    else this.#base.once(-1, EV_TIMEOUT, () => this.#endWhenClosed(connection), CLOSING_MS);
  }

  /** The connection or the output has failed; what was received before is written if that can be done at once. */
  #fail(why: string, what: number): void {
    const connection = this.#connection!;
    const event = what === 0 ? "" : `got event 0x${what.toString(16)} on descriptor ${connection.fd}: `;
    this.#complain(`${event}${why}; terminating the connection`);
    this.exitCode = 1;
    this.#hasFailed = true;
    if (what !== 0 && connection.input.length > 0) {
      this.#hasPeerEnded = this.#isEndSent = true;
      this.#input.pause();
      connection.disable(EV_READ | EV_WRITE);
      this.#output.write(connection.input);
    } else {
      this.#finish(connection);
    }
  }

  #closeListener(): void {
    this.#listener?.close();
    this.#listener = null;
  }

  #tell(text: string): void {
    if (this.#options.verbose) this.#complain(text);
  }

  #complain(text: string): void {
    this.#errors.print(`becat: ${text}`);
  }
}

await runMain("becat", async () => {
  const options = readArguments();
  if (options === "help") {
    console.log(USAGE.trimEnd());
    return 0;
  }
  using base = openBase(options.backend);
  using context = options.tls === undefined ? null : await openContext(options.listens, options.tls);
  const becat = new Becat(base, options, context);
  const signals = endOnSignals(base, (name) => becat.interrupted(name));
  try {
    if (options.listens) becat.listen();
    else becat.connect();
    base.dispatch();
    return becat.exitCode;
  } finally {
    for (const signal of signals) signal.close();
    becat.close();
  }
});
