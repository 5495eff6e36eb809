import type { BufferEvent, EvBuffer, SocketAddress } from "../core/mod.ts";
import type { Compression } from "./compression.ts";
import type { TypedPage } from "./error_page.ts";
import type { HttpReply } from "./reply.ts";
import type { ReplyHead } from "./reply_head.ts";
import type { HttpServer } from "./server.ts";

/** A client's connection, as handlers see it (libevent's evhttp_connection on the server side). */
export interface HttpConnection {
  /** The server it belongs to (evhttp_connection_get_server). */
  readonly server: HttpServer;
  /** What it speaks over, to be looked at only (evhttp_connection_get_bufferevent); see {@linkcode HttpReply.takeOver}. */
  readonly stream: BufferEvent;
  /** The client's address; undefined once it is closed, and over what is no socket (evhttp_connection_get_peer). */
  readonly remoteAddress: SocketAddress | undefined;
  /** The address that the client has connected to. */
  readonly localAddress: SocketAddress | undefined;
  /** Whether what is said here is encrypted by a secure layer of the server's. */
  readonly isSecure: boolean;
  /** Whether it has ended, or was taken over. */
  readonly closed: boolean;
  /** Called once when it ends, in whichever way, unless it was taken over (evhttp_connection_set_closecb). */
  onClose: (() => void) | undefined;
  /** Ends it at once. */
  close(): void;
}

/** What a request needs of the connection it came by. @internal */
export interface RequestConnection extends HttpConnection {
  readonly output: EvBuffer;
  readonly heads: ReplyHead;
  /** How replies are compressed; null: not at all. */
  readonly compression: Compression | null;
  /** Whether the connection may live on after this reply. */
  readonly mayKeepAlive: boolean;
  /** Whether the whole body of the request has come. */
  readonly isBodyComplete: boolean;
  /** Whether it has, or little enough is missing to wait for it. */
  readonly isBodyRead: boolean;
  /** The bit of a method that the server was told about, or 0. */
  customMethod(name: string): number;
  /** What an error reply says. */
  errorPage(status: number, explanation: string, request: HttpReply): TypedPage;
  /** Queues bytes of a reply that the handler may change when this has returned. */
  writeCopy(bytes: Uint8Array): void;
  /** Calls back when everything queued so far has been sent, or with false when it never will be. */
  afterSent(callback: (isSent: boolean) => void): void;
  /** Stops or goes on reading the request's body, for one of the `PAUSED_` reasons. */
  pauseBody(reason: number, isPaused: boolean): void;
  /** The reply is complete; the next request may be served. */
  replyEnded(request: HttpReply, keepAlive: boolean): void;
  /** The head of the reply that ends HTTP here was queued: gives the stream away, with what has come behind the request. */
  takeOver(): BufferEvent;
  /** The reply cannot be completed: the client must see that, by the end of the connection. */
  abort(): void;
}

/** The handler has asked for a pause. */
export const PAUSED_BY_HANDLER = 0x1000;
/** So much has come that nobody has taken yet. */
export const PAUSED_FULL = 0x2000;
