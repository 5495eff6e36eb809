/**
 * Tagged data (libevent's evtag): {@linkcode TagWriter} and {@linkcode TagReader}.
 *
 * @module
 */

export { TagError, type TagErrorCode } from "./tag_error.ts";
export { type TagHeader, TagReader } from "./tag_reader.ts";
export { TagWriter } from "./tag_writer.ts";
export type { Timeval } from "./timeval.ts";
