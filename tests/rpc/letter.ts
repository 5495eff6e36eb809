/** Structures of the shape of those that libevent's own tests use: every kind of member is in them. */
import { field, rpcStruct, type RpcValue } from "../../src/rpc/mod.ts";

export const Duel = rpcStruct("duel", {
  weapon: field.string(0x10121),
  call: field.string(2),
  rounds: field.array(field.int(3)),
});

export const Errand = rpcStruct("errand", {
  how: field.string(1),
  parcel: field.optional(field.bytes(2)),
  seal: field.bytes(3, 24),
  notes: field.array(field.string(4)),
  distance: field.optional(field.int64(5)),
  prices: field.array(field.int(6)),
});

export const Letter = rpcStruct("letter", {
  sender: field.string(1),
  receiver: field.string(2),
  duel: field.optional(field.struct(3, Duel)),
  errands: field.array(field.struct(4, Errand)),
});

export type LetterValue = RpcValue<typeof Letter>;

/** A letter with everything in it. */
export function fullLetter(): LetterValue {
  return {
    sender: "tütter",
    receiver: "phoenix",
    duel: { weapon: "feather", call: "en garde", rounds: [1, 0x12345678, 0xffffffff] },
    errands: [
      {
        how: "fast",
        parcel: Uint8Array.of(0, 1, 2, 255),
        seal: Uint8Array.from({ length: 24 }, (_, at) => at * 7),
        notes: ["mind the step", "", "€"],
        distance: 0xfedcba9876543210n,
        prices: [0, 15, 16],
      },
      { how: "", seal: new Uint8Array(24), notes: [], prices: [] },
    ],
  };
}

/** One with nothing but what it needs. */
export function shortLetter(): LetterValue {
  return { sender: "a", receiver: "b", errands: [] };
}
