/** How a SocketBufferEvent treats its descriptor. */
export interface SocketBufferEventOptions {
  /** Leave the descriptor open when the connection is closed; false by default (BEV_OPT_CLOSE_ON_FREE is ours). */
  readonly keepOpen?: boolean | undefined;
  /** Most bytes taken by one read; 64 KiB by default and for 0 (bufferevent_set_max_single_read). */
  readonly maxSingleRead?: number | undefined;
  /** Most bytes sent before others get their turn; 256 KiB by default and for 0 (bufferevent_set_max_single_write). */
  readonly maxSingleWrite?: number | undefined;
}

const READ_MAX = 64 * 1024;
const WRITE_MAX = 256 * 1024;
const INT_MAX = 2 ** 31 - 1;

/** @internal Most bytes that one read takes. */
export function readMaximum(options: SocketBufferEventOptions): number {
  return maximum("read", options.maxSingleRead, READ_MAX);
}

/** @internal Most bytes that are sent in one go. */
export function writeMaximum(options: SocketBufferEventOptions): number {
  return maximum("write", options.maxSingleWrite, WRITE_MAX);
}

/** The option where it says something, in bytes; 0, and more than a C int holds, stand for the default as in libevent. */
function maximum(action: string, bytes: number | undefined, fallback: number): number {
  if (bytes === undefined || bytes === 0 || bytes > INT_MAX) return fallback;
  if (!Number.isInteger(bytes) || bytes < 0) throw new RangeError(`Cannot ${action} ${bytes} bytes at a time`);
  return bytes;
}
