import { Carry } from "./carry.ts";
import { FieldScanner } from "./field_scanner.ts";
import { FACT_CLOSE, FACT_KEEP_ALIVE, FACT_UPGRADE, FACT_UPGRADE_OPTION } from "./framing.ts";
import { codingFault } from "./head_rules.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import { ResponseHead } from "./response_head.ts";
import { StatusLineScanner } from "./status_line.ts";

const BETWEEN = 0;
const STATUS_LINE = 1;
const FIELDS = 2;

// Version, two spaces, status code and CR LF.
const STATUS_LINE_REST = 15;
const UPGRADE_FACTS = FACT_UPGRADE | FACT_UPGRADE_OPTION;

/**
 * Reads response heads: the status line and the header section. A head that comes in one piece is scanned where it lies; one that
 * comes in several is gathered in a buffer of its own, which the head then keeps.
 */
export class ResponseHeadReader {
  /** The first byte that was not consumed, in the bytes given to {@linkcode read}. */
  position = 0;
  /** After SCAN_DONE: the head. */
  head: ResponseHead | undefined = undefined;
  /** After SCAN_DONE: what the deciding fields said, as a sum of `FACT_*` bits. */
  facts = 0;
  /** After SCAN_DONE: the value of Content-Length, if there was one. */
  contentLength = 0;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_VERSION";

  readonly #limits: HttpLimits;
  readonly #line: StatusLineScanner;
  readonly #fields: FieldScanner;
  #state = BETWEEN;
  #carry: Carry | undefined = undefined;

  /** Makes a reader with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    this.#limits = limits;
    this.#line = new StatusLineScanner(limits, leniency);
    this.#fields = new FieldScanner(leniency, false);
  }

  /** Whether a head has begun and not ended. */
  get begun(): boolean {
    return this.#state !== BETWEEN;
  }

  /** Forgets what has been read and waits for the beginning of a head. */
  reset(): void {
    this.#state = BETWEEN;
    this.#carry = undefined;
    this.head = undefined;
  }

  /** Reads `bytes[start..end)` up to the end of the head. After SCAN_FAULT, {@linkcode reset} has to be called. */
  read(bytes: Uint8Array, start: number, end: number): ScanResult {
    if (this.#state === BETWEEN) {
      // The last response is over; keeping its head would keep a read buffer alive while the connection idles.
      this.head = undefined;
      this.position = start;
      if (start === end) return SCAN_MORE;
      this.#state = STATUS_LINE;
      this.#line.reset(start);
    }
    const carry = this.#carry;
    if (carry !== undefined) return this.#readOn(carry, bytes, start, end);
    const result = this.#scan(bytes, start, end);
    if (result === SCAN_DONE) return this.#complete(bytes, 0);
    if (result === SCAN_FAULT) return this.#refuse(0);
    const begin = this.#line.start;
    const { maxReasonBytes, maxHeaderBytes } = this.#limits;
    this.#carry = new Carry(bytes, begin, end, STATUS_LINE_REST + maxReasonBytes + maxHeaderBytes);
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

  #scan(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.#state === STATUS_LINE) {
      const result = this.#line.scan(bytes, p, end);
      if (result !== SCAN_DONE) return result;
      p = this.#line.position;
      this.#state = FIELDS;
      this.#fields.reset(p, this.#limits.maxHeaderBytes, this.#limits.maxHeaderCount);
    }
    return this.#fields.scan(bytes, p, end);
  }

  /** Notes the fault of the scanner at work; `offset` leads from its offsets to those of the caller's bytes. */
  #refuse(offset: number): ScanResult {
    const scanner = this.#state === STATUS_LINE ? this.#line : this.#fields;
    this.position = scanner.position + offset;
    this.fault = scanner.fault;
    this.#carry = undefined;
    return SCAN_FAULT;
  }

  /** Makes the head, unless its fields contradict each other. */
  #complete(bytes: Uint8Array, offset: number): ScanResult {
    const line = this.#line;
    const fields = this.#fields;
    const { facts } = fields;
    this.position = fields.position + offset;
    this.#carry = undefined;
    const fault = codingFault(facts, line.versionMinor);
    if (fault !== undefined) {
      this.fault = fault;
      return SCAN_FAULT;
    }
    const stays = line.versionMinor !== 0 || (facts & FACT_KEEP_ALIVE) !== 0;
    this.head = new ResponseHead(
      bytes,
      line.status,
      line.versionMinor,
      line.reasonStart,
      line.reasonEnd,
      fields.start,
      fields.end,
      stays && (facts & FACT_CLOSE) === 0,
      (facts & UPGRADE_FACTS) === UPGRADE_FACTS,
    );
    this.facts = facts;
    this.contentLength = fields.contentLength;
    this.#state = BETWEEN;
    return SCAN_DONE;
  }
}
