import { BYTES, type FieldKind, fixedBytes, INT, INT64, STRING } from "./field_kinds.ts";
import type { RpcStruct } from "./rpc_struct.ts";
import { structKind } from "./struct_kind.ts";
import { UINT32_MAX } from "./tag_numbers.ts";

/** Whether a member has to be there, may be there, or may be there any number of times. */
export type FieldPresence = "required" | "optional" | "array";

/** A member of a structure: its tag, what it is, and how often it is there. Made by {@linkcode field}. */
export class RpcField<T, Presence extends FieldPresence = FieldPresence> {
  /** What it is marked with, 0 to 2^32 - 1. */
  readonly tag: number;
  /** How often it is there. */
  readonly presence: Presence;
  /** @internal */
  readonly kind: FieldKind<T>;

  /**
   * @internal
   * @throws {RangeError} for a tag that is none.
   */
  constructor(tag: number, presence: Presence, kind: FieldKind<T>) {
    if (!(Number.isInteger(tag) && tag >= 0 && tag <= UINT32_MAX)) {
      throw new RangeError(`Cannot make a member with tag ${tag}: expected a whole number from 0 to ${UINT32_MAX}`);
    }
    this.tag = tag;
    this.presence = presence;
    this.kind = kind;
  }
}

/** Makes members of structures: what event_rpcgen knows. All throw a RangeError for a tag that is no whole number of 32 bits. */
export interface FieldMaker {
  /** An integer from 0 to 2^32 - 1. */
  int(tag: number): RpcField<number, "required">;
  /** An integer from 0 to 2^64 - 1. */
  int64(tag: number): RpcField<bigint, "required">;
  /** Text; UTF-8 on the wire. C reads it up to its first NUL. */
  string(tag: number): RpcField<string, "required">;
  /**
   * Bytes.
   *
   * @param length how many; any number of them when it is left out.
   */
  bytes(tag: number, length?: number): RpcField<Uint8Array, "required">;
  /**
   * A structure.
   *
   * @param struct the structure, or a function that gives it where it is not there yet, or is the one that the member belongs to.
   */
  struct<T>(tag: number, struct: RpcStruct<T> | (() => RpcStruct<T>)): RpcField<T, "required">;
  /** Makes a member one that may be missing. */
  optional<T>(member: RpcField<T, "required">): RpcField<T, "optional">;
  /** Makes a member one that is there any number of times, also none: an array. */
  array<T>(member: RpcField<T, "required">): RpcField<T, "array">;
}

/**
 * Makes members of structures, see {@linkcode rpcStruct}.
 *
 * @example
 * ```ts
 * import { field, rpcStruct, type RpcValue } from "@evbase/evbase";
 *
 * const Person = rpcStruct("person", { name: field.string(1), phones: field.array(field.string(2)), key: field.optional(field.bytes(3, 32)) });
 * const ada: RpcValue<typeof Person> = { name: "Ada", phones: [] };
 * console.log(Person.unmarshal(Person.marshal(ada)).name); // Ada
 * ```
 */
export const field: FieldMaker = {
  int: (tag) => new RpcField(tag, "required", INT),
  int64: (tag) => new RpcField(tag, "required", INT64),
  string: (tag) => new RpcField(tag, "required", STRING),
  bytes: (tag, length) => new RpcField(tag, "required", length === undefined ? BYTES : fixedBytes(checkLength(length))),
  struct: (tag, struct) => new RpcField(tag, "required", structKind(struct)),
  optional: ({ tag, kind }) => new RpcField(tag, "optional", kind),
  array: ({ tag, kind }) => new RpcField(tag, "array", kind),
};

function checkLength(length: number): number {
  if (Number.isInteger(length) && length >= 0 && length <= UINT32_MAX) return length;
  throw new RangeError(`Cannot make a member of ${length} bytes: expected a whole number from 0 to ${UINT32_MAX}`);
}
