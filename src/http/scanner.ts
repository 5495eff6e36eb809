import type { HttpParseErrorCode } from "./parse_error.ts";
import { SCAN_DONE, SCAN_FAULT, SCAN_MORE, type ScanResult } from "./parse_tables.ts";

/**
 * Where a scan has begun, and how far it has come: what scanning a request line, a status line and a section of fields have in common. Each
 * stops anywhere and goes on with the next piece.
 *
 * @internal
 */
export abstract class Scanner {
  /** Where that which is scanned begins. */
  start = 0;
  /** The first byte that was not consumed. */
  position = 0;
  /** After SCAN_FAULT: why. */
  fault: HttpParseErrorCode = "HTTP_BAD_VERSION";

  /** Adds `delta` to every remembered offset, because the bytes scanned so far have moved. */
  abstract shift(delta: number): void;

  /** Scans `bytes[p..end)`, where `p` is the position the last call ended at. */
  abstract scan(bytes: Uint8Array, p: number, end: number): ScanResult;

  /** It is complete. */
  protected finish(position: number): ScanResult {
    this.position = position;
    return SCAN_DONE;
  }

  /** There are no more bytes for now. */
  protected pause(position: number): ScanResult {
    this.position = position;
    return SCAN_MORE;
  }

  /** The byte at `position` must not be there. */
  protected refuse(position: number, fault: HttpParseErrorCode): ScanResult {
    this.position = position;
    this.fault = fault;
    return SCAN_FAULT;
  }
}
