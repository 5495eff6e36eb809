/** Percent coding (RFC 3986 section 2.1): evhttp_uriencode, evhttp_uridecode and their older forms. */
import { HEX_DIGIT, NOT_HEX } from "./parse_tables.ts";
import { isUriCharacter, URI_UNRESERVED } from "./uri_grammar.ts";

/** How {@linkcode percentEncode} writes a space. */
export interface PercentEncodeOptions {
  /** Writes "+" for a space rather than "%20", as in the data of forms. Default false. */
  readonly spaceAsPlus?: boolean;
}

/** How {@linkcode percentDecode} reads a "+". */
export interface PercentDecodeOptions {
  /** Reads "+" as a space, as in the data of forms. Default false. */
  readonly plusAsSpace?: boolean;
}

const PERCENT = 0x25;
const PLUS = 0x2b;
const QUESTION_MARK = 0x3f;
const SPACE = 0x20;

const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  return isUriCharacter(byte, URI_UNRESERVED)
    ? String.fromCharCode(byte)
    : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

const encoder: TextEncoder = new TextEncoder();
// A mark at the beginning is a character like others here.
const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Escapes every byte but letters, digits, "-", ".", "_" and "~" (evhttp_uriencode, evhttp_encode_uri). A string stands for its
 * UTF-8 bytes, with U+FFFD for half a surrogate pair.
 */
export function percentEncode(input: string | Uint8Array, options: PercentEncodeOptions = {}): string {
  const bytes = typeof input === "string" ? encoder.encode(input) : input;
  const plus = options.spaceAsPlus === true;
  let text = "";
  for (const byte of bytes) text += plus && byte === SPACE ? "+" : ESCAPES[byte]!;
  return text;
}

/**
 * Reads escapes (evhttp_uridecode) into the bytes they stand for. Characters outside escapes stand for their UTF-8 bytes, and
 * a "%" without two hexadecimal digits behind it for itself.
 */
export function percentDecodeBytes(text: string, options: PercentDecodeOptions = {}): Uint8Array {
  return decoded(encoder.encode(text), options.plusAsSpace === true ? 0 : Infinity);
}

/**
 * Reads escapes (evhttp_uridecode) into a string. A "%" without two hexadecimal digits behind it stays; bytes that are not
 * UTF-8 become U+FFFD, so {@linkcode percentDecodeBytes} is for those who need them.
 */
export function percentDecode(text: string, options: PercentDecodeOptions = {}): string {
  const plus = options.plusAsSpace === true;
  if (!text.includes("%") && !(plus && text.includes("+"))) return text;
  return decoder.decode(decoded(encoder.encode(text), plus ? 0 : Infinity));
}

/**
 * Reads the escapes of a whole URI (evhttp_decode_uri): "+" is a space only behind the first "?". What was one "/" or "?"
 * among others cannot be told afterwards, so take a URI apart first and decode its pieces wherever that matters.
 */
export function decodeUri(text: string): string {
  const bytes = encoder.encode(text);
  const mark = bytes.indexOf(QUESTION_MARK);
  return decoder.decode(decoded(bytes, mark < 0 ? Infinity : mark));
}

/** Decodes `bytes` in their own memory; "+" is a space from `plusFrom` on. */
function decoded(bytes: Uint8Array, plusFrom: number): Uint8Array {
  const length = bytes.length;
  let to = 0;
  for (let from = 0; from < length; from++) {
    let byte = bytes[from]!;
    if (byte === PLUS && from >= plusFrom) {
      byte = SPACE;
    } else if (byte === PERCENT && from + 2 < length) {
      const high = HEX_DIGIT[bytes[from + 1]!]!;
      const low = HEX_DIGIT[bytes[from + 2]!]!;
      if (high !== NOT_HEX && low !== NOT_HEX) {
        byte = high * 16 + low;
        from += 2;
      }
    }
    bytes[to++] = byte;
  }
  return bytes.subarray(0, to);
}
