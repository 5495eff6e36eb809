import type { FieldKind } from "./field_kinds.ts";
import type { RpcStruct } from "./rpc_struct.ts";

/** The kind of members that are structures. @internal */
export function structKind<T>(struct: RpcStruct<T> | (() => RpcStruct<T>)): FieldKind<T> {
  // Whoever is given as a function is asked when there is something to do: it may be made of this very member.
  const get = typeof struct === "function" ? struct : (): RpcStruct<T> => struct;
  return {
    get expected() {
      return `an object, as ${get().name} is one`;
    },
    accepts: (value): value is T => typeof value === "object" && value !== null,
    write: (writer, tag, value, depth, maxDepth) =>
      writer.nested(tag, () => get().writeMembers(writer, value, depth + 1, maxDepth)),
    read: (reader, tag, budget) => reader.nested(tag, (inner) => get().readMembers(inner, budget)),
    missing: (value, depth, maxDepth) => get().missingMembers(value, depth + 1, maxDepth),
  };
}
