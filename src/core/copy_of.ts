/**
 * Bytes in memory of their own, which the kernel may be given. A Buffer is a Uint8Array whose `slice()` copies nothing, so this is for
 * what comes from outside.
 *
 * @internal
 */
export function copyOf(bytes: Uint8Array, start: number = 0, end: number = bytes.length): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(end - start));
  copy.set(end - start === bytes.length ? bytes : bytes.subarray(start, end));
  return copy;
}
