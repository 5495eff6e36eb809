import { Carry } from "./carry.ts";
import { FieldScanner } from "./field_scanner.ts";
import { headersOver, type HttpHeaders } from "./headers.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import { ReceivedFields } from "./received_fields.ts";

/**
 * Fields that decide about framing, routing, credentials or how the content is to be read, which RFC 9110 section 6.5.1
 * bars from trailers. The six that the scanner knows are found by its facts and are not repeated here.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-range",
  "content-type",
  "cookie",
  "forwarded",
  "keep-alive",
  "max-forwards",
  "pragma",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "set-cookie",
  "te",
  "trailer",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/**
 * Reads the trailer section behind the last chunk of a body (RFC 9112 section 7.1.2). Nearly always it is one empty
 * line.
 */
export class TrailerReader {
  /** The first byte that was not consumed, in the bytes given to {@linkcode read}. */
  position = 0;
  /** After SCAN_DONE: the fields, copied out of the read buffer, or undefined when there were none. */
  trailers: HttpHeaders | undefined = undefined;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_FORBIDDEN_TRAILER";

  readonly #limits: HttpLimits;
  readonly #fields: FieldScanner;
  #begun = false;
  #carry: Carry | undefined = undefined;

  /** Makes a reader with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    this.#limits = limits;
    this.#fields = new FieldScanner(leniency);
  }

  /** Waits for the beginning of a section. */
  reset(): void {
    this.#begun = false;
    this.#carry = undefined;
    this.trailers = undefined;
  }

  /**
   * Reads `bytes[start..end)` up to the end of the section. Before the next section, {@linkcode reset} has to be
   * called.
   */
  read(bytes: Uint8Array, start: number, end: number): ScanResult {
    this.position = end;
    if (start === end) return SCAN_MORE;
    const fields = this.#fields;
    if (!this.#begun) {
      this.#begun = true;
      fields.reset(start, this.#limits.maxTrailerBytes, this.#limits.maxHeaderCount);
    }
    const carry = this.#carry;
    if (carry === undefined) {
      const result = fields.scan(bytes, start, end);
      if (result !== SCAN_MORE) return this.#conclude(result, bytes, 0);
      this.#carry = new Carry(bytes, start, end, this.#limits.maxTrailerBytes);
      fields.shift(-start);
      return SCAN_MORE;
    }
    const before = carry.length;
    carry.append(bytes, start, end);
    const result = fields.scan(carry.bytes, before, carry.length);
    return result === SCAN_MORE ? SCAN_MORE : this.#conclude(result, carry.bytes, start - before);
  }

  #conclude(result: ScanResult, bytes: Uint8Array, offset: number): ScanResult {
    const fields = this.#fields;
    this.position = fields.position + offset;
    if (result === SCAN_FAULT) {
      this.fault = trailerFault(fields.fault);
      return SCAN_FAULT;
    }
    if (fields.count === 0) return SCAN_DONE;
    const trailers = copyFields(bytes, fields.start, fields.end);
    if (fields.facts !== 0 || holdsForbidden(trailers)) {
      this.fault = "HTTP_FORBIDDEN_TRAILER";
      return SCAN_FAULT;
    }
    this.trailers = trailers;
    return SCAN_DONE;
  }
}

function copyFields(bytes: Uint8Array, start: number, end: number): HttpHeaders {
  const copy = new Uint8Array(new ArrayBuffer(end - start));
  copy.set(bytes.subarray(start, end));
  return headersOver(new ReceivedFields(copy, 0, copy.length));
}

function holdsForbidden(trailers: HttpHeaders): boolean {
  for (const [name] of trailers) {
    if (FORBIDDEN.has(name.toLowerCase())) return true;
  }
  return false;
}

/** The code for a fault in this section, where the scanner speaks of headers. */
function trailerFault(fault: HttpParseErrorCode): HttpParseErrorCode {
  if (fault === "HTTP_HEADERS_TOO_LARGE") return "HTTP_TRAILERS_TOO_LARGE";
  return fault === "HTTP_TOO_MANY_HEADERS" ? "HTTP_TOO_MANY_TRAILERS" : fault;
}
