import type { EventBase, SocketAddress } from "../core/mod.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_TRACE, METHOD_NAMES } from "./methods.ts";
import type { HttpRequest } from "./request.ts";
import { HttpServer } from "./server.ts";
import type { HttpListenOptions } from "./server_listening.ts";
import type { HttpServerOptions } from "./server_options.ts";
import { NoUrlError } from "./request_url.ts";
import { standardRequest } from "./standard_request.ts";
import { sendResponse } from "./standard_response.ts";

/** What a {@linkcode FetchHandler} is told besides the request. */
export interface ServeInfo {
  /** The client's address; undefined once it has gone. */
  readonly remoteAddress: SocketAddress | undefined;
  /** The request as {@linkcode HttpServer} has it. */
  readonly request: HttpRequest;
}

/** Answers standard requests by standard responses, as frameworks for the web's own interfaces do (WinterTC). */
export type FetchHandler = (request: Request, info: ServeInfo) => Response | Promise<Response>;

/** Where {@linkcode serve} listens, and how the server behaves; `onError` is the server's. */
export interface ServeOptions extends HttpServerOptions, Omit<HttpListenOptions, "onError" | "makeStream"> {}

/** What no standard request can have. */
const FORBIDDEN = EVHTTP_REQ_CONNECT | EVHTTP_REQ_TRACE;
const METHODS = ((1 << METHOD_NAMES.length) - 1) & ~FORBIDDEN;

/**
 * Serves a standard handler: any that takes a `Request` and returns a `Response`. Bodies are streamed both ways, and neither side is
 * faster than the other; when a client goes, `request.signal` is aborted and the response's body cancelled; what a handler throws is
 * told to `onError` and answered for with 500.
 *
 * @example
 * ```ts
 * import { EventBase, serve } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = serve(base, { port: 8080 }, (request) => new Response(`You want ${new URL(request.url).pathname}`));
 * console.log(`listening on port ${server.listeners[0]!.port}`);
 * await base.run();
 * ```
 *
 * @returns the server, which listens already; see {@linkcode HttpServer.listeners}, {@linkcode HttpServer.drain}.
 * @throws as {@linkcode HttpServer} and {@linkcode HttpServer.listen}.
 */
export function serve(base: EventBase, options: ServeOptions, handler: FetchHandler): HttpServer {
  // What is undefined has the default of this function, not that of the server.
  const { allowedMethods = METHODS, defaultContentType = null } = options;
  const server = new HttpServer(
    base,
    { ...options, allowedMethods, defaultContentType },
    (request) => answer(request, handler),
    { streamBody: true },
  );
  try {
    const { onError: _, makeStream: __, ...where } = options;
    server.listen(where);
    return server;
  } catch (error) {
    server.close();
    throw error;
  }
}

function answer(request: HttpRequest, handler: FetchHandler): void | Promise<void> {
  if ((request.head.methodId & FORBIDDEN) !== 0) {
    return request.replyError(400, "No standard request has this method");
  }
  try {
    const response = handler(standardRequest(request), new RequestInfo(request));
    // Nothing is waited for that is there already.
    return response instanceof Response ? sendResponse(request, response) : answerLater(request, response);
  } catch (error) {
    refuse(request, error);
  }
}

async function answerLater(request: HttpRequest, pending: Promise<Response>): Promise<void> {
  let response: Response;
  try {
    response = await pending;
  } catch (error) {
    return refuse(request, error);
  }
  if (!(response instanceof Response)) throw new TypeError("Cannot reply: the handler has returned no Response");
  await sendResponse(request, response);
}

function refuse(request: HttpRequest, error: unknown): void {
  if (!(error instanceof NoUrlError) || request.finished) throw error;
  request.replyError(400, "The request has no URL");
}

class RequestInfo implements ServeInfo {
  readonly request: HttpRequest;

  constructor(request: HttpRequest) {
    this.request = request;
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.request.remoteAddress;
  }
}
