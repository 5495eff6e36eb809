import { HASH_FACTOR, HASH_SEED } from "./hash_seed.ts";

/** What a {@linkcode NameTable} holds. @internal */
export interface NameEntry<T> {
  /** A name in normal form. */
  readonly key: string;
  /** Its {@linkcode nameHash}. */
  readonly hash: number;
  /** What tells apart those that go by the same name. */
  readonly kind: number;
  /** The next one in the same place of the table. */
  sibling: T | null;
}

/** A number for a name in normal form, which is another one in the next process. @internal */
export function nameHash(key: string): number {
  let hash = HASH_SEED;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), HASH_FACTOR);
    hash ^= hash >>> 15;
  }
  return hash;
}

/**
 * Things by name and kind, which bear their places in the table themselves.
 *
 * It stands in for a map because a name that somebody asks for is a new string: a map of Deno's takes a microsecond to find such a key, and
 * this a fifth of that.
 *
 * @internal
 */
export class NameTable<T extends NameEntry<T>> {
  #places: (T | null)[] = new Array<T | null>(64).fill(null);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** The one of this name and kind. */
  find(key: string, hash: number, kind: number): T | null {
    let entry: T | null = this.#places[hash & this.#places.length - 1]!;
    while (entry !== null && (entry.hash !== hash || entry.kind !== kind || entry.key !== key)) entry = entry.sibling;
    return entry;
  }

  /** Adds one that is not there yet. */
  add(entry: T): void {
    if (this.#size++ === this.#places.length) this.#grow();
    this.#put(entry);
  }

  #put(entry: T): void {
    const place = entry.hash & this.#places.length - 1;
    entry.sibling = this.#places[place]!;
    this.#places[place] = entry;
  }

  #grow(): void {
    const all = this.all();
    this.#places = new Array<T | null>(this.#places.length * 2).fill(null);
    for (const entry of all) this.#put(entry);
  }

  /** Takes one out; without effect when it is not there. */
  delete(entry: T): void {
    const place = entry.hash & this.#places.length - 1;
    let before: T | null = this.#places[place]!;
    if (before === entry) {
      this.#places[place] = entry.sibling;
    } else {
      while (before !== null && before.sibling !== entry) before = before.sibling;
      if (before === null) return;
      before.sibling = entry.sibling;
    }
    entry.sibling = null;
    this.#size--;
  }

  /** All of them, in no order. */
  all(): T[] {
    const all: T[] = [];
    for (const first of this.#places) {
      for (let entry: T | null = first; entry !== null; entry = entry.sibling) all.push(entry);
    }
    return all;
  }

  /** Empties it. */
  clear(): void {
    this.#places = new Array<T | null>(64).fill(null);
    this.#size = 0;
  }
}
