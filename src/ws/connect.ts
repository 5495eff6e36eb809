import { type BufferEvent, ConnectionError, type EventBase, type SecureLayer } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import {
  type ConnectorOptions,
  HttpHeaders,
  type HttpHeadersInit,
  openStream,
  type StreamTarget,
} from "../http/mod.ts";
import { ClientHandshake, type HandshakeRequest, timedOut } from "./client_handshake.ts";
import { deflateOffer } from "./deflate_parameters.ts";
import { areProtocols, checkSessionOptions, deflateOptionsOf, newKey, WEBSOCKET_VERSION } from "./handshake.ts";
import { WebSocketSession } from "./session.ts";
import type { WebSocketSessionOptions } from "./session_options.ts";

/** How a client opens a session. */
export interface WebSocketConnectOptions extends WebSocketSessionOptions, Omit<ConnectorOptions, "connectTimeoutMs"> {
  /** Speaks TLS for `wss:` addresses, which need one; a client's `TlsContext`, for example. Without effect for `ws:`. */
  readonly tls?: SecureLayer | undefined;
  /** Subprotocols to offer, the preferred one first. */
  readonly protocols?: readonly string[] | undefined;
  /** Further fields of the request, such as Origin, Cookie or Authorization. */
  readonly headers?: HttpHeadersInit | undefined;
  /** How long everything up to the server's reply may take, in milliseconds; 30 s by default, Infinity for ever. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Gives it up. The promise is rejected with its reason; a session that is open is none of its business any more. */
  readonly signal?: AbortSignal | undefined;
  /** Connects to this Unix socket instead of the host in the address. */
  readonly unixPath?: string | undefined;
  /**
   * Speaks over this stream, which is open, or connects or shakes hands by TLS as yet, instead of making one; it is the session's to close,
   * also when there will be none.
   */
  readonly stream?: BufferEvent | undefined;
  /** Called with the session as soon as there is one, before any of its messages: for who does not wait for the promise. */
  open?(session: WebSocketSession): void;
}

const HANDSHAKE_TIMEOUT_MS = 30_000;
const PORTS: Readonly<Record<string, number>> = { "ws:": 80, "wss:": 443 };

/**
 * Opens a session with a server (RFC 6455 section 4.1): connects, by name or address, through a proxy and with TLS where that is asked
 * for, and agrees with it upon subprotocol and compression.
 *
 * It is rejected with a {@linkcode WebSocketError} (`WS_HANDSHAKE_FAILED`, with the `status` of a refusal, or `WS_HANDSHAKE_TIMEOUT`),
 * with what the connection has failed with, with the reason of an aborted signal, or with a `TypeError` or `RangeError` for an
 * address or option that is none. Nothing is left open then.
 *
 * @param url `ws:` or `wss:`, without a fragment, user name and password.
 *
 * @example
 * ```ts
 * import { connectWebSocket, EventBase, HttpServer, upgradeWebSocket } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => {
 *   upgradeWebSocket(request, { message: (data, session) => void session.send(data) });
 * });
 * const { port } = server.listen({ port: 0 });
 * const talk = async (): Promise<void> => {
 *   const session = await connectWebSocket(base, `ws://127.0.0.1:${port}/`);
 *   session.sendText("hello");
 *   for await (const message of session) {
 *     console.log(message); // hello
 *     session.close();
 *   }
 *   server.close();
 * };
 * await Promise.all([base.run(), talk()]);
 * ```
 */
export async function connectWebSocket(
  base: EventBase,
  url: string | URL,
  options: WebSocketConnectOptions = {},
): Promise<WebSocketSession> {
  const { signal } = options;
  let { stream } = options;
  try {
    const address = parseAddress(url);
    checkSessionOptions(options);
    const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    if (!(timeoutMs > 0)) throw new RangeError(`Cannot connect within ${timeoutMs} ms: expected a number above zero`);
    signal?.throwIfAborted();
    const request = makeRequest(address, options);
    if (stream?.closed === true) throw new TypeError(`Cannot connect to ${address.href}: the stream is closed`);
    // As when it is connected: who was busy until now, which the loop's time does not know of, pays for that alone.
    const deadlineMs = base.now() + reactorOf(base).clock.ageMs + timeoutMs;
    stream ??= await open(base, address, options, timeoutMs);
    return await shakeHands(stream, request, deadlineMs - base.now(), options);
  } catch (error) {
    stream?.close();
    throw error;
  }
}

