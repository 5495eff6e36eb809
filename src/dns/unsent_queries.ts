import type { Transmission } from "./transmission.ts";

/**
 * The queries that a channel is about to send, in the order in which it has taken them.
 *
 * One that is forgotten stays where it is until half of them are such, or until they are sent: to look for each among tens of thousands that
 * are given up together would take seconds.
 *
 * @internal
 */
export class UnsentQueries {
  #queries: Transmission[] = [];
  #forgotten = 0;

  /** How many there are, those included that are forgotten and were not taken out yet. */
  get size(): number {
    return this.#queries.length;
  }

  /** Puts one behind the others; its serial is greater than theirs. */
  add(transmission: Transmission): void {
    this.#queries.push(transmission);
  }

  /** One, which has no channel any more, is not to be sent if it is among them. */
  forget({ serial }: Transmission): void {
    const queries = this.#queries;
    if (queries.length === 0 || serial < queries[0]!.serial) return;
    if (++this.#forgotten * 2 > queries.length) this.settle();
  }

  /** Takes out those that are forgotten: they have no channel any more. */
  settle(): void {
    if (this.#forgotten === 0) return;
    this.#forgotten = 0;
    this.#queries = this.#queries.filter(({ channel }) => channel !== null);
  }

  /** One of them, once they are settled. */
  at(index: number): Transmission {
    return this.#queries[index]!;
  }

  /** Takes the first ones out, once they are settled. */
  drop(count: number): void {
    if (count === this.#queries.length) this.#queries.length = 0;
    else if (count > 0) this.#queries.splice(0, count);
  }

  /** Takes all of them out. */
  clear(): void {
    this.#queries = [];
    this.#forgotten = 0;
  }
}
