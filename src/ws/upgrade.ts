import { EVHTTP_REQ_GET, type HttpHeadersInit, type HttpRequest } from "../http/mod.ts";
import { HttpHeaders } from "../http/mod.ts";
import { acceptDeflate, type AcceptedDeflate } from "./deflate_parameters.ts";
import { parseExtensions } from "./extension_list.ts";
import {
  acceptOf,
  areProtocols,
  checkSessionOptions,
  deflateOptionsOf,
  isKey,
  listed,
  lists,
  WEBSOCKET_VERSION,
} from "./handshake.ts";
import { WebSocketSession } from "./session.ts";
import type { WebSocketSessionOptions } from "./session_options.ts";

/** How a server takes up sessions. */
export interface UpgradeOptions extends WebSocketSessionOptions {
  /**
   * Subprotocols in the server's order of preference, of which the first that the client offers is chosen; or what chooses among those
   * offered, undefined for none. Without one that both know the session has none, which the client may not like.
   */
  readonly protocols?:
    | readonly string[]
    | ((offered: readonly string[], request: HttpRequest) => string | undefined)
    | undefined;
  /**
   * Decides by the Origin field whether a page may open a session: browsers send it, and do not keep pages of other sites from doing so
   * (RFC 6455 section 10.2). False is answered by 403, and what is no boolean, such as a promise, is an error. Everybody may by default.
   */
  readonly checkOrigin?: ((origin: string | undefined, request: HttpRequest) => boolean) | undefined;
  /** Further fields of the reply. */
  readonly headers?: HttpHeadersInit | undefined;
}

/** Why a request is refused. */
interface Refusal {
  readonly status: 400 | 403 | 405 | 426;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Makes a session of a request (evws_new_session), in a handler of an `HttpServer`.
 *
 * A request that does not ask for a session by the rules of RFC 6455 section 4.2.1 is answered: by 426 if it asks for none, or for
 * another version; by 405 if it is no GET, 403 if `checkOrigin` says so, and else 400.
 *
 * @returns the session, which is open; null when the request was refused, or the client has gone.
 * @throws {RangeError} for options out of their ranges, before anything was sent.
 * @throws {TypeError} when the chosen subprotocol is none of those offered, `checkOrigin` answers by no boolean, `outputPolicy` is none
 * that there is, or `headers` name a field of the handshake.
 */
export function upgradeWebSocket(request: HttpRequest, options: UpgradeOptions = {}): WebSocketSession | null {
  checkSessionOptions(options);
  const headers = new HttpHeaders(options.headers);
  for (const [name] of headers) refuseOwnField(name);
  if (request.finished) return null;
  const refusal = refusalOf(request, options);
  // Whoever was asked may have answered in its own way.
  if (request.finished) return null;
  if (refusal !== null) {
    for (const [name, value] of Object.entries(refusal.headers ?? {})) request.replyHeaders.set(name, value);
    request.replyError(refusal.status, refusal.text);
    return null;
  }
  const protocol = chosenProtocol(request, options);
  if (request.finished) return null;
  const deflate = chosenDeflate(request, options);
  headers.set("Upgrade", "websocket");
  headers.set("Sec-WebSocket-Accept", acceptOf(request.headers.get("sec-websocket-key")!));
  if (protocol !== "") headers.set("Sec-WebSocket-Protocol", protocol);
  if (deflate !== null) headers.set("Sec-WebSocket-Extensions", deflate.reply);
  const stream = request.takeOver(101, headers);
  return new WebSocketSession(stream, { role: "server", protocol, deflate: deflate?.agreed }, options);
}

function refuseOwnField(name: string): void {
  if (!/^(?:upgrade|connection|sec-websocket-.*)$/i.test(name)) return;
  throw new TypeError(`Cannot upgrade with a field ${name} of your own: the handshake makes it`);
}

function refusalOf(request: HttpRequest, options: UpgradeOptions): Refusal | null {
  const { head, headers } = request;
  const text = headers.has("upgrade") ? malformed(request) : "This is a WebSocket endpoint";
  if (head.methodId !== EVHTTP_REQ_GET) {
    return { status: 405, text: "A WebSocket handshake is a GET", headers: { Allow: "GET" } };
  }
  if (!headers.has("upgrade")) return { status: 426, text: text!, headers: { Upgrade: "websocket" } };
  if (text !== null) return { status: 400, text };
  if (headers.get("sec-websocket-version") !== WEBSOCKET_VERSION) {
    const fields = { Upgrade: "websocket", "Sec-WebSocket-Version": WEBSOCKET_VERSION };
    return { status: 426, text: `Only WebSocket version ${WEBSOCKET_VERSION} is spoken here`, headers: fields };
  }
  return mayOpen(request, options) ? null : { status: 403, text: "This origin may not open a session" };
}

function mayOpen(request: HttpRequest, { checkOrigin }: UpgradeOptions): boolean {
  if (checkOrigin === undefined) return true;
  const answer: unknown = checkOrigin(request.headers.get("origin"), request);
  if (typeof answer === "boolean" || request.finished) return answer === true;
  // A promise is truthy, whatever it will say.
  const what = Object.prototype.toString.call(answer);
  throw new TypeError(`Cannot upgrade after checkOrigin has answered ${what}: expected true or false`);
}

/** What is wrong with a request that asks for an upgrade, or null. */
function malformed({ head, headers, body, bodyComplete }: HttpRequest): string | null {
  if (head.versionMinor < 1) return "A WebSocket handshake needs HTTP/1.1";
  if (!lists(headers, "upgrade", "websocket")) return "The Upgrade field does not name websocket";
  if (!lists(headers, "connection", "upgrade")) return "The Connection field does not name Upgrade";
  if (body.length > 0 || !bodyComplete) return "A WebSocket handshake has no body";
  const keys = headers.getAll("sec-websocket-key");
  if (keys.length !== 1 || !isKey(keys[0]!)) return "Sec-WebSocket-Key is not 16 bytes in base64";
  if (headers.getAll("sec-websocket-version").length !== 1) return "There is not exactly one Sec-WebSocket-Version";
  if (headers.getAll("origin").length > 1) return "There is more than one Origin";
  if (!areProtocols(listed(headers, "sec-websocket-protocol"))) return "Sec-WebSocket-Protocol is malformed";
  if (parseExtensions(headers.getAll("sec-websocket-extensions").join(",")) === null) {
    return "Sec-WebSocket-Extensions is malformed";
  }
  return null;
}

function chosenProtocol(request: HttpRequest, { protocols = [] }: UpgradeOptions): string {
  const offered = listed(request.headers, "sec-websocket-protocol");
  if (typeof protocols !== "function") return protocols.find((name) => offered.includes(name)) ?? "";
  const chosen = protocols(offered, request) ?? "";
  if (chosen === "" || offered.includes(chosen)) return chosen;
  throw new TypeError(`Cannot choose the subprotocol "${chosen}": the client offers ${offered.join(", ") || "none"}`);
}

function chosenDeflate(request: HttpRequest, options: UpgradeOptions): AcceptedDeflate | null {
  const own = deflateOptionsOf(options);
  if (own === null) return null;
  return acceptDeflate(parseExtensions(request.headers.getAll("sec-websocket-extensions").join(","))!, own);
}
