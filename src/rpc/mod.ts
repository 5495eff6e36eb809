/**
 * Tagged data (libevent's evtag): {@linkcode TagWriter} and {@linkcode TagReader}; structures of it, {@linkcode rpcStruct}; and calls that
 * carry them by HTTP (evrpc): {@linkcode RpcServer} and {@linkcode RpcPool}.
 *
 * @module
 */

export { field, type FieldMaker, type FieldPresence, RpcField } from "./field.ts";
export type { RpcCallback, RpcCallOptions, RpcRequest } from "./pool_call.ts";
export type { RpcCall, RpcHandler } from "./rpc_call.ts";
export * from "./rpc_error.ts";
export {
  EVRPC_CONTINUE,
  EVRPC_INPUT,
  EVRPC_OUTPUT,
  EVRPC_PAUSE,
  EVRPC_TERMINATE,
  type RpcHook,
  RpcHookContext,
  type RpcHookHandle,
  type RpcHookResult,
  type RpcHookSide,
  type RpcPoolHookContext,
  type RpcServerHookContext,
} from "./rpc_hooks.ts";
export { type GenerateOptions, generateRpcModule } from "./idl_generator.ts";
export { RpcSyntaxError } from "./idl_lexer.ts";
export { type IdlMember, type IdlStruct, parseRpcFile, type ParseRpcOptions } from "./idl_parser.ts";
export { type RpcMethod, rpcMethod } from "./rpc_method.ts";
export { RpcPool, type RpcPoolOptions } from "./rpc_pool.ts";
export { RpcServer, type RpcServerOptions } from "./rpc_server.ts";
export { type RpcFields, type RpcFieldValues, RpcStruct, rpcStruct, type RpcValue } from "./rpc_struct.ts";
export { DEFAULT_RPC_LIMITS, type RpcLimits } from "./struct_limits.ts";
export { TagError, type TagErrorCode } from "./tag_error.ts";
export { type TagHeader, TagReader } from "./tag_reader.ts";
export { TagWriter } from "./tag_writer.ts";
export type { Timeval } from "./timeval.ts";
