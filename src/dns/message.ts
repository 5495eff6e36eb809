import { DNS_FLAG_TRUNCATED, DNS_MESSAGE_BYTES_MAX, EVDNS_CLASS_INET, EVDNS_FLAGS_AA } from "./constants.ts";
import { type Edns, ednsLength, OPT_TYPE, readEdns, writeEdns } from "./edns.ts";
import { MessageReader } from "./message_reader.ts";
import { MessageWriter } from "./message_writer.ts";
import { isInDnsZone, isSameDnsName } from "./name.ts";
import type { PlainQuery } from "./plain_query.ts";
import { DNS_KIND_TYPES, type DnsData } from "./record_data.ts";
import { readRecordData } from "./record_data_reader.ts";
import { within, writeRecordData } from "./record_data_writer.ts";
import { dnsTypeName } from "./record_type.ts";

/** What is asked. */
export interface DnsQuestion {
  /** The name, in the letters it was asked in. */
  readonly name: string;
  /** The type of record, such as {@linkcode EVDNS_TYPE_A}. */
  readonly type: number;
  /** The class, usually {@linkcode EVDNS_CLASS_INET}. */
  readonly class: number;
}

/** A resource record. */
export interface DnsRecord {
  /** The name it is about. */
  readonly name: string;
  /** Its type. */
  readonly type: number;
  /** Its class. */
  readonly class: number;
  /** How many seconds it may be remembered. */
  readonly ttl: number;
  /** What it says. */
  readonly data: DnsData;
}

/** A message, query or response (RFC 1035 section 4). */
export interface DnsMessage {
  /** Number by which a response is matched to its query. */
  readonly id: number;
  /** The second word of the header: `DNS_FLAG_` and `EVDNS_FLAGS_` bits, opcode, and the lower four bits of the response code. */
  readonly flags: number;
  /** What is asked; one thing, usually. */
  readonly questions: readonly DnsQuestion[];
  /** Answers. */
  readonly answers: readonly DnsRecord[];
  /** Who is responsible. */
  readonly authorities: readonly DnsRecord[];
  /** What may help besides; without OPT. */
  readonly additionals: readonly DnsRecord[];
  /** What the OPT record among the additional ones says; undefined where there is none. */
  readonly edns?: Edns | undefined;
}

/** Options of {@linkcode buildDnsMessage}. */
export interface BuildMessageOptions {
  /** Most bytes, 12 to 65,535, which is the default. */
  readonly maxBytes?: number | undefined;
}

/** Makes a record of the internet class from its data. @throws {TypeError} for data of the kind `unknown`, which does not tell its type. */
export function dnsRecord(name: string, ttl: number, data: DnsData): DnsRecord {
  if (data.kind === "unknown") throw new TypeError("Cannot tell the type of a record from data of the kind unknown");
  return { name, type: DNS_KIND_TYPES[data.kind], class: EVDNS_CLASS_INET, ttl, data };
}

/** What a message is for: {@linkcode DNS_OPCODE_QUERY} and so on. */
export function dnsOpcode(message: Pick<DnsMessage, "flags">): number {
  return message.flags >> 11 & 15;
}

/** The response code, with what EDNS adds to it. */
export function dnsRcode(message: Pick<DnsMessage, "flags" | "edns">): number {
  return message.flags & 15 | (message.edns?.extendedRcode ?? 0) << 4;
}

/**
 * Reads a message.
 *
 * Time and memory are bounded by its length, whatever its counts and pointers claim. A TTL with its highest bit set counts as 0 (RFC 2181
 * section 8).
 *
 * @param bytes the whole message, without the length that goes before it over TCP. Nothing of the result refers to it.
 * @throws {DnsMessageError} when it is malformed.
 */
export function parseDnsMessage(bytes: Uint8Array): DnsMessage {
  const reader = new MessageReader(bytes);
  const message = readMessage(reader);
  if (!reader.isAtEnd) reader.fail("DNS_MESSAGE_TRAILING_BYTES");
  return message;
}

