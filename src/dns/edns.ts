import type { MessageReader } from "./message_reader.ts";
import type { MessageWriter } from "./message_writer.ts";
import { within } from "./record_data_writer.ts";

/** The type of the record that EDNS hides in. @internal */
export const OPT_TYPE = 41;

/** Flag of {@linkcode Edns}: the sender understands DNSSEC (RFC 3225). */
export const EDNS_FLAG_DNSSEC_OK = 0x8000;

/** An option of EDNS. */
export interface EdnsOption {
  /** Its number; 3 is NSID, 8 the client's subnet, 10 a cookie, 12 padding, 15 an extended error. */
  readonly code: number;
  /** Its bytes. */
  readonly data: Uint8Array;
}

/** What a side says by EDNS (RFC 6891): an OPT record in the additional section. */
export interface Edns {
  /** Bytes it takes in a datagram; less than 512 means 512. */
  readonly udpSize: number;
  /** Version, 0 so far. */
  readonly version: number;
  /** Sixteen flags. */
  readonly flags: number;
  /** The upper eight bits of the response code. */
  readonly extendedRcode: number;
  /** Options in their order. */
  readonly options: readonly EdnsOption[];
}

/** What there is to say about EDNS when nothing but the size matters. */
export function simpleEdns(udpSize: number): Edns {
  return { udpSize, version: 0, flags: 0, extendedRcode: 0, options: [] };
}

/** Bytes of the OPT record without options. @internal */
export const OPT_BYTES = 11;

/** How many bytes it takes in a message. @internal */
export function ednsLength(edns: Edns | undefined): number {
  if (edns === undefined) return 0;
  return edns.options.reduce((sum, { data }) => sum + 4 + data.length, OPT_BYTES);
}

/** Reads what follows the type of an OPT record. @internal */
export function readEdns(reader: MessageReader): Edns {
  const udpSize = reader.u16();
  const extendedRcode = reader.u8();
  const version = reader.u8();
  const flags = reader.u16();
  reader.enterData(reader.u16());
  let options = NO_OPTIONS;
  if (reader.position < reader.end) options = readOptions(reader);
  reader.leaveData();
  return { udpSize, version, flags, extendedRcode, options };
}

/** What most say. */
const NO_OPTIONS: readonly EdnsOption[] = Object.freeze([]);

function readOptions(reader: MessageReader): EdnsOption[] {
  const options: EdnsOption[] = [];
  while (reader.position < reader.end) options.push({ code: reader.u16(), data: reader.copy(reader.u16()) });
  return options;
}

/** Writes an OPT record. @throws {RangeError} when a number is out of its range. @internal */
export function writeEdns(writer: MessageWriter, edns: Edns): void {
  writer.u8(0);
  writer.u16(OPT_TYPE);
  writer.u16(within(edns.udpSize, 0xffff, "the UDP size"));
  writer.u8(within(edns.extendedRcode, 0xff, "the extended response code"));
  writer.u8(within(edns.version, 0xff, "the version of EDNS"));
  writer.u16(within(edns.flags, 0xffff, "the flags of EDNS"));
  writer.u16(within(ednsLength(edns) - OPT_BYTES, 0xffff, "the length of EDNS options"));
  for (const { code, data } of edns.options) {
    writer.u16(within(code, 0xffff, "the code of an EDNS option"));
    writer.u16(data.length);
    writer.raw(data);
  }
}
