/**
 * Finding bytes, byte strings and line endings in a list of chains without joining it.
 *
 * Positions count from the first byte of the list. A position is a plain number, so libevent's `evbuffer_ptr_set` is an
 * addition here.
 *
 * @module
 */

import { type Chain, CHAIN_MEMORY, checkReadable } from "./chain.ts";

/** A line ends with any run of CR and LF. */
export const EVBUFFER_EOL_ANY = 0;
/** A line ends with LF, and a CR right before it belongs to the ending. */
export const EVBUFFER_EOL_CRLF = 1;
/** A line ends with CR LF and with nothing else. */
export const EVBUFFER_EOL_CRLF_STRICT = 2;
/** A line ends with LF. */
export const EVBUFFER_EOL_LF = 3;
/** A line ends with a zero byte. */
export const EVBUFFER_EOL_NUL = 4;

/** How lines end: one of the `EVBUFFER_EOL_*` constants, with libevent's values. */
export type EolStyle = 0 | 1 | 2 | 3 | 4;

/** A line ending that was found. */
export interface EolMatch {
  /** Where the ending starts, counted from the first byte of the buffer; also the end of the line. */
  position: number;
  /** How many bytes the ending has. */
  length: number;
}

const CR = 13;
const LF = 10;

/** A native search pays for its call only when there is something to skip; below this many bytes a plain loop is quicker. */
const nativeSearchBytesMin = 64;

/** Returns the position of the first `byte` in `[from, to)`, or -1. */
export function indexOfByte(first: Chain | null, byte: number, from: number, to: number): number {
  let base = 0;
  for (let chain = first; chain !== null && base < to; chain = chain.next) {
    const size = chain.end - chain.start;
    if (base + size > from) {
      if (chain.kind !== CHAIN_MEMORY) checkReadable(chain);
      const low = chain.start + Math.max(0, from - base);
      const high = chain.start + Math.min(size, to - base);
      const found = scan(chain.bytes, byte, low, high);
      if (found >= 0) return base + found - chain.start;
    }
    base += size;
  }
  return -1;
}

/** Returns where `needle` first occurs so that it lies inside `[from, to)`, or -1. An empty needle is found at `from`. */
export function indexOfBytes(first: Chain | null, needle: Uint8Array, from: number, to: number): number {
  const size = needle.length;
  if (size === 0) return from <= to ? from : -1;
  const lead = needle[0]!;
  // One past the last position at which a match may still start.
  const startEnd = to - size + 1;
  let base = 0;
  for (let chain = first; chain !== null && base < startEnd; chain = chain.next) {
    const chainSize = chain.end - chain.start;
    if (base + chainSize > from) {
      if (chain.kind !== CHAIN_MEMORY) checkReadable(chain);
      let low = chain.start + Math.max(0, from - base);
      const high = chain.start + Math.min(chainSize, startEnd - base);
      while (low < high) {
        const found = scan(chain.bytes, lead, low, high);
        if (found < 0) break;
        if (matchesAt(chain, found, needle)) return base + found - chain.start;
        low = found + 1;
      }
    }
    base += chainSize;
  }
  return -1;
}

/** Returns the first line ending of the given style at or after `from`, or null. Bytes before `from` are never looked at. */
export function findEol(first: Chain | null, style: EolStyle, from: number, to: number): EolMatch | null {
  switch (style) {
    case EVBUFFER_EOL_ANY: {
      const position = firstCrOrLf(first, from, to);
      return position < 0 ? null : { position, length: runOfCrAndLf(first, position, to) };
    }
    case EVBUFFER_EOL_CRLF: {
      const position = indexOfByte(first, LF, from, to);
      if (position < 0) return null;
      return position > from && byteAt(first, position - 1) === CR
        ? { position: position - 1, length: 2 }
        : { position, length: 1 };
    }
    case EVBUFFER_EOL_CRLF_STRICT: {
      const position = indexOfBytes(first, crLf, from, to);
      return position < 0 ? null : { position, length: 2 };
    }
    case EVBUFFER_EOL_LF:
    case EVBUFFER_EOL_NUL: {
      const position = indexOfByte(first, style === EVBUFFER_EOL_LF ? LF : 0, from, to);
      return position < 0 ? null : { position, length: 1 };
    }
    default:
      throw new RangeError(`Cannot look for a line ending: there is no style ${style as number}`);
  }
}

const crLf: Uint8Array = Uint8Array.of(CR, LF);

function scan(bytes: Uint8Array, byte: number, low: number, high: number): number {
  if (high - low < nativeSearchBytesMin) {
    for (let i = low; i < high; i++) {
      if (bytes[i] === byte) return i;
    }
    return -1;
  }
  // `indexOf` has no end; a chunk that is mostly room is cut to its data, so that stale bytes are not searched.
  if (bytes.length - high <= high - low) {
    const found = bytes.indexOf(byte, low);
    return found < high ? found : -1;
  }
  const found = bytes.subarray(low, high).indexOf(byte);
  return found < 0 ? -1 : low + found;
}

/** Compares from index `at` of `chain` on; the caller knows that enough bytes follow. */
function matchesAt(chain: Chain, at: number, needle: Uint8Array): boolean {
  let where: Chain = chain;
  let index = at;
  for (let i = 0; i < needle.length; i++) {
    while (index >= where.end) {
      const next = where.next;
      if (next === null) return false;
      if (next.kind !== CHAIN_MEMORY) checkReadable(next);
      where = next;
      index = next.start;
    }
    if (where.bytes[index++] !== needle[i]) return false;
  }
  return true;
}

function byteAt(first: Chain | null, position: number): number {
  let skip = position;
  for (let chain = first; chain !== null; chain = chain.next) {
    const size = chain.end - chain.start;
    if (skip < size) return chain.bytes[chain.start + skip]!;
    skip -= size;
  }
  return -1;
}

function firstCrOrLf(first: Chain | null, from: number, to: number): number {
  let base = 0;
  for (let chain = first; chain !== null && base < to; chain = chain.next) {
    const size = chain.end - chain.start;
    if (base + size > from) {
      if (chain.kind !== CHAIN_MEMORY) checkReadable(chain);
      const { bytes, start } = chain;
      const high = start + Math.min(size, to - base);
      for (let i = start + Math.max(0, from - base); i < high; i++) {
        const byte = bytes[i];
        if (byte === LF || byte === CR) return base + i - start;
      }
    }
    base += size;
  }
  return -1;
}

function runOfCrAndLf(first: Chain | null, position: number, to: number): number {
  let base = 0;
  let at = position;
  for (let chain = first; chain !== null && base < to; chain = chain.next) {
    const size = chain.end - chain.start;
    for (let i = at - base; i < size && at < to; i++, at++) {
      const byte = chain.bytes[chain.start + i];
      if (byte !== LF && byte !== CR) return at - position;
    }
    base += size;
  }
  return at - position;
}
