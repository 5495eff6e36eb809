/**
 * Text messages between bytes and strings.
 *
 * @module
 */
import { isAscii, Utf8Checker } from "./utf8_checker.ts";

const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
/** Up to this length pasting characters beats the decoder's fixed cost of 200 ns and more. */
const PASTED_BYTES_MAX = 24;
/** Up to this length our check beats that of the strict decoder, whose fixed cost is twice that of the other. */
const CHECKED_BYTES_MAX = 256;
const wholeTexts: Utf8Checker = new Utf8Checker();

/** The text that `bytes[start..end)` are, or null when they are no UTF-8. A byte order mark is a character like others. */
export function textOf(bytes: Uint8Array, start: number, end: number): string | null {
  const length = end - start;
  if (length <= PASTED_BYTES_MAX) {
    const text = pasted(bytes, start, end);
    if (text !== null) return text;
  }
  if (isAscii(bytes, start, end)) return decoder.decode(bytes.subarray(start, end));
  if (length <= CHECKED_BYTES_MAX) {
    wholeTexts.reset();
    if (!wholeTexts.check(bytes, start, end) || !wholeTexts.isComplete) return null;
    return decoder.decode(bytes.subarray(start, end));
  }
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    return null;
  }
}

/** The text of bytes that have been checked already. */
export function checkedText(bytes: Uint8Array, end: number): string {
  return decoder.decode(end === bytes.length ? bytes : bytes.subarray(0, end));
}

function pasted(bytes: Uint8Array, start: number, end: number): string | null {
  const from = String.fromCharCode;
  let text = "";
  let seen = 0;
  let at = start;
  for (; end - at >= 4; at += 4) {
    const b0 = bytes[at]!;
    const b1 = bytes[at + 1]!;
    const b2 = bytes[at + 2]!;
    const b3 = bytes[at + 3]!;
    seen |= b0 | b1 | b2 | b3;
    text += from(b0, b1, b2, b3);
  }
  for (; at < end; at++) {
    seen |= bytes[at]!;
    text += from(bytes[at]!);
  }
  return seen < 128 ? text : null;
}
