import type { EventBase } from "../core/mod.ts";
import { DeadlineList } from "../core/deadline_list.ts";
import { runAll } from "../core/run_all.ts";
import type { HttpTimeouts } from "./server_options.ts";
import type { ServerStream } from "./server_stream.ts";

/** How long a closing connection waits for more of what the client is sending, so that its last reply is not lost to a reset. */
export const LINGER_MS = 1000;

/**
 * All connections of a server: each is in the list of what it waits for, which is also its timer.
 *
 * @internal
 */
export class PhaseLists {
  /** Those between two requests. */
  idle: DeadlineList<ServerStream>;
  /** Those whose request has begun. */
  readingHead: DeadlineList<ServerStream>;
  /** Those in the middle of a body. */
  readingBody: DeadlineList<ServerStream>;
  /** Those that have all the time they need, such as one whose request is being served. */
  readonly unhurried: DeadlineList<ServerStream>;
  /** Those that have said goodbye. */
  readonly lingering: DeadlineList<ServerStream>;

  /** Makes empty lists. */
  constructor(base: EventBase, timeouts: HttpTimeouts) {
    this.idle = idleList(base, timeouts);
    this.readingHead = new DeadlineList(base, timeouts.headerTimeoutMs);
    this.readingBody = new DeadlineList(base, timeouts.bodyTimeoutMs);
    this.unhurried = new DeadlineList(base, Infinity);
    this.lingering = new DeadlineList(base, LINGER_MS);
  }

  /** Gives those that wait other times, which begin now. */
  setTimeouts(base: EventBase, timeouts: HttpTimeouts): void {
    this.idle = moved(this.idle, idleList(base, timeouts));
    this.readingHead = moved(this.readingHead, new DeadlineList(base, timeouts.headerTimeoutMs));
    this.readingBody = moved(this.readingBody, new DeadlineList(base, timeouts.bodyTimeoutMs));
  }

  /** Calls `visit` for every connection that there is now. */
  forEach(visit: (connection: ServerStream) => void): void {
    const all: ServerStream[] = [];
    for (const list of [this.idle, this.readingHead, this.readingBody, this.unhurried, this.lingering]) {
      for (let connection = list.head; connection !== null; connection = connection.deadlineNext) all.push(connection);
    }
    all.forEach(visit);
  }

  /** Closes all connections, whatever is thrown meanwhile, and the lists. */
  close(): void {
    runAll(this.#closing());
  }

  *#closing(): Generator<() => void> {
    for (const list of [this.idle, this.readingHead, this.readingBody, this.unhurried, this.lingering]) {
      for (let first = list.head; first !== null; first = list.head) {
        const connection = first;
        yield () => connection.close();
      }
      yield () => list.close();
    }
  }
}

/** A list that busy connections need not be moved in with each request, for which each lasts a hundredth longer at most. */
function idleList(base: EventBase, { keepAliveTimeoutMs }: HttpTimeouts): DeadlineList<ServerStream> {
  return new DeadlineList(base, keepAliveTimeoutMs, keepAliveTimeoutMs === Infinity ? 0 : keepAliveTimeoutMs / 128);
}

/** Moves everybody from one list to the other; the first one is closed. */
function moved(from: DeadlineList<ServerStream>, to: DeadlineList<ServerStream>): DeadlineList<ServerStream> {
  for (let connection = from.head; connection !== null; connection = from.head) to.add(connection);
  from.close();
  return to;
}
