/**
 * What the values of the deciding fields mean, read from bytes: Content-Length, Transfer-Encoding, Connection and
 * Expect. What was learned is collected as a sum of `FACT_*` bits, so that a parser clears everything it knows with
 * one store.
 */
import { BYTE_CLASS, equalsIgnoringCase, HT, SP, TOKEN_BYTE } from "./parse_tables.ts";

/** A Host field was there. */
export const FACT_HOST = 1;
/** A Content-Length field was there. */
export const FACT_LENGTH = 2;
/** A Transfer-Encoding field was there. */
export const FACT_CODED = 4;
/** The coding "chunked" was among the transfer codings. */
export const FACT_CHUNKED = 8;
/** A transfer coding other than "chunked" was there. */
export const FACT_OTHER_CODING = 16;
/** The transfer codings were malformed, or "chunked" was not the last of them, or was there twice. */
export const FACT_BAD_CODING = 32;
/** A Connection field was there. */
export const FACT_CONNECTION = 64;
/** Connection held the option "close". */
export const FACT_CLOSE = 128;
/** Connection held the option "keep-alive". */
export const FACT_KEEP_ALIVE = 256;
/** Connection held the option "upgrade". */
export const FACT_UPGRADE_OPTION = 512;
/** An Upgrade field was there. */
export const FACT_UPGRADE = 1024;
/** An Expect field asked for "100-continue". */
export const FACT_EXPECT_CONTINUE = 2048;
/** An Expect field asked for something else. */
export const FACT_EXPECT_OTHER = 4096;

const COMMA = 0x2c;
const SEMICOLON = 0x3b;

/**
 * The value of a Content-Length field (RFC 9110 section 8.6): digits only, at most 2^53 - 1. Returns -1 for anything
 * else.
 */
export function parseContentLength(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (start === end) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
    if (length > Number.MAX_SAFE_INTEGER) return -1;
  }
  return length;
}

/** Adds to `facts` what one element of a list says, `bytes[start..end)` without the blanks around it, and returns the sum. */
type AddElement = (facts: number, bytes: Uint8Array, start: number, end: number) => number;

/**
 * Adds the transfer codings of one Transfer-Encoding line (RFC 9112 section 6.1) to `facts` and returns the sum.
 * Several lines make one list, so `facts` has to be what the lines before it left. Empty elements are refused, although
 * RFC 9110 section 5.6.1 tolerates them, since recipients are known to disagree about them here.
 */
export function addTransferCodings(
  facts: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  return addElements(facts | FACT_CODED, bytes, start, end, addCoding);
}

/**
 * Adds the options of one Connection line (RFC 9110 section 7.6.1) to `facts` and returns the sum. Unknown options are
 * skipped.
 */
export function addConnectionOptions(
  facts: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  return addElements(facts | FACT_CONNECTION, bytes, start, end, addOption);
}

/**
 * Adds what one Expect line asks for (RFC 9110 section 10.1.1) to `facts` and returns the sum. Empty elements are skipped. A comma in
 * quotes counts as one between elements: the parts then are as unknown as the whole.
 */
export function addExpectations(
  facts: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  return addElements(facts, bytes, start, end, addExpectation);
}

/** Goes through a list, whose elements may be empty: there is one more of them than commas. */
function addElements(facts: number, bytes: Uint8Array, start: number, end: number, add: AddElement): number {
  let result = facts;
  for (let p = start;; p++) {
    const elementStart = skipBlanks(bytes, p, end);
    for (p = elementStart; p < end && bytes[p] !== COMMA;) p++;
    result = add(result, bytes, elementStart, dropBlanks(bytes, elementStart, p));
    if (p === end) return result;
  }
}

function addCoding(facts: number, bytes: Uint8Array, start: number, end: number): number {
  let tokenEnd = start;
  while (
    tokenEnd < end && (BYTE_CLASS[bytes[tokenEnd]!]! & TOKEN_BYTE) !== 0
  ) tokenEnd++;
  const chunked = equalsIgnoringCase(bytes, start, tokenEnd, "chunked");
  // Parameters are allowed behind a coding's name, but chunked has none.
  const wellFormed = tokenEnd > start &&
    (tokenEnd === end || (bytes[tokenEnd] === SEMICOLON && !chunked));
  const isBad = !wellFormed || (facts & FACT_CHUNKED) !== 0;
  return facts | (isBad ? FACT_BAD_CODING : 0) | (chunked ? FACT_CHUNKED : FACT_OTHER_CODING);
}

function addOption(facts: number, bytes: Uint8Array, start: number, end: number): number {
  if (equalsIgnoringCase(bytes, start, end, "keep-alive")) return facts | FACT_KEEP_ALIVE;
  if (equalsIgnoringCase(bytes, start, end, "close")) return facts | FACT_CLOSE;
  if (equalsIgnoringCase(bytes, start, end, "upgrade")) return facts | FACT_UPGRADE_OPTION;
  return facts;
}

function addExpectation(facts: number, bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return facts;
  return facts | (equalsIgnoringCase(bytes, start, end, "100-continue") ? FACT_EXPECT_CONTINUE : FACT_EXPECT_OTHER);
}

/** The first position in `[start..end)` that holds no blank, or `end`. */
export function skipBlanks(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let p = start;
  while (p < end && (bytes[p] === SP || bytes[p] === HT)) p++;
  return p;
}

/** `end` moved back over the blanks before it, not further than `start`. */
export function dropBlanks(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let p = end;
  while (p > start && (bytes[p - 1] === SP || bytes[p - 1] === HT)) p--;
  return p;
}
