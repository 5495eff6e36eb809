import { authorityEnd, authorityStart, isSameHost } from "./authority.ts";
import { Carry } from "./carry.ts";
import { FieldScanner } from "./field_scanner.ts";
import { FACT_HOST } from "./framing.ts";
import { RequestHead } from "./head.ts";
import { headFault, headFlags, longestHead } from "./head_rules.ts";
import { KnownSection } from "./known_section.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { CR, LF, SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import { RequestLineScanner } from "./request_line.ts";

const BETWEEN = 0;
const EMPTY_LINE_LF = 1;
const REQUEST_LINE = 2;
const FIELDS = 3;

/**
 * Reads request heads: leading empty lines, the request line and the header section. A head that comes in one piece is
 * scanned where it lies; one that comes in several is gathered in a buffer of its own, which the head then keeps.
 */
export class HeadReader {
  /** The first byte that was not consumed, in the bytes given to {@linkcode read}. */
  position = 0;
  /** After SCAN_DONE: the head. */
  head: RequestHead | undefined = undefined;
  /** After SCAN_DONE: what the deciding fields said, as a sum of `FACT_*` bits. */
  facts = 0;
  /** After SCAN_DONE: the value of Content-Length, if there was one. */
  contentLength = 0;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_METHOD";

  readonly #limits: HttpLimits;
  readonly #allowBareLf: boolean;
  readonly #requireHost: boolean;
  readonly #allowHostMismatch: boolean;
  readonly #line: RequestLineScanner;
  readonly #fields: FieldScanner;
  readonly #known: KnownSection = new KnownSection();
  #state = BETWEEN;
  #emptyLines = 0;
  #carry: Carry | undefined = undefined;

  /** Makes a reader with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    this.#limits = limits;
    this.#allowBareLf = leniency.allowBareLf === true;
    this.#requireHost = leniency.allowMissingHost !== true;
    this.#allowHostMismatch = leniency.allowHostMismatch === true;
    this.#line = new RequestLineScanner(limits, leniency);
    this.#fields = new FieldScanner(leniency);
  }

  /** Whether a head has begun and not ended; empty lines before it do not count. */
  get begun(): boolean {
    return this.#state >= REQUEST_LINE;
  }

  /** Forgets what has been read and waits for the beginning of a head. */
  reset(): void {
    this.#state = BETWEEN;
    this.#emptyLines = 0;
    this.#carry = undefined;
    this.head = undefined;
  }

  /** Reads `bytes[start..end)` up to the end of the head. After SCAN_FAULT, {@linkcode reset} has to be called. */
  read(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.#state < REQUEST_LINE) {
      if (!this.#skipEmptyLines(bytes, start, end)) return SCAN_FAULT;
      p = this.position;
      // Here the last request is over for good; keeping its head would keep a read buffer alive while the connection
      // idles.
      this.head = undefined;
      if (p === end) return SCAN_MORE;
      this.#state = REQUEST_LINE;
      this.#line.reset(p);
    }
    const carry = this.#carry;
    if (carry !== undefined) return this.#readOn(carry, bytes, p, end);
    const result = this.#scan(bytes, p, end);
    if (result === SCAN_DONE) return this.#complete(bytes, 0);
    if (result === SCAN_FAULT) return this.#refuse(0);
    const begin = this.#line.start;
    this.#carry = new Carry(bytes, begin, end, longestHead(this.#limits));
    this.#line.shift(-begin);
    this.#fields.shift(-begin);
    this.position = end;
    return SCAN_MORE;
  }

  #readOn(carry: Carry, bytes: Uint8Array, start: number, end: number): ScanResult {
    const before = carry.length;
    carry.append(bytes, start, end);
    const result = this.#scan(carry.bytes, before, carry.length);
    if (result === SCAN_DONE) return this.#complete(carry.bytes, start - before);
    if (result === SCAN_FAULT) return this.#refuse(start - before);
    this.position = end;
    return SCAN_MORE;
  }

  /**
   * Skips the empty lines that RFC 9112 section 2.2 asks to tolerate before a request line. Returns false at a fault.
   */
  #skipEmptyLines(bytes: Uint8Array, start: number, end: number): boolean {
    let p = start;
    for (; p < end; p++) {
      const byte = bytes[p]!;
      if (byte === LF && (this.#state === EMPTY_LINE_LF || this.#allowBareLf)) {
        this.#state = BETWEEN;
        if (++this.#emptyLines > this.#limits.maxLeadingEmptyLines) this.fault = "HTTP_TOO_MANY_EMPTY_LINES";
        else continue;
      } else if (byte === LF || this.#state === EMPTY_LINE_LF) {
        this.fault = "HTTP_BAD_LINE_END";
      } else if (byte === CR) {
        this.#state = EMPTY_LINE_LF;
        continue;
      } else {
        break;
      }
      this.position = p;
      return false;
    }
    this.position = p;
    return true;
  }

  #scan(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.#state === REQUEST_LINE) {
      const result = this.#line.scan(bytes, p, end);
      if (result !== SCAN_DONE) return result;
      p = this.#line.position;
      this.#state = FIELDS;
      if (this.#known.isAt(bytes, p, end, this.#fields)) return SCAN_DONE;
      this.#fields.reset(p, this.#limits.maxHeaderBytes, this.#limits.maxHeaderCount);
    }
    const result = this.#fields.scan(bytes, p, end);
    if (result === SCAN_DONE) this.#known.remember(bytes, this.#fields);
    return result;
  }

  /** Notes the fault of the scanner at work; `offset` leads from its offsets to those of the caller's bytes. */
  #refuse(offset: number): ScanResult {
    const scanner = this.#state === REQUEST_LINE ? this.#line : this.#fields;
    this.position = scanner.position + offset;
    this.fault = scanner.fault;
    this.#carry = undefined;
    return SCAN_FAULT;
  }

  /** Makes the head, unless its fields contradict each other. */
  #complete(bytes: Uint8Array, offset: number): ScanResult {
    const line = this.#line;
    const fields = this.#fields;
    const facts = fields.facts;
    const minor = line.versionMinor;
    this.position = fields.position + offset;
    this.#carry = undefined;
    const fault = headFault(facts, minor, this.#requireHost) ?? (line.absolute ? this.#hostFault(bytes) : undefined);
    if (fault !== undefined) {
      this.fault = fault;
      return SCAN_FAULT;
    }
    this.head = new RequestHead(
      bytes,
      line.start,
      line.targetStart,
      line.targetEnd,
      fields.start,
      fields.end,
      line.methodId,
      minor,
      headFlags(facts, minor, line.absolute),
    );
    this.facts = facts;
    this.contentLength = fields.contentLength;
    this.#state = BETWEEN;
    this.#emptyLines = 0;
    return SCAN_DONE;
  }

  /**
   * A target that is a whole URI names the host, and Host has to name the same (RFC 9112 section 3.2): who routes by the one
   * must not be at odds with who routes by the other.
   */
  #hostFault(bytes: Uint8Array): HttpParseErrorCode | undefined {
    const { targetStart, targetEnd } = this.#line;
    const fields = this.#fields;
    if (this.#allowHostMismatch || (fields.facts & FACT_HOST) === 0) return undefined;
    const start = authorityStart(bytes, targetStart, targetEnd);
    const end = authorityEnd(bytes, start, targetEnd);
    const impliedPort = start - targetStart === "http://".length ? 80 : 443;
    const same = isSameHost(bytes, start, end, fields.hostStart, fields.hostEnd, impliedPort);
    return same ? undefined : "HTTP_HOST_MISMATCH";
  }
}
