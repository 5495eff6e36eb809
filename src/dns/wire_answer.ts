import {
  DNS_FLAG_CHECKING_DISABLED,
  DNS_FLAG_RECURSION_DESIRED,
  DNS_FLAG_RESPONSE,
  EVDNS_FLAGS_AA,
} from "./constants.ts";
import { EDNS_FLAG_DNSSEC_OK, OPT_BYTES, OPT_TYPE } from "./edns.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import type { PlainQuery } from "./plain_query.ts";

/** Of a query's flags an answer repeats: the opcode, that recursion was desired, and that checking is disabled. @internal */
export const ECHOED_FLAGS: number = 0x7800 | DNS_FLAG_RECURSION_DESIRED | DNS_FLAG_CHECKING_DISABLED;

/** Records as bytes that answer a question, whatever its letters: their names point at that of the question. @internal */
export interface WireAnswer {
  /** How many. */
  readonly count: number;
  /** Their bytes. */
  readonly records: Uint8Array;
}

/** How long the message is that {@linkcode writeWireAnswer} makes of it. @internal */
export function wireAnswerLength(query: PlainQuery, { records }: WireAnswer): number {
  return query.questionEnd + records.length + (query.udpSize < 0 ? 0 : OPT_BYTES);
}

/**
 * Writes an authoritative answer to a query into `into`, where there must be room.
 *
 * @param udpSize what this side takes over UDP, as it is told by EDNS.
 *
 * @internal
 */
export function writeWireAnswer(into: Uint8Array, query: PlainQuery, answer: WireAnswer, udpSize: number): void {
  const { bytes, questionEnd } = query;
  const { count, records } = answer;
  const flags = DNS_FLAG_RESPONSE | EVDNS_FLAGS_AA | query.flags & ECHOED_FLAGS;
  into[0] = bytes[0]!;
  into[1] = bytes[1]!;
  into[2] = flags >> 8;
  into[3] = flags & 0xff;
  into[4] = 0;
  into[5] = 1;
  into[6] = count >> 8;
  into[7] = count & 0xff;
  into[8] = into[9] = into[10] = 0;
  into[11] = query.udpSize < 0 ? 0 : 1;
  for (let at = HEADER_BYTES; at < questionEnd; at++) into[at] = bytes[at]!;
  let end = questionEnd;
  for (let index = 0; index < records.length; index++) into[end++] = records[index]!;
  if (query.udpSize < 0) return;
  const ednsFlags = query.ednsFlags & EDNS_FLAG_DNSSEC_OK;
  for (let index = 0; index < OPT_BYTES; index++) into[end + index] = 0;
  into[end + 2] = OPT_TYPE;
  into[end + 3] = udpSize >> 8;
  into[end + 4] = udpSize & 0xff;
  into[end + 7] = ednsFlags >> 8;
  into[end + 8] = ednsFlags & 0xff;
}
