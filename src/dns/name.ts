/**
 * Domain names, as text and as bytes.
 *
 * A name's text is its labels with dots between them, without one at the end (one there is read over); the root is `.`. Bytes that mean something
 * else in a name or in a zone file are written with a backslash, others that cannot be seen as `\DDD` (RFC 1035 section 5.1, RFC 4343
 * section 2.1). The case of letters is kept, and ignored when names are compared.
 */

import { Buffer } from "node:buffer";

/** Most bytes of a label. */
export const LABEL_BYTES_MAX = 63;
/** Most bytes of a name, the lengths of its labels and the root included. */
export const NAME_BYTES_MAX = 255;

const DOT = 46;
const BACKSLASH = 92;
const ZERO = 48;

/** What each byte of a label looks like. */
const SHOWN: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (byte <= 0x20 || byte >= 0x7f) return `\\${String(byte).padStart(3, "0")}`;
  return '.\\"();@$'.includes(character) ? `\\${character}` : character;
});

/** How many characters each byte of a label takes: 1 for one that looks like itself. */
const SHOWN_LENGTHS: Uint8Array = Uint8Array.from(SHOWN, (shown) => shown.length);
/** The digits of each byte, but for the last. */
const HUNDREDS: Uint8Array = Uint8Array.from(SHOWN, (_, byte) => byte / 100);
const TENS: Uint8Array = Uint8Array.from(SHOWN, (_, byte) => byte / 10);

/** The longest text of a name: an escape for nearly every byte. */
const TEXT_BYTES_MAX = NAME_BYTES_MAX * 4;
const shown = new Uint8Array(new ArrayBuffer(TEXT_BYTES_MAX));

// The same memory as what makes text of it. `latin1Slice` is what `toString` calls in the end on both runtimes; getting there takes as long
// again, and joining the text of eight characters at a time two to three times as long.
const shownText: Buffer & { latin1Slice?(start: number, end: number): string } = Buffer.from(shown.buffer);

/**
 * Makes the text of a name, label by label.
 *
 * @internal
 */
export class NameText {
  #length = 0;

  /** Begins a name. */
  begin(): void {
    this.#length = 0;
  }

  /** Adds the label at `bytes[start..end)`. */
  add(bytes: Uint8Array, start: number, end: number): void {
    let length = this.#length;
    if (length > 0) shown[length++] = DOT;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      const count = SHOWN_LENGTHS[byte]!;
      if (count === 1) {
        shown[length++] = byte;
        continue;
      }
      shown[length] = BACKSLASH;
      if (count === 2) {
        shown[length + 1] = byte;
      } else {
        const hundreds = HUNDREDS[byte]!;
        shown[length + 1] = ZERO + hundreds;
        const rest = byte - hundreds * 100;
        const tens = TENS[rest]!;
        shown[length + 2] = ZERO + tens;
        shown[length + 3] = ZERO + rest - tens * 10;
      }
      length += count;
    }
    this.#length = length;
  }

  /** The text; that of the root when there is no label. */
  end(): string {
    const length = this.#length;
    if (length === 0) return ".";
    return shownText.latin1Slice?.(0, length) ?? shownText.toString("latin1", 0, length);
  }
}

const nameText = new NameText();

/**
 * Writes the bytes of a name, not compressed, into `into` from `at` on; there must be room for 256.
 *
 * @returns where they end.
 * @throws {RangeError} when the text is no name.
 *
 * @internal
 */
export function encodeName(text: string, into: Uint8Array, at: number): number {
  if (text === "." || text === "") {
    into[at] = 0;
    return at + 1;
  }
  const limit = at + NAME_BYTES_MAX;
  let lengthAt = at;
  let end = at + 1;
  for (let index = 0; index < text.length; index++) {
    let unit = text.charCodeAt(index);
    if (unit === DOT) {
      into[lengthAt] = labelLength(text, end - lengthAt - 1);
      lengthAt = end++;
      continue;
    }
    if (unit === BACKSLASH) {
      unit = escapedUnit(text, index);
      index += isDigit(text.charCodeAt(index + 1)) ? 3 : 1;
    } else if (unit < 0x20 || unit > 0x7e) {
      throw new RangeError(
        `Cannot encode the name ${
          JSON.stringify(text)
        }: it holds a character that is not ASCII; write it as \\DDD, or an international name in its xn-- form`,
      );
    }
    if (end >= limit) throw new RangeError(`Cannot encode the name ${JSON.stringify(text)}: longer than 255 bytes`);
    into[end++] = unit;
  }
  // Behind a dot at the end there is only the root, whose length has its place already.
  if (end - lengthAt > 1) {
    into[lengthAt] = labelLength(text, end - lengthAt - 1);
    lengthAt = end++;
  }
  if (end > limit) throw new RangeError(`Cannot encode the name ${JSON.stringify(text)}: longer than 255 bytes`);
  into[lengthAt] = 0;
  return end;
}

