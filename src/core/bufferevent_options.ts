import type { BufferEventOptions } from "./bufferevent_callbacks.ts";

/** How a SocketBufferEvent treats its descriptor. */
export interface SocketBufferEventOptions extends BufferEventOptions {
  /** Leave the descriptor open when the connection is closed; false by default (BEV_OPT_CLOSE_ON_FREE is ours). */
  readonly keepOpen?: boolean | undefined;
  /** See {@linkcode BufferEventFlow.maxSingleRead}; 64 KiB by default. */
  readonly maxSingleRead?: number | undefined;
  /** See {@linkcode BufferEventFlow.maxSingleWrite}; 256 KiB by default. */
  readonly maxSingleWrite?: number | undefined;
}
