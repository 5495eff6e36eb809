import { formatIpv4, formatIpv6 } from "../core/ip_text.ts";
import { DNS_CLASS_ANY, DNS_CLASS_NONE, EVDNS_CLASS_INET } from "./constants.ts";
import type { MessageReader } from "./message_reader.ts";
import type { DnsData, NameData, SvcParam, TxtData } from "./record_data.ts";

const decoder = new TextDecoder("latin1");

/**
 * Reads the data of a record, which is `length` bytes long.
 *
 * @throws {DnsMessageError} when the data does not fit the type, or the message is shorter.
 *
 * @internal
 */
export function readRecordData(reader: MessageReader, type: number, recordClass: number, length: number): DnsData {
  reader.enterData(length);
  const data = read(reader, type, recordClass, length);
  reader.leaveData();
  return data;
}

function read(reader: MessageReader, type: number, recordClass: number, length: number): DnsData {
  // Updates name records without their data (RFC 2136 section 2.5).
  if (length === 0 && (recordClass === DNS_CLASS_ANY || recordClass === DNS_CLASS_NONE)) return unknown(reader, 0);
  switch (type) {
    case 1:
      return recordClass === EVDNS_CLASS_INET ? address(reader, "A", 4, length) : unknown(reader, length);
    case 28:
      return recordClass === EVDNS_CLASS_INET ? address(reader, "AAAA", 16, length) : unknown(reader, length);
    case 2:
      return name(reader, "NS");
    case 5:
      return name(reader, "CNAME");
    case 12:
      return name(reader, "PTR");
    case 39:
      return name(reader, "DNAME");
    case 6:
      return {
        kind: "SOA",
        primary: reader.name(),
        mailbox: reader.name(),
        serial: reader.u32(),
        refresh: reader.u32(),
        retry: reader.u32(),
        expire: reader.u32(),
        minimum: reader.u32(),
      };
    case 15:
      return { kind: "MX", preference: reader.u16(), exchange: reader.name() };
    case 16:
      return text(reader, "TXT");
    case 99:
      return text(reader, "SPF");
    case 33:
      return {
        kind: "SRV",
        priority: reader.u16(),
        weight: reader.u16(),
        port: reader.u16(),
        target: reader.name(),
      };
    case 64:
      return { kind: "SVCB", ...service(reader) };
    case 65:
      return { kind: "HTTPS", ...service(reader) };
    case 257:
      return authority(reader);
    default:
      return unknown(reader, length);
  }
}

function unknown(reader: MessageReader, length: number): DnsData {
  return { kind: "unknown", bytes: reader.copy(length) };
}

function address(reader: MessageReader, kind: "A" | "AAAA", expected: number, length: number): DnsData {
  if (length !== expected) reader.fail("DNS_BAD_RECORD_DATA");
  const at = reader.position;
  reader.position += length;
  return { kind, address: kind === "A" ? formatIpv4(reader.bytes, at) : formatIpv6(reader.bytes, at) };
}

function name(reader: MessageReader, kind: NameData["kind"]): DnsData {
  return { kind, target: reader.name() };
}

function text(reader: MessageReader, kind: TxtData["kind"]): DnsData {
  // One string at least (RFC 1035 section 3.3.14).
  const strings = [reader.string()];
  while (reader.position < reader.end) strings.push(reader.string());
  return { kind, strings };
}

function service(reader: MessageReader): { priority: number; target: string; params: SvcParam[] } {
  const priority = reader.u16();
  const targetAt = reader.position;
  const target = reader.name();
  // RFC 9460 section 2.2 wants it written out, and the keys in strictly ascending order.
  if (reader.position - targetAt !== reader.nameLength) reader.fail("DNS_BAD_POINTER", targetAt);
  const params: SvcParam[] = [];
  for (let last = -1; reader.position < reader.end;) {
    const key = reader.u16();
    if (key <= last) reader.fail("DNS_BAD_RECORD_DATA");
    params.push({ key, value: reader.copy(reader.u16()) });
    last = key;
  }
  return { priority, target, params };
}

function authority(reader: MessageReader): DnsData {
  const flags = reader.u8();
  const tag = decoder.decode(reader.string());
  if (!/^[0-9A-Za-z]+$/.test(tag)) reader.fail("DNS_BAD_RECORD_DATA");
  return { kind: "CAA", flags, tag, value: reader.copy(reader.end - reader.position) };
}
