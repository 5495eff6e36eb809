import type { BufferEvent, ConnectionFailure } from "../core/mod.ts";
import type { Compression } from "./compression.ts";
import type { ErrorPages } from "./error_page.ts";
import type { Route } from "./http_host.ts";
import type { ParserPool } from "./parser_pool.ts";
import type { PhaseLists } from "./phase_lists.ts";
import type { ReplyHead } from "./reply_head.ts";
import type { HttpRequest } from "./request.ts";
import type { HttpServer } from "./server.ts";
import type { ServerMethods } from "./server_methods.ts";
import type { HttpTimeouts } from "./server_options.ts";
import type { ServerStream } from "./server_stream.ts";

/** What a server's connections share. @internal */
export interface ServerCore {
  readonly server: HttpServer;
  readonly heads: ReplyHead;
  readonly pages: ErrorPages;
  readonly compression: Compression | null;
  readonly parsers: ParserPool;
  readonly lists: PhaseLists;
  timeouts: HttpTimeouts;
  readonly methods: ServerMethods;
  readonly maxOutputBytes: number;
  readonly allowHalfClose: boolean;
  /** Whether no request is taken up behind those that have begun. A plain field: V8 does not inline a getter of an object literal. */
  closing: boolean;
  /** Whether there is somebody to ask about every request whose head has come. */
  readonly asksAboutRequests: boolean;
  /** Asks; false: the connection is to be dropped. */
  isWelcome(request: HttpRequest): boolean;
  /** Whether a client may send the body it announces; it may have been answered instead. */
  mayContinue(request: HttpRequest): boolean;
  /** What answers a request; undefined: nothing does. */
  routeOf(request: HttpRequest): Route | undefined;
  handle(request: HttpRequest): void;
  /** What a handler's callback threw: the reply cannot be completed. */
  failed(error: unknown, request: HttpRequest): void;
  /** What a handler's callback threw when there was nothing left to fail. */
  report(error: unknown, request: HttpRequest | undefined): void;
  connectionFailed(error: ConnectionFailure): void;
  connectionClosed(connection: ServerStream): void;
  /** A handler has taken its stream, which still counts. */
  connectionTaken(stream: BufferEvent): void;
}
