import { hostEnd, isHostAndPort } from "./framing.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET, EVHTTP_REQ_OPTIONS, methodIdOfBytes } from "./methods.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import {
  BYTE_CLASS,
  CR,
  equalsIgnoringCase,
  LF,
  SCAN_DONE,
  SCAN_FAULT,
  SCAN_MORE,
  type ScanResult,
  SP,
  TARGET_BYTE,
  TOKEN_BYTE,
} from "./parse_tables.ts";

const IN_METHOD = 0;
const IN_TARGET = 1;
const IN_VERSION = 2;

const SLASH = 0x2f;
const VERSION_PREFIX = "HTTP/1.";
const MAJOR_DIGIT_AT = 5;
const MINOR_DIGIT_AT = 7;

/**
 * Scans a request line (RFC 9112 section 3): a method, one space, a target, one space, `HTTP/1.x`, CR LF. Every byte is
 * looked at once, however the bytes are cut, but for the ten of the version, which are cheap to look at again.
 */
export class RequestLineScanner {
  /** Where the line begins, which is where the method begins. */
  start = 0;
  /** Where the target begins; the method ends one byte before. */
  targetStart = 0;
  /** Where the target ends. */
  targetEnd = 0;
  /** The method's bit, or 0 for one without. */
  methodId = 0;
  /** True if the target is a whole URI, whose authority overrides the Host field. */
  absolute = false;
  /** The digit behind `HTTP/1.`. */
  versionMinor = 1;
  /** The first byte that was not consumed. */
  position = 0;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_METHOD";

  readonly #maxMethodBytes: number;
  readonly #maxTargetBytes: number;
  readonly #allowBareLf: boolean;
  #phase = IN_METHOD;
  #versionStart = 0;

  /** Makes a scanner with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    this.#maxMethodBytes = limits.maxMethodBytes;
    this.#maxTargetBytes = limits.maxTargetBytes;
    this.#allowBareLf = leniency.allowBareLf === true;
  }

  /** Begins a line at `start`. */
  reset(start: number): void {
    this.start = start;
    this.#phase = IN_METHOD;
  }

  /** Adds `delta` to every remembered offset, because the bytes scanned so far have moved. */
  shift(delta: number): void {
    this.start += delta;
    this.targetStart += delta;
    this.targetEnd += delta;
    this.#versionStart += delta;
  }

