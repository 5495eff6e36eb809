import { DNS_FLAG_AUTHENTIC_DATA, DNS_FLAG_RECURSION_DESIRED } from "./constants.ts";
import { OPT_BYTES, OPT_TYPE } from "./edns.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import { QUESTION_BYTES_MAX, type WireQuestion } from "./wire_question.ts";

/** The flags of a query, which asks also whether an answer is authentic, or does not (RFC 6840 section 5.7). */
export function queryFlags(authenticData: boolean): number {
  return DNS_FLAG_RECURSION_DESIRED | (authenticData ? DNS_FLAG_AUTHENTIC_DATA : 0);
}

/** The most a query takes: header, question and an OPT record. */
export const QUERY_BYTES_MAX: number = HEADER_BYTES + QUESTION_BYTES_MAX + OPT_BYTES;

/**
 * Writes a query into `into` from `at` on; there must be room for {@linkcode QUERY_BYTES_MAX}.
 *
 * @param udpBytes what is taken over UDP: more than 512 is told by EDNS.
 * @param flags those of {@linkcode queryFlags}.
 * @returns where it ends.
 */
export function writeQuery(
  into: Uint8Array,
  at: number,
  id: number,
  question: WireQuestion,
  udpBytes: number,
  flags: number,
): number {
  const hasEdns = udpBytes > 512;
  into[at] = id >> 8;
  into[at + 1] = id & 0xff;
  into[at + 2] = flags >> 8;
  into[at + 3] = flags & 0xff;
  for (let index = 4; index < HEADER_BYTES; index++) into[at + index] = 0;
  into[at + 5] = 1;
  into[at + 11] = hasEdns ? 1 : 0;
  question.putSent(into, at + HEADER_BYTES);
  const end = at + HEADER_BYTES + question.length;
  if (!hasEdns) return end;
  for (let index = 0; index < OPT_BYTES; index++) into[end + index] = 0;
  into[end + 2] = OPT_TYPE;
  into[end + 3] = udpBytes >> 8;
  into[end + 4] = udpBytes & 0xff;
  return end + OPT_BYTES;
}
