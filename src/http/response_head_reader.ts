import { FACT_CLOSE, FACT_KEEP_ALIVE, FACT_UPGRADE, FACT_UPGRADE_OPTION } from "./framing.ts";
import { codingFault } from "./head_rules.ts";
import type { HttpLeniency, HttpLimits } from "./limits.ts";
import { BETWEEN, FIELDS, FIRST_LINE, MessageHeadReader } from "./message_head_reader.ts";
import { SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";
import { ResponseHead } from "./response_head.ts";
import { isSuccessful } from "./status.ts";
import { StatusLineScanner } from "./status_line.ts";

// Version, two spaces, status code and CR LF.
const STATUS_LINE_REST = 15;
const UPGRADE_FACTS = FACT_UPGRADE | FACT_UPGRADE_OPTION;

/** Reads response heads: the status line and the header section. */
export class ResponseHeadReader extends MessageHeadReader<StatusLineScanner, ResponseHead> {
  /** Whether what comes answers CONNECT. */
  answersConnect = false;

  /** Makes a reader with these bounds and leniencies. */
  constructor(limits: HttpLimits, leniency: HttpLeniency) {
    super(limits, leniency, new StatusLineScanner(limits, leniency), false);
  }

  protected override get longest(): number {
    return STATUS_LINE_REST + this.limits.maxReasonBytes + this.limits.maxHeaderBytes;
  }

  override read(bytes: Uint8Array, start: number, end: number): ScanResult {
    if (this.state === BETWEEN) {
      // The last response is over; keeping its head would keep a read buffer alive while the connection idles.
      this.head = undefined;
      this.position = start;
      if (start === end) return SCAN_MORE;
      this.state = FIRST_LINE;
      this.line.reset(start);
    }
    return this.readOn(bytes, start, end);
  }

  protected override scan(bytes: Uint8Array, start: number, end: number): ScanResult {
    let p = start;
    if (this.state === FIRST_LINE) {
      const result = this.line.scan(bytes, p, end);
      if (result !== SCAN_DONE) return result;
      p = this.line.position;
      this.state = FIELDS;
      // Proxies send both fields with a tunnel's opening, where a client has to ignore them (RFC 9112 section 6.3).
      this.fields.mindsFraming = !(this.answersConnect && isSuccessful(this.line.status));
      this.fields.reset(p, this.limits.maxHeaderBytes, this.limits.maxHeaderCount);
    }
    return this.fields.scan(bytes, p, end);
  }

  /** Makes the head, unless its fields contradict each other. */
  protected override complete(bytes: Uint8Array, offset: number): ScanResult {
    const line = this.line;
    const fields = this.fields;
    const { facts } = fields;
    this.position = fields.position + offset;
    this.carry = undefined;
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
    this.state = BETWEEN;
    return SCAN_DONE;
  }
}
