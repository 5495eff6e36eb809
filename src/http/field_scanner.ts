import { isHostAndPort, namesHost } from "./authority.ts";
import {
  addConnectionOptions,
  addExpectations,
  addTransferCodings,
  dropBlanks,
  FACT_HOST,
  FACT_LENGTH,
  FACT_UPGRADE,
  parseContentLength,
  skipBlanks,
} from "./framing.ts";
import type { HttpLeniency } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";
import {
  BYTE_CLASS,
  CR,
  equalsIgnoringCase,
  HT,
  LF,
  SCAN_MORE,
  type ScanResult,
  SP,
  TOKEN_BYTE,
  VALUE_BYTE,
} from "./parse_tables.ts";
import { Scanner } from "./scanner.ts";

const LINE_START = 0;
const IN_NAME = 1;
const IN_VALUE = 2;
const LINE_END = 3;
const SECTION_END = 4;

const COLON = 0x3a;

const HOST_LENGTH = 4;
const EXPECT_LENGTH = 6;
const CONNECTION_LENGTH = 10;
const CONTENT_LENGTH_LENGTH = 14;
const TRANSFER_ENCODING_LENGTH = 17;

// The six deciding names have six different lengths, so the length picks the only candidate.
const DECIDING_NAMES: readonly (string | undefined)[] = buildDecidingNames();

function buildDecidingNames(): (string | undefined)[] {
  const names = [
    "host",
    "expect",
    "upgrade",
    "connection",
    "content-length",
    "transfer-encoding",
  ];
  return Array.from(
    { length: 18 },
    (_, length) => names.find((name) => name.length === length),
  );
}

/**
 * Scans a section of field lines up to the empty line that closes it (RFC 9112 section 5): headers of a request or a
 * response, or trailers. Every byte is looked at once, however the bytes are cut: the scanner stops anywhere and goes
 * on with the next piece. It stores no fields; it validates them, counts them and notes what the deciding ones say.
 */
export class FieldScanner extends Scanner {
  /** After SCAN_DONE: where the closing empty line begins, which is where the field lines end. */
  end = 0;
  /** How many field lines were begun. */
  count = 0;
  /** What the deciding fields said, as a sum of `FACT_*` bits. */
  facts = 0;
  /** The value of Content-Length; meaningful when `facts` holds FACT_LENGTH. */
  contentLength = 0;
  /** Where the value of Host begins; meaningful when `facts` holds FACT_HOST. */
  hostStart = 0;
  /** Where the value of Host ends. */
  hostEnd = 0;
  /** Whether Content-Length and Transfer-Encoding decide anything; where they do not, they are fields like any other. */
  mindsFraming = true;

  readonly #allowBareLf: boolean;
  readonly #allowObsFold: boolean;
  readonly #allowEmptyHost: boolean;
  readonly #mindsHost: boolean;
  #maxBytes = 0;
  #maxCount = 0;
  #phase = LINE_START;
  #nameStart = 0;
  #nameEnd = 0;
  #deciding = false;

  /**
   * Makes a scanner with these leniencies; {@linkcode reset} must come before the first scan.
   *
   * @param mindsHost whether Host decides anything, as it does in requests; in a response it is a field like any other.
   */
  constructor(leniency: HttpLeniency, mindsHost: boolean = true) {
    super();
    this.#allowBareLf = leniency.allowBareLf === true;
    this.#allowObsFold = leniency.allowObsFold === true;
    this.#allowEmptyHost = leniency.allowMissingHost === true;
    this.#mindsHost = mindsHost;
  }

  /** Begins a section at `start` with its bounds. */
  reset(start: number, maxBytes: number, maxCount: number): void {
    this.start = start;
    this.count = 0;
    this.facts = 0;
    this.#maxBytes = maxBytes;
    this.#maxCount = maxCount;
    this.#phase = LINE_START;
  }

  override shift(delta: number): void {
    this.start += delta;
    this.#nameStart += delta;
    this.#nameEnd += delta;
    this.hostStart += delta;
    this.hostEnd += delta;
  }

