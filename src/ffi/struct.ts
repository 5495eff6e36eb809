/**
 * C structs as data: a table of fields with written-out offsets, kept beside the header that declares the struct.
 *
 * A table serves three readers: a person holding it against a man page, the layout test that turns it into C assertions,
 * and the accessors below. The accessors are for structs touched once per connection or per call; the arrays the loop
 * walks on every turn get hand-written views over a single typed array instead.
 *
 * @module
 */

/** Kinds of integer fields: the letter is the sign, the number the width in bits, `be` means network byte order. */
export type NumberKind =
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "u16be"
  | "u32be";

/** What every field has. */
export interface FieldBase {
  /** Offset from the start of the struct, in bytes. */
  readonly offset: number;
  /** Size of the field, in bytes. */
  readonly width: number;
  /** True when C declares the member as a signed integer. */
  readonly signed: boolean;
  /** The member's full name in C where it is not the struct's prefix followed by the field's name. */
  readonly member?: string;
}

/** An integer field. */
export interface NumberField extends FieldBase {
  /** Width, sign and byte order in one word. */
  readonly kind: NumberKind;
}

/** A pointer: eight bytes, read and written as a bigint. */
export interface PointerField extends FieldBase {
  /** Tells a pointer from an integer. */
  readonly kind: "ptr";
}

/** An array of bytes or a member that is handled as one, such as a signal mask. */
export interface BytesField extends FieldBase {
  /** Tells raw bytes from an integer. */
  readonly kind: "bytes";
}

/** Any field of a struct. */
export type Field = NumberField | PointerField | BytesField;

/** A struct's layout. */
export interface Struct<
  Fields extends Readonly<Record<string, Field>> = Readonly<
    Record<string, Field>
  >,
> {
  /** The type's name in C, such as `struct kevent`. */
  readonly name: string;
  /** The header that declares it. */
  readonly header: string;
  /** `sizeof` in bytes, padding at the end included. */
  readonly size: number;
  /** The fields, by the names we use for them. */
  readonly fields: Fields;
  /** What C puts in front of each field's name, such as `sin_`. */
  readonly prefix: string;
}

/**
 * Describes a C struct.
 *
 * @param name the type in C
 * @param header the header that declares it, as written between `<` and `>`
 * @param size `sizeof`, in bytes
 * @param fields the members of interest, in order of their offsets
 * @param prefix what C puts in front of each field's name
 * @throws {RangeError} when a field does not lie inside the struct
 */
export function struct<Fields extends Readonly<Record<string, Field>>>(
  name: string,
  header: string,
  size: number,
  fields: Fields,
  prefix: string = "",
): Struct<Fields> {
  for (const [key, { offset, width }] of Object.entries(fields)) {
    if (offset < 0 || offset + width > size) {
      throw new RangeError(
        `Cannot describe ${name}: ${key} at ${offset}, ${width} bytes, is outside its ${size} bytes`,
      );
    }
  }
  return { name, header, size, fields, prefix };
}

function number(
  kind: NumberKind,
  offset: number,
  width: number,
  member?: string,
): NumberField {
  const signed = kind.startsWith("i");
  return member === undefined ? { kind, offset, width, signed } : { kind, offset, width, signed, member };
}

/** A signed byte at `offset`. */
export function i8(offset: number, member?: string): NumberField {
  return number("i8", offset, 1, member);
}

/** An unsigned byte at `offset`. */
export function u8(offset: number, member?: string): NumberField {
  return number("u8", offset, 1, member);
}

/** A signed 16-bit integer at `offset`, host order. */
export function i16(offset: number, member?: string): NumberField {
  return number("i16", offset, 2, member);
}

/** An unsigned 16-bit integer at `offset`, host order. */
export function u16(offset: number, member?: string): NumberField {
  return number("u16", offset, 2, member);
}

/** An unsigned 16-bit integer at `offset`, network order: a port. */
export function u16be(offset: number, member?: string): NumberField {
  return number("u16be", offset, 2, member);
}

/** A signed 32-bit integer at `offset`, host order. */
export function i32(offset: number, member?: string): NumberField {
  return number("i32", offset, 4, member);
}

/** An unsigned 32-bit integer at `offset`, host order. */
export function u32(offset: number, member?: string): NumberField {
  return number("u32", offset, 4, member);
}

/** An unsigned 32-bit integer at `offset`, network order. */
export function u32be(offset: number, member?: string): NumberField {
  return number("u32be", offset, 4, member);
}

