// Made by rpcgen from letter.rpc. Change that file instead of this one.
import { field, type RpcStruct, rpcStruct } from "../../src/rpc/mod.ts";

/** What `struct letter` holds. */
export interface Letter {
  sender: string;
  receiver: string;
  duel?: Duel | undefined;
  errands: ErrandOfTrust[];
}

/** `struct letter`. */
export const Letter: RpcStruct<Letter> = rpcStruct("letter", {
  sender: field.string(1),
  receiver: field.string(2),
  duel: field.optional(field.struct(3, () => Duel)),
  errands: field.array(field.struct(4, () => ErrandOfTrust)),
});

/** What `struct duel` holds. */
export interface Duel {
  weapon: string;
  call: string;
  rounds: number[];
}

/** `struct duel`. */
export const Duel: RpcStruct<Duel> = rpcStruct("duel", {
  weapon: field.string(0x10121),
  call: field.string(2),
  rounds: field.array(field.int(3)),
});

/** What `struct errand_of_trust` holds. */
export interface ErrandOfTrust {
  how: string;
  parcel?: Uint8Array | undefined;
  seal: Uint8Array;
  notes: string[];
  distance?: bigint | undefined;
  prices: number[];
  then?: ErrandOfTrust | undefined;
  count: number;
  large: bigint;
  rest: Uint8Array;
  numbers: bigint[];
}

/** `struct errand_of_trust`. */
export const ErrandOfTrust: RpcStruct<ErrandOfTrust> = rpcStruct("errand_of_trust", {
  how: field.string(1),
  parcel: field.optional(field.bytes(2)),
  seal: field.bytes(3, 24),
  notes: field.array(field.string(4)),
  distance: field.optional(field.int64(5)),
  prices: field.array(field.int(6)),
  then: field.optional(field.struct(7, () => ErrandOfTrust)),
  count: field.int(8),
  large: field.int64(9),
  rest: field.bytes(10),
  numbers: field.array(field.int64(11)),
});
