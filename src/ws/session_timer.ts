import type { EventBase } from "../core/mod.ts";
import { reactorOf } from "../core/event_base.ts";
import { LazyTimer } from "../core/lazy_timer.ts";

/** What a session's timer runs for: one thing at a time. */
const NOTHING = 0, SILENCE = 1, ANSWER = 2, END = 3;

/** What is done for a session when its time is up: one object for all of them. */
export interface TimeHandler<Session> {
  /** Whether anything has come since this was last asked, or is not being read, or what waits for the other side is being taken. */
  wasHeard(session: Session): boolean;
  /** Nothing has come for an interval: the other side is to be asked. */
  askForLife(session: Session): void;
  /** It has not answered. */
  heartbeatFailed(session: Session): void;
  /** The time for ending well is over. */
  endTimedOut(session: Session): void;
}

/**
 * The only timer of a session: the heartbeat while it is open, and the time it has for ending after that.
 *
 * @internal
 */
export class SessionTimer<Session> {
  readonly #base: EventBase;
  readonly #session: Session;
  readonly #handler: TimeHandler<Session>;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #timer: LazyTimer | null = null;
  #purpose = NOTHING;

  /** @param intervalMs of the heartbeat; Infinity: none. */
  constructor(
    base: EventBase,
    session: Session,
    handler: TimeHandler<Session>,
    intervalMs: number,
    timeoutMs: number,
  ) {
    this.#base = base;
    this.#session = session;
    this.#handler = handler;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    if (intervalMs !== Infinity) this.#run(SILENCE, intervalMs);
  }

  /** The session has so long to end. */
  limitEnd(ms: number): void {
    this.#run(END, ms);
  }

  /** Stops for good. */
  close(): void {
    this.#purpose = NOTHING;
    this.#timer?.close();
    this.#timer = null;
  }

  #run(purpose: number, ms: number): void {
    this.#purpose = purpose;
    this.#timer ??= new LazyTimer(this.#base, () => this.#timedOut());
    // What the other side has to answer leaves now, which may be long after the loop's time: whoever was busy until now pays for that alone.
    this.#timer.set(ms + reactorOf(this.#base).clock.ageMs);
  }

  #timedOut(): void {
    const purpose = this.#purpose;
    if (purpose === END) {
      this.#handler.endTimedOut(this.#session);
    } else if (purpose !== NOTHING) {
      if (this.#handler.wasHeard(this.#session)) {
        this.#run(SILENCE, this.#intervalMs);
      } else if (purpose === ANSWER) {
        this.#handler.heartbeatFailed(this.#session);
      } else {
        this.#run(ANSWER, this.#timeoutMs);
        this.#handler.askForLife(this.#session);
      }
    }
  }
}
