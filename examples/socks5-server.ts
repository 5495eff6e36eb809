/**
 * A SOCKS5 proxy (RFC 1928): CONNECT to IPv4 and IPv6 addresses and to localhost, without authentication or with a user name
 * and password (RFC 1929). Other names need a resolver, which this program has none of: they are answered with "host
 * unreachable".
 *
 * ```sh
 * deno run --allow-ffi examples/socks5-server.ts [-p port] [-u user:password] [--backend name]
 * bun examples/socks5-server.ts [-p port] [-u user:password] [--backend name]
 * ```
 */
import { parseArgs } from "node:util";
import { Listener, SocketBufferEvent, SystemError } from "../mod.ts";
import { endOnSignals, openBase, orRefuse, runMain, UsageError, wholeNumber } from "./shared/program.ts";

/** How long a client may take for its greeting and request. */
const HANDSHAKE_MS = 10_000;
const CONNECT_MS = 15_000;
/** How long a tunnel may stand still. */
const IDLE_MS = 300_000;
const CONNECTIONS_MAX = 1000;

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 1;

/** Replies of RFC 1928 section 6. */
const SUCCEEDED = 0;
const FAILED = 1;
const NETWORK_UNREACHABLE = 3;
const HOST_UNREACHABLE = 4;
const REFUSED = 5;
const TTL_EXPIRED = 6;
const COMMAND_NOT_SUPPORTED = 7;
const ADDRESS_TYPE_NOT_SUPPORTED = 8;

const replyByCode: Readonly<Record<string, number>> = {
  ECONNREFUSED: REFUSED,
  ENETUNREACH: NETWORK_UNREACHABLE,
  EHOSTUNREACH: HOST_UNREACHABLE,
  HOST_NOT_FOUND: HOST_UNREACHABLE,
  ETIMEDOUT: TTL_EXPIRED,
};

/** The client has said something that is not SOCKS5, or not the password. */
class Refusal extends Error {}

async function readByte(client: SocketBufferEvent): Promise<number> {
  return (await client.readExactly(1))[0]!;
}

/** A piece that says its length in one byte first. */
async function readCounted(client: SocketBufferEvent): Promise<Uint8Array> {
  return await client.readExactly(await readByte(client));
}

/** Compares in a time that tells nothing of where the difference is. */
function isSame(given: Uint8Array, expected: Uint8Array): boolean {
  let difference = given.length ^ expected.length;
  for (let at = 0; at < given.length; at++) difference |= given[at]! ^ expected[at % expected.length]!;
  return difference === 0;
}

async function agreeOnMethod(client: SocketBufferEvent, login: Login | null): Promise<void> {
  if (await readByte(client) !== VERSION) throw new Refusal("not SOCKS5");
  const methods = await readCounted(client);
  const wanted = login === null ? NO_AUTHENTICATION : USER_AND_PASSWORD;
  const method = methods.includes(wanted) ? wanted : NO_ACCEPTABLE_METHOD;
  client.write(Uint8Array.of(VERSION, method));
  if (method === NO_ACCEPTABLE_METHOD) throw new Refusal("no acceptable method");
  if (login === null) return;
  if (await readByte(client) !== 1) throw new Refusal("not RFC 1929");
  const user = await readCounted(client);
  const password = await readCounted(client);
  // Both are compared, whatever the first comparison says.
  const isKnown = Number(isSame(user, login.user)) & Number(isSame(password, login.password));
  client.write(Uint8Array.of(1, isKnown === 1 ? 0 : 1));
  if (isKnown !== 1) throw new Refusal("wrong user name or password");
}

/** Reads a request's address; null for a type there is none of. */
async function readHost(client: SocketBufferEvent, type: number): Promise<string | null> {
  switch (type) {
    case 1:
      return (await client.readExactly(4)).join(".");
    case 3:
      return new TextDecoder().decode(await readCounted(client));
    case 4: {
      const words = new DataView((await client.readExactly(16)).buffer);
      return Array.from({ length: 8 }, (_, at) => words.getUint16(at * 2).toString(16)).join(":");
    }
    default:
      return null;
  }
}

