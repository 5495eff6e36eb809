/** Why tagged data was refused. Codes are stable; messages are not. */
export type TagErrorCode =
  /** The data ends in the middle of something, or a length points past its end. */
  | "TAG_SHORT"
  /** A tag has more than 32 bits. */
  | "TAG_TOO_LARGE"
  /** An integer has more digits than its kind has. */
  | "TAG_INTEGER_TOO_LARGE"
  /** There is another tag than the one that was asked for. */
  | "TAG_MISMATCH"
  /** A payload is longer or shorter than its kind is. */
  | "TAG_WRONG_LENGTH"
  /** A string is no UTF-8. */
  | "TAG_BAD_TEXT"
  /** A structure has no member with this tag. */
  | "TAG_UNKNOWN"
  /** A member that is no array comes a second time. */
  | "TAG_REPEATED"
  /** A required member does not come at all. */
  | "TAG_MISSING"
  /** Structures are nested more deeply than is allowed. */
  | "TAG_TOO_DEEP"
  /** There are more members than are allowed. */
  | "TAG_TOO_MANY";

const FAULTS: Readonly<Record<TagErrorCode, string>> = {
  TAG_SHORT: "they end too early",
  TAG_TOO_LARGE: "a tag has more than 32 bits",
  TAG_INTEGER_TOO_LARGE: "an integer has too many digits",
  TAG_MISMATCH: "there is another tag than expected",
  TAG_WRONG_LENGTH: "a payload does not have the length of its kind",
  TAG_BAD_TEXT: "a string is no UTF-8",
  TAG_UNKNOWN: "there is a tag that the structure does not know",
  TAG_REPEATED: "a member comes twice",
  TAG_MISSING: "a required member is missing",
  TAG_TOO_DEEP: "structures are nested too deeply",
  TAG_TOO_MANY: "there are too many members",
};

/** Tagged data that the peer got wrong. */
export class TagError extends Error {
  /** Always "TagError". */
  override readonly name: string = "TagError";
  /** The stable code to branch on. */
  readonly code: TagErrorCode;

  /** Makes the error for `code`; `facts` say what it was about. */
  constructor(code: TagErrorCode, facts: string = "") {
    super(`Cannot unmarshal tagged data: ${FAULTS[code]}${facts === "" ? "" : `, ${facts}`} (${code})`);
    this.code = code;
  }
}
