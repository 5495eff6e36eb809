import { latin1, slicesNatively } from "../core/latin1.ts";
import * as heads from "./frame_head.ts";
import { maskAt } from "./frame_head.ts";
import { applyMask } from "./masking.ts";
import * as opcodes from "./opcodes.ts";
import { textOf } from "./text.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { SHORT_HEAD_BYTES, SHORT_LENGTH_MAX, WHOLE_TEXT } = heads;
const { MASK_BIT } = opcodes;

/** The most bytes of text that are taken here. */
export const LONE_LENGTH_MAX = 65_535;
/** The second byte where the length stands in the next two. */
const MEDIUM: number = MASK_BIT | (SHORT_LENGTH_MAX + 1);
/** How long the head is then. */
const MEDIUM_HEAD_BYTES: number = SHORT_HEAD_BYTES + 2;

/**
 * Up to so many characters are made a text of by their codes, where the runtime has no call of its own for bytes: 20 take 90 ns on V8 with the
 * mask, and 130 by way of bytes without it; from 40 on it is the other way round.
 */
const CODED_LENGTH_MAX = slicesNatively ? -1 : 32;

/** An array of codes for each length: one that is shortened and lengthened is slower. Nobody looks into them but the call that fills one. */
const codesOf: readonly number[][] = Array.from(
  { length: CODED_LENGTH_MAX + 1 },
  (_, length) => new Array(length).fill(0),
);

/**
 * The text of a message of up to `max` bytes, where `bytes[start..end)` are one masked frame with all of it and nothing else, as most messages
 * to a server come: no parser is needed. Null where they are anything else, and then they are as they were.
 *
 * @param max LONE_LENGTH_MAX or less; -1 for none.
 */
export function loneText(bytes: Uint8Array, start: number, end: number, max: number): string | null {
  const isMedium = bytes[start + 1] === MEDIUM;
  const first = start + (isMedium ? MEDIUM_HEAD_BYTES : SHORT_HEAD_BYTES);
  const length = end - first;
  if (length < 0 || length > max || bytes[start] !== WHOLE_TEXT) return null;
  if (isMedium) {
    // A length that has room in the second byte stands there.
    if (length <= SHORT_LENGTH_MAX || length !== (bytes[start + 2]! << 8 | bytes[start + 3]!)) return null;
  } else if (length > SHORT_LENGTH_MAX || bytes[start + 1] !== (MASK_BIT | length)) {
    return null;
  }
  if (length <= CODED_LENGTH_MAX) {
    const text = codedText(bytes, first, length);
    if (text !== null) return text;
  }
  const mask = maskAt(bytes, first - 4);
  const text = applyMask(bytes, first, end, mask, 0) ? latin1(bytes, first, end) : textOf(bytes, first, end);
  // What is no text is for the parser to refuse. The other way round it is the same.
  if (text === null) applyMask(bytes, first, end, mask, 0);
  return text;
}

/** The text of `length` bytes from `first` on, before which their mask stands, or null if it is not ASCII. */
function codedText(bytes: Uint8Array, first: number, length: number): string | null {
  const b0 = bytes[first - 4]!;
  const b1 = bytes[first - 3]!;
  const b2 = bytes[first - 2]!;
  const b3 = bytes[first - 1]!;
  const codes = codesOf[length]!;
  // All bits that are set in any of them.
  let seen = 0;
  let index = 0;
  let at = first;
  for (; length - index >= 4; index += 4, at += 4) {
    seen |= codes[index] = bytes[at]! ^ b0;
    seen |= codes[index + 1] = bytes[at + 1]! ^ b1;
    seen |= codes[index + 2] = bytes[at + 2]! ^ b2;
    seen |= codes[index + 3] = bytes[at + 3]! ^ b3;
  }
  if (index < length) seen |= codes[index++] = bytes[at++]! ^ b0;
  if (index < length) seen |= codes[index++] = bytes[at++]! ^ b1;
  if (index < length) seen |= codes[index] = bytes[at]! ^ b2;
  return seen < 128 ? String.fromCharCode.apply(null, codes) : null;
}
