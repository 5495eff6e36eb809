import type { SignalDetails } from "./signal_details.ts";

/** What a signal event still has to tell its callback: one call for each time the signal was raised. */
export class SignalCalls {
  /** Calls of the next run. */
  #queued = 0;
  /** Calls left of the run under way; apart from the former, since the callback may activate its own event. */
  #left = 0;
  #queuedDetails: SignalDetails[] = [];
  /** Describes the signal behind the call under way. */
  current: SignalDetails | null = null;

  /** The event became active with `calls`. */
  start(calls: number): void {
    this.#queued = calls;
  }

  /** The signal came again before the callback ran. */
  add(calls: number): void {
    this.#queued += calls;
  }

  /** What the kernel told about one of the calls. */
  describe(details: SignalDetails): void {
    this.#queuedDetails.push(details);
  }

  /** Drops what is queued, but not the calls under way. */
  dropQueued(): void {
    this.#queued = 0;
    this.#queuedDetails = [];
  }

  /** Drops everything: the event was deleted. */
  drop(): void {
    this.dropQueued();
    this.#left = 0;
  }

  /** Moves what is queued into a run that {@linkcode SignalCalls.run} then carries out. */
  take(): PendingRun {
    const run = { calls: this.#queued, details: this.#queuedDetails };
    this.dropQueued();
    return run;
  }

  /**
   * Calls `callback` once for each call of `run`, until the event is deleted or `mayGoOn` says no.
   *
   * @param requeue told how many calls are left when the callback throws: they wait for the next pass.
   */
  run(run: PendingRun, callback: () => void, mayGoOn: () => boolean, requeue: (calls: number) => void): void {
    this.#left = run.calls;
    for (let call = 0; this.#left > 0; call++) {
      this.#left--;
      this.current = run.details[call] ?? null;
      let done = false;
      try {
        callback();
        done = true;
      } finally {
        this.current = null;
        if (!done && this.#left > 0) {
          requeue(this.#left);
          this.#queuedDetails = [...run.details.slice(call + 1), ...this.#queuedDetails];
          this.#left = 0;
        }
      }
      if (!mayGoOn()) return;
    }
  }
}

/** Calls taken out of the queue, to be made now. */
export interface PendingRun {
  /** How many. */
  readonly calls: number;
  /** What is known about the first of them, in order. */
  readonly details: readonly SignalDetails[];
}
