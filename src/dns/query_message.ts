import { DNS_FLAG_RECURSION_DESIRED } from "./constants.ts";
import { OPT_TYPE } from "./edns.ts";
import { QUESTION_BYTES_MAX, type WireQuestion } from "./wire_question.ts";

/** Where the question begins. */
export const QUESTION_AT = 12;
/** An OPT record without options. */
const EDNS_BYTES = 11;
/** The most a query takes: header, question and an OPT record. */
export const QUERY_BYTES_MAX: number = QUESTION_AT + QUESTION_BYTES_MAX + EDNS_BYTES;

/**
 * Writes a query into `into` from `at` on; there must be room for {@linkcode QUERY_BYTES_MAX}.
 *
 * @param udpBytes what is taken over UDP: more than 512 is told by EDNS.
 * @returns where it ends.
 */
export function writeQuery(
  into: Uint8Array,
  at: number,
  id: number,
  question: WireQuestion,
  udpBytes: number,
): number {
  const hasEdns = udpBytes > 512;
  into[at] = id >> 8;
  into[at + 1] = id & 0xff;
  into[at + 2] = DNS_FLAG_RECURSION_DESIRED >> 8;
  for (let index = 3; index < QUESTION_AT; index++) into[at + index] = 0;
  into[at + 5] = 1;
  into[at + 11] = hasEdns ? 1 : 0;
  question.putSent(into, at + QUESTION_AT);
  const end = at + QUESTION_AT + question.length;
  if (!hasEdns) return end;
  for (let index = 0; index < EDNS_BYTES; index++) into[end + index] = 0;
  into[end + 2] = OPT_TYPE;
  into[end + 3] = udpBytes >> 8;
  into[end + 4] = udpBytes & 0xff;
  return end + EDNS_BYTES;
}