function reply(client: SocketBufferEvent, code: number): void {
  // The address we are bound to is of no use to a client of CONNECT.
  client.write(Uint8Array.of(VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0));
}

/** Connects as the client asks; answers it in any case, and returns null when there is no connection. */
async function openTarget(client: SocketBufferEvent, signal: AbortSignal): Promise<SocketBufferEvent | null> {
  const [version, command, , type] = await client.readExactly(4);
  if (version !== VERSION) throw new Refusal("not SOCKS5");
  const host = await readHost(client, type!);
  if (host === null) {
    reply(client, ADDRESS_TYPE_NOT_SUPPORTED);
    return null;
  }
  const port = new DataView((await client.readExactly(2)).buffer).getUint16(0);
  if (command !== CONNECT) {
    reply(client, COMMAND_NOT_SUPPORTED);
    return null;
  }
  try {
    const target = { host, port, connectTimeoutMs: CONNECT_MS, signal };
    const connection = await SocketBufferEvent.connectTo(client.base, target);
    reply(client, SUCCEEDED);
    return connection;
  } catch (error) {
    // A TypeError says that the name needs a resolver, or is none.
    if (error instanceof TypeError) reply(client, HOST_UNREACHABLE);
    else reply(client, error instanceof SystemError ? replyByCode[error.code] ?? FAILED : FAILED);
    return null;
  }
}

/** Passes everything on until the end, and the end too. */
async function pass(from: SocketBufferEvent, to: SocketBufferEvent): Promise<void> {
  for await (const chunk of from) await to.send(chunk);
  if (to.closed) return;
  await to.flushed();
  to.endWriting();
}

async function serveClient(client: SocketBufferEvent, login: Login | null): Promise<void> {
  const leaving = new AbortController();
  // The whole handshake has one limit; a limit on silence alone would let a byte now and then hold the place for ever.
  using limit = client.base.timer(() => client.close()).add(HANDSHAKE_MS);
  try {
    await agreeOnMethod(client, login);
    const target = await openTarget(client, leaving.signal);
    limit.delete();
    if (target === null) return;
    using _ = target;
    client.setTimeouts(IDLE_MS, IDLE_MS);
    target.setTimeouts(IDLE_MS, IDLE_MS);
    await Promise.all([pass(client, target), pass(target, client)]);
  } finally {
    leaving.abort();
    client.closeAfterFlush();
  }
}

/** Who may use the proxy. */
interface Login {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

function parseLogin(text: string | undefined): Login | null {
  if (text === undefined) return null;
  const colon = text.indexOf(":");
  const encoder = new TextEncoder();
  const [user, password] = [encoder.encode(text.slice(0, colon)), encoder.encode(text.slice(colon + 1))];
  if (colon < 1 || user.length > 255 || password.length < 1 || password.length > 255) {
    throw new UsageError("-u takes user:password, each of 1 to 255 bytes");
  }
  return { user, password };
}

async function serve(listener: Listener, login: Login | null): Promise<void> {
  let count = 0;
  for await (const client of listener.connections()) {
    if (count >= CONNECTIONS_MAX) {
      client.close();
      continue;
    }
    count++;
    // What goes wrong with one client is between the two of them.
    serveClient(client, login).catch(() => {}).finally(() => count--);
  }
}

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "1080" },
        user: { type: "string", short: "u" },
        backend: { type: "string" },
      },
    })
  );
  const login = parseLogin(values.user);
  using base = openBase(values.backend);
  using listener = new Listener(base, { port: wholeNumber("--port", values.port, 0, 65_535) });
  endOnSignals(base);
  console.log(`listening on 127.0.0.1:${listener.port}`);
  const serving = serve(listener, login);
  await base.run();
  listener.close();
  await serving;
  return 0;
}

await runMain("socks5-server", main);
