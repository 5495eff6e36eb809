import type { HttpLeniency, HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { BYTE_CLASS, CR, LF, type ScanResult, SP, VALUE_BYTE } from "./parse_tables.ts";
import { Scanner } from "./scanner.ts";

const IN_FRONT = 0;
const IN_REASON = 1;
const AT_LF = 2;

const VERSION_PREFIX = "HTTP/1.";
const MAJOR_DIGIT_AT = 5;
const MINOR_DIGIT_AT = 7;
const STATUS_AT = 9;
/** Version, space and status code: what comes before the space and the reason. */
const FRONT_BYTES = 12;

/**
 * Scans a status line (RFC 9112 section 4): `HTTP/1.x`, one space, three digits, one space, a reason, CR LF. The reason may be
 * empty, and then the space before it may be missing as well: the RFC asks servers to send it, many forget it, and no known client
 * minds.
 */
export class StatusLineScanner extends Scanner {
  /** Where the reason begins. */
  reasonStart = 0;
  /** Where the reason ends. */
  reasonEnd = 0;
  /** The status code, 100 to 999. */
  status = 0;
  /** The digit behind `HTTP/1.`, 0 or 1. */
  versionMinor = 1;

  readonly #maxReasonBytes: number;
  readonly #allowBareLf: boolean;
  #phase = IN_FRONT;

  /** Makes a scanner with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    super();
    this.#maxReasonBytes = limits.maxReasonBytes;
    this.#allowBareLf = leniency.allowBareLf === true;
  }

  /** Begins a line at `start`. */
  reset(start: number): void {
    this.start = start;
    this.#phase = IN_FRONT;
    this.status = 0;
  }

  override shift(delta: number): void {
    this.start += delta;
    this.reasonStart += delta;
    this.reasonEnd += delta;
  }

  override scan(bytes: Uint8Array, p: number, end: number): ScanResult {
    if (this.#phase === IN_FRONT) {
      // The few bytes of the front are cheap to look at again, however they are cut.
      for (let at = p - this.start; at < FRONT_BYTES; at++, p++) {
        if (p === end) return this.pause(p);
        const fault = this.#frontFault(at, bytes[p]!);
        if (fault !== undefined) return this.refuse(p, fault);
      }
      if (p === end) return this.pause(p);
      this.reasonStart = bytes[p] === SP ? ++p : p;
      this.#phase = IN_REASON;
      if (p === this.start + FRONT_BYTES && bytes[p] !== CR && bytes[p] !== LF) {
        return this.refuse(p, "HTTP_BAD_STATUS");
      }
    }
    if (this.#phase === IN_REASON) {
      const bound = this.reasonStart + this.#maxReasonBytes;
      const stop = end < bound ? end : bound;
      while (p < stop && (BYTE_CLASS[bytes[p]!]! & VALUE_BYTE) !== 0) p++;
      if (p === end) return this.pause(p);
      const byte = bytes[p]!;
      this.reasonEnd = p;
      if (byte === LF && this.#allowBareLf) return this.finish(p + 1);
      if (byte !== CR) {
        const tooLong = p === bound && (BYTE_CLASS[byte]! & VALUE_BYTE) !== 0;
        return this.refuse(
          p,
          tooLong ? "HTTP_REASON_TOO_LONG" : byte === LF ? "HTTP_BAD_LINE_END" : "HTTP_BAD_REASON",
        );
      }
      p++;
      this.#phase = AT_LF;
    }
    if (p === end) return this.pause(p);
    return bytes[p] === LF ? this.finish(p + 1) : this.refuse(p, "HTTP_BAD_LINE_END");
  }

  /** What is wrong with a byte of the version, the space or the status code; undefined: nothing. */
  #frontFault(at: number, byte: number): HttpParseErrorCode | undefined {
    if (at < MINOR_DIGIT_AT) {
      if (byte === VERSION_PREFIX.charCodeAt(at)) return undefined;
      return at === MAJOR_DIGIT_AT && isDigit(byte) ? "HTTP_VERSION_UNSUPPORTED" : "HTTP_BAD_VERSION";
    }
    if (at === MINOR_DIGIT_AT) {
      this.versionMinor = byte - 0x30;
      if (!isDigit(byte)) return "HTTP_BAD_VERSION";
      return byte > 0x31 ? "HTTP_VERSION_UNSUPPORTED" : undefined;
    }
    if (at < STATUS_AT) return byte === SP ? undefined : "HTTP_BAD_VERSION";
    this.status = this.status * 10 + byte - 0x30;
    return isDigit(byte) && this.status > 0 ? undefined : "HTTP_BAD_STATUS";
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
