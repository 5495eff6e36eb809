/** Keys made by one call of the system's random generator, which costs more than all else about a small frame. */
const BATCH = 1024;

const keys: Int32Array = new Int32Array(new ArrayBuffer(BATCH * 4));
let used = BATCH;

/** A key nobody can foresee, for one frame (RFC 6455 section 5.3): four bytes as one number. */
export function nextMask(): number {
  if (used === BATCH) {
    crypto.getRandomValues(keys);
    used = 0;
  }
  return keys[used++]!;
}
