import { authorityEnd, authorityStart, isHostAndPort, isHostWithPort, namesHost } from "./authority.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET, EVHTTP_REQ_OPTIONS, methodIdOfBytes } from "./methods.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import {
  BYTE_CLASS,
  CR,
  HEX_DIGIT,
  LF,
  NOT_HEX,
  type ScanResult,
  SP,
  TARGET_BYTE,
  TOKEN_BYTE,
} from "./parse_tables.ts";
import { Scanner } from "./scanner.ts";

const IN_METHOD = 0;
const IN_TARGET = 1;
const IN_VERSION = 2;

const PERCENT = 0x25;
const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;
const VERSION_PREFIX = "HTTP/1.";
const MAJOR_DIGIT_AT = 5;
const MINOR_DIGIT_AT = 7;
/** Of a version and the end of its line. */
const LINE_END_BYTES = 10;

/**
 * Scans a request line (RFC 9112 section 3): a method, one space, a target, one space, `HTTP/1.x`, CR LF. Every byte is
 * looked at once, however the bytes are cut, but for the ten of the version, which are cheap to look at again.
 */
export class RequestLineScanner extends Scanner {
  /** Where the target begins; the method ends one byte before. */
  targetStart = 0;
  /** Where the target ends. */
  targetEnd = 0;
  /** The method's bit, or 0 for one without. */
  methodId = 0;
  /** True if the target is a whole URI. */
  absolute = false;
  /** The digit behind `HTTP/1.`, 0 or 1. */
  versionMinor = 1;

  readonly #maxMethodBytes: number;
  readonly #maxTargetBytes: number;
  readonly #allowBareLf: boolean;
  #phase = IN_METHOD;
  #escaped = false;
  #versionStart = 0;

  /** Makes a scanner with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    super();
    this.#maxMethodBytes = limits.maxMethodBytes;
    this.#maxTargetBytes = limits.maxTargetBytes;
    this.#allowBareLf = leniency.allowBareLf === true;
  }

  /** Begins a line at `start`. */
  reset(start: number): void {
    this.start = start;
    this.methodId = 0;
    this.#phase = IN_METHOD;
  }

  override shift(delta: number): void {
    this.start += delta;
    this.targetStart += delta;
    this.targetEnd += delta;
    this.#versionStart += delta;
  }

  override scan(bytes: Uint8Array, p: number, end: number): ScanResult {
    const classes = BYTE_CLASS;
    if (this.#phase === IN_METHOD) {
      if (end - p > 4 && p === this.start && isGet(bytes, p) && this.#maxMethodBytes > 2) {
        this.methodId = EVHTTP_REQ_GET;
        p += 3;
      } else {
        const bound = this.start + this.#maxMethodBytes;
        const stop = end < bound ? end : bound;
        while (p < stop && (classes[bytes[p]!]! & TOKEN_BYTE) !== 0) p++;
        if (p === end) return this.pause(p);
        if (bytes[p] !== SP || p === this.start) {
          const tooLong = p === bound &&
            (classes[bytes[p]!]! & TOKEN_BYTE) !== 0;
          return this.refuse(
            p,
            tooLong ? "HTTP_METHOD_TOO_LONG" : "HTTP_BAD_METHOD",
          );
        }
        this.methodId = methodIdOfBytes(bytes, this.start, p);
      }
      this.targetStart = ++p;
      this.#phase = IN_TARGET;
      this.#escaped = false;
    }
    if (this.#phase === IN_TARGET) {
      const bound = this.targetStart + this.#maxTargetBytes;
      const stop = end < bound ? end : bound;
      for (;;) {
        while (p < stop && (classes[bytes[p]!]! & TARGET_BYTE) !== 0) p++;
        if (p === stop || bytes[p] !== PERCENT) break;
        this.#escaped = true;
        p++;
      }
      if (p === end) return this.pause(p);
      if (bytes[p] !== SP || p === this.targetStart) {
        const tooLong = p === bound &&
          ((classes[bytes[p]!]! & TARGET_BYTE) !== 0 || bytes[p] === PERCENT);
        return this.refuse(
          p,
          tooLong ? "HTTP_TARGET_TOO_LONG" : this.#targetFault(bytes[p]!),
        );
      }
      this.targetEnd = p;
      this.#versionStart = ++p;
      this.#phase = IN_VERSION;
    }
    return this.#scanVersion(bytes, end);
  }