async function open(
  base: EventBase,
  address: URL,
  options: WebSocketConnectOptions,
  connectTimeoutMs: number,
): Promise<BufferEvent> {
  const { unixPath, tls, tlsHostname = hostOf(address) } = options;
  const port = address.port === "" ? PORTS[address.protocol]! : Number(address.port);
  const target: StreamTarget = unixPath === undefined ? { host: hostOf(address), port } : { unixPath };
  const secure = address.protocol === "wss:";
  if (secure && tls === undefined) throw new TypeError(`Cannot connect to ${address.href}: it needs the option tls`);
  try {
    return await openStream(base, target, { ...options, tls: secure ? tls : undefined, tlsHostname, connectTimeoutMs });
  } catch (error) {
    // It is one limit for the whole way.
    throw error instanceof ConnectionError && error.code === "TIMEOUT" ? timedOut(error) : error;
  }
}

function shakeHands(
  stream: BufferEvent,
  request: HandshakeRequest,
  timeoutMs: number,
  options: WebSocketConnectOptions,
): Promise<WebSocketSession> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    let isOver = false;
    const abort = (): void => handshake.cancel(signal!.reason);
    const over = (): void => {
      isOver = true;
      signal?.removeEventListener("abort", abort);
    };
    const handshake = new ClientHandshake(stream, request, timeoutMs, {
      agreed: ({ protocol, deflate }) => {
        over();
        const session = new WebSocketSession(stream, { role: "client", protocol, deflate }, options);
        resolve(session);
        options.open?.(session);
      },
      failed: (error) => {
        over();
        reject(error);
      },
    });
    // Who watches the output may have closed the stream as the request was written.
    if (isOver) return;
    signal?.addEventListener("abort", abort);
    // It may have been aborted since the stream was asked for.
    if (signal?.aborted === true) abort();
  });
}

function parseAddress(url: string | URL): URL {
  const address = new URL(url);
  const refuse = (why: string): never => {
    throw new TypeError(`Cannot connect to ${address.href}: ${why}`);
  };
  if (PORTS[address.protocol] === undefined) refuse("the scheme is neither ws nor wss");
  if (address.hash !== "" || address.href.endsWith("#")) refuse("an address of a session has no fragment");
  if (address.username !== "" || address.password !== "") refuse("credentials belong into a field of the request");
  return address;
}

/** The host without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function makeRequest(address: URL, options: WebSocketConnectOptions): HandshakeRequest {
  const { protocols = [] } = options;
  if (!areProtocols(protocols)) {
    throw new TypeError(`Cannot offer the subprotocols ${JSON.stringify(protocols)}: each is a token, and named once`);
  }
  const key = newKey();
  const deflate = deflateOptionsOf(options);
  const headers = new HttpHeaders(options.headers);
  for (const [name] of headers) {
    if (/^(?:upgrade|connection|sec-websocket-.*|content-length|transfer-encoding)$/i.test(name)) {
      throw new TypeError(`Cannot connect with a field ${name} of your own: the handshake makes it`);
    }
  }
  if (!headers.has("host")) headers.set("Host", address.host);
  headers.set("Upgrade", "websocket");
  headers.set("Connection", "Upgrade");
  headers.set("Sec-WebSocket-Key", key);
  headers.set("Sec-WebSocket-Version", WEBSOCKET_VERSION);
  if (protocols.length > 0) headers.set("Sec-WebSocket-Protocol", protocols.join(", "));
  if (deflate !== null) headers.set("Sec-WebSocket-Extensions", deflateOffer(deflate));
  let text = `GET ${address.pathname}${address.search} HTTP/1.1\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  return { text: `${text}\r\n`, key, protocols, deflate };
}
