import { runAll } from "./run_all.ts";

/**
 * Somebody who waits for what only a running loop can bring.
 *
 * @internal
 */
export abstract class ListedWaiter {
  /** @internal Who stands before it in the list of its base. */
  previous: ListedWaiter | null = null;
  /** @internal Who stands behind it. */
  next: ListedWaiter | null = null;

  /** The base was closed, after this was taken out of the list. */
  abstract baseClosed(): void;
}

/**
 * All who wait on one base, linked through themselves: waiting costs no memory for being told of the base's end.
 *
 * @internal
 */
export class WaiterList {
  #first: ListedWaiter | null = null;

  /** Puts somebody in who is in no list. */
  add(waiter: ListedWaiter): void {
    const first = this.#first;
    waiter.next = first;
    if (first !== null) first.previous = waiter;
    this.#first = waiter;
  }

  /** Takes somebody out who is in this list. */
  remove(waiter: ListedWaiter): void {
    const { previous, next } = waiter;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    waiter.previous = waiter.next = null;
  }

  /** The base was closed: tells everybody, those who have waited longest last, whatever they throw. */
  baseClosed(): void {
    runAll(this.#telling());
  }

  *#telling(): Generator<() => void> {
    for (let first = this.#first; first !== null; first = this.#first) {
      const waiter = first;
      this.remove(waiter);
      yield () => waiter.baseClosed();
    }
  }
}