/**
 * {@linkcode parseDnsMessage} from a reader, which may have more in it than the message.
 *
 * @internal
 */
export function readMessage(reader: MessageReader): DnsMessage {
  const id = reader.u16();
  const flags = reader.u16();
  const questionCount = reader.u16();
  const answerCount = reader.u16();
  const authorityCount = reader.u16();
  const additionalCount = reader.u16();
  const questions: DnsQuestion[] = [];
  for (let left = questionCount; left > 0; left--) {
    questions.push({ name: reader.name(), type: reader.u16(), class: reader.u16() });
  }
  const answers = readRecords(reader, answerCount);
  const authorities = readRecords(reader, authorityCount);
  let additionals = NO_RECORDS;
  let edns: Edns | undefined;
  for (let left = additionalCount; left > 0; left--) {
    const start = reader.position;
    const record = readRecord(reader);
    if ("data" in record) {
      if (additionals === NO_RECORDS) additionals = [];
      (additionals as DnsRecord[]).push(record);
      continue;
    }
    if (edns !== undefined) reader.fail("DNS_BAD_OPT", start);
    edns = record;
  }
  return { id, flags, questions, answers, authorities, additionals, edns };
}

/** What most sections of a query are. */
const NO_RECORDS: readonly DnsRecord[] = Object.freeze([]);

function readRecords(reader: MessageReader, count: number): readonly DnsRecord[] {
  if (count === 0) return NO_RECORDS;
  // Not an empty array that grows: V8 would make room for 17 at once, and answers are remembered in thousands.
  const records = [readPlainRecord(reader)];
  while (--count > 0) records.push(readPlainRecord(reader));
  return records;
}

/** A record that says nothing of EDNS, which belongs elsewhere. */
function readPlainRecord(reader: MessageReader): DnsRecord {
  const start = reader.position;
  const record = readRecord(reader);
  return "data" in record ? record : reader.fail("DNS_BAD_OPT", start);
}

function readRecord(reader: MessageReader): DnsRecord | Edns {
  const start = reader.position;
  const name = reader.name();
  const type = reader.u16();
  if (type === OPT_TYPE) {
    if (name !== ".") reader.fail("DNS_BAD_OPT", start);
    return readEdns(reader);
  }
  const recordClass = reader.u16();
  const ttl = reader.u32();
  const data = readRecordData(reader, type, recordClass, reader.u16());
  return { name, type, class: recordClass, ttl: ttl > 0x7fff_ffff ? 0 : ttl, data };
}

const sharedWriter = new MessageWriter();

/**
 * Builds a message, with names compressed.
 *
 * What does not fit is left out, record by record from the end: of answers and authorities with {@linkcode DNS_FLAG_TRUNCATED} set, of the
 * additional ones silently and all that belong together (RFC 2181 section 9), unless a referral is of no use without them (RFC 9471). EDNS
 * stays in any case.
 *
 * @throws {TypeError} when a record's data is of another type than the record, or an address is none.
 * @throws {RangeError} when a name is none, a number out of range, or the questions alone do not fit.
 */
export function buildDnsMessage(message: DnsMessage, options: BuildMessageOptions = {}): Uint8Array {
  writeMessage(sharedWriter, message, options.maxBytes ?? DNS_MESSAGE_BYTES_MAX);
  return sharedWriter.bytes.slice(0, sharedWriter.length);
}

/**
 * {@linkcode buildDnsMessage} into a writer.
 *
 * @param query whose question it has in place of its own, byte for byte.
 * @param name the name of that question, if it is known.
 *
 * @internal
 */
