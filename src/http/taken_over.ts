import type { BufferEvent } from "../core/mod.ts";

/**
 * The streams that handlers have taken over, which still count as connections until they are closed. They have owners of
 * their own, so nobody tells us when that is: who is closed is found out when the number is asked for, or has doubled.
 *
 * @internal
 */
export class TakenOver {
  readonly #streams = new Set<BufferEvent>();
  #pruneAt = 64;

  /** Adds a stream. */
  add(stream: BufferEvent): void {
    if (this.#streams.size >= this.#pruneAt) {
      this.#prune();
      this.#pruneAt = Math.max(64, 2 * this.#streams.size);
    }
    this.#streams.add(stream);
  }

  /** How many there may be at most, which is quick to tell. */
  get countMax(): number {
    return this.#streams.size;
  }

  /** How many are open. */
  get count(): number {
    this.#prune();
    return this.#streams.size;
  }

  /**
   * Closes all of them.
   *
   * @throws the first of what their owners throw when they learn of it.
   */
  close(): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    const failures: unknown[] = [];
    for (const stream of streams) {
      try {
        stream.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  #prune(): void {
    for (const stream of this.#streams) {
      if (stream.closed) this.#streams.delete(stream);
    }
  }
}
