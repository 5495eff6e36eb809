/** Random numbers made by one call of the system's generator. */
const BATCH = 512;

const words = new Uint32Array(BATCH);
let used = BATCH;

/** Thirty-two bits nobody can foresee. @internal */
export function randomWord(): number {
  if (used === BATCH) {
    crypto.getRandomValues(words);
    used = 0;
  }
  const word = words[used]!;
  // Nobody who reads memory later learns what was given out.
  words[used++] = 0;
  return word;
}

/** An id for a message: 0 to 0xfffe, as in libevent. @internal */
export function randomId(): number {
  for (;;) {
    const id = randomWord() & 0xffff;
    if (id !== 0xffff) return id;
  }
}
