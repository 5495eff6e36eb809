import { copyOf } from "../core/copy_of.ts";
import { DnsMessageError, type DnsMessageErrorCode } from "./message_error.ts";
import { NAME_BYTES_MAX, NameText } from "./name.ts";

/** What every message begins with. @internal */
export const HEADER_BYTES = 12;
/** Pointers followed for one name: every label might be reached by one, and whoever needs more wants to keep us busy. */
const POINTERS_MAX = 128;

const nameText = new NameText();

/**
 * Reads the parts of a message one after the other.
 *
 * Reading a name takes bounded time: a pointer must point before what led to it, so it cannot come back, and there are limits on the
 * length of a name and on its pointers.
 *
 * @internal
 */
export class MessageReader {
  /** The message. */
  readonly bytes: Uint8Array;
  /** Where the next part begins. */
  position = 0;
  /** Where the message, or the record whose data is read, ends. */
  end: number;
  /** How many bytes the name that was read last takes without pointers. */
  nameLength = 0;
  #isInData = false;
  readonly #length: number;
  // The name that stands behind the header, which most records are about, and how long it is.
  #firstName: string | undefined;
  #firstLength = 0;
  // The one that a pointer alone has led to last: who repeats it shall not have it read again and again.
  #pointedAt = -1;
  #pointedName = "";
  #pointedLength = 0;

  /** @param length how much of `bytes` is the message. */
  constructor(bytes: Uint8Array, length: number = bytes.length) {
    this.bytes = bytes;
    this.end = this.#length = length;
  }

  /** Whether all of it was read. */
  get isAtEnd(): boolean {
    return this.position === this.#length;
  }

  /** The name behind the header is known, and need not be read: as text, and how many bytes it takes. */
  expectName(text: string, length: number): void {
    this.#firstName = text;
    this.#firstLength = length;
  }

  /** @throws {DnsMessageError} always. */
  fail(code: DnsMessageErrorCode, offset: number = this.position): never {
    throw new DnsMessageError(code, offset);
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.end) this.#failShort(at);
    this.position = at + length;
    return at;
  }

  #failShort(at: number): never {
    return this.fail(this.#isInData ? "DNS_BAD_RECORD_DATA" : "DNS_MESSAGE_SHORT", at);
  }

  /** From here on a record's data is read, which has a length of its own. */
  enterData(length: number): void {
    if (this.position + length > this.end) this.#failShort(this.position);
    this.end = this.position + length;
    this.#isInData = true;
  }

  /** The data must be used up now. */
  leaveData(): void {
    if (this.position !== this.end) this.fail("DNS_BAD_RECORD_DATA");
    this.end = this.#length;
    this.#isInData = false;
  }

  /** One byte. */
  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  /** Two bytes. */
  u16(): number {
    const at = this.#take(2);
    return this.bytes[at]! << 8 | this.bytes[at + 1]!;
  }

  /** Four bytes, not signed. */
  u32(): number {
    const at = this.#take(4);
    const { bytes } = this;
    return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
  }

  /** A copy of the next `length` bytes. */
  copy(length: number): Uint8Array {
    const at = this.#take(length);
    return copyOf(this.bytes, at, at + length);
  }

  /** A length in one byte, and a copy of as many bytes (`<character-string>` of RFC 1035). */
  string(): Uint8Array {
    return this.copy(this.u8());
  }

  /** A name as text. */
  name(): string {
    const { bytes, position } = this;
    if (this.#firstName !== undefined) {
      const isPointer = bytes[position] === 0xc0 && bytes[position + 1] === HEADER_BYTES && position + 2 <= this.end;
      if (isPointer || position === HEADER_BYTES) {
        this.position = isPointer ? position + 2 : position + this.#firstLength;
        this.nameLength = this.#firstLength;
        return this.#firstName;
      }
    }
    if (bytes[position]! >= 0xc0 && position + 2 <= this.end) return this.#pointed();
    const name = this.#readName();
    if (position === HEADER_BYTES) this.expectName(name, this.nameLength);
    return name;
  }

  /** A name that is nothing but a pointer. */
  #pointed(): string {
    const { bytes, position } = this;
    const target = (bytes[position]! & 0x3f) << 8 | bytes[position + 1]!;
    if (target === this.#pointedAt) {
      this.position = position + 2;
      this.nameLength = this.#pointedLength;
      return this.#pointedName;
    }
    this.#pointedName = this.#readName();
    this.#pointedAt = target;
    this.#pointedLength = this.nameLength;
    return this.#pointedName;
  }

  #readName(): string {
    const { bytes } = this;
    let at = this.position;
    // What is read directly has to lie in the record; what is pointed to lies before it in any case.
    let limit = this.end;
    let floor = at;
    let after = -1;
    let pointers = 0;
    let total = 1;
    nameText.begin();
    for (;;) {
      if (at >= limit) this.#nameCut(at, after);
      const length = bytes[at]!;
      if (length === 0) break;
      if (length < 0x40) {
        total += length + 1;
        if (total > NAME_BYTES_MAX) this.fail("DNS_NAME_TOO_LONG", at);
        const next = at + 1 + length;
        if (next > limit) this.#nameCut(at, after);
        nameText.add(bytes, at + 1, next);
        at = next;
      } else if (length >= 0xc0) {
        if (at + 2 > limit) this.#nameCut(at, after);
        const target = (length & 0x3f) << 8 | bytes[at + 1]!;
        if (target >= floor || target < HEADER_BYTES || ++pointers > POINTERS_MAX) this.fail("DNS_BAD_POINTER", at);
        if (after < 0) after = at + 2;
        limit = floor;
        floor = at = target;
      } else {
        this.fail("DNS_BAD_LABEL", at);
      }
    }
    this.position = after < 0 ? at + 1 : after;
    this.nameLength = total;
    return nameText.end();
  }

  #nameCut(at: number, after: number): never {
    // What a pointer leads to is a name, or the end of one, that is complete before it.
    if (after >= 0) this.fail("DNS_BAD_POINTER", after - 2);
    return this.#failShort(at);
  }
}
