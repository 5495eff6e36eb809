/**
 * Tagged data (libevent's evtag): {@linkcode TagWriter} and {@linkcode TagReader}; and structures of it, {@linkcode rpcStruct}.
 *
 * @module
 */

export { field, type FieldMaker, type FieldPresence, RpcField } from "./field.ts";
export { type RpcFields, type RpcFieldValues, RpcStruct, rpcStruct, type RpcValue } from "./rpc_struct.ts";
export { DEFAULT_RPC_LIMITS, type RpcLimits } from "./struct_limits.ts";
export { TagError, type TagErrorCode } from "./tag_error.ts";
export { type TagHeader, TagReader } from "./tag_reader.ts";
export { TagWriter } from "./tag_writer.ts";
export type { Timeval } from "./timeval.ts";
