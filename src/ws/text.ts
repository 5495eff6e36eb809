/**
 * Text messages between bytes and strings.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Chain, restOf } from "../core/chain.ts";
import { latin1 } from "../core/latin1.ts";
import { isAscii, Utf8Checker } from "./utf8_checker.ts";

const encoder: TextEncoder = new TextEncoder();
const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
/** What is not ASCII and no longer than this is checked by ourselves: when the decoder finds a mistake it throws, and that takes long. */
const SHORT_BYTES_MAX = 256;
const wholeTexts: Utf8Checker = new Utf8Checker();

/**
 * The text that `bytes[start..end)` are, or null when they are no UTF-8. A byte order mark is a character like others.
 *
 * @param isKnownAscii whether they are known to be ASCII.
 */
export function textOf(bytes: Uint8Array, start: number, end: number, isKnownAscii: boolean = false): string | null {
  if (isKnownAscii || isAscii(bytes, start, end)) return latin1(bytes, start, end);
  if (end - start <= SHORT_BYTES_MAX) {
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
export function checkedText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * Bun's own `write` of a Buffer, which takes any bytes as its object, and so writes into memory for which it would take longer to make a
 * Buffer, or the view that a TextEncoder needs: 64 characters 50 ns against 80 to 130. Null where it is not the runtime's own, but JavaScript
 * on top of a TextEncoder.
 */
const nativeWrite: NativeWrite | null = findNativeWrite();

/** Up to this many characters a loop over them beats {@linkcode writeText}. */
export const LOOPED_LENGTH_MAX: number = nativeWrite === null ? 64 : 32;

type NativeWrite = (this: Uint8Array, text: string, at: number, room: number) => number;

function findNativeWrite(): NativeWrite | null {
  const write = Buffer.prototype.write as unknown as NativeWrite;
  if (!String(write).includes("[native code]")) return null;
  const bytes = new Uint8Array(4);
  try {
    return write.call(bytes, "\u{e9}", 1, 3) === 2 && bytes[2] === 0xa9 ? write : null;
  } catch {
    return null;
  }
}

/**
 * Writes `text` as UTF-8 into the memory of a chain from index `at` on, where there is room for it; returns how many bytes that took. A lone
 * surrogate becomes U+FFFD.
 */
export function writeText(text: string, chain: Chain, at: number): number {
  if (nativeWrite !== null) return nativeWrite.call(chain.bytes, text, at, chain.limit - at);
  return encoder.encodeInto(text, restOf(chain, at)).written;
}
