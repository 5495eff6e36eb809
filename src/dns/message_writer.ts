import { readIpv4 } from "../core/ip_text.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import { encodeName, NAME_BYTES_MAX } from "./name.ts";

/** A pointer has fourteen bits. */
const POINTER_TARGETS_END = 0x4000;
const BUCKETS = 64;
/** Type, class, TTL, and the length of the data. */
const RECORD_HEAD_BYTES = 10;
/** Most endings of names that are remembered to be pointed at. */
const ENDINGS_MAX = 4096;

/**
 * Writes a message, part after part, into memory that is used again for the next one.
 *
 * Names are compressed by pointing at endings that were written before, byte for byte: a name in other letters is not pointed at, since
 * its case would be lost.
 *
 * @internal
 */
export class MessageWriter {
  /** Holds the message, and more. */
  bytes: Uint8Array;
  /** How much of it is written. */
  length = 0;
  // A hash table of the endings: where each begins, and the next one of the same bucket.
  readonly #heads = new Int16Array(BUCKETS).fill(-1);
  #offsets = new Uint16Array(128);
  #nexts = new Int16Array(128);
  #buckets = new Uint8Array(128);
  #endings = 0;
  // Where the labels of the name at hand begin, and hashes of what begins there.
  readonly #starts = new Uint16Array(128);
  readonly #hashes = new Uint8Array(128);
  // The name that stands behind the header: most records are about it. Its endings are looked at when another name is written.
  #firstName: string | undefined;
  #isFirstNew = false;

  constructor(capacity: number = 1024) {
    // The kernel is handed this memory, and small arrays that were made by length may be moved meanwhile.
    this.bytes = new Uint8Array(new ArrayBuffer(capacity));
  }

