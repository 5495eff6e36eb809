import { EVDNS_CLASS_INET } from "./constants.ts";
import { type DnsRecord, writeMessage, writeRecord } from "./message.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import { MessageWriter } from "./message_writer.ts";
import type { PlainQuery } from "./plain_query.ts";
import type { WireAnswer } from "./wire_answer.ts";

/** Every byte with capital letters made small. */
const LOWER: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
);

// Nobody who chooses names can tell which of them meet in one place.
const [seed, factor] = crypto.getRandomValues(new Uint32Array(2));

class Entry implements WireAnswer {
  readonly count: number;
  readonly records: Uint8Array;
  readonly hash: number;
  readonly type: number;
  /** The name in small letters, as it stands in a message. */
  readonly name: Uint8Array;
  sibling: Entry | null;

  constructor(hash: number, type: number, name: Uint8Array, count: number, records: Uint8Array, sibling: Entry | null) {
    this.hash = hash;
    this.type = type;
    this.name = name;
    this.count = count;
    this.records = records;
    this.sibling = sibling;
  }
}

const writer = new MessageWriter();

/**
 * Answers that were given before, as bytes, by the bytes of the question: nothing is made to find one but what the caller has already.
 *
 * @internal
 */
export class WireAnswers {
  readonly #places: (Entry | null)[];

  /** @param count how many are to be expected. */
  constructor(count: number) {
    this.#places = new Array<Entry | null>(1 << 32 - Math.clz32(Math.max(15, Math.min(count, 1 << 20)))).fill(null);
  }

  /** The answer to a query. */
  find(query: PlainQuery): WireAnswer | null {
    const { type } = query;
    if (query.class !== EVDNS_CLASS_INET) return null;
    const hash = hashOf(query);
    let entry = this.#places[hash & this.#places.length - 1]!;
    while (entry !== null && (entry.hash !== hash || entry.type !== type || !hasName(entry, query))) {
      entry = entry.sibling!;
    }
    return entry;
  }

  /** Remembers the answer to a query: records of the name and type that it asks for, which name no other name. */
  add(query: PlainQuery, records: readonly DnsRecord[]): void {
    // It may be there and be of no use, since it does not fit into what the client takes.
    if (this.find(query) !== null) return;
    const { questionEnd } = query;
    const question = query.question();
    writeMessage(writer, { ...query.message(question), questions: [question], edns: undefined }, 0xffff);
    for (const record of records) writeRecord(writer, { ...record, name: question.name });
    const bytes = writer.bytes.slice(questionEnd, writer.length);
    const name = query.bytes.slice(HEADER_BYTES, questionEnd - 4).map((byte) => LOWER[byte]!);
    const hash = hashOf(query);
    const place = hash & this.#places.length - 1;
    this.#places[place] = new Entry(hash, query.type, name, records.length, bytes, this.#places[place]!);
  }
}

function hashOf({ bytes, questionEnd, type }: PlainQuery): number {
  const odd = factor! | 1;
  let hash = seed! ^ type;
  for (let at = HEADER_BYTES; at < questionEnd - 4; at++) {
    hash = Math.imul(hash ^ LOWER[bytes[at]!]!, odd);
    hash ^= hash >>> 15;
  }
  return hash;
}

function hasName({ name }: Entry, { bytes, questionEnd }: PlainQuery): boolean {
  if (name.length !== questionEnd - 4 - HEADER_BYTES) return false;
  for (let index = 0; index < name.length; index++) {
    if (name[index] !== LOWER[bytes[HEADER_BYTES + index]!]) return false;
  }
  return true;
}
