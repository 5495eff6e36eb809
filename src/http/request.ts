import { EvBuffer, type SocketAddress } from "../core/mod.ts";
import type { HttpHeaders } from "./headers.ts";
import { hostnameOf } from "./host_name.ts";
import { HttpReply } from "./reply.ts";

/**
 * One request and its reply (libevent's evhttp_request on the server side). A handler gets it when the request has
 * arrived completely, and answers by one of the `reply` methods, at once or later. Requests of one connection are served
 * one after the other, in the order in which they came.
 *
 * @example
 * ```ts
 * import { EventBase, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => {
 *   if (request.path === "/") request.reply(200, "Hello, World!");
 *   else request.replyError(404);
 * });
 * console.log(`http://127.0.0.1:${server.listen({ port: 0 }).port}/`);
 * base.loopExit(100);
 * base.dispatch();
 * ```
 */
export class HttpRequest extends HttpReply {
  /** Trailer fields of a chunked body, if there were any. */
  trailers: HttpHeaders | undefined = undefined;
  #body: EvBuffer | null = null;

  /** The method, such as `GET`. */
  get method(): string {
    return this.head.method;
  }

  /** The request target as it came. */
  get target(): string {
    return this.head.target;
  }

  /** The target's path as it came: percent-encoded, without the query. */
  get path(): string {
    return this.head.path;
  }

  /** What follows the first `?` of the target; undefined without one. */
  get query(): string | undefined {
    return this.head.query;
  }

  /**
   * The host that the request is for, without the port (evhttp_request_get_host): that of a target that is a whole URI, else of the
   * Host field; "" when there is neither.
   */
  get hostname(): string {
    return hostnameOf(this.head.host ?? "");
  }

  /** The header fields as they came. */
  get headers(): HttpHeaders {
    return this.head.headers;
  }

  /** The body, all of it; empty when there was none. */
  get body(): EvBuffer {
    return this.#body ??= new EvBuffer();
  }

  /** The client's address; undefined once the connection is closed. */
  get remoteAddress(): SocketAddress | undefined {
    return this.connection.remoteAddress;
  }

  /** @internal Frees the body. */
  release(): void {
    this.#body?.close();
  }
}
