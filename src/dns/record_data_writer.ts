import { parseIpv6 } from "../core/ip_text.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { DnsData } from "./record_data.ts";

const encoder = new TextEncoder();

/**
 * Writes the data of a record, without its length. Only what RFC 1035 defines is compressed: receivers need not know the others
 * (RFC 3597 section 4).
 *
 * @throws {TypeError} when an address is none.
 * @throws {RangeError} when a number or a length is out of its range, or a name is none.
 *
 * @internal
 */
export function writeRecordData(writer: MessageWriter, data: DnsData): void {
  switch (data.kind) {
    case "A":
      writer.ipv4(data.address);
      break;
    case "AAAA":
      writer.raw(ipv6Bytes(data.address));
      break;
    case "NS":
    case "CNAME":
    case "PTR":
      writer.name(data.target);
      break;
    case "DNAME":
      writer.name(data.target, false);
      break;
    case "MX":
      writer.u16(within(data.preference, 0xffff, "preference"));
      writer.name(data.exchange);
      break;
    case "SOA":
      writer.name(data.primary);
      writer.name(data.mailbox);
      for (const field of ["serial", "refresh", "retry", "expire", "minimum"] as const) {
        writer.u32(within(data[field], 0xffff_ffff, field));
      }
      break;
    case "TXT":
    case "SPF":
      if (data.strings.length === 0) throw new RangeError(`Cannot write a ${data.kind} record: it has no string`);
      for (const text of data.strings) writeString(writer, text, `a string of ${data.kind}`);
      break;
    case "SRV":
      writer.u16(within(data.priority, 0xffff, "priority"));
      writer.u16(within(data.weight, 0xffff, "weight"));
      writer.u16(within(data.port, 0xffff, "port"));
      writer.name(data.target, false);
      break;
    case "CAA":
      if (!/^[0-9A-Za-z]+$/.test(data.tag)) {
        throw new RangeError(`Cannot write a CAA record: its tag is ${JSON.stringify(data.tag)}`);
      }
      writer.u8(within(data.flags, 0xff, "flags"));
      writeString(writer, encoder.encode(data.tag), "the tag of CAA");
      writer.raw(data.value);
      break;
    case "SVCB":
    case "HTTPS":
      writer.u16(within(data.priority, 0xffff, "priority"));
      writer.name(data.target, false);
      writeParams(writer, data.params);
      break;
    case "unknown":
      writer.raw(data.bytes);
  }
}

/** @throws {TypeError} when the text is no address. */
function ipv6Bytes(address: string): Uint8Array {
  const bytes = parseIpv6(address);
  if (bytes === null) throw new TypeError(`Cannot write AAAA record: ${JSON.stringify(address)} is no address for it`);
  return bytes;
}

/** @throws {RangeError} when `value` is no whole number from 0 to `max`. @internal */
export function within(value: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`Cannot write a DNS message: ${what} is ${value}, and must be a whole number up to ${max}`);
}

function writeString(writer: MessageWriter, bytes: Uint8Array, what: string): void {
  writer.u8(within(bytes.length, 255, `the length of ${what}`));
  writer.raw(bytes);
}

function writeParams(writer: MessageWriter, params: Extract<DnsData, { kind: "SVCB" | "HTTPS" }>["params"]): void {
  let last = -1;
  for (const { key, value } of params) {
    within(key, 0xffff, "the key of a parameter");
    if (key <= last) throw new RangeError(`Cannot write a DNS message: parameter ${key} stands behind ${last}`);
    writer.u16(last = key);
    writer.u16(within(value.length, 0xffff, "the length of a parameter"));
    writer.raw(value);
  }
}
