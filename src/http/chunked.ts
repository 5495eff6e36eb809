import type { HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { BYTE_CLASS, CR, HEX_DIGIT, HT, LF, NOT_HEX, QUOTED_BYTE, SP, TOKEN_BYTE, VALUE_BYTE } from "./parse_tables.ts";

/** The decoder used up its bytes and wants more. */
export const CHUNK_MORE = 0;
/** Some data of a chunk lies between `dataStart` and `dataEnd`. */
export const CHUNK_DATA = 1;
/** The last chunk's line is over; the trailer section follows at `position`. */
export const CHUNK_LAST = 2;
/** The framing is broken; `fault` says how. */
export const CHUNK_FAULT = 3;

/** What {@linkcode ChunkedDecoder.next} can answer. */
export type ChunkResult =
  | typeof CHUNK_MORE
  | typeof CHUNK_DATA
  | typeof CHUNK_LAST
  | typeof CHUNK_FAULT;

const SIZE_START = 0;
const IN_SIZE = 1;
const SIZE_LF = 2;
const IN_DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
// Phases inside chunk extensions, in the order of the grammar; all lie above the others so that one comparison finds
// them.
const EXTENSION_START = 6;
const EXTENSION_NAME = 7;
const AFTER_NAME = 8;
const VALUE_START = 9;
const TOKEN_VALUE = 10;
const QUOTED_VALUE = 11;
const QUOTED_ESCAPE = 12;
const AFTER_VALUE = 13;
const AFTER_QUOTED = 14;
const BAD_EXTENSION = -1;

const MAX_SIZE_DIGITS = 16;

/**
 * Decodes the chunks of a body (RFC 9112 section 7.1) up to the trailer section, one byte at a time in the lines and in
 * whole pieces in the data. Lines end in CR LF without exception: the option for a lone LF does not reach here, since
 * disagreement about where a chunk ends is how requests are smuggled.
 */
export class ChunkedDecoder {
  /** The first byte that was not consumed. */
  position = 0;
  /** After CHUNK_DATA: where the data begins. */
  dataStart = 0;
  /** After CHUNK_DATA: where the data ends. */
  dataEnd = 0;
  /** After CHUNK_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_CHUNK_SIZE";

  readonly #maxBodyBytes: number;
  readonly #maxExtensionBytes: number;
  #phase = SIZE_START;
  #size = 0;
  #digits = 0;
  #remaining = 0;
  #bodyBytes = 0;
  #extensionBytes = 0;

  /** Makes a decoder with these bounds, ready for one body. */
  constructor(limits: HttpLimits) {
    this.#maxBodyBytes = limits.maxBodyBytes;
    this.#maxExtensionBytes = limits.maxChunkExtensionBytes;
  }

  /** Begins another body. */
  reset(): void {
    this.#phase = SIZE_START;
    this.#bodyBytes = 0;
    this.#extensionBytes = 0;
  }

  /** Decodes `bytes[p..end)` up to the next piece of data, the last chunk or a fault. */
  next(bytes: Uint8Array, p: number, end: number): ChunkResult {
    while (p < end) {
      const byte = bytes[p]!;
      switch (this.#phase) {
        case SIZE_START: {
          const digit = HEX_DIGIT[byte]!;
          if (digit === NOT_HEX) return this.#refuse(p, "HTTP_BAD_CHUNK_SIZE");
          this.#size = digit;
          this.#digits = 1;
          this.#phase = IN_SIZE;
          break;
        }
        case IN_SIZE: {
          const digit = HEX_DIGIT[byte]!;
          if (digit !== NOT_HEX) {
            this.#size = this.#size * 16 + digit;
            const tooLarge = ++this.#digits > MAX_SIZE_DIGITS ||
              this.#size > Number.MAX_SAFE_INTEGER;
            if (tooLarge) return this.#refuse(p, "HTTP_BAD_CHUNK_SIZE");
            break;
          }
          // Checked before extensions are read, so that the reply does not wait for them.
          if (this.#bodyBytes + this.#size > this.#maxBodyBytes) {
            return this.#refuse(p, "HTTP_BODY_TOO_LARGE");
          }
          if (byte === CR) this.#phase = SIZE_LF;
          else if (byte !== 0x3b) return this.#refuse(p, "HTTP_BAD_CHUNK_SIZE");
          else if (++this.#extensionBytes > this.#maxExtensionBytes) {
            return this.#refuse(p, "HTTP_CHUNK_EXTENSIONS_TOO_LARGE");
          } else this.#phase = EXTENSION_START;
          break;
        }
        case SIZE_LF:
          if (byte !== LF) return this.#refuse(p, "HTTP_BAD_LINE_END");
          if (this.#size === 0) {
            this.position = p + 1;
            return CHUNK_LAST;
          }
          this.#bodyBytes += this.#size;
          this.#remaining = this.#size;
          this.#phase = IN_DATA;
          break;
        case IN_DATA:
          return this.#takeData(p, end);
        case DATA_CR:
          if (byte !== CR) return this.#refuse(p, "HTTP_BAD_CHUNK_END");
          this.#phase = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== LF) return this.#refuse(p, "HTTP_BAD_CHUNK_END");
          this.#phase = SIZE_START;
          break;
        default: {
          const phase = afterExtensionByte(this.#phase, byte);
          if (phase === BAD_EXTENSION) {
            return this.#refuse(p, "HTTP_BAD_CHUNK_EXTENSION");
          }
          if (
            phase !== SIZE_LF &&
            ++this.#extensionBytes > this.#maxExtensionBytes
          ) {
            return this.#refuse(p, "HTTP_CHUNK_EXTENSIONS_TOO_LARGE");
          }
          this.#phase = phase;
        }
      }
      p++;
    }
    this.position = p;
    return CHUNK_MORE;
  }

  #takeData(p: number, end: number): ChunkResult {
    const length = Math.min(end - p, this.#remaining);
    this.#remaining -= length;
    if (this.#remaining === 0) this.#phase = DATA_CR;
    this.dataStart = p;
    this.dataEnd = p + length;
    this.position = p + length;
    return CHUNK_DATA;
  }

  #refuse(position: number, fault: HttpParseErrorCode): ChunkResult {
    this.position = position;
    this.fault = fault;
    return CHUNK_FAULT;
  }
}

/**
 * The phase after one more byte of `chunk-ext` (RFC 9112 section 7.1.1), SIZE_LF after the CR that ends the line, or
 * BAD_EXTENSION. Blanks are accepted where the grammar tolerates them: around ";" and "=", but not before the end of
 * the line. The first ";" is an exception: a blank before it is refused with the size, since careful servers do not
 * agree on where a size ends, and requests have been smuggled by that.
 */
function afterExtensionByte(phase: number, byte: number): number {
  const blank = byte === SP || byte === HT;
  const kind = BYTE_CLASS[byte]!;
  switch (phase) {
    case EXTENSION_START:
      return blank ? EXTENSION_START : (kind & TOKEN_BYTE) !== 0 ? EXTENSION_NAME : BAD_EXTENSION;
    case EXTENSION_NAME:
      if ((kind & TOKEN_BYTE) !== 0) return EXTENSION_NAME;
      if (byte === CR) return SIZE_LF;
      return blank ? AFTER_NAME : separatorPhase(byte, true);
    case AFTER_NAME:
      return blank ? AFTER_NAME : separatorPhase(byte, true);
    case VALUE_START:
      if (blank) return VALUE_START;
      if (byte === 0x22) return QUOTED_VALUE;
      return (kind & TOKEN_BYTE) !== 0 ? TOKEN_VALUE : BAD_EXTENSION;
    case TOKEN_VALUE:
      if ((kind & TOKEN_BYTE) !== 0) return TOKEN_VALUE;
      if (byte === CR) return SIZE_LF;
      return blank ? AFTER_VALUE : separatorPhase(byte, false);
    case QUOTED_VALUE:
      if (byte === 0x22) return AFTER_QUOTED;
      if (byte === 0x5c) return QUOTED_ESCAPE;
      return (kind & QUOTED_BYTE) !== 0 ? QUOTED_VALUE : BAD_EXTENSION;
    case QUOTED_ESCAPE:
      return (kind & VALUE_BYTE) !== 0 ? QUOTED_VALUE : BAD_EXTENSION;
    case AFTER_QUOTED:
      if (byte === CR) return SIZE_LF;
      return blank ? AFTER_VALUE : separatorPhase(byte, false);
    default:
      return blank ? AFTER_VALUE : separatorPhase(byte, false);
  }
}

function separatorPhase(byte: number, afterName: boolean): number {
  if (byte === 0x3b) return EXTENSION_START;
  return afterName && byte === 0x3d ? VALUE_START : BAD_EXTENSION;
}
