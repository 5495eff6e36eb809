// Made by rpcgen from stamp.rpc. Change that file instead of this one.
import { field, type RpcStruct, rpcStruct } from "../../src/rpc/mod.ts";

/** What `struct stamp` holds. */
export interface Stamp {
  when: bigint;
  mark: Uint8Array;
}

/** `struct stamp`. */
export const Stamp: RpcStruct<Stamp> = rpcStruct("stamp", {
  when: field.int64(1),
  mark: field.bytes(2, 16),
});

/** What `struct unused` holds. */
export type Unused = { [member: string]: never };

/** `struct unused`. */
export const Unused: RpcStruct<Unused> = rpcStruct("unused", {});
