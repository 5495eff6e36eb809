/**
 * Files mapped into memory, and the rule by which they are unmapped.
 *
 * A view of a mapping that outlives it is a crash at best and somebody else's memory at worst, and JavaScript cannot tell who
 * still holds one. So the memory is detached before it is unmapped, which makes every view of it, wherever it went, an
 * empty one; and where that does not succeed, because the memory was transferred to another thread or cannot be detached,
 * it stays mapped until the process ends.
 *
 * @module
 */

import { errno, sys } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import { unmapMemory } from "./process.ts";
import type { Address } from "./runtime.ts";

/** Bytes in a page; a mapping begins at a multiple of it (4 KiB on most systems, 16 KiB on Apple's processors). */
export const pageSize: number = Number(sys.sysconf(os.constants.SC_PAGESIZE));

/** The largest part of a file that is mapped in one piece. */
export const MAPPING_BYTES_MAX: number = 2 ** 30;

/** A part of a file in memory. */
export interface FileMapping {
  /** The bytes asked for. Writing to them changes neither the file nor other mappings. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Address of the first of them. */
  readonly address: Address;
}

/**
 * Maps `length` bytes of a file from `offset` on, which need not be a multiple of the page size, or returns `-errno`.
 *
 * The part must lie inside the file and the file must keep its length: touching what is beyond its end raises SIGBUS, which
 * ends the process.
 */
export function mapFile(fd: number, offset: number, length: number): FileMapping | number {
  if (length > MAPPING_BYTES_MAX) return -os.errno.ENOMEM!;
  const leftover = offset % pageSize;
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE } = os.constants;
  const mapped = sys.mmap(
    runtime.word(0),
    leftover + length,
    // Private and writable: whoever writes to a view gets a page of his own, and no segmentation fault.
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE,
    fd,
    runtime.word(offset - leftover),
  );
  const error = errno[0]!;
  const start = Number(mapped);
  // MAP_FAILED is all ones, which arrives as 2^64 - 1 or as -1.
  if (start <= 0 || start >= 2 ** 63) return -error;
  const memory = runtime.viewAt(start, leftover + length);
  return { bytes: new Uint8Array(memory, leftover, length), address: start + leftover };
}

/** Unmaps a file where no view of it can be alive afterwards; returns whether it did. All views of it become empty. */
export function unmapFile({ bytes, address }: FileMapping): boolean {
  const { buffer, byteOffset, length } = bytes;
  if (buffer.detached) return false;
  try {
    buffer.transfer(0);
  } catch {
    return false;
  }
  return buffer.detached && unmapMemory(address - byteOffset, byteOffset + length) === 0;
}