  /** Scans `bytes[p..end)`, where `p` is the position the last call ended at. */
  scan(bytes: Uint8Array, p: number, end: number): ScanResult {
    const classes = BYTE_CLASS;
    if (this.#phase === IN_METHOD) {
      if (end - p > 4 && p === this.start && isGet(bytes, p)) {
        this.methodId = EVHTTP_REQ_GET;
        p += 3;
      } else {
        const bound = this.start + this.#maxMethodBytes;
        const stop = end < bound ? end : bound;
        while (p < stop && (classes[bytes[p]!]! & TOKEN_BYTE) !== 0) p++;
        if (p === end) return this.#pause(p);
        if (bytes[p] !== SP || p === this.start) {
          const tooLong = p === bound &&
            (classes[bytes[p]!]! & TOKEN_BYTE) !== 0;
          return this.#refuse(
            p,
            tooLong ? "HTTP_METHOD_TOO_LONG" : "HTTP_BAD_METHOD",
          );
        }
        this.methodId = methodIdOfBytes(bytes, this.start, p);
      }
      this.targetStart = ++p;
      this.#phase = IN_TARGET;
    }
    if (this.#phase === IN_TARGET) {
      const bound = this.targetStart + this.#maxTargetBytes;
      const stop = end < bound ? end : bound;
      while (p < stop && (classes[bytes[p]!]! & TARGET_BYTE) !== 0) p++;
      if (p === end) return this.#pause(p);
      if (bytes[p] !== SP || p === this.targetStart) {
        const tooLong = p === bound &&
          (classes[bytes[p]!]! & TARGET_BYTE) !== 0;
        return this.#refuse(
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
    for (let i = 0; i <= MINOR_DIGIT_AT; i++) {
      const p = start + i;
      if (p === end) return this.#pause(p);
      const byte = bytes[p]!;
      if (i === MINOR_DIGIT_AT) {
        if (!isDigit(byte)) return this.#refuse(p, "HTTP_BAD_VERSION");
        this.versionMinor = byte - 0x30;
      } else if (byte !== VERSION_PREFIX.charCodeAt(i)) {
        const otherMajor = i === MAJOR_DIGIT_AT && isDigit(byte);
        return this.#refuse(
          p,
          otherMajor ? "HTTP_VERSION_UNSUPPORTED" : "HTTP_BAD_VERSION",
        );
      }
    }
    let p = start + MINOR_DIGIT_AT + 1;
    if (p === end) return this.#pause(p);
    if (bytes[p] === CR) {
      p++;
      if (p === end) return this.#pause(p);
      if (bytes[p] !== LF) return this.#refuse(p, "HTTP_BAD_LINE_END");
    } else if (bytes[p] !== LF) {
      return this.#refuse(p, "HTTP_BAD_VERSION");
    } else if (!this.#allowBareLf) {
      return this.#refuse(p, "HTTP_BAD_LINE_END");
    }
    // Only now, so that the preface of HTTP/2, which is "PRI *" with version 2.0, is told about its version and not its
    // target.
    if (!this.#checkTarget(bytes)) return this.#refuse(p, "HTTP_BAD_TARGET");
    this.position = p + 1;
    return SCAN_DONE;
  }

  /** Checks that the target has one of the four forms and that its form suits the method (RFC 9112 section 3.2). */
  #checkTarget(bytes: Uint8Array): boolean {
    const start = this.targetStart;
    const end = this.targetEnd;
    this.absolute = false;
    if (this.methodId === EVHTTP_REQ_CONNECT) {
      return isAuthority(bytes, start, end);
    }
    if (bytes[start] === SLASH) return true;
    if (end - start === 1 && bytes[start] === 0x2a) {
      return this.methodId === EVHTTP_REQ_OPTIONS;
    }
    const authority = authorityStart(bytes, start, end);
    if (authority < 0) return false;
    const pathStart = authorityEnd(bytes, authority, end);
    this.absolute = true;
    return hostEnd(bytes, authority, pathStart) > authority &&
      isHostAndPort(bytes, authority, pathStart);
  }

  /** A line that ends right after the target is one of HTTP/0.9, whose fault is the missing version. */
  #targetFault(byte: number): HttpParseErrorCode {
    return byte === CR || byte === LF ? "HTTP_BAD_VERSION" : "HTTP_BAD_TARGET";
  }

  #pause(position: number): ScanResult {
    this.position = position;
    return SCAN_MORE;
  }

  #refuse(position: number, fault: HttpParseErrorCode): ScanResult {
    this.position = position;
    this.fault = fault;
    return SCAN_FAULT;
  }
}

/** Where the authority of an http or https URI begins, or -1 if `bytes[start..end)` does not begin like one. */
export function authorityStart(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (
    end - start > 7 && equalsIgnoringCase(bytes, start, start + 7, "http://")
  ) return start + 7;
  if (
    end - start > 8 && equalsIgnoringCase(bytes, start, start + 8, "https://")
  ) return start + 8;
  return -1;
}

/** Where the authority that begins at `start` ends: at the path, the query or the end of the URI. */
export function authorityEnd(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let p = start;
  while (p < end && bytes[p] !== SLASH && bytes[p] !== 0x3f) p++;
  return p;
}

/** CONNECT names a host that is not empty and a port that is not empty either (RFC 9112 section 3.2.3). */
function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  const colon = hostEnd(bytes, start, end);
  return colon > start && colon + 1 < end && isHostAndPort(bytes, start, end);
}

function isGet(bytes: Uint8Array, p: number): boolean {
  return bytes[p] === 0x47 && bytes[p + 1] === 0x45 && bytes[p + 2] === 0x54 &&
    bytes[p + 3] === SP;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
