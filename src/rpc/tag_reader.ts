import type { EvBuffer } from "../core/mod.ts";
import { TagError } from "./tag_error.ts";
import { INT64_BYTES_MAX, INT_BYTES_MAX, readInt, readInt64, readTag, TAG_BYTES_MAX } from "./tag_numbers.ts";
import type { Timeval } from "./timeval.ts";

const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const HEADER_BYTES_MAX = TAG_BYTES_MAX + INT_BYTES_MAX;
const NOTHING: Uint8Array = new Uint8Array(0);

/** What stands in front of a payload. */
export interface TagHeader {
  /** Says which member the payload is. */
  readonly tag: number;
  /** Bytes of the payload, which need not have come yet. */
  readonly length: number;
}

/**
 * Reads tagged data (libevent's evtag_unmarshal family) from an `EvBuffer`, which it is removed from, or from bytes.
 *
 * What is refused throws a {@linkcode TagError} and takes nothing, unlike in libevent: so whoever got `TAG_SHORT` may wait for more, and
 * whoever got `TAG_MISMATCH` may ask for another tag.
 */
export class TagReader {
  readonly #buffer: EvBuffer | null;
  // The data; of a buffer its beginning.
  #bytes: Uint8Array;
  #at = 0;
  #end: number;
  // The record that is looked at: what `#look` has found.
  #tag = 0;
  #payloadAt = 0;
  #payloadLength = 0;

  /**
   * Reads from the front of `source`.
   *
   * @param source is read to its end; bytes must not change meanwhile.
   */
  constructor(source: Uint8Array | EvBuffer) {
    this.#buffer = source instanceof Uint8Array ? null : source;
    this.#bytes = source instanceof Uint8Array ? plain(source) : NOTHING;
    this.#end = this.#bytes.length;
  }

  /** Bytes that are left. */
  get length(): number {
    return this.#buffer !== null ? this.#buffer.length : this.#end - this.#at;
  }

  /**
   * The tag of the next record, which stays (evtag_peek).
   *
   * @throws {TagError} `TAG_SHORT`, `TAG_TOO_LARGE`.
   */
  peekTag(): number {
    this.#front(TAG_BYTES_MAX);
    return readTag(this.#bytes, this.#at, this.#end).value;
  }

  /**
   * Tag and length of the next record, which stays (evtag_payload_length). Its payload need not be there.
   *
   * @throws {TagError} `TAG_SHORT`, `TAG_TOO_LARGE`, `TAG_INTEGER_TOO_LARGE`.
   */
  peekHeader(): TagHeader {
    this.#look();
    return { tag: this.#tag, length: this.#payloadLength };
  }

  /**
   * Bytes of the next record, tag and length included (evtag_peek_length). They need not be there.
   *
   * @throws {TagError} as {@linkcode TagReader.peekHeader}.
   */
  peekLength(): number {
    this.#look();
    return this.#payloadAt - this.#at + this.#payloadLength;
  }

  /**
   * Takes tag and length of the next record, and leaves its payload (evtag_unmarshal_header).
   *
   * @throws {TagError} as {@linkcode TagReader.peekHeader}; `TAG_SHORT` also where the payload is not all there.
   */
  header(): TagHeader {
    this.#lookAtAll();
    const size = this.#payloadAt - this.#at;
    this.#advance(size);
    return { tag: this.#tag, length: this.#payloadLength };
  }

  /**
   * Takes a record, and nothing of it (evtag_consume).
   *
   * @throws {TagError} as {@linkcode TagReader.header}.
   */
  skip(): void {
    this.#lookAtAll();
    this.#taken();
  }

  /**
   * Takes a record of any tag (evtag_unmarshal).
   *
   * @throws {TagError} as {@linkcode TagReader.header}.
   */
  record(): { tag: number; payload: Uint8Array } {
    return { tag: this.#lookAtAll(), payload: this.#take((payload) => payload.slice()) };
  }

  /**
   * Takes a record and adds its payload to `target`; returns its tag (evtag_unmarshal).
   *
   * @throws {TagError} as {@linkcode TagReader.header}.
   * @throws {TypeError} when it is the buffer that is read from, or a frozen one.
   */
  recordInto(target: EvBuffer): number {
    if (target === this.#buffer) throw new TypeError("Cannot move a record from a buffer into itself");
    if (target.isBackFrozen) throw new TypeError("Cannot move a record into a buffer: its back is frozen");
    const tag = this.#lookAtAll();
    if (this.#buffer === null) {
      target.add(this.#payload());
      this.#taken();
    } else {
      this.#advance(this.#payloadAt - this.#at);
      this.#buffer.removeBuffer(target, this.#payloadLength);
    }
    return tag;
  }

  /**
   * Takes the payload of a record, in memory of its own.
   *
   * @param length bytes it has to have (evtag_unmarshal_fixed); any number when it is left out.
   * @throws {TagError} `TAG_MISMATCH`, `TAG_WRONG_LENGTH`; and as {@linkcode TagReader.header}.
   */
  bytes(tag: number, length?: number): Uint8Array {
    this.#lookFor(tag);
    if (length !== undefined && length !== this.#payloadLength) {
      throw new TagError("TAG_WRONG_LENGTH", `${this.#payloadLength} bytes instead of ${length} with tag ${tag}`);
    }
    return this.#take((payload) => payload.slice());
  }

  /**
   * Takes a record of text (evtag_unmarshal_string). NULs in it are characters like others.
   *
   * @throws {TagError} `TAG_MISMATCH`; `TAG_BAD_TEXT` for what is no UTF-8, which {@linkcode TagReader.bytes} takes; and as
   * {@linkcode TagReader.header}.
   */
  string(tag: number): string {
    this.#lookFor(tag);
    return this.#take((payload) => {
      try {
        return decoder.decode(payload);
      } catch {
        throw new TagError("TAG_BAD_TEXT", `with tag ${tag}`);
      }
    });
  }

  /**
   * Takes a record with an integer of up to 32 bits (evtag_unmarshal_int).
   *
   * @throws {TagError} `TAG_MISMATCH`; `TAG_WRONG_LENGTH` where there is more in it; and as {@linkcode TagReader.header}.
   */
  int(tag: number): number {
    this.#lookFor(tag);
    return this.#take((payload) => {
      const { value, size } = readInt(payload, 0, payload.length);
      this.#checkSize(size);
      return value;
    });
  }

  /** As {@linkcode TagReader.int}, of up to 64 bits (evtag_unmarshal_int64). */
  int64(tag: number): bigint {
    this.#lookFor(tag);
    return this.#take((payload) => {
      const { value, size } = readInt64(payload, 0, payload.length);
      this.#checkSize(size);
      return value;
    });
  }