export function writeMessage(
  writer: MessageWriter,
  message: DnsMessage,
  maxBytes: number,
  query: PlainQuery | null = null,
  name?: string,
): void {
  const { questions, answers, authorities, additionals, edns } = message;
  writer.reset();
  writer.u16(within(message.id, 0xffff, "the id"));
  writer.u16(within(message.flags, 0xffff, "the flags"));
  writer.u16(query !== null ? 1 : within(questions.length, 0xffff, "the number of questions"));
  for (let section = 0; section < 3; section++) writer.u16(0);
  if (query !== null) writer.question(query.bytes, query.questionEnd, name);
  else for (const question of questions) writeQuestion(writer, question);
  const limit = Math.min(maxBytes, DNS_MESSAGE_BYTES_MAX) - ednsLength(edns);
  if (writer.length > limit) {
    throw new RangeError(`Cannot build a DNS message: its questions alone do not fit into ${maxBytes} bytes`);
  }
  const fits = writeSection(writer, 6, answers, limit) && writeSection(writer, 8, authorities, limit);
  const kept = fits ? writeAdditionals(writer, additionals, limit) : 0;
  const isCut = !fits || (kept < additionals.length && additionals.slice(kept).some((lost) => isGlue(message, lost)));
  if (isCut) writer.putU16(2, message.flags | DNS_FLAG_TRUNCATED);
  if (edns === undefined) return;
  writeEdns(writer, edns);
  const countAt = 10;
  writer.putU16(countAt, (writer.bytes[countAt]! << 8 | writer.bytes[countAt + 1]!) + 1);
}

function writeQuestion(writer: MessageWriter, question: DnsQuestion): void {
  writer.name(question.name);
  writer.u16(within(question.type, 0xffff, "the type"));
  writer.u16(within(question.class, 0xffff, "the class"));
}

/** Writes the records that fit; answers whether all did. */
function writeSection(writer: MessageWriter, countAt: number, records: readonly DnsRecord[], limit: number): boolean {
  let count = 0;
  for (const record of records) {
    const start = writer.length;
    writeRecord(writer, record);
    if (writer.length > limit) {
      writer.rollBack(start);
      break;
    }
    count++;
  }
  writer.putU16(countAt, count);
  return count === records.length;
}

/** Writes the sets that fit, up to the first that does not; answers how many records these are. */
function writeAdditionals(writer: MessageWriter, records: readonly DnsRecord[], limit: number): number {
  let count = 0;
  // Where the set of records of one name and type begins: half a set would pass for a whole one.
  let setStart = writer.length;
  let setCount = 0;
  let previous: DnsRecord | undefined;
  for (const record of records) {
    if (record.name !== previous?.name || record.type !== previous.type) {
      setStart = writer.length;
      setCount = count;
    }
    previous = record;
    writeRecord(writer, record);
    if (writer.length > limit) {
      writer.rollBack(setStart);
      count = setCount;
      break;
    }
    count++;
  }
  writer.putU16(10, count);
  return count;
}

/**
 * Whether a record is the address of a name server that a referral names, below what that server is responsible for: without it nobody finds the
 * way, so a referral that loses it is cut (RFC 9471 section 3.1).
 */
function isGlue({ flags, authorities }: DnsMessage, { name }: DnsRecord): boolean {
  if ((flags & EVDNS_FLAGS_AA) !== 0) return false;
  return authorities.some((one) =>
    one.data.kind === "NS" && isSameDnsName(one.data.target, name) && isInDnsZone(name, one.name)
  );
}

/** Writes one record. @internal */
export function writeRecord(writer: MessageWriter, record: DnsRecord): void {
  const { data, type } = record;
  const expected = data.kind === "unknown" ? type : DNS_KIND_TYPES[data.kind];
  if (type !== expected) {
    throw new TypeError(`Cannot write a ${dnsTypeName(type)} record: its data is of the kind ${data.kind}`);
  }
  writer.name(record.name);
  const lengthAt = writer.recordHead(
    within(type, 0xffff, "the type"),
    within(record.class, 0xffff, "the class"),
    within(record.ttl, 0x7fff_ffff, "the TTL"),
  );
  writeRecordData(writer, data);
  writer.putU16(lengthAt, within(writer.length - lengthAt - 2, 0xffff, "the length of data"));
}
