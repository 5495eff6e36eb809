import type { EvBuffer } from "../core/mod.ts";
import {
  checkUint32,
  checkUint64,
  INT64_BYTES_MAX,
  INT_BYTES_MAX,
  TAG_BYTES_MAX,
  writeInt,
  writeInt64,
  writeTag,
} from "./tag_numbers.ts";
import type { Timeval } from "./timeval.ts";

const encoder: TextEncoder = new TextEncoder();
const HEADER_BYTES_MAX = TAG_BYTES_MAX + INT_BYTES_MAX;
const FIRST_BYTES = 64;

/**
 * Writes tagged data (libevent's evtag_marshal family): records of a tag, the length of a payload, and the payload. What is written
 * goes into an `EvBuffer`, or is collected until {@linkcode TagWriter.take}.
 *
 * @example
 * ```ts
 * import { TagReader, TagWriter } from "@evbase/evbase";
 *
 * const writer = new TagWriter();
 * writer.string(1, "niels");
 * writer.int(3, 0x1234);
 * const reader = new TagReader(writer.take());
 * console.log(reader.string(1), reader.int(3)); // niels 4660
 * ```
 */
export class TagWriter {
  readonly #output: EvBuffer | null;
  #bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  #length = 0;
  // Records that are open inside of each other.
  #depth = 0;

  /**
   * Begins with nothing.
   *
   * @param output gets each record as soon as it is complete.
   */
  constructor(output: EvBuffer | null = null) {
    this.#output = output;
  }

  /** Bytes that have been written and are in no buffer. */
  get length(): number {
    return this.#length;
  }

