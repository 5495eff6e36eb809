/** What the servers send that answer GET with a large body and POST with the body that came. */

/** Bytes of the large one. */
export const LARGE_BYTES: number = 100 * 1024;

/** Letters in the order of the alphabet, over and over, as the load wants them. */
export function letters(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => 97 + at % 26);
}
