import { type Edns, ednsLength, type EdnsOption, OPT_BYTES } from "./edns.ts";
import type { MessageWriter } from "./message_writer.ts";

/** The option of EDNS that makes messages longer (RFC 7830), so that whoever watches an encrypted connection cannot tell them apart by their lengths. */
const PADDING_OPTION = 12;
const OPTION_BYTES = 4;
/** Queries and answers are as long as a multiple of these (RFC 8467 section 4.1). */
const QUERY_BLOCK = 128, ANSWER_BLOCK = 468;
const MESSAGE_BYTES_MAX = 65_535;

/** Room that {@linkcode padQuery} needs behind a query. @internal */
export const QUERY_PADDING_MAX: number = QUERY_BLOCK + OPTION_BYTES;

/** What is put into the EDNS of an answer that is to be padded; the last of its options. @internal */
export const PADDING: EdnsOption = { code: PADDING_OPTION, data: new Uint8Array(0) };

/** Whether a side pads, and so wants answers that are. @internal */
export function isPadded(edns: Edns | undefined): boolean {
  return edns !== undefined && edns.options.some(({ code }) => code === PADDING_OPTION);
}

/**
 * Pads a query that ends with an OPT record without options.
 *
 * @param start where it begins, and `end` where it ends.
 * @returns where it ends now.
 *
 * @internal
 */
export function padQuery(into: Uint8Array, start: number, end: number): number {
  const padded = Math.ceil((end - start + OPTION_BYTES) / QUERY_BLOCK) * QUERY_BLOCK;
  const padding = start + padded - end - OPTION_BYTES;
  putU16(into, end - 2, OPTION_BYTES + padding);
  putU16(into, end, PADDING_OPTION);
  putU16(into, end + 2, padding);
  into.fill(0, end + OPTION_BYTES, start + padded);
  return start + padded;
}

/** Pads an answer that ends with an OPT record whose last option is {@linkcode PADDING}. @internal */
export function padAnswer(writer: MessageWriter, edns: Edns): void {
  const end = writer.length;
  const length = ednsLength(edns);
  const padding = Math.min(Math.ceil(end / ANSWER_BLOCK) * ANSWER_BLOCK, MESSAGE_BYTES_MAX) - end;
  // The length of all options stands at the end of the fixed part of the record, that of the last one at the end of the message.
  putU16(writer.bytes, end - length + OPT_BYTES - 2, length - OPT_BYTES + padding);
  putU16(writer.bytes, end - 2, padding);
  writer.raw(new Uint8Array(padding));
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}