  override scan(bytes: Uint8Array, p: number, end: number): ScanResult {
    const classes = BYTE_CLASS;
    const bound = this.start + this.#maxBytes;
    const stop = end < bound ? end : bound;
    let phase = this.#phase;
    // Every step below ends by setting the phase of the next one in line, so a whole field passes in one round.
    for (;;) {
      if (phase === LINE_START) {
        if (p === stop) break;
        const byte = bytes[p]!;
        if ((classes[byte]! & TOKEN_BYTE) !== 0) {
          if (++this.count > this.#maxCount) {
            return this.refuse(p, "HTTP_TOO_MANY_HEADERS");
          }
          this.#nameStart = p++;
          phase = IN_NAME;
        } else if (byte === CR) {
          p++;
          phase = SECTION_END;
        } else if (byte === LF && this.#allowBareLf) {
          return this.#close(p, p + 1);
        } else if ((byte === SP || byte === HT) && this.#mayFold()) {
          p++;
          phase = IN_VALUE;
        } else {
          return this.refuse(p, lineStartFault(byte));
        }
      }
      if (phase === IN_NAME) {
        while (p < stop && (classes[bytes[p]!]! & TOKEN_BYTE) !== 0) p++;
        if (p === stop) break;
        if (bytes[p] !== COLON) return this.refuse(p, "HTTP_BAD_HEADER_NAME");
        this.#nameEnd = p++;
        phase = IN_VALUE;
      }
      if (phase === IN_VALUE) {
        while (p < stop && (classes[bytes[p]!]! & VALUE_BYTE) !== 0) p++;
        if (p === stop) break;
        const byte = bytes[p]!;
        if (byte === CR) {
          p++;
          phase = LINE_END;
        } else if (byte === LF && this.#allowBareLf) {
          if (!this.#take(bytes, p)) return this.refuse(p, this.fault);
          p++;
          phase = LINE_START;
        } else {
          return this.refuse(
            p,
            byte === LF ? "HTTP_BAD_LINE_END" : "HTTP_BAD_HEADER_VALUE",
          );
        }
      }
      if (phase === LINE_END) {
        if (p === stop) break;
        if (bytes[p] !== LF) return this.refuse(p, "HTTP_BAD_LINE_END");
        if (!this.#take(bytes, p - 1)) return this.refuse(p, this.fault);
        p++;
        phase = LINE_START;
      }
      if (phase === SECTION_END) {
        if (p === stop) break;
        if (bytes[p] !== LF) return this.refuse(p, "HTTP_BAD_LINE_END");
        return this.#close(p - 1, p + 1);
      }
    }
    if (stop < end) return this.refuse(p, "HTTP_HEADERS_TOO_LARGE");
    this.#phase = phase;
    this.position = p;
    return SCAN_MORE;
  }

  #close(end: number, position: number): ScanResult {
    this.end = end;
    return this.finish(position);
  }

  #mayFold(): boolean {
    return this.#allowObsFold && this.count > 0 && !this.#deciding;
  }

  /** Interprets the field whose value ends at `lineEnd`. Returns false, with `fault` set, if it must be refused. */
  #take(bytes: Uint8Array, lineEnd: number): boolean {
    const nameStart = this.#nameStart;
    const nameEnd = this.#nameEnd;
    const length = nameEnd - nameStart;
    const name = length < DECIDING_NAMES.length ? DECIDING_NAMES[length] : undefined;
    this.#deciding = name !== undefined &&
      equalsIgnoringCase(bytes, nameStart, nameEnd, name);
    if (!this.#deciding) return true;
    const start = skipBlanks(bytes, nameEnd + 1, lineEnd);
    return this.#decide(
      bytes,
      length,
      start,
      dropBlanks(bytes, start, lineEnd),
    );
  }

  #decide(
    bytes: Uint8Array,
    nameLength: number,
    start: number,
    end: number,
  ): boolean {
    const facts = this.facts;
    if (nameLength === HOST_LENGTH) {
      if (!this.#mindsHost) return true;
      this.fault = (facts & FACT_HOST) !== 0 ? "HTTP_DUPLICATE_HOST" : "HTTP_BAD_HOST";
      this.facts = facts | FACT_HOST;
      this.hostStart = start;
      this.hostEnd = end;
      return (facts & FACT_HOST) === 0 && isHostAndPort(bytes, start, end) &&
        (this.#allowEmptyHost || namesHost(bytes, start, end));
    }
    if (nameLength === CONTENT_LENGTH_LENGTH) {
      if (!this.mindsFraming) return true;
      // Even equal repetitions are refused: RFC 9112 section 6.3 allows it, and whoever sends them is broken or up to
      // something.
      this.fault = (facts & FACT_LENGTH) !== 0 ? "HTTP_DUPLICATE_CONTENT_LENGTH" : "HTTP_BAD_CONTENT_LENGTH";
      this.facts = facts | FACT_LENGTH;
      this.contentLength = parseContentLength(bytes, start, end);
      return (facts & FACT_LENGTH) === 0 && this.contentLength >= 0;
    }
    if (nameLength === CONNECTION_LENGTH) {
      this.facts = addConnectionOptions(facts, bytes, start, end);
    } else if (nameLength === TRANSFER_ENCODING_LENGTH) {
      if (this.mindsFraming) this.facts = addTransferCodings(facts, bytes, start, end);
    } else if (nameLength === EXPECT_LENGTH) {
      this.facts = addExpectations(facts, bytes, start, end);
    } else this.facts = facts | FACT_UPGRADE;
    return true;
  }
}

function lineStartFault(byte: number): HttpParseErrorCode {
  if (byte === SP || byte === HT) return "HTTP_FOLDED_HEADER";
  return byte === LF ? "HTTP_BAD_LINE_END" : "HTTP_BAD_HEADER_NAME";
}
