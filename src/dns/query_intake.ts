import {
  DNS_ERR_FORMAT,
  DNS_ERR_NOTIMPL,
  DNS_FLAG_RESPONSE,
  DNS_OPCODE_QUERY,
  DNS_RCODE_BADVERS,
  DNS_UDP_BYTES,
} from "./constants.ts";
import type { DnsServerLimits } from "./dns_server_options.ts";
import { type DnsMessage, parseDnsMessage } from "./message.ts";
import { DnsMessageError } from "./message_error.ts";
import { HEADER_BYTES } from "./message_reader.ts";

/** Of a header's third byte: the opcode, and RD. */
const ECHOED_BITS = 0x79;

/** What becomes of a query: the message for the handler, a response code, a whole reply, or nothing at all. @internal */
export type Intake =
  | { readonly message: DnsMessage; readonly rcode: number | undefined }
  | { readonly reply: Uint8Array; readonly isMalformed: boolean }
  | null;

/**
 * Reads a query, and decides what the handler is not bothered with: responses, which are never answered, so that two servers
 * cannot keep each other busy; what is malformed; other opcodes and versions of EDNS; more or less than one question (RFC 9619).
 *
 * What the header alone tells is decided before anything else is read, and answered by a header: neither the time nor the size of such an
 * answer depends on what a stranger has put behind it.
 *
 * @internal
 */
export function takeQuery(bytes: Uint8Array, limits: DnsServerLimits): Intake {
  if (bytes.length < HEADER_BYTES || (bytes[2]! & DNS_FLAG_RESPONSE >> 8) !== 0) return null;
  const opcode = bytes[2]! >> 3 & 15;
  if (!limits.opcodes.has(opcode)) return { reply: headerReply(bytes, DNS_ERR_NOTIMPL), isMalformed: false };
  const questions = bytes[4]! << 8 | bytes[5]!;
  // No other opcode has a use for more than one either, and some for none.
  if (questions > 1 || (questions === 0 && opcode === DNS_OPCODE_QUERY)) return malformed(bytes);
  let message: DnsMessage;
  try {
    message = parseDnsMessage(bytes);
  } catch (error) {
    if (error instanceof DnsMessageError) return malformed(bytes);
    throw error;
  }
  return { message, rcode: (message.edns?.version ?? 0) > 0 ? DNS_RCODE_BADVERS : undefined };
}

function malformed(query: Uint8Array): Intake {
  return { reply: headerReply(query, DNS_ERR_FORMAT), isMalformed: true };
}

/** A response that is nothing but a header: the query's id, and a response code. */
function headerReply(query: Uint8Array, rcode: number): Uint8Array {
  const reply = new Uint8Array(new ArrayBuffer(HEADER_BYTES));
  reply.set(query.subarray(0, 2));
  // The opcode, and whether recursion was desired, are the query's.
  reply[2] = query[2]! & ECHOED_BITS | DNS_FLAG_RESPONSE >> 8;
  reply[3] = rcode;
  return reply;
}

/** Most bytes of an answer over UDP to a query; its client takes `udpSize` as it says by EDNS, or has said nothing: -1. @internal */
export function udpAnswerBytes(udpSize: number, limits: DnsServerLimits): number {
  return udpSize < 0 ? DNS_UDP_BYTES : Math.min(limits.maxUdpBytes, Math.max(DNS_UDP_BYTES, udpSize));
}
