/** The server of libevent's regress suite for HTTP, in ours, and clients on its own loop. */
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  type BufferEvent,
  EV_READ,
  EV_TIMEOUT,
  type EventBase,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { type HttpHandler, type HttpRequest, HttpServer, type HttpServerOptions } from "../../src/http/mod.ts";
import type { TlsContext } from "../../src/tls/mod.ts";
import { until } from "../core/bufferevent_support.ts";

/** What most of its pages say. */
export const BODY = "This is funny";
/** The chunks of its chunked pages. */
export const CHUNKS: readonly string[] = ["This is funny", "but not hilarious.", "bwv 1052"];

/** A request without a body, behind which its client wants no other. */
export function get(path: string, fields: string = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: somehost\r\n${fields}Connection: close\r\n\r\n`;
}

/** Answers in pieces, one per turn of the loop; by a declared length for /streamed. */
export const trickle: HttpHandler = (request) => {
  const { base } = request.connection.server;
  let index = 0;
  request.replyStart(200, request.path === "/streamed" ? { "Content-Length": "39" } : {});
  const next = (): void => {
    if (request.finished) return;
    request.replyChunk(CHUNKS[index++]!);
    if (index < CHUNKS.length) base.once(-1, EV_TIMEOUT, next);
    else request.replyEnd();
  };
  base.once(-1, EV_TIMEOUT, next);
};

/** Its pages; `/test` is `basic`. */
export function regressServer(
  base: EventBase,
  options: HttpServerOptions = {},
  basic: HttpHandler = answerBasic,
): HttpServer {
  const server = new HttpServer(base, options);
  server.route("/test", basic);
  server.route("/", (request) => request.reply(200, "DISPATCHER_TEST"));
  server.route("/chunked", trickle);
  server.route("/streamed", trickle);
  server.route("/chunked_input", (request) => request.reply(200, request.body));
  server.route("/postit", (request) => request.reply(200, `${request.method} ${request.body.takeText()}`));
  server.route("/putit", (request) => request.reply(200, `${request.method} ${request.body.takeText()}`));
  server.route("/large", (request) => request.reply(200, BODY.repeat(1 << 20)));
  return server;
}

function answerBasic(request: HttpRequest): void {
  request.reply(200, request.headers.has("empty") ? "" : BODY);
}

/** A client on the loop of its server. */
export class RegressClient {
  /** Everything that has come. */
  text = "";
  /** Whether the connection has ended, and not by a failure. */
  ended = false;
  /** Whether it has failed. */
  failed = false;
  readonly stream: BufferEvent;
  readonly #base: EventBase;

  /** Connects, through TLS where a context is given. */
  constructor(base: EventBase, port: number, tls?: TlsContext) {
    this.#base = base;
    const socket = new SocketBufferEvent(base);
    socket.connect({ family: "ipv4", host: "127.0.0.1", port });
    this.stream = tls === undefined ? socket : tls.secure(socket, { hostname: "localhost" });
    this.stream.setCallbacks({
      read: () => this.text += this.stream.input.takeText(),
      event: (what) => {
        if ((what & BEV_EVENT_EOF) !== 0) this.ended = true;
        if ((what & BEV_EVENT_ERROR) !== 0) this.failed = true;
      },
    });
    this.stream.enable(EV_READ);
  }

  /** Sends text, and turns the loop until it has left. */
  send(text: string): this {
    this.stream.write(text);
    until(this.#base, () => this.stream.output.length === 0 || this.failed, "it is sent");
    return this;
  }

  /** Turns the loop until `text` has come. */
  until(text: string): string {
    until(this.#base, () => this.text.includes(text) || this.ended || this.failed, `${text} comes`);
    return this.text;
  }

  /** Turns the loop until the connection is over; everything that has come. */
  untilOver(): string {
    until(this.#base, () => this.ended || this.failed, "it is over");
    this.stream.close();
    return this.text;
  }
}

/** What one request on a connection of its own brings. */
export function exchange(base: EventBase, port: number, request: string, tls?: TlsContext): string {
  return new RegressClient(base, port, tls).send(request).untilOver();
}

/** The body of a reply that came whole, whose chunks stay as they came. */
export function bodyOf(reply: string): string {
  return reply.slice(reply.indexOf("\r\n\r\n") + 4);
}