  /**
   * Takes what has been written; empty where there is a buffer that gets it.
   *
   * @throws {Error} while a record is open (see {@linkcode TagWriter.nested}).
   */
  take(): Uint8Array {
    if (this.#depth > 0) throw new Error("Cannot take what has been written: a record is open");
    // It may go to the kernel from where it lies.
    const taken = new Uint8Array(new ArrayBuffer(this.#length));
    taken.set(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  /**
   * A record with any payload (evtag_marshal).
   *
   * @throws {RangeError} when the tag has more than 32 bits.
   */
  bytes(tag: number, payload: Uint8Array): void {
    this.#header(tag, payload.length, payload.length);
    this.#bytes.set(payload, this.#length);
    this.#length += payload.length;
    this.#written();
  }

  /**
   * A record whose payload is what a buffer holds, which is emptied (evtag_marshal_buffer).
   *
   * @throws {RangeError} when the tag, or the length, has more than 32 bits.
   * @throws {TypeError} when it is the buffer that is written to, or one of both is frozen.
   */
  buffer(tag: number, payload: EvBuffer): void {
    const output = this.#output;
    if (payload === output) throw new TypeError("Cannot marshal a buffer into itself");
    checkUint32("the tag", tag);
    if (output === null || this.#depth > 0) return this.bytes(tag, payload.take());
    if (payload.isFrontFrozen || output.isBackFrozen) {
      throw new TypeError("Cannot marshal a buffer: it is frozen, or the one that it is to go to");
    }
    this.#header(tag, payload.length, 0);
    this.#written();
    output.addBuffer(payload);
  }

  /**
   * A record with text as UTF-8 (evtag_marshal_string). C reads it up to its first NUL.
   *
   * @throws {RangeError} when the tag has more than 32 bits.
   * @throws {TypeError} for half a surrogate pair, which UTF-8 has no bytes for.
   */
  string(tag: number, text: string): void {
    if (!text.isWellFormed()) throw new TypeError("Cannot marshal a string with half a surrogate pair");
    this.bytes(tag, encoder.encode(text));
  }

  /**
   * A record with an integer of up to 32 bits (evtag_marshal_int).
   *
   * @throws {RangeError} when the tag or the value has more, or the value is no whole number.
   */
  int(tag: number, value: number): void {
    checkUint32("the integer", value);
    this.#numbers(tag, INT_BYTES_MAX, (bytes, at) => writeInt(bytes, at, value));
  }

  /**
   * A record with an integer of up to 64 bits (evtag_marshal_int64).
   *
   * @throws {RangeError} when the tag has more than 32 bits, or the value is no bigint of up to 64.
   */
  int64(tag: number, value: bigint): void {
    checkUint64("the integer", value);
    this.#numbers(tag, INT64_BYTES_MAX, (bytes, at) => writeInt64(bytes, at, value));
  }

  /**
   * A record with a time (evtag_marshal_timeval).
   *
   * @throws {RangeError} when the tag, the seconds or the microseconds are no whole number of up to 32 bits.
   */
  timeval(tag: number, { seconds, microseconds }: Timeval): void {
    checkUint32("seconds", seconds);
    checkUint32("microseconds", microseconds);
    this.#numbers(tag, 2 * INT_BYTES_MAX, (bytes, at) => writeInt(bytes, writeInt(bytes, at, seconds), microseconds));
  }

  /**
   * A record whose payload is what `write` writes meanwhile, records for example.
   *
   * @throws {RangeError} when the tag, or the length, has more than 32 bits. Nothing of the record is left when this or `write` throws.
   */
  nested(tag: number, write: () => void): void {
    checkUint32("the tag", tag);
    const start = this.#length;
    this.#depth++;
    try {
      // The length stands in front and is known last, so there is room for the longest, and the payload moves up.
      this.#room(HEADER_BYTES_MAX);
      const head = this.#length + HEADER_BYTES_MAX;
      this.#length = head;
      write();
      const count = this.#length - head;
      checkUint32("the length", count);
      const at = writeInt(this.#bytes, writeTag(this.#bytes, start, tag), count);
      this.#bytes.copyWithin(at, head, this.#length);
      this.#length = at + count;
    } catch (error) {
      this.#length = start;
      throw error;
    } finally {
      this.#depth--;
    }
    this.#written();
  }

  /**
   * A tag without anything (evtag_encode_tag).
   *
   * @throws {RangeError} when it has more than 32 bits.
   */
  bareTag(tag: number): void {
    checkUint32("the tag", tag);
    this.#room(TAG_BYTES_MAX);
    this.#length = writeTag(this.#bytes, this.#length, tag);
    this.#written();
  }

  /**
   * An integer without a tag and a length (evtag_encode_int).
   *
   * @throws {RangeError} when it is no whole number of up to 32 bits.
   */
  bareInt(value: number): void {
    checkUint32("the integer", value);
    this.#room(INT_BYTES_MAX);
    this.#length = writeInt(this.#bytes, this.#length, value);
    this.#written();
  }

  /**
   * An integer of up to 64 bits without a tag and a length (evtag_encode_int64).
   *
   * @throws {RangeError} when it is no bigint of up to 64 bits.
   */
  bareInt64(value: bigint): void {
    checkUint64("the integer", value);
    this.#room(INT64_BYTES_MAX);
    this.#length = writeInt64(this.#bytes, this.#length, value);
    this.#written();
  }

  /** Tag and length, and room for what follows. */
  #header(tag: number, length: number, room: number): void {
    checkUint32("the tag", tag);
    checkUint32("the length", length);
    this.#room(HEADER_BYTES_MAX + room);
    this.#length = writeInt(this.#bytes, writeTag(this.#bytes, this.#length, tag), length);
  }

  /** A record with one or two integers, whose length is one byte: it is at most ten. */
  #numbers(tag: number, bytesMax: number, write: (bytes: Uint8Array, at: number) => number): void {
    checkUint32("the tag", tag);
    this.#room(TAG_BYTES_MAX + 1 + bytesMax);
    const lengthAt = writeTag(this.#bytes, this.#length, tag);
    this.#length = write(this.#bytes, lengthAt + 1);
    writeInt(this.#bytes, lengthAt, this.#length - lengthAt - 1);
    this.#written();
  }

  #room(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  /** Something is complete: hands it over where there is a buffer for it. */
  #written(): void {
    if (this.#output === null || this.#depth > 0) return;
    // Before it is handed over: a callback on the buffer may write the next record, and what a frozen buffer refuses must not come before
    // that either.
    const count = this.#length;
    this.#length = 0;
    this.#output.addSlice(this.#bytes, 0, count);
  }
}
