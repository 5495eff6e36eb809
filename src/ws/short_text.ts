import { latin1 } from "../core/latin1.ts";
import { maskAt, SHORT_HEAD_BYTES, WHOLE_TEXT } from "./frame_head.ts";
import { applyMask } from "./masking.ts";
import { MASK_BIT } from "./opcodes.ts";

/**
 * The text of a message of up to `max` ASCII characters, where `bytes[start..end)` are one masked frame with all of it and nothing else, as most
 * messages to a server come: no parser is needed. Null where they are anything else, and then they are as they were.
 *
 * @param max SHORT_LENGTH_MAX or less; -1 for none.
 */
export function shortText(bytes: Uint8Array, start: number, end: number, max: number): string | null {
  const first = start + SHORT_HEAD_BYTES;
  const length = end - first;
  if (length < 0 || length > max || bytes[start] !== WHOLE_TEXT || bytes[start + 1] !== (MASK_BIT | length)) {
    return null;
  }
  const mask = maskAt(bytes, first - 4);
  if (applyMask(bytes, first, end, mask, 0)) return latin1(bytes, first, end);
  // The other way round it is the same.
  applyMask(bytes, first, end, mask, 0);
  return null;
}
