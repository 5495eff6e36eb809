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

/**
 * Makes an authoritative answer of the records that stand in `into` behind where the question of `query` goes: writes what comes before and behind
 * them, and there must be room.
 *
 * @param count how many records there are.
 * @param recordsEnd where they end.
 * @param udpSize what this side takes over UDP, as it is told by EDNS.
 *
 * @internal
 */
export function writeAnswerFrame(
  into: Uint8Array,
  query: PlainQuery,
  count: number,
  recordsEnd: number,
  udpSize: number,
): void {
  const { bytes, questionEnd } = query;
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
  if (query.udpSize < 0) return;
  const ednsFlags = query.ednsFlags & EDNS_FLAG_DNSSEC_OK;
  for (let index = 0; index < OPT_BYTES; index++) into[recordsEnd + index] = 0;
  into[recordsEnd + 2] = OPT_TYPE;
  into[recordsEnd + 3] = udpSize >> 8;
  into[recordsEnd + 4] = udpSize & 0xff;
  into[recordsEnd + 7] = ednsFlags >> 8;
  into[recordsEnd + 8] = ednsFlags & 0xff;
}
