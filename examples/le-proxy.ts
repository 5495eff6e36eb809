/**
 * A TCP proxy: what comes in on one address goes out to another, and back.
 *
 * ```sh
 * deno run --allow-ffi examples/le-proxy.ts [options] listen connect
 * bun examples/le-proxy.ts [options] listen connect
 * ```
 *
 * `--help` lists the options.
 */
import { parseArgs } from "node:util";
import {
  backendNames,
  BEV_EVENT_CONNECTED,
  type EventBase,
  formatSocketAddress,
  Listener,
  type ListenerOptions,
  lookUpBlocking,
  parseSocketAddress,
  setNoDelay,
  setResetOnClose,
  type SocketAddress,
  SocketBufferEvent,
  SocketRelay,
  TlsBufferEvent,
  TlsContext,
} from "../mod.ts";
import { endOnSignals, openBase, orRefuse, runMain, UsageError, wholeNumber } from "./shared/program.ts";
import { Relay, type RelaySide, WAITING_BYTES_MAX } from "./shared/relay.ts";

const USAGE = `Usage: le-proxy [options] listen connect

Accepts connections at the address "listen" and passes on what they say to "connect", and back. Addresses are written
1.2.3.4:80, [::1]:80, host:80 or unix:/path; port 0 in "listen" stands for a free one.

  -s, --tls            speak TLS to the far side, whose certificate must be for the host in "connect"
  -W, --direct         with -s: TLS makes its socket itself, instead of being put over a connection that is there
      --ca FILE        with -s: trust these authorities instead of the system's
      --insecure       with -s: trust everybody
  -R, --read-size N    read at most so many bytes at a time (65536, which is also the most)
      --backend NAME   how to wait for events: ${backendNames().join(", ")}
  -h, --help           print this text
`;

/** A host that is a name, and a port. */
const BY_NAME = /^([^:[\]]*[a-z][^:[\]]*):(\d{1,5})$/i;

const READ_BYTES_MAX = 64 * 1024;

interface Options {
  readonly listen: SocketAddress;
  readonly connect: SocketAddress;
  readonly tls: TlsChoices | undefined;
  readonly readBytesMax: number;
  readonly backend: string | undefined;
}

interface TlsChoices {
  /** Whose certificate is wanted. */
  readonly hostname: string;
  readonly isDirect: boolean;
  readonly caFile: string | undefined;
  readonly insecure: boolean;
}

