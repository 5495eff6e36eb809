import {
  BaseClosedError,
  BEV_EVENT_CONNECTED,
  BEV_EVENT_ERROR,
  type BufferEvent,
  EV_READ,
  type LoopEvent,
} from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { ERROR, HEAD, type HttpHeaders, NEED_MORE, type ResponseHead, ResponseParser } from "../http/mod.ts";
import { type DeflateOptions, type DeflateParameters, readDeflateReply } from "./deflate_parameters.ts";
import { parseExtensions } from "./extension_list.ts";
import { acceptOf, lists } from "./handshake.ts";
import { WebSocketError } from "./ws_error.ts";

/** What a client has asked for. */
export interface HandshakeRequest {
  /** The whole request, as text. */
  readonly text: string;
  /** Its Sec-WebSocket-Key. */
  readonly key: string;
  /** The subprotocols it offers. */
  readonly protocols: readonly string[];
  /** How it offers compression; null: it does not. */
  readonly deflate: DeflateOptions | null;
}

/** What a server has agreed to. */
export interface HandshakeReply {
  readonly protocol: string;
  readonly deflate: DeflateParameters | null;
  /** The fields of its reply. */
  readonly headers: HttpHeaders;
}

/** Who waits for the end of a handshake. */
export interface HandshakeOwner {
  /** The server agrees. The stream has no callbacks, and what came behind the reply is in its input. */
  agreed(reply: HandshakeReply): void;
  /** It does not, or the connection has ended; the stream is closed. */
  failed(error: Error): void;
}

/**
 * A client's side of the opening handshake (RFC 6455 section 4.1), on a stream that is open, or being opened.
 *
 * @internal
 */
export class ClientHandshake {
  readonly #stream: BufferEvent;
  readonly #request: HandshakeRequest;
  readonly #owner: HandshakeOwner;
  readonly #parser: ResponseParser = new ResponseParser();
  readonly #limit: LoopEvent;
  // There is no loop to end it once the base is closed.
  readonly #dependent: { close(): void } = { close: () => this.#fail(new BaseClosedError("open a session")) };
  #over = false;

  /** Sends the request; the stream is this object's until the owner is told. */
  constructor(stream: BufferEvent, request: HandshakeRequest, timeoutMs: number, owner: HandshakeOwner) {
    this.#stream = stream;
    this.#request = request;
    this.#owner = owner;
    this.#limit = stream.base.timer(() => this.#fail(timedOut()));
    reactorOf(stream.base).dependents.add(this.#dependent);
    stream.setCallbacks({ read: () => this.#receive(), event: (what) => this.#streamEvent(what) });
    stream.whenClosed = () => this.#fail(refused("the connection was closed on this side"));
    if (timeoutMs !== Infinity) this.#limit.add(Math.max(0, timeoutMs));
    stream.output.addLatin1(request.text);
    stream.enable(EV_READ);
  }

  /** Gives up with an error; the owner is told. */
  cancel(error: Error): void {
    this.#fail(error);
  }

  #receive(): void {
    const bytes = this.#stream.input.take();
    const parser = this.#parser;
    for (let at = 0; !this.#over;) {
      const event = parser.next(bytes, at, bytes.length);
      at = parser.position;
      if (event === NEED_MORE) return;
      if (event === ERROR) return this.#fail(refused(parser.error!.message, parser.error));
      if (event === HEAD && !parser.head.isInterim) return this.#judge(parser.head, bytes.subarray(at));
    }
  }

  /** @param rest what stands behind the head: frames already, if the server agrees. */
  #judge(head: ResponseHead, rest: Uint8Array): void {
    const reply = readReply(head, this.#request);
    if (typeof reply === "string") {
      this.#fail(refused(reply, undefined, head.status === 101 ? undefined : head.status));
      return;
    }
    this.#end();
    if (rest.length > 0) this.#stream.input.prepend(rest);
    this.#owner.agreed(reply);
  }

  #streamEvent(what: number): void {
    // It was still being opened, and the request leaves now.
    if (what === BEV_EVENT_CONNECTED) return;
    const { error } = this.#stream;
    if ((what & BEV_EVENT_ERROR) !== 0 && error !== null) this.#fail(refused(error.message, error));
    else this.#fail(refused("the connection has ended"));
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#end();
    this.#stream.close();
    this.#owner.failed(error);
  }

  #end(): void {
    this.#over = true;
    reactorOf(this.#stream.base).dependents.delete(this.#dependent);
    this.#limit.close();
    this.#stream.whenClosed = null;
    this.#stream.setCallbacks({});
  }
}

/** What a reply agrees to, or what is wrong with it (RFC 6455 section 4.1, the list at its end). */
function readReply({ status, reason, headers }: ResponseHead, request: HandshakeRequest): HandshakeReply | string {
  if (status !== 101) return `the reply is ${status} ${reason}`.trimEnd();
  const only = (name: string): string | undefined => {
    const values = headers.getAll(name);
    return values.length === 1 ? values[0] : undefined;
  };
  if (only("upgrade")?.toLowerCase() !== "websocket") return "its Upgrade field is not websocket";
  if (!lists(headers, "connection", "upgrade")) return "its Connection field does not name Upgrade";
  if (only("sec-websocket-accept") !== acceptOf(request.key)) return "its Sec-WebSocket-Accept does not fit our key";
  const protocol = headers.has("sec-websocket-protocol") ? only("sec-websocket-protocol") : "";
  if (protocol === undefined || (protocol !== "" && !request.protocols.includes(protocol))) {
    return "it has chosen a subprotocol that was not offered";
  }
  const deflate = readExtensions(headers, request.deflate);
  return deflate === undefined ? "it has chosen extensions that were not offered" : { protocol, deflate, headers };
}

/** Undefined for what does not answer our offer. */
function readExtensions(headers: HttpHeaders, offered: DeflateOptions | null): DeflateParameters | null | undefined {
  const extensions = parseExtensions(headers.getAll("sec-websocket-extensions").join(","));
  if (extensions === null || extensions.length > 1) return undefined;
  const [extension] = extensions;
  if (extension === undefined) return null;
  return (offered === null ? null : readDeflateReply(extension, offered)) ?? undefined;
}

/** There is no session within the time. */
export function timedOut(cause?: Error): WebSocketError {
  return new WebSocketError("WS_HANDSHAKE_TIMEOUT", { action: "open a session", cause });
}

function refused(detail: string, cause?: unknown, status?: number): WebSocketError {
  return new WebSocketError("WS_HANDSHAKE_FAILED", { action: "open a session", detail, cause, status });
}
