/**
 * What hashes of names begin with and are multiplied by. Nobody who chooses names can tell which of them meet in one place of a table: the
 * numbers are others in the next process.
 *
 * @module
 */

const [seed, factor] = crypto.getRandomValues(new Uint32Array(2));

/** What a hash begins with, a signed integer. @internal */
export const HASH_SEED: number = seed! | 0;
/** What it is multiplied by at each step, odd. @internal */
export const HASH_FACTOR: number = factor! | 1;
