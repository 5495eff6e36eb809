/** Why a zone file was refused. Codes are stable; messages are not. */
export type ZoneFileErrorCode =
  | "ZONE_SYNTAX"
  | "ZONE_BAD_NAME"
  | "ZONE_BAD_DATA"
  | "ZONE_BAD_TYPE"
  | "ZONE_BAD_TTL"
  | "ZONE_BAD_DIRECTIVE"
  | "ZONE_BAD_CONTENT";

/** A zone file, or the records of a zone, that cannot be served. */
export class ZoneFileError extends Error {
  /** Always "ZoneFileError". */
  override readonly name: string = "ZoneFileError";
  /** The stable code to branch on. */
  readonly code: ZoneFileErrorCode;
  /** The line, from 1 on; 0 when it is about the zone as a whole. */
  readonly line: number;

  /** Makes the error for `code`; `what` says what is wrong. */
  constructor(code: ZoneFileErrorCode, line: number, what: string) {
    super(`Cannot read zone file${line === 0 ? "" : `, line ${line}`}: ${what} (${code})`);
    this.code = code;
    this.line = line;
  }
}
