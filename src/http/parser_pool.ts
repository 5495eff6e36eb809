import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { RequestParser } from "./parser.ts";

/** More than this are at work at once only while as many clients stop in the middle of a request. */
const FREE_MAX = 64;

/**
 * The parsers of a server. A connection has one from the first byte of a request to its last, so that those which wait for requests,
 * nearly all of them at any time, have none: it is as large as everything else about them together.
 *
 * @internal
 */
export class ParserPool {
  readonly #limits: HttpLimits;
  readonly #leniency: HttpLeniency;
  readonly #free: RequestParser[] = [];

  /** Makes parsers with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    this.#limits = limits;
    this.#leniency = leniency;
  }

  /** A parser that waits for the beginning of a request. */
  take(): RequestParser {
    return this.#free.pop() ?? new RequestParser(this.#limits, this.#leniency);
  }

  /** Takes a parser back that nobody will use meanwhile; what it knows of a request is forgotten. */
  give(parser: RequestParser): void {
    parser.reset();
    if (this.#free.length < FREE_MAX) this.#free.push(parser);
  }
}
