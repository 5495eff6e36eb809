import { EVDNS_CLASS_INET } from "./constants.ts";
import { OPT_BYTES } from "./edns.ts";
import { HASH_FACTOR, HASH_SEED } from "./hash_seed.ts";
import { type DnsRecord, writeMessage, writeRecord } from "./message.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import { MessageWriter } from "./message_writer.ts";
import type { PlainQuery } from "./plain_query.ts";
import { writeAnswerFrame } from "./answer_frame.ts";

/** Every byte with capital letters made small. */
const LOWER: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
);

/** What goes before the name and the records of each: the type, the name's length, how many records, and their length. */
const HEAD_BYTES = 8;
const PLACES_MIN = 64;

const writer = new MessageWriter();

/**
 * Answers that were given before, as bytes, by the bytes of the question. Nothing is made to find and send one.
 *
 * All of them lie in one piece of memory, and the table that leads there is one array of numbers: of answers that were not given for a
 * moment it is the way to the memory that takes the time.
 *
 * @internal
 */
export class WireAnswers {
  // For each place a hash, and where its answer begins; 0: the place is free.
  #table = new Int32Array(PLACES_MIN * 2);
  #memory = new Uint8Array(4096);
  #end = HEAD_BYTES;
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /**
   * Writes the answer to a query into `into`.
   *
   * @param bytesMax how long it may be.
   * @param udpSize what this side takes over UDP, as it is told by EDNS.
   * @returns how long it is; 0: it is not known, or too long.
   */
  write(query: PlainQuery, into: Uint8Array, bytesMax: number, udpSize: number): number {
    const at = query.class === EVDNS_CLASS_INET ? this.#find(query, hashOf(query)) : 0;
    if (at === 0) return 0;
    const memory = this.#memory;
    const recordsLength = this.#u16(at + 6);
    const length = query.questionEnd + recordsLength + (query.udpSize < 0 ? 0 : OPT_BYTES);
    if (length > bytesMax) return 0;
    let end = query.questionEnd;
    const records = at + HEAD_BYTES + this.#u16(at + 2);
    for (let index = 0; index < recordsLength; index++) into[end++] = memory[records + index]!;
    writeAnswerFrame(into, query, this.#u16(at + 4), end, udpSize);
    return length;
  }

  #u16(at: number): number {
    return this.#memory[at]! << 8 | this.#memory[at + 1]!;
  }

  /** Where the answer to a query is; 0: nowhere. */
  #find(query: PlainQuery, hash: number): number {
    const table = this.#table;
    const last = table.length - 2;
    for (let place = hash << 1 & last;; place = place + 2 & last) {
      const at = table[place + 1]!;
      if (at === 0 || (table[place] === hash && this.#isTo(query, at))) return at;
    }
  }

  /** Whether the answer at `at` is one to this query. */
  #isTo({ bytes, type, questionEnd }: PlainQuery, at: number): boolean {
    const length = questionEnd - 4 - HEADER_BYTES;
    if (this.#u16(at) !== type || this.#u16(at + 2) !== length) return false;
    const memory = this.#memory;
    for (let index = 0; index < length; index++) {
      if (memory[at + HEAD_BYTES + index] !== LOWER[bytes[HEADER_BYTES + index]!]) return false;
    }
    return true;
  }

  /** Remembers the answer to a query: records of the name and type that it asks for, which name no other name. */
  add(query: PlainQuery, records: readonly DnsRecord[]): void {
    const hash = hashOf(query);
    // It may be there and be of no use, since it does not fit into what the client takes.
    if (this.#find(query, hash) !== 0) return;
    const { questionEnd, type } = query;
    const question = query.question();
    writeMessage(writer, { ...query.message(question), edns: undefined }, 0xffff);
    for (const record of records) writeRecord(writer, { ...record, name: question.name });
    const bytes = writer.bytes.subarray(questionEnd, writer.length);
    const name = query.bytes.slice(HEADER_BYTES, questionEnd - 4).map((byte) => LOWER[byte]!);
    if (bytes.length > 0xffff) return;
    const at = this.#end;
    this.#reserve(HEAD_BYTES + name.length + bytes.length);
    for (const [index, number] of [type, name.length, records.length, bytes.length].entries()) {
      this.#memory[at + index * 2] = number >> 8;
      this.#memory[at + index * 2 + 1] = number & 0xff;
    }
    this.#memory.set(name, at + HEAD_BYTES);
    this.#memory.set(bytes, at + HEAD_BYTES + name.length);
    // Half of the places stay free, so that one is found soon.
    if (++this.#count * 4 > this.#table.length) this.#growTable();
    this.#put(hash, at);
  }

  #reserve(count: number): void {
    this.#end += count;
    if (this.#end <= this.#memory.length) return;
    const larger = new Uint8Array(Math.max(this.#memory.length * 2, this.#end));
    larger.set(this.#memory);
    this.#memory = larger;
  }

  #growTable(): void {
    const before = this.#table;
    this.#table = new Int32Array(before.length * 2);
    for (let place = 0; place < before.length; place += 2) {
      if (before[place + 1] !== 0) this.#put(before[place]!, before[place + 1]!);
    }
  }

  #put(hash: number, at: number): void {
    const table = this.#table;
    const last = table.length - 2;
    let place = hash << 1 & last;
    while (table[place + 1] !== 0) place = place + 2 & last;
    table[place] = hash;
    table[place + 1] = at;
  }
}

function hashOf({ bytes, questionEnd, type }: PlainQuery): number {
  let hash = HASH_SEED ^ type;
  for (let at = HEADER_BYTES; at < questionEnd - 4; at++) {
    hash = Math.imul(hash ^ LOWER[bytes[at]!]!, HASH_FACTOR);
    hash ^= hash >>> 15;
  }
  return hash;
}
