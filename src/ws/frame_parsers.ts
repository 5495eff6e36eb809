import { LONE_LENGTH_MAX } from "./lone_text.ts";
import { FrameParser } from "./frame_parser.ts";
import type { WebSocketLimits } from "./limits.ts";

/** More than this are at work at once only while as many messages have come in part. */
const FREE_MAX = 64;

/**
 * Parsers for sessions that are read alike. A session has one from the first byte of a message to its last, so that those which wait, nearly
 * all of them at any time, have none, and the few that there are stay in the processor's first cache.
 *
 * @internal
 */
export class FrameParsers {
  /** The most bytes of a message that can do without a parser; -1 for none. */
  readonly loneMax: number;
  readonly #from: "client" | "server";
  readonly #mayCompress: boolean;
  readonly #limits: WebSocketLimits;
  readonly #free: FrameParser[] = [];

  /** Makes parsers like these; see {@linkcode FrameParserOptions}. */
  constructor(from: "client" | "server", mayCompress: boolean, limits: WebSocketLimits) {
    this.#from = from;
    this.#mayCompress = mayCompress;
    this.#limits = limits;
    const { maxFrameBytes, maxMessageBytes } = limits;
    this.loneMax = from === "client" ? Math.min(LONE_LENGTH_MAX, maxFrameBytes, maxMessageBytes) : -1;
  }

  /** A parser that stands before a message. */
  take(): FrameParser {
    return this.#free.pop() ??
      new FrameParser({ from: this.#from, mayCompress: this.#mayCompress, limits: this.#limits });
  }

  /** Takes a parser back if it stands before a message again; returns whether it does. */
  give(parser: FrameParser): boolean {
    if (parser.inMessage || parser.error !== null) return false;
    parser.forget();
    if (this.#free.length < FREE_MAX) this.#free.push(parser);
    return true;
  }
}

// Those of one kind share them if they share their limits, as all without limits of their own do.
const known: Record<string, WeakMap<WebSocketLimits, FrameParsers>> = {
  "client": new WeakMap(),
  "server": new WeakMap(),
  "client, compressed": new WeakMap(),
  "server, compressed": new WeakMap(),
};

/** The parsers of all sessions with these limits. */
export function frameParsers(from: "client" | "server", mayCompress: boolean, limits: WebSocketLimits): FrameParsers {
  const those = known[mayCompress ? `${from}, compressed` : from]!;
  let parsers = those.get(limits);
  if (parsers === undefined) {
    parsers = new FrameParsers(from, mayCompress, limits);
    those.set(limits, parsers);
  }
  return parsers;
}
