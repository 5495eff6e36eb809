/**
 * The two ways in which tagged data writes numbers.
 *
 * An integer is a row of half bytes, the high half of each byte first: how many digits follow, less one; then the hexadecimal digits,
 * the lowest first; then a zero where that makes whole bytes. A tag is a row of bytes with seven bits each, the lowest first, of which
 * all but the last have the top bit set.
 */
import { TagError } from "./tag_error.ts";

/** Bytes of the longest tag. */
export const TAG_BYTES_MAX = 5;
/** Bytes of the longest 32-bit integer. */
export const INT_BYTES_MAX = 5;
/** Bytes of the longest 64-bit integer. */
export const INT64_BYTES_MAX = 9;
/** Largest tag, length and 32-bit integer. */
export const UINT32_MAX = 0xffff_ffff;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
const INT_DIGITS_MAX = 8;
const INT64_DIGITS_MAX = 16;

/** @throws {RangeError} when `value` is no whole number that 32 bits hold. */
export function checkUint32(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= UINT32_MAX) return;
  throw new RangeError(`Cannot marshal ${what} ${value}: expected a whole number from 0 to ${UINT32_MAX}`);
}

/** @throws {RangeError} when `value` is no bigint that 64 bits hold. */
export function checkUint64(what: string, value: bigint): void {
  if (typeof value === "bigint" && value >= 0n && value <= UINT64_MAX) return;
  throw new RangeError(`Cannot marshal ${what} ${value}: expected a bigint from 0 to ${UINT64_MAX}`);
}

/** Writes a tag at `at`; returns where it ends. */
export function writeTag(target: Uint8Array, at: number, tag: number): number {
  let rest = tag;
  for (; rest > 0x7f; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

/** Writes an integer of up to 32 bits at `at`; returns where it ends. */
export function writeInt(target: Uint8Array, at: number, value: number): number {
  return writeDigits(target, at, value, 0);
}

/** Writes an integer of up to 64 bits at `at`; returns where it ends. */
export function writeInt64(target: Uint8Array, at: number, value: bigint): number {
  return writeDigits(target, at, Number(value & 0xffff_ffffn), Number(value >> 32n));
}

function writeDigits(target: Uint8Array, at: number, low: number, high: number): number {
  // The first digit shares its byte with the number of digits, so that every other one begins a byte.
  let digits = 1;
  let half = low & 15;
  let rest = shiftedIn(low, high);
  let restHigh = high >>> 4;
  const start = at;
  target[at] = half;
  while (rest !== 0 || restHigh !== 0) {
    half = rest & 15;
    if ((digits & 1) === 1) target[++at] = half << 4;
    else target[at]! |= half;
    digits++;
    rest = shiftedIn(rest, restHigh);
    restHigh >>>= 4;
  }
  target[start]! |= (digits - 1) << 4;
  return at + 1;
}

/** The low 32 bits of a number of 64 bits without its lowest digit. */
function shiftedIn(low: number, high: number): number {
  return ((low >>> 4) | (high << 28)) >>> 0;
}

/** Where a number was read: what it is, and how many bytes it takes. The same object each time. */
export interface ReadNumber {
  value: number;
  size: number;
}

const found: ReadNumber = { value: 0, size: 0 };

/** @throws {TagError} `TAG_SHORT`, `TAG_TOO_LARGE`. */
export function readTag(bytes: Uint8Array, at: number, end: number): Readonly<ReadNumber> {
  let value = 0;
  for (let size = 0; at + size < end; size++) {
    const byte = bytes[at + size]!;
    // The last byte has room for four bits, and none for saying that there is another.
    if (size === TAG_BYTES_MAX - 1 && byte > 15) throw new TagError("TAG_TOO_LARGE");
    value += (byte & 0x7f) * 2 ** (7 * size);
    if (byte > 0x7f) continue;
    found.value = value;
    found.size = size + 1;
    return found;
  }
  throw new TagError("TAG_SHORT", "inside a tag");
}

/** How many bytes the integer at `at` takes, whose digits are all there. */
function integerSize(bytes: Uint8Array, at: number, end: number, digitsMax: number): number {
  if (at >= end) throw new TagError("TAG_SHORT", "where an integer should be");
  const digits = (bytes[at]! >> 4) + 1;
  if (digits > digitsMax) throw new TagError("TAG_INTEGER_TOO_LARGE", `${digits} instead of ${digitsMax}`);
  const size = (digits >> 1) + 1;
  if (size > end - at) throw new TagError("TAG_SHORT", "inside an integer");
  return size;
}

/** The digits from `first` on, eight at most, of an integer whose number of digits stands at `at`. */
function digitsFrom(bytes: Uint8Array, at: number, first: number): number {
  let value = 0;
  const last = Math.min((bytes[at]! >> 4) + 1, first + INT_DIGITS_MAX - 1);
  for (let digit = last; digit >= first; digit--) {
    const byte = bytes[at + (digit >> 1)]!;
    value = value << 4 | ((digit & 1) === 1 ? byte & 15 : byte >> 4);
  }
  return value >>> 0;
}

/** @throws {TagError} `TAG_SHORT`, `TAG_INTEGER_TOO_LARGE`. */
export function readInt(bytes: Uint8Array, at: number, end: number): Readonly<ReadNumber> {
  found.size = integerSize(bytes, at, end, INT_DIGITS_MAX);
  found.value = digitsFrom(bytes, at, 1);
  return found;
}

/** As {@linkcode readInt}, where up to 64 bits may be. */
export function readInt64(bytes: Uint8Array, at: number, end: number): { value: bigint; size: number } {
  const size = integerSize(bytes, at, end, INT64_DIGITS_MAX);
  const high = digitsFrom(bytes, at, 1 + INT_DIGITS_MAX);
  return { value: BigInt(high) << 32n | BigInt(digitsFrom(bytes, at, 1)), size };
}
