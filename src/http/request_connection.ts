import type { BufferEvent, EvBuffer, SocketAddress } from "../core/mod.ts";
import type { HttpReply } from "./reply.ts";
import type { ReplyHead } from "./reply_head.ts";

/** What a request needs of the connection it came by. @internal */
export interface RequestConnection {
  readonly output: EvBuffer;
  readonly heads: ReplyHead;
  readonly remoteAddress: SocketAddress | undefined;
  /** Whether the connection may live on after this reply. */
  readonly mayKeepAlive: boolean;
  /** The reply is complete; the next request may be served. */
  replyEnded(request: HttpReply, keepAlive: boolean): void;
  /** The head of the reply that ends HTTP here was queued: gives the stream away, with what has come behind the request. */
  takeOver(): BufferEvent;
  /** The reply cannot be completed: the client must see that, by the end of the connection. */
  abort(): void;
}
