import { authorityEnd, authorityStart, isSameHost, namesHost, portOf } from "./authority.ts";
import { FACT_HOST } from "./framing.ts";
import { headFault, headFlags, longestHead } from "./head_rules.ts";
import { KnownHead } from "./known_head.ts";
import { KnownSection } from "./known_section.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { BETWEEN, FIELDS, FIRST_LINE, MessageHeadReader } from "./message_head_reader.ts";
import { EVHTTP_REQ_CONNECT } from "./methods.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import { CR, LF, SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import { RequestLineScanner } from "./request_line.ts";
import { RequestText } from "./request_text.ts";

/** Of an empty line before the first one, CR was read. */
const EMPTY_LINE_LF = 1;

/** Reads request heads: leading empty lines, the request line and the header section. */
export class HeadReader extends MessageHeadReader<RequestLineScanner, RequestText> {
  readonly #allowBareLf: boolean;
  readonly #requireHost: boolean;
  readonly #allowHostMismatch: boolean;
  readonly #knownHead: KnownHead = new KnownHead();
  readonly #knownSection: KnownSection = new KnownSection();
  #emptyLines = 0;

  /** Makes a reader with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    super(limits, leniency, new RequestLineScanner(limits, leniency), true);
    this.#allowBareLf = leniency.allowBareLf === true;
    this.#requireHost = leniency.allowMissingHost !== true;
    this.#allowHostMismatch = leniency.allowHostMismatch === true;
  }

  /** The bit of the method of the request that is being read, or was refused; 0 while that is not known. */
  get methodId(): number {
    return this.begun ? this.line.methodId : this.head?.methodId ?? 0;
  }

  override reset(): void {
    super.reset();
    this.#emptyLines = 0;
  }

  protected override get longest(): number {
    return longestHead(this.limits);
  }

  override read(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.state < FIRST_LINE) {
      // Here the last request is over for good; keeping its head would keep a read buffer alive while the connection
      // idles.
      this.head = undefined;
      if (!this.#skipEmptyLines(bytes, start, end)) return SCAN_FAULT;
      p = this.position;
      if (p === end) return SCAN_MORE;
      const known = this.#knownHead.text;
      if (known !== null && known.isAt(bytes, p, end)) return this.#repeat(known, p);
      this.state = FIRST_LINE;
      this.line.reset(p);
    }
    return this.readOn(bytes, p, end);
  }

  /**
   * Skips the empty lines that RFC 9112 section 2.2 asks to tolerate before a request line. Returns false at a fault.
   */
  #skipEmptyLines(bytes: Uint8Array, start: number, end: number): boolean {
    let p = start;
    for (; p < end; p++) {
      const byte = bytes[p]!;
      if (byte === LF && (this.state === EMPTY_LINE_LF || this.#allowBareLf)) {
        this.state = BETWEEN;
        if (++this.#emptyLines > this.limits.maxLeadingEmptyLines) this.fault = "HTTP_TOO_MANY_EMPTY_LINES";
        else continue;
      } else if (byte === LF || this.state === EMPTY_LINE_LF) {
        this.fault = "HTTP_BAD_LINE_END";
      } else if (byte === CR) {
        this.state = EMPTY_LINE_LF;
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

  protected override scan(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.state === FIRST_LINE) {
      const result = this.line.scan(bytes, p, end);
      if (result !== SCAN_DONE) return result;
      p = this.line.position;
      this.state = FIELDS;
      if (this.#knownSection.isAt(bytes, p, end, this.fields)) return SCAN_DONE;
      this.fields.reset(p, this.limits.maxHeaderBytes, this.limits.maxHeaderCount);
    }
    const result = this.fields.scan(bytes, p, end);
    if (result === SCAN_DONE) this.#knownSection.remember(bytes, this.fields);
    return result;
  }

  /** Makes the head, unless its fields contradict each other. */
  protected override complete(bytes: Uint8Array, offset: number): ScanResult {
    const line = this.line;
    const fields = this.fields;
    const facts = fields.facts;
    const minor = line.versionMinor;
    this.position = fields.position + offset;
    this.carry = undefined;
    const hasAuthority = line.absolute || line.methodId === EVHTTP_REQ_CONNECT;
    const fault = headFault(facts, minor, this.#requireHost) ?? (hasAuthority ? this.#hostFault(bytes) : undefined);
    if (fault !== undefined) {
      this.fault = fault;
      return SCAN_FAULT;
    }
    const text = new RequestText(
      bytes,
      line.start,
      line.targetStart,
      line.targetEnd,
      fields.start,
      fields.end,
      fields.position,
      line.methodId,
      minor,
      headFlags(facts, minor, line.absolute),
    );
    this.#knownHead.consider(text, facts, fields.contentLength);
    this.head = text;
    this.facts = facts;
    this.contentLength = fields.contentLength;
    this.state = BETWEEN;
    this.#emptyLines = 0;
    return SCAN_DONE;
  }

  /** The head that is known has come again, at `start`. */
  #repeat(text: RequestText, start: number): ScanResult {
    const { facts, contentLength } = this.#knownHead;
    this.head = text;
    this.facts = facts;
    this.contentLength = contentLength;
    this.position = start + text.length;
    this.#emptyLines = 0;
    return SCAN_DONE;
  }

  /**
   * A target that is a whole URI names the host, as that of CONNECT does, and Host has to name the same (RFC 9112 section 3.2): who
   * routes by the one must not be at odds with who routes by the other.
   */
  #hostFault(bytes: Uint8Array): HttpParseErrorCode | undefined {
    const { absolute, targetStart, targetEnd } = this.line;
    const { facts, hostStart, hostEnd } = this.fields;
    if (this.#allowHostMismatch || (facts & FACT_HOST) === 0) return undefined;
    // Only where it might be missing has it come this far without naming one.
    if (!namesHost(bytes, hostStart, hostEnd)) return undefined;
    const start = absolute ? authorityStart(bytes, targetStart, targetEnd) : targetStart;
    const end = absolute ? authorityEnd(bytes, start, targetEnd) : targetEnd;
    const impliedPort = absolute ? (start - targetStart === "http://".length ? 80 : 443) : portOf(bytes, start, end);
    return isSameHost(bytes, start, end, hostStart, hostEnd, impliedPort) ? undefined : "HTTP_HOST_MISMATCH";
  }
}