  /** Begins a new message. */
  reset(): void {
    this.length = 0;
    this.#firstName = undefined;
    this.#isFirstNew = false;
    if (this.#endings === 0) return;
    this.#endings = 0;
    this.#heads.fill(-1);
  }

  /** Forgets everything from `length` on. */
  rollBack(length: number): void {
    this.length = length;
    while (this.#endings > 0 && this.#offsets[this.#endings - 1]! >= length) {
      this.#endings--;
      this.#heads[this.#buckets[this.#endings]!] = this.#nexts[this.#endings]!;
    }
    if (length > HEADER_BYTES) return;
    this.#firstName = undefined;
    this.#isFirstNew = false;
  }

  #reserve(count: number): number {
    const at = this.length;
    if (at + count > this.bytes.length) {
      const larger = new Uint8Array(new ArrayBuffer(Math.max(this.bytes.length * 2, at + count)));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    return at;
  }

  /** One byte. */
  u8(value: number): void {
    this.bytes[this.#reserve(1)] = value;
    this.length++;
  }

  /** Two bytes. */
  u16(value: number): void {
    const at = this.#reserve(2);
    this.putU16(at, value);
    this.length = at + 2;
  }

  /** Four bytes. */
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  /** What stands between a record's name and its data; answers where the length of that has its place. */
  recordHead(type: number, recordClass: number, ttl: number): number {
    const at = this.#reserve(RECORD_HEAD_BYTES);
    this.putU16(at, type);
    this.putU16(at + 2, recordClass);
    this.putU16(at + 4, ttl >>> 16);
    this.putU16(at + 6, ttl & 0xffff);
    this.length = at + RECORD_HEAD_BYTES;
    return at + 8;
  }

  /** Two bytes in a place that is written already. */
  putU16(at: number, value: number): void {
    this.bytes[at] = value >> 8;
    this.bytes[at + 1] = value & 0xff;
  }

  /** The four bytes of an address. @throws {TypeError} when the text is none. */
  ipv4(address: string): void {
    const at = this.#reserve(4);
    if (!readIpv4(address, 0, this.bytes, at)) {
      throw new TypeError(`Cannot write A record: ${JSON.stringify(address)} is no address for it`);
    }
    this.length = at + 4;
  }

  /** Bytes as they are. */
  raw(data: Uint8Array): void {
    const at = this.#reserve(data.length);
    this.bytes.set(data, at);
    this.length = at + data.length;
  }

  /**
   * The question behind the header, as it stands in a query.
   *
   * @param name its name as text, if that is known.
   */
  question(query: Uint8Array, end: number, name: string | undefined): void {
    this.#reserve(end - HEADER_BYTES);
    // So few bytes take longer to have copied.
    for (let at = HEADER_BYTES; at < end; at++) this.bytes[at] = query[at]!;
    this.length = end;
    // A pointer to the root would be longer than it.
    this.#firstName = this.bytes[HEADER_BYTES] === 0 ? undefined : name;
    this.#isFirstNew = true;
  }

  /**
   * A name, whose endings later ones may point at.
   *
   * @param compress whether it may point at earlier ones itself.
   * @throws {RangeError} when the text is no name.
   */
  name(text: string, compress: boolean = true): void {
    const at = this.#reserve(NAME_BYTES_MAX + 1);
    if (compress && text === this.#firstName) {
      this.putU16(at, 0xc000 | HEADER_BYTES);
      this.length = at + 2;
      return;
    }
    if (at === HEADER_BYTES) {
      this.length = encodeName(text, this.bytes, at);
      this.#firstName = this.length - at > 1 ? text : undefined;
      this.#isFirstNew = true;
      return;
    }
    if (this.#isFirstNew) this.#rememberFirst();
    const end = encodeName(text, this.bytes, at);
    this.length = end;
    let labels = 0;
    for (let label = at; label < end - 1; label += this.bytes[label]! + 1) this.#starts[labels++] = label;
    this.#hashLabels(labels, end);
    let fresh = labels;
    for (let index = 0; compress && index < labels; index++) {
      const start = this.#starts[index]!;
      const target = this.#find(this.#hashes[index]!, start, end);
      if (target < 0) continue;
      this.putU16(start, 0xc000 | target);
      this.length = start + 2;
      fresh = index;
      break;
    }
    for (let index = 0; index < fresh; index++) this.#remember(this.#starts[index]!, this.#hashes[index]!);
  }

  #rememberFirst(): void {
    this.#isFirstNew = false;
    let labels = 0;
    let at = HEADER_BYTES;
    for (; this.bytes[at] !== 0; at += this.bytes[at]! + 1) this.#starts[labels++] = at;
    this.#hashLabels(labels, at + 1);
    for (let index = 0; index < labels; index++) this.#remember(this.#starts[index]!, this.#hashes[index]!);
  }

  #hashLabels(labels: number, end: number): void {
    let hash = 0;
    let at = end - 1;
    for (let index = labels - 1; index >= 0; index--) {
      const start = this.#starts[index]!;
      while (--at >= start) hash = (hash * 31 + this.bytes[at]!) & 0xffff;
      at = start;
      this.#hashes[index] = (hash ^ hash >> 6) & (BUCKETS - 1);
    }
  }

  /** Where the ending that stands at `start` stood before, or -1. */
  #find(bucket: number, start: number, end: number): number {
    for (let entry = this.#heads[bucket]!; entry >= 0; entry = this.#nexts[entry]!) {
      const offset = this.#offsets[entry]!;
      if (this.#isSame(offset, start, end)) return offset;
    }
    return -1;
  }

  /** Whether the name that was written at `known`, pointers and all, is the one at `start`. */
  #isSame(known: number, start: number, end: number): boolean {
    const { bytes } = this;
    for (let at = start; at < end;) {
      while (bytes[known]! >= 0xc0) known = (bytes[known]! & 0x3f) << 8 | bytes[known + 1]!;
      for (let left = bytes[at]!; left >= 0; left--) {
        if (bytes[known++] !== bytes[at++]) return false;
      }
    }
    return true;
  }

  #remember(offset: number, bucket: number): void {
    if (offset >= POINTER_TARGETS_END || this.#endings === ENDINGS_MAX) return;
    const entry = this.#endings++;
    if (entry === this.#offsets.length) this.#grow();
    this.#offsets[entry] = offset;
    this.#buckets[entry] = bucket;
    this.#nexts[entry] = this.#heads[bucket]!;
    this.#heads[bucket] = entry;
  }

  #grow(): void {
    const size = this.#offsets.length * 2;
    const larger = [new Uint16Array(size), new Int16Array(size), new Uint8Array(size)] as const;
    larger[0].set(this.#offsets);
    larger[1].set(this.#nexts);
    larger[2].set(this.#buckets);
    [this.#offsets, this.#nexts, this.#buckets] = larger;
  }
}
