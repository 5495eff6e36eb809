import type { EvBuffer, SocketAddress } from "../core/mod.ts";
import type { HttpReply } from "./reply.ts";
import type { ReplyHead } from "./reply_head.ts";

/** What a request needs of the connection it came by. @internal */
export interface RequestConnection {
  readonly output: EvBuffer;
  readonly heads: ReplyHead;
  readonly remoteAddress: SocketAddress | undefined;
  /** Whether the connection may live on after this reply. */
  readonly mayKeepAlive: boolean;
  /** A reply has begun or grown: whatever is queued may be sent. */
  replyGrew(): void;
  /** The reply is complete; the next request may be served. */
  replyEnded(request: HttpReply, keepAlive: boolean): void;
  /** The reply cannot be completed: the client must see that, by the end of the connection. */
  abort(): void;
}
