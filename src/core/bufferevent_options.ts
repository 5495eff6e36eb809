import type { SocketAddress } from "../ffi/mod.ts";
import type { AwaitOptions } from "./awaitable_connection.ts";
import type { BufferEventOptions } from "./bufferevent_callbacks.ts";
import type { ConnectHostnameOptions } from "./host_connect.ts";

/** How a SocketBufferEvent treats its descriptor. */
export interface SocketBufferEventOptions extends BufferEventOptions {
  /** Leave the descriptor open when the connection is closed; false by default (BEV_OPT_CLOSE_ON_FREE is ours). */
  readonly keepOpen?: boolean | undefined;
  /**
   * Whether the descriptor is non-blocking and close-on-exec already, as those are that a {@linkcode Listener} hands out by default
   * ({@linkcode Listener.handsOutPrepared}); then two system calls are saved. False by default: it is made so.
   */
  readonly prepared?: boolean | undefined;
  /** See {@linkcode BufferEventFlow.maxSingleRead}; 64 KiB by default. */
  readonly maxSingleRead?: number | undefined;
  /** See {@linkcode BufferEventFlow.maxSingleWrite}; 256 KiB by default. */
  readonly maxSingleWrite?: number | undefined;
}

/** Where {@linkcode SocketBufferEvent.connectTo} connects to, and how: a host and port, or the path of a Unix socket. */
export type ConnectTarget =
  | (SocketBufferEventOptions & ConnectHostnameOptions & {
    /** A name or address. */
    readonly host: string;
    /** 1 to 65535. */
    readonly port: number;
  })
  | (SocketBufferEventOptions & AwaitOptions & {
    /** The path of a Unix socket; a leading NUL makes it abstract (Linux). */
    readonly path: string;
  });

/** How a SocketBufferEvent connects. */
export interface ConnectOptions {
  /**
   * The address of this side, of the same family as the other one; port 0 for any. The system's choice by default. A port may be used again at
   * once after an earlier connection from it (SO_REUSEADDR).
   */
  readonly localAddress?: SocketAddress | undefined;
}