  #scanVersion(bytes: Uint8Array, end: number): ScanResult {
    const start = this.#versionStart;
    if (end - start >= LINE_END_BYTES && endsInVersion11(bytes, start)) {
      this.versionMinor = 1;
      return this.#complete(bytes, start + LINE_END_BYTES - 1);
    }
    for (let i = 0; i <= MINOR_DIGIT_AT; i++) {
      const p = start + i;
      if (p === end) return this.pause(p);
      const byte = bytes[p]!;
      if (i === MINOR_DIGIT_AT) {
        if (!isDigit(byte)) return this.refuse(p, "HTTP_BAD_VERSION");
        // A server may treat what is newer like 1.1 (RFC 9110 section 2.5). Not all do, nobody sends it, and those who disagree
        // about a version disagree about framing next.
        if (byte > 0x31) return this.refuse(p, "HTTP_VERSION_UNSUPPORTED");
        this.versionMinor = byte - 0x30;
      } else if (byte !== VERSION_PREFIX.charCodeAt(i)) {
        const otherMajor = i === MAJOR_DIGIT_AT && isDigit(byte);
        return this.refuse(
          p,
          otherMajor ? "HTTP_VERSION_UNSUPPORTED" : "HTTP_BAD_VERSION",
        );
      }
    }
    let p = start + MINOR_DIGIT_AT + 1;
    if (p === end) return this.pause(p);
    if (bytes[p] === CR) {
      p++;
      if (p === end) return this.pause(p);
      if (bytes[p] !== LF) return this.refuse(p, "HTTP_BAD_LINE_END");
    } else if (bytes[p] !== LF) {
      return this.refuse(p, "HTTP_BAD_VERSION");
    } else if (!this.#allowBareLf) {
      return this.refuse(p, "HTTP_BAD_LINE_END");
    }
    return this.#complete(bytes, p);
  }

  /** The line is complete; its LF is at `p`. */
  #complete(bytes: Uint8Array, p: number): ScanResult {
    // Only now, so that the preface of HTTP/2, which is "PRI *" with version 2.0, is told about its version and not its
    // target.
    if (!this.#checkTarget(bytes)) return this.refuse(p, "HTTP_BAD_TARGET");
    return this.finish(p + 1);
  }

  /** Checks that the target has one of the four forms and that its form suits the method (RFC 9112 section 3.2). */
  #checkTarget(bytes: Uint8Array): boolean {
    const start = this.targetStart;
    const end = this.targetEnd;
    this.absolute = false;
    if (this.methodId === EVHTTP_REQ_CONNECT) return isHostWithPort(bytes, start, end);
    if (bytes[start] === SLASH) return !this.#escaped || escapesAreSound(bytes, start, end);
    if (end - start === 1 && bytes[start] === 0x2a) return this.methodId === EVHTTP_REQ_OPTIONS;
    const authority = authorityStart(bytes, start, end);
    if (authority < 0) return false;
    const pathStart = authorityEnd(bytes, authority, end);
    this.absolute = true;
    return isHostAndPort(bytes, authority, pathStart) && namesHost(bytes, authority, pathStart) &&
      (!this.#escaped || escapesAreSound(bytes, pathStart, end));
  }

  /** A line that ends right after the target is one of HTTP/0.9, whose fault is the missing version. */
  #targetFault(byte: number): HttpParseErrorCode {
    return byte === CR || byte === LF ? "HTTP_BAD_VERSION" : "HTTP_BAD_TARGET";
  }
}

/**
 * Whether every "%" of a path has two hexadecimal digits behind it that do not stand for NUL. In queries it may stand alone, as
 * people write it.
 */
function escapesAreSound(bytes: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end && bytes[p] !== QUESTION_MARK; p++) {
    if (bytes[p] !== PERCENT) continue;
    if (end - p < 3) return false;
    const high = HEX_DIGIT[bytes[p + 1]!]!;
    const low = HEX_DIGIT[bytes[p + 2]!]!;
    if (high === NOT_HEX || low === NOT_HEX || high + low === 0) return false;
  }
  return true;
}

/** Whether "HTTP/1.1" and CR LF stand at `p`, which is how nearly every line ends. */
function endsInVersion11(bytes: Uint8Array, p: number): boolean {
  return bytes[p] === 0x48 && bytes[p + 1] === 0x54 && bytes[p + 2] === 0x54 && bytes[p + 3] === 0x50 &&
    bytes[p + 4] === SLASH &&
    bytes[p + 5] === 0x31 && bytes[p + 6] === 0x2e && bytes[p + 7] === 0x31 && bytes[p + 8] === CR &&
    bytes[p + 9] === LF;
}

function isGet(bytes: Uint8Array, p: number): boolean {
  return bytes[p] === 0x47 && bytes[p + 1] === 0x45 && bytes[p + 2] === 0x54 &&
    bytes[p + 3] === SP;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
