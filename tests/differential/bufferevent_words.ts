/** The words of the scenarios' language for the numbers of buffered connections. */
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  BEV_FINISHED,
  BEV_FLUSH,
  BEV_NORMAL,
  EV_READ,
  EV_WRITE,
} from "../../src/core/constants.ts";

export const directionWords = { READ: EV_READ, WRITE: EV_WRITE } as const;
export const eventWords = {
  READING: BEV_EVENT_READING,
  WRITING: BEV_EVENT_WRITING,
  EOF: BEV_EVENT_EOF,
  ERROR: BEV_EVENT_ERROR,
  TIMEOUT: BEV_EVENT_TIMEOUT,
  CONNECTED: BEV_EVENT_CONNECTED,
} as const;
/** DEFER: BEV_OPT_DEFER_CALLBACKS; CLOSE: BEV_OPT_CLOSE_ON_FREE; PLAIN: C is left alone. */
export const optionWords = { DEFER: 1, CLOSE: 2, PLAIN: 4 } as const;
export const triggerWords = { IGNORE: 1, DEFER: 2 } as const;
export const modeWords = { NORMAL: BEV_NORMAL, FLUSH: BEV_FLUSH, FINISHED: BEV_FINISHED } as const;
/** In the order in which they are set. */
export const callbackWords = { READ: 1, WRITE: 2, EVENT: 4 } as const;

/** `READ|WRITE` as a number. */
export function parseWords(known: Readonly<Record<string, number>>, text: string = ""): number {
  return text.split("|").reduce((flags, word) => flags | (known[word] ?? 0), 0);
}

/** The reverse of {@linkcode parseWords}; `none` for 0. */
export function unparseWords(known: Readonly<Record<string, number>>, flags: number): string {
  return Object.keys(known).filter((name) => (flags & known[name]!) !== 0).join("|") || "none";
}
