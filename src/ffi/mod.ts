/**
 * How evbase reaches C. This is the only folder that knows which runtime and which operating system are running: it asks
 * once ({@linkcode os}, {@linkcode runtime}) and hands out thin calls that return their result when >= 0, else `-errno`.
 * Constants, errno numbers and struct layouts of Linux, macOS and FreeBSD are plain data beside it.
 *
 * @module
 */

export type {
  Address,
  ArgumentOf,
  ArgumentsOf,
  Calls,
  NativeType,
  ResultOf,
  Runtime,
  Signature,
  Signatures,
  Waiter,
  Word,
} from "./runtime.ts";
export type { OpensslData, OpensslNames } from "./openssl_data.ts";
export type { Arch, OsConstants, OsData, OsStructs } from "./os_data.ts";
export type { OsDatagramConstants } from "./os_datagram_constants.ts";
export type { OsDatagramStructs } from "./os_datagram_structs.ts";
export type { OsSocketConstants } from "./os_socket_constants.ts";
export type { BytesField, Field, FieldBase, NumberField, NumberKind, PointerField, Struct } from "./struct.ts";
export { os, runtime } from "./platform.ts";
export { errno, libcPath } from "./libc.ts";
export { addressOf, allocate, cString, putAddress, stringAt, stringIn } from "./strings.ts";
export * from "./errors.ts";
export * from "./files.ts";
export * from "./kqueue.ts";
export { MappedBytes } from "./mapped_bytes.ts";
export * from "./mapping.ts";
export * from "./name_lookup.ts";
export * from "./process.ts";
export * from "./sockaddr.ts";
export * from "./sockets.ts";
export { openLibrary } from "./system_library.ts";
export * from "./waiting.ts";
export * from "./wake_channel.ts";
export * from "./datagrams.ts";
export * from "./message_batch.ts";
export { type ManyMessageCalls } from "./message_headers.ts";
export * from "./message_runs.ts";
export * from "./packet_info.ts";
export * from "./ip_text.ts";
export * from "./signal_channel.ts";
