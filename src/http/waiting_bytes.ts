/** Pieces from this size on are referred to where they were received; smaller ones are copied, since each pins a slab. */
export const REFERENCE_MIN: number = 16 * 1024;

/**
 * Bytes that came while nobody could take them: requests behind the one that is being served, or behind replies that a
 * client does not read. Reading is switched off meanwhile, so they are two reads at most.
 *
 * @internal
 */
export class WaitingBytes {
  /** Where they are: `bytes[start..end)`. */
  bytes: Uint8Array;
  /** The first one. */
  start: number;
  /** Behind the last one. */
  end: number;

  /** Takes `bytes[start..end)`, which nobody will overwrite. Few are copied, since they may wait for long. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    const isReferred = end - start >= REFERENCE_MIN;
    this.bytes = isReferred ? bytes : joined(bytes, start, start, bytes, start, end);
    this.start = isReferred ? start : 0;
    this.end = isReferred ? end : end - start;
  }

  /** Adds more that came behind them. */
  append(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = joined(this.bytes, this.start, this.end, bytes, start, end);
    this.end += end - start - this.start;
    this.start = 0;
  }
}

function joined(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): Uint8Array {
  const result = new Uint8Array(new ArrayBuffer(aEnd - aStart + bEnd - bStart));
  result.set(a.subarray(aStart, aEnd));
  result.set(b.subarray(bStart, bEnd), aEnd - aStart);
  return result;
}
