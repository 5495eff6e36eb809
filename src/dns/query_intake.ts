import {
  DNS_ERR_FORMAT,
  DNS_ERR_NOTIMPL,
  DNS_FLAG_RESPONSE,
  DNS_OPCODE_QUERY,
  DNS_RCODE_BADVERS,
  DNS_UDP_BYTES,
} from "./constants.ts";
import type { DnsServerLimits } from "./dns_server_options.ts";
import { type DnsMessage, dnsOpcode, formatErrorReply, parseDnsMessage } from "./message.ts";
import { DnsMessageError } from "./message_error.ts";

const HEADER_BYTES = 12;

/** What becomes of a query: the message for the handler, a response code, a whole reply, or nothing at all. @internal */
export type Intake =
  | { readonly message: DnsMessage; readonly rcode: number | undefined }
  | { readonly reply: Uint8Array }
  | null;

/**
 * Reads a query, and decides what the handler is not bothered with: responses, which are never answered, so that two servers
 * cannot keep each other busy; what is malformed; other opcodes and versions of EDNS; more or less than one question (RFC 9619).
 *
 * @internal
 */
export function takeQuery(bytes: Uint8Array, limits: DnsServerLimits): Intake {
  if (bytes.length < HEADER_BYTES || (bytes[2]! & DNS_FLAG_RESPONSE >> 8) !== 0) return null;
  let message: DnsMessage;
  try {
    message = parseDnsMessage(bytes);
  } catch (error) {
    if (error instanceof DnsMessageError) return { reply: formatErrorReply(bytes) };
    throw error;
  }
  const opcode = dnsOpcode(message);
  if (!limits.opcodes.has(opcode)) return { message, rcode: DNS_ERR_NOTIMPL };
  if ((message.edns?.version ?? 0) > 0) return { message, rcode: DNS_RCODE_BADVERS };
  if (opcode === DNS_OPCODE_QUERY && message.questions.length !== 1) return { message, rcode: DNS_ERR_FORMAT };
  return { message, rcode: undefined };
}

/** Most bytes of an answer over UDP to this query. @internal */
export function udpAnswerBytes({ edns }: DnsMessage, limits: DnsServerLimits): number {
  if (edns === undefined) return DNS_UDP_BYTES;
  return Math.min(limits.maxUdpBytes, Math.max(DNS_UDP_BYTES, edns.udpSize));
}
