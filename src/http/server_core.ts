import type { BufferEvent, ConnectionFailure } from "../core/mod.ts";
import type { RequestHead } from "./head.ts";
import type { ParserPool } from "./parser_pool.ts";
import type { PhaseLists } from "./phase_lists.ts";
import type { ReplyHead } from "./reply_head.ts";
import type { HttpRequest } from "./request.ts";
import type { ServerStream } from "./server_stream.ts";
import type { HttpTimeouts } from "./server_options.ts";

/** What a server's connections share. @internal */
export interface ServerCore {
  readonly heads: ReplyHead;
  readonly parsers: ParserPool;
  readonly lists: PhaseLists;
  readonly timeouts: HttpTimeouts;
  readonly maxOutputBytes: number;
  readonly closing: boolean;
  readonly allowField: string;
  isAllowed(head: RequestHead): boolean;
  handle(request: HttpRequest): void;
  /** What a handler's callback threw: the reply cannot be completed. */
  failed(error: unknown, request: HttpRequest): void;
  /** What a handler's callback threw when there was nothing left to fail. */
  report(error: unknown, request: HttpRequest): void;
  connectionFailed(error: ConnectionFailure): void;
  connectionClosed(connection: ServerStream): void;
  /** A handler has taken its stream, which still counts. */
  connectionTaken(stream: BufferEvent): void;
}