  /** As {@linkcode TagReader.int}, with a time (evtag_unmarshal_timeval). */
  timeval(tag: number): Timeval {
    this.#lookFor(tag);
    return this.#take((payload) => {
      const { value: seconds, size } = readInt(payload, 0, payload.length);
      const { value: microseconds, size: sizeLeft } = readInt(payload, size, payload.length);
      this.#checkSize(size + sizeLeft);
      return { seconds, microseconds };
    });
  }

  /**
   * Takes a record whose payload `read` makes something of. The reader it gets is good until it returns; what it has left over of the
   * payload is dropped.
   *
   * @throws {TagError} `TAG_MISMATCH`; as {@linkcode TagReader.header}; and what `read` throws.
   */
  nested<T>(tag: number, read: (reader: TagReader) => T): T {
    this.#lookFor(tag);
    return this.#take((payload) => read(new TagReader(payload)));
  }

  /**
   * Takes a tag without anything behind it.
   *
   * @throws {TagError} `TAG_SHORT`, `TAG_TOO_LARGE`.
   */
  bareTag(): number {
    this.#front(TAG_BYTES_MAX);
    const { value, size } = readTag(this.#bytes, this.#at, this.#end);
    this.#advance(size);
    return value;
  }

  /**
   * Takes an integer of up to 32 bits that stands without a tag and a length.
   *
   * @throws {TagError} `TAG_SHORT`, `TAG_INTEGER_TOO_LARGE`.
   */
  bareInt(): number {
    this.#front(INT_BYTES_MAX);
    const { value, size } = readInt(this.#bytes, this.#at, this.#end);
    this.#advance(size);
    return value;
  }

  /** As {@linkcode TagReader.bareInt}, of up to 64 bits. */
  bareInt64(): bigint {
    this.#front(INT64_BYTES_MAX);
    const { value, size } = readInt64(this.#bytes, this.#at, this.#end);
    this.#advance(size);
    return value;
  }

  /** Has the next `count` bytes at hand, or as many as there are. */
  #front(count: number): void {
    if (this.#buffer === null) return;
    this.#bytes = this.#buffer.pullup(Math.min(count, this.#buffer.length)) ?? NOTHING;
    this.#at = 0;
    this.#end = this.#bytes.length;
  }

  #look(): void {
    this.#front(HEADER_BYTES_MAX);
    const { value: tag, size: tagSize } = readTag(this.#bytes, this.#at, this.#end);
    const { value: length, size: lengthSize } = readInt(this.#bytes, this.#at + tagSize, this.#end);
    this.#tag = tag;
    this.#payloadAt = this.#at + tagSize + lengthSize;
    this.#payloadLength = length;
  }

  #lookAtAll(): number {
    this.#look();
    const there = this.length - (this.#payloadAt - this.#at);
    if (there < this.#payloadLength) {
      throw new TagError("TAG_SHORT", `${there} of ${this.#payloadLength} bytes with tag ${this.#tag} are there`);
    }
    return this.#tag;
  }

  #lookFor(tag: number): void {
    this.#lookAtAll();
    if (this.#tag !== tag) throw new TagError("TAG_MISMATCH", `${this.#tag} instead of ${tag}`);
  }

  /** A view of the payload that was looked at. */
  #payload(): Uint8Array {
    this.#front(this.#payloadAt - this.#at + this.#payloadLength);
    return this.#bytes.subarray(this.#payloadAt, this.#payloadAt + this.#payloadLength);
  }

  /** Makes something of the payload, and only then takes the record. */
  #take<T>(make: (payload: Uint8Array) => T): T {
    const result = make(this.#payload());
    this.#taken();
    return result;
  }

  #taken(): void {
    this.#advance(this.#payloadAt - this.#at + this.#payloadLength);
  }

  #advance(count: number): void {
    if (this.#buffer !== null) this.#buffer.drain(count);
    else this.#at += count;
  }

  #checkSize(size: number): void {
    if (size === this.#payloadLength) return;
    throw new TagError("TAG_WRONG_LENGTH", `${this.#payloadLength} bytes instead of ${size} with tag ${this.#tag}`);
  }
}

/** The same memory as a Uint8Array and nothing else: the slices of a Buffer are no copies. */
function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
