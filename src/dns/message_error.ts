/** Why a message was refused. Codes are stable; messages are not. */
export type DnsMessageErrorCode =
  | "DNS_MESSAGE_SHORT"
  | "DNS_MESSAGE_TRAILING_BYTES"
  | "DNS_BAD_LABEL"
  | "DNS_BAD_POINTER"
  | "DNS_NAME_TOO_LONG"
  | "DNS_BAD_RECORD_DATA"
  | "DNS_BAD_OPT";

const FAULTS: Readonly<Record<DnsMessageErrorCode, string>> = {
  DNS_MESSAGE_SHORT: "it ends in the middle of something, or has fewer records than it counts",
  DNS_MESSAGE_TRAILING_BYTES: "there is more behind its last record",
  DNS_BAD_LABEL: "a name has a label that is neither text nor a pointer",
  DNS_BAD_POINTER: "a name points forward, at itself, into the header, or through too many pointers",
  DNS_NAME_TOO_LONG: "a name takes more than 255 bytes",
  DNS_BAD_RECORD_DATA: "the data of a record does not fit its type and length",
  DNS_BAD_OPT: "there are two OPT records, or one in a wrong place",
};

/** A DNS message that the peer got wrong. */
export class DnsMessageError extends Error {
  /** Always "DnsMessageError". */
  override readonly name: string = "DnsMessageError";
  /** The stable code to branch on. */
  readonly code: DnsMessageErrorCode;
  /** How many bytes of the message stand before the fault. */
  readonly offset: number;

  /** Makes the error for `code`, found at `offset`. */
  constructor(code: DnsMessageErrorCode, offset: number) {
    super(`Cannot parse DNS message: ${FAULTS[code]}, at byte ${offset} (${code})`);
    this.code = code;
    this.offset = offset;
  }
}
