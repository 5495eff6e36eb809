import type { StructBudget } from "./struct_limits.ts";
import type { TagReader } from "./tag_reader.ts";
import type { TagWriter } from "./tag_writer.ts";
import { UINT32_MAX } from "./tag_numbers.ts";

/** How values of one kind are checked, written and read. @internal */
export interface FieldKind<T> {
  /** What a value has to be, in the words of a message. */
  readonly expected: string;
  /** Whether it is one. */
  accepts(value: unknown): value is T;
  /** `depth` says how many structures the value is inside of, of which there may be `maxDepth`. */
  write(writer: TagWriter, tag: number, value: T, depth: number, maxDepth: number): void;
  read(reader: TagReader, tag: number, budget: StructBudget): T;
  /** Required members that are not there, inside of a value; only structures have any. `depth` and `maxDepth` as above. */
  missing?(value: T, depth: number, maxDepth: number): string[];
}

/** Integers of 32 bits. */
export const INT: FieldKind<number> = {
  expected: "a whole number of 32 bits",
  accepts: (value): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= UINT32_MAX,
  write: (writer, tag, value) => writer.int(tag, value),
  read: (reader, tag) => reader.int(tag),
};

/** Integers of 64 bits. */
export const INT64: FieldKind<bigint> = {
  expected: "a bigint of 64 bits",
  accepts: (value): value is bigint => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  write: (writer, tag, value) => writer.int64(tag, value),
  read: (reader, tag) => reader.int64(tag),
};

/** Text as UTF-8. */
export const STRING: FieldKind<string> = {
  expected: "a string without half surrogate pairs",
  accepts: (value): value is string => typeof value === "string" && value.isWellFormed(),
  write: (writer, tag, value) => writer.string(tag, value),
  read: (reader, tag) => reader.string(tag),
};

/** Any number of bytes. */
export const BYTES: FieldKind<Uint8Array> = {
  expected: "a Uint8Array",
  accepts: (value): value is Uint8Array => value instanceof Uint8Array,
  write: (writer, tag, value) => writer.bytes(tag, value),
  read: (reader, tag) => reader.bytes(tag),
};

/** So many bytes. */
export function fixedBytes(length: number): FieldKind<Uint8Array> {
  return {
    expected: `a Uint8Array of ${length} bytes`,
    accepts: (value): value is Uint8Array => value instanceof Uint8Array && value.length === length,
    write: (writer, tag, value) => writer.bytes(tag, value),
    read: (reader, tag) => reader.bytes(tag, length),
  };
}
