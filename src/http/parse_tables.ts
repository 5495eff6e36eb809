/**
 * What each byte may be in an HTTP/1.1 message, as one 256-entry table, so that the scanners validate while they scan
 * and pay one load per byte. The alphabets are those of RFC 9110 section 5.6.2 (token), section 5.5 (field value), RFC
 * 9112 section 3.2 (request target) and RFC 3986 section 3.2.2 (host).
 */

/** The byte may stand in a token: methods, field names, codings. */
export const TOKEN_BYTE = 1;
/** The byte may stand in a request target; "%" is not among them because two digits have to follow it in a path. */
export const TARGET_BYTE = 2;
/** The byte may stand in a field value, blanks included. */
export const VALUE_BYTE = 4;
/** The byte may stand in a registered name of a host; "%" is not among them because two digits have to follow it. */
export const HOST_BYTE = 8;
/** The byte is allowed in a quoted string without a backslash before it. */
export const QUOTED_BYTE = 16;

/** Horizontal tab. */
export const HT = 9;
/** Line feed. */
export const LF = 10;
/** Carriage return. */
export const CR = 13;
/** Space. */
export const SP = 32;

/** A scanner used up its bytes and wants more. */
export const SCAN_MORE = 0;
/** A scanner reached the end of what it scans. */
export const SCAN_DONE = 1;
/** A scanner met something it refuses; its `fault` says what. */
export const SCAN_FAULT = 2;

/** What a scanner can answer. */
export type ScanResult =
  | typeof SCAN_MORE
  | typeof SCAN_DONE
  | typeof SCAN_FAULT;

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function mark(table: Uint8Array, characters: string, bit: number): void {
  for (let i = 0; i < characters.length; i++) {
    table[characters.charCodeAt(i)]! |= bit;
  }
}

function buildClasses(): Uint8Array {
  const table = new Uint8Array(new ArrayBuffer(256));
  mark(table, ALPHANUMERIC + "!#$%&'*+-.^_`|~", TOKEN_BYTE);
  mark(table, ALPHANUMERIC + "-._~!$&'()*+,;=", HOST_BYTE);
  for (let byte = 0; byte < 256; byte++) {
    const control = byte < SP || byte === 127;
    if (!control || byte === HT) {
      table[byte]! |= VALUE_BYTE;
      if (byte !== 0x22 && byte !== 0x5c) table[byte]! |= QUOTED_BYTE;
    }
    // All that is visible but "#", since a fragment never travels. RFC 3986 knows fewer, but browsers leave brackets, bars and
    // the like in queries, and no server is known to refuse quotes and angle brackets. "%" is looked at by the scanner.
    if (byte > SP && byte < 127 && byte !== 0x23 && byte !== 0x25) table[byte]! |= TARGET_BYTE;
  }
  return table;
}

function buildLowerCase(): Uint8Array {
  const table = new Uint8Array(new ArrayBuffer(256));
  for (let byte = 0; byte < 256; byte++) {
    table[byte] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return table;
}

function buildHexDigits(): Uint8Array {
  const table = new Uint8Array(new ArrayBuffer(256)).fill(NOT_HEX);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    table[text.charCodeAt(0)] = digit;
    table[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return table;
}

/** What {@linkcode HEX_DIGIT} holds for a byte that is no hexadecimal digit. */
export const NOT_HEX = 255;
/** The classes of each byte, as a sum of the `*_BYTE` bits. */
export const BYTE_CLASS: Uint8Array = buildClasses();
/** Each byte with A to Z turned into a to z and nothing else touched. */
export const LOWER_CASE: Uint8Array = buildLowerCase();
/** The value of each hexadecimal digit, or {@linkcode NOT_HEX}. */
export const HEX_DIGIT: Uint8Array = buildHexDigits();

/**
 * Says whether `bytes[start..end)` is `name` in any mixture of cases; `name` must be in lower case.
 * Runs over the bytes, so that no string is made for a comparison.
 */
export function equalsIgnoringCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: string,
): boolean {
  const length = name.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    if (LOWER_CASE[bytes[start + i]!] !== name.charCodeAt(i)) return false;
  }
  return true;
}
