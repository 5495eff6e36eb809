import type { EventBase } from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import { reactorOf } from "../core/event_base.ts";
import type { Reactor } from "../core/reactor.ts";

/** Something that is to be told. */
export interface Delivery {
  /** Calls whoever waits for it. */
  deliver(): void;
}

/**
 * Tells outcomes from the loop, in the order in which they came about and never from inside of what caused them; when the base is closed, at
 * once. Whatever is under way keeps the loop alive until it has been told.
 *
 * @internal
 */
export class Deliveries {
  readonly #reactor: Reactor;
  readonly #deferred: Deferred;
  #queue: Delivery[] = [];
  #underWay = 0;
  #isBaseClosed = false;
  #onAllTold: (() => void) | null = null;

  constructor(base: EventBase) {
    this.#reactor = reactorOf(base);
    this.#deferred = new Deferred(base, base.priorities >> 1, () => this.#deliver());
  }

  /** How many are under way. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Something is under way. */
  begun(): void {
    this.#underWay++;
    this.#reactor.countVirtual(1);
  }

  /** Calls `done` as soon as nothing is under way, perhaps at once. */
  whenAllTold(done: () => void): void {
    if (this.#underWay === 0) done();
    else this.#onAllTold = done;
  }

  /** One less is under way. */
  #ended(): void {
    this.#reactor.countVirtual(-1);
    if (--this.#underWay > 0 || this.#onAllTold === null) return;
    this.#onAllTold();
    this.#onAllTold = null;
  }

  /** It has come about. */
  add(delivery: Delivery): void {
    this.#queue.push(delivery);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isBaseClosed) this.#deliver();
    else this.#deferred.schedule();
  }

  /** There will be no loop any more: what waits for it is told now. */
  baseClosed(): void {
    this.#isBaseClosed = true;
    this.#deferred.cancel();
    this.#deliver();
  }

  /** It has come about in the loop, where nothing else could be disturbed. */
  deliverNow(delivery: Delivery): void {
    this.#ended();
    delivery.deliver();
  }

  #deliver(): void {
    const queue = this.#queue;
    this.#queue = [];
    let done = 0;
    try {
      while (done < queue.length) {
        this.#ended();
        queue[done++]!.deliver();
      }
    } finally {
      // A callback has thrown: the others have their turn.
      if (done < queue.length) {
        this.#queue = [...queue.slice(done), ...this.#queue];
        this.#schedule();
      }
    }
  }
}