function labelLength(text: string, length: number): number {
  if (length >= 1 && length <= LABEL_BYTES_MAX) return length;
  throw new RangeError(
    `Cannot encode the name ${JSON.stringify(text)}: a label has ${length} bytes, where 1 to 63 are possible`,
  );
}

/** What the backslash at `index` stands for; whether three digits follow it is seen by the first of them. */
function escapedUnit(text: string, index: number): number {
  const next = text.charCodeAt(index + 1);
  if (!isDigit(next)) {
    if (next <= 0xff) return next;
  } else {
    const [second, third] = [text.charCodeAt(index + 2), text.charCodeAt(index + 3)];
    const value = (next - ZERO) * 100 + (second - ZERO) * 10 + third - ZERO;
    if (isDigit(second) && isDigit(third) && value <= 0xff) return value;
  }
  throw new RangeError(`Cannot encode the name ${JSON.stringify(text)}: a backslash needs a character or three digits`);
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= ZERO + 9;
}

const scratch = new Uint8Array(NAME_BYTES_MAX + 1);

/**
 * The bytes of a name as they stand in a message, not compressed.
 *
 * @throws {RangeError} when the text is no name: a label is empty or longer than 63 bytes, all of it longer than 255, a character is not ASCII.
 */
export function dnsNameBytes(text: string): Uint8Array {
  return scratch.slice(0, encodeName(text, scratch, 0));
}

/** Whether a text is a name: its labels have 1 to 63 bytes, all of it has at most 255, and its escapes and characters are right. */
export function isDnsName(text: string): boolean {
  if (isNormal(text)) return true;
  try {
    encodeName(text, scratch, 0);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** 1 for each character that stands for itself in normal form; capital letters do not. */
const NORMAL: Uint8Array = Uint8Array.from(SHOWN, (shown) => shown.length === 1 && !/[A-Z]/.test(shown) ? 1 : 0);

/** Whether a text is the normal form of a name, as most are that somebody asks for. */
function isNormal(text: string): boolean {
  // The lengths of the first label and of the root are not in the text.
  if (text.length > NAME_BYTES_MAX - 2) return false;
  let label = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === DOT) {
      if (label === 0) return false;
      label = 0;
    } else if (unit > 0xff || NORMAL[unit] === 0 || ++label > LABEL_BYTES_MAX) {
      return false;
    }
  }
  return label > 0;
}

/** Text that is its own normal form but for its case: the usual one. */
const USUAL = /^[\w*/-]+(?:\.[\w*/-]+)*$/;

/**
 * A name as it is written here: escapes only where they must be, no dot at the end, the case of letters kept.
 *
 * @throws {RangeError} when the text is no name.
 *
 * @internal
 */
export function writtenDnsName(text: string): string {
  if (text.length < 64 && USUAL.test(text)) return text;
  const end = encodeName(text, scratch, 0);
  nameText.begin();
  for (let at = 0; at < end - 1; at += 1 + scratch[at]!) nameText.add(scratch, at + 1, at + 1 + scratch[at]!);
  return nameText.end();
}

/**
 * One text for all that mean the same name: lower case, escapes only where they must be, no dot at the end. What tables are keyed by.
 *
 * @throws {RangeError} when the text is no name.
 */
export function normalDnsName(text: string): string {
  if (isNormal(text)) return text;
  // Escapes hold no letters, and nothing is left beyond ASCII.
  return writtenDnsName(text).toLowerCase();
}

/**
 * Whether two texts mean the same name, whatever the case of their letters.
 *
 * @throws {RangeError} when one is no name.
 */
export function isSameDnsName(one: string, other: string): boolean {
  return one === other || normalDnsName(one) === normalDnsName(other);
}

/** The labels of a name as they are written; none for the root. */
export function dnsLabels(text: string): string[] {
  if (text === "." || text === "") return [];
  const labels: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH) {
      at++;
    } else if (unit === DOT) {
      labels.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (start < text.length) labels.push(text.slice(start));
  return labels;
}

/** A name without its first label; `.` for one that has no more. */
export function parentDnsName(text: string): string {
  const labels = dnsLabels(text);
  return labels.length < 2 ? "." : labels.slice(1).join(".");
}

/**
 * Whether `name` is `zone` or below it.
 *
 * @throws {RangeError} when one is no name.
 */
export function isInDnsZone(name: string, zone: string): boolean {
  return isNormalNameIn(normalDnsName(name), normalDnsName(zone));
}

/** {@linkcode isInDnsZone} for names in normal form. @internal */
export function isNormalNameIn(name: string, zone: string): boolean {
  if (zone === "." || name === zone) return true;
  const dotAt = name.length - zone.length - 1;
  if (dotAt < 1 || name.charCodeAt(dotAt) !== DOT || !name.endsWith(zone)) return false;
  if (name.charCodeAt(dotAt - 1) !== BACKSLASH) return true;
  // That dot may be escaped, and then the label goes on.
  const labels = dnsLabels(name);
  return labels.slice(labels.length - dnsLabels(zone).length).join(".") === zone;
}
