import { Carry } from "./carry.ts";
import { FieldScanner } from "./field_scanner.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import type { Scanner } from "./scanner.ts";

/** No head has begun. */
export const BETWEEN = 0;
/** The first line is being read. What lies between the two is for what may come before it. */
export const FIRST_LINE = 2;
/** The header section is being read. */
export const FIELDS = 3;

/**
 * Reads the heads of messages: a first line, which `Line` scans, and the header section. A head that comes in one piece is scanned where it
 * lies; one that comes in several is gathered in a buffer of its own, which the head then keeps.
 *
 * @internal
 */
export abstract class MessageHeadReader<Line extends Scanner, Head> {
  /** The first byte that was not consumed, in the bytes given to {@linkcode read}. */
  position = 0;
  /** After SCAN_DONE: the head. */
  head: Head | undefined = undefined;
  /** After SCAN_DONE: what the deciding fields said, as a sum of `FACT_*` bits. */
  facts = 0;
  /** After SCAN_DONE: the value of Content-Length, if there was one. */
  contentLength = 0;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_VERSION";

  protected readonly limits: HttpLimits;
  protected readonly line: Line;
  protected readonly fields: FieldScanner;
  protected state: number = BETWEEN;
  protected carry: Carry | undefined = undefined;

  /** Makes a reader with these bounds and leniencies; `mindsHost` is that of {@linkcode FieldScanner}. */
  constructor(limits: HttpLimits, leniency: HttpLeniency, line: Line, mindsHost: boolean) {
    this.limits = limits;
    this.line = line;
    this.fields = new FieldScanner(leniency, mindsHost);
  }

  /** Whether a head has begun and not ended; empty lines before it do not count. */
  get begun(): boolean {
    return this.state >= FIRST_LINE;
  }

  /** Forgets what has been read and waits for the beginning of a head. */
  reset(): void {
    this.state = BETWEEN;
    this.carry = undefined;
    this.head = undefined;
  }

  /** Reads `bytes[start..end)` up to the end of the head. After SCAN_FAULT, {@linkcode reset} has to be called. */
  abstract read(bytes: Uint8Array, start: number, end: number): ScanResult;

  /** Scans on, in the bytes that hold the whole head. */
  protected abstract scan(bytes: Uint8Array, start: number, end: number): ScanResult;

  /** Makes the head of what was scanned, or refuses it; `offset` leads from the scanners' offsets to those of the caller's bytes. */
  protected abstract complete(bytes: Uint8Array, offset: number): ScanResult;

  /** The longest head that its limits allow, in bytes. */
  protected abstract get longest(): number;

  /** Reads `bytes[start..end)` of a head that has begun. */
  protected readOn(bytes: Uint8Array, start: number, end: number): ScanResult {
    const carry = this.carry;
    if (carry !== undefined) return this.#gather(carry, bytes, start, end);
    const result = this.scan(bytes, start, end);
    if (result === SCAN_DONE) return this.complete(bytes, 0);
    if (result === SCAN_FAULT) return this.#refuse(0);
    const begin = this.line.start;
    this.carry = new Carry(bytes, begin, end, this.longest);
    this.line.shift(-begin);
    this.fields.shift(-begin);
    this.position = end;
    return SCAN_MORE;
  }

  #gather(carry: Carry, bytes: Uint8Array, start: number, end: number): ScanResult {
    const before = carry.length;
    carry.append(bytes, start, end);
    const result = this.scan(carry.bytes, before, carry.length);
    if (result === SCAN_DONE) return this.complete(carry.bytes, start - before);
    if (result === SCAN_FAULT) return this.#refuse(start - before);
    this.position = end;
    return SCAN_MORE;
  }

  /** Notes the fault of the scanner at work. */
  #refuse(offset: number): ScanResult {
    const scanner = this.state === FIRST_LINE ? this.line : this.fields;
    this.position = scanner.position + offset;
    this.fault = scanner.fault;
    this.carry = undefined;
    return SCAN_FAULT;
  }
}
