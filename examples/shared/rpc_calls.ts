/** The calls that rpc-server.ts serves and rpc-client.ts makes. */
import { field, rpcMethod, rpcStruct } from "../../mod.ts";

/** A greeting, as often as is asked for. */
export const Greet = rpcMethod(
  "Greet",
  rpcStruct("greet_request", { name: field.string(1), times: field.optional(field.int(2)) }),
  rpcStruct("greet_reply", { lines: field.array(field.string(1)) }),
);

/** The sum of numbers of 64 bits. */
export const Sum = rpcMethod(
  "Sum",
  rpcStruct("sum_request", { numbers: field.array(field.int64(1)) }),
  rpcStruct("sum_reply", { total: field.int64(1) }),
);