function readArguments(): Options | "help" {
  const { values, positionals } = orRefuse(() =>
    parseArgs({
      allowPositionals: true,
      options: {
        tls: { type: "boolean", short: "s", default: false },
        direct: { type: "boolean", short: "W", default: false },
        ca: { type: "string" },
        insecure: { type: "boolean", default: false },
        "read-size": { type: "string", short: "R" },
        backend: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    })
  );
  if (values.help) return "help";
  const [listen, connect] = positionals;
  if (listen === undefined || connect === undefined || positionals.length > 2) {
    throw new UsageError("an address to listen on and one to connect to are needed (--help explains)");
  }
  const to = readAddress(connect);
  if (to.family !== "unix" && to.port === 0) throw new UsageError(`"${connect}" has no port to connect to`);
  const { tls, direct: isDirect, ca: caFile, insecure, backend } = values;
  if (!tls && (isDirect || insecure || caFile !== undefined)) {
    throw new UsageError("-W, --ca and --insecure need -s");
  }
  if (insecure && caFile !== undefined) throw new UsageError("--ca and --insecure exclude each other");
  return {
    listen: readAddress(listen),
    connect: to,
    tls: tls ? { hostname: hostnameOf(connect, to), isDirect, caFile, insecure } : undefined,
    readBytesMax: wholeNumber("-R", values["read-size"] ?? String(READ_BYTES_MAX), 1, READ_BYTES_MAX),
    backend,
  };
}

/** The name as it was given, without the port. */
function hostnameOf(text: string, address: SocketAddress): string {
  if (address.family === "unix") return "localhost";
  return BY_NAME.exec(text)?.[1] ?? address.host;
}

/** Reads an address, or looks a host up: at the start, where nobody has to wait for it. */
function readAddress(text: string): SocketAddress {
  const byName = BY_NAME.exec(text);
  if (byName === null || text.startsWith("unix:")) return parseSocketAddress(text);
  return lookUpBlocking(byName[1]!, Number(byName[2]))[0]!.address;
}

function listenerOptions(address: SocketAddress): ListenerOptions {
  return address.family === "unix" ? { path: address.path, unlinkFirst: true } : address;
}

function openContext({ tls }: Options): TlsContext | null {
  if (tls === undefined) return null;
  const ca = tls.caFile === undefined ? undefined : { file: tls.caFile };
  return TlsContext.client({ ca, verifyPeer: !tls.insecure });
}

function openFar(base: EventBase, { connect, readBytesMax }: Options): SocketBufferEvent {
  const far = new SocketBufferEvent(base, -1, { maxSingleRead: readBytesMax });
  far.connect(connect);
  if (connect.family !== "unix") setNoDelay(far.fd, true);
  return far;
}

function openFarTls(base: EventBase, options: Options, context: TlsContext): RelaySide {
  const { connect, tls, readBytesMax } = options;
  if (!tls!.isDirect) {
    const bottom = openFar(base, options);
    return { connection: new TlsBufferEvent(bottom, context, tls), bottom, isConnected: false };
  }
  const connection = TlsBufferEvent.overSocket(base, -1, context, { ...tls, maxSingleRead: readBytesMax });
  connection.connect(connect);
  const bottom = connection.underlying;
  if (connect.family !== "unix") setNoDelay(bottom.fd, true);
  return { connection, bottom, isConnected: false };
}

/** Says what went wrong with a connection. */
function complain(error: unknown): void {
  console.error(`le-proxy: ${error instanceof Error ? error.message : error}`);
}

/** What is on its way, to be closed at the end. */
type Relays = Set<{ close(): void }>;

/** Once the far side is there, what is passed on as it is need not be seen by anybody. */
function relayInKernel(near: SocketBufferEvent, far: SocketBufferEvent, relays: Relays): void {
  const pair = {
    close: () => {
      near.close();
      far.close();
    },
  };
  relays.add(pair);
  far.setCallbacks({
    event: (what) => {
      relays.delete(pair);
      if ((what & BEV_EVENT_CONNECTED) === 0) {
        complain(far.error);
        setResetOnClose(near.fd, true);
        return pair.close();
      }
      const relay = new SocketRelay(near, far, { waitingBytesMax: WAITING_BYTES_MAX }, (error) => {
        relays.delete(relay);
        if (error !== null) complain(error);
      });
      relays.add(relay);
    },
  });
}

function relayOverTls(near: SocketBufferEvent, far: RelaySide, relays: Relays): void {
  const relay = new Relay({ connection: near, bottom: near, isConnected: true }, far, {
    failed: complain,
    ended: () => relays.delete(relay),
  });
  relays.add(relay);
}

function serve(options: Options): void {
  using base = openBase(options.backend, { onError: complain });
  using context = openContext(options);
  const relays: Relays = new Set();
  using listener = new Listener(base, { ...listenerOptions(options.listen), onError: complain }, (fd) => {
    const near = new SocketBufferEvent(base, fd, { maxSingleRead: options.readBytesMax });
    try {
      if (context === null) relayInKernel(near, openFar(base, options), relays);
      else relayOverTls(near, openFarTls(base, options, context), relays);
    } catch (error) {
      // Without a descriptor for the far side, say. The others go on.
      near.close();
      complain(error);
    }
  });
  const signals = endOnSignals(base);
  console.log(`listening on ${formatSocketAddress(listener.address)}`);
  base.dispatch();
  for (const relay of relays) relay.close();
  for (const signal of signals) signal.close();
}

await runMain("le-proxy", () => {
  const options = readArguments();
  if (options === "help") console.log(USAGE.trimEnd());
  else serve(options);
  return 0;
});
