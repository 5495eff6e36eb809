// Made by rpcgen from odd.rpc. Change that file instead of this one.
import { field, type RpcStruct, rpcStruct } from "../../src/rpc/mod.ts";
import { Stamp } from "./stamp.ts";

/** What `struct empty` holds. */
export type Empty = { [member: string]: never };

/** `struct empty`. */
export const Empty: RpcStruct<Empty> = rpcStruct("empty", {});

/** What `struct NaN` holds. */
export interface NaNStruct {
  mark: Uint8Array;
  odd: Uint8Array;
  any: Uint8Array;
  told: Uint8Array;
}

/** `struct NaN`. */
export const NaNStruct: RpcStruct<NaNStruct> = rpcStruct("NaN", {
  mark: field.bytes(1, 16),
  odd: field.bytes(2, 9),
  any: field.bytes(3),
  told: field.bytes(4, 3),
});

/** What `struct Infinity` holds. */
export interface InfinityStruct {
  first: Stamp;
  others: Stamp[];
  text?: String | undefined;
  nothing: Empty;
  number: NaNStruct;
}

/** `struct Infinity`. */
export const InfinityStruct: RpcStruct<InfinityStruct> = rpcStruct("Infinity", {
  first: field.struct(1, () => Stamp),
  others: field.array(field.struct(2, () => Stamp)),
  text: field.optional(field.struct(3, () => String)),
  nothing: field.struct(4, () => Empty),
  number: field.struct(5, () => NaNStruct),
});

/** What `struct string` holds. */
export interface String {
  class: number;
  new: number;
  default: number;
  await: number;
  string: string;
  then: number;
}

/** `struct string`. */
export const String: RpcStruct<String> = rpcStruct("string", {
  class: field.int(0),
  new: field.int(1),
  default: field.int(2),
  await: field.int(3),
  string: field.string(4),
  then: field.int(0xff),
});
