/** The calls that tests make. */
import { field, rpcMethod, rpcStruct } from "../../src/rpc/mod.ts";
import { Duel, Letter } from "./letter.ts";

/** Answers a letter with a duel. */
export const Deliver = rpcMethod("Deliver", Letter, Duel);

export const Numbers = rpcStruct("numbers", { each: field.array(field.int(1)) });
export const Total = rpcStruct("total", { total: field.int(1) });
/** Adds. */
export const Sum = rpcMethod("Sum", Numbers, Total);

/** Letters, sent back as they came. */
export const Echo = rpcMethod("Echo", Letter, Letter);