/** A signed 64-bit integer at `offset`, host order. */
export function i64(offset: number, member?: string): NumberField {
  return number("i64", offset, 8, member);
}

/** An unsigned 64-bit integer at `offset`, host order. */
export function u64(offset: number, member?: string): NumberField {
  return number("u64", offset, 8, member);
}

/** A pointer at `offset`. */
export function ptr(offset: number, member?: string): PointerField {
  const field: PointerField = { kind: "ptr", offset, width: 8, signed: false };
  return member === undefined ? field : { ...field, member };
}

/** `length` raw bytes at `offset`. */
export function bytes(
  offset: number,
  length: number,
  member?: string,
): BytesField {
  const field: BytesField = {
    kind: "bytes",
    offset,
    width: length,
    signed: false,
  };
  return member === undefined ? field : { ...field, member };
}

/**
 * Zeroed memory for `count` structs in a row. It starts at the beginning of an ArrayBuffer of its own, so that
 * its address stays where it is when `view.buffer` is touched.
 */
export function allocate(
  layout: Struct,
  count: number = 1,
): DataView<ArrayBuffer> {
  return new DataView(new ArrayBuffer(layout.size * count));
}

/**
 * Reads an integer as a number, or a pointer as a bigint.
 *
 * @param view memory that holds the struct
 * @param field which member
 * @param base where in `view` the struct begins, in bytes
 * @throws {RangeError} when a 64-bit integer is too large to be an exact number; {@linkcode getBig} reads those
 */
export function get(view: DataView, field: NumberField, base?: number): number;
/** Reads a pointer as a bigint. */
export function get(view: DataView, field: PointerField, base?: number): bigint;
export function get(
  view: DataView,
  field: NumberField | PointerField,
  base: number = 0,
): number | bigint {
  const at = base + field.offset;
  switch (field.kind) {
    case "i8":
      return view.getInt8(at);
    case "u8":
      return view.getUint8(at);
    case "i16":
      return view.getInt16(at, true);
    case "u16":
      return view.getUint16(at, true);
    case "u16be":
      return view.getUint16(at);
    case "i32":
      return view.getInt32(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "u32be":
      return view.getUint32(at);
    case "i64":
      return exact(
        view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true),
      );
    case "u64":
      return exact(
        view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true),
      );
    case "ptr":
      return view.getBigUint64(at, true);
  }
}

function exact(value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      `Cannot read a 64-bit field as a number: about ${value} has no exact number, only a bigint`,
    );
  }
  return value;
}

/** Reads any integer or pointer as a bigint. `base` is where in `view` the struct begins, in bytes. */
export function getBig(
  view: DataView,
  field: NumberField | PointerField,
  base: number = 0,
): bigint {
  const at = base + field.offset;
  if (field.kind === "i64") return view.getBigInt64(at, true);
  if (field.kind === "u64" || field.kind === "ptr") {
    return view.getBigUint64(at, true);
  }
  return BigInt(get(view, field, base));
}

/** The bytes of a field, sharing memory with `view`. `base` is where in `view` the struct begins, in bytes. */
export function getBytes(
  view: DataView,
  field: BytesField,
  base: number = 0,
): Uint8Array {
  return new Uint8Array(
    view.buffer,
    view.byteOffset + base + field.offset,
    field.width,
  );
}

/**
 * Writes an integer or a pointer.
 *
 * C writes flag words with the top bit set into signed members, so a value may use the field's whole width whatever its sign.
 *
 * @param view memory that holds the struct
 * @param field which member
 * @param value a pointer takes a bigint only; a 64-bit integer takes either
 * @param base where in `view` the struct begins, in bytes
 * @throws {RangeError} when `value` is not an integer or does not fit the field
 */
export function set(
  view: DataView,
  field: NumberField,
  value: number | bigint,
  base?: number,
): void;
/** Writes a pointer. */
export function set(
  view: DataView,
  field: PointerField,
  value: bigint,
  base?: number,
): void;
export function set(
  view: DataView,
  field: NumberField | PointerField,
  value: number | bigint,
  base: number = 0,
): void {
  const at = base + field.offset;
  const bits = field.width * 8;
  const whole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!whole || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
    throw new RangeError(
      `Cannot write ${value} into a field of ${field.width} bytes: it must be an integer that fits`,
    );
  }
  if (field.width === 8) {
    view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  } else if (field.width === 4) {
    view.setUint32(at, Number(value), field.kind !== "u32be");
  } else if (field.width === 2) {
    view.setUint16(at, Number(value), field.kind !== "u16be");
  } else view.setUint8(at, Number(value));
}
