/** Why a text is no URI. Codes are stable; messages are not. */
export type UriErrorCode =
  | "URI_TOO_LONG"
  | "URI_BAD_SCHEME"
  | "URI_BAD_USERINFO"
  | "URI_BAD_HOST"
  | "URI_BAD_PORT"
  | "URI_BAD_UNIX_SOCKET"
  | "URI_BAD_PATH"
  | "URI_BAD_QUERY"
  | "URI_BAD_FRAGMENT";

const FAULTS: Readonly<Record<UriErrorCode, string>> = {
  URI_TOO_LONG: "it is longer than the limit",
  URI_BAD_SCHEME: "what stands before the first colon is no scheme",
  URI_BAD_USERINFO: "the user information holds a character that has to be escaped",
  URI_BAD_HOST: "the host is neither a name nor an IP address",
  URI_BAD_PORT: "the port is not a decimal number up to 65535",
  URI_BAD_UNIX_SOCKET: "the path of the Unix socket is empty or does not end in a colon",
  URI_BAD_PATH: "the path holds a character that has to be escaped",
  URI_BAD_QUERY: "the query holds a character that has to be escaped",
  URI_BAD_FRAGMENT: "the fragment holds a character that has to be escaped",
};

/** A text that is no URI. The text itself is not part of the message, since it may hold a password. */
export class UriError extends Error {
  /** Always "UriError". */
  override readonly name: string = "UriError";
  /** The stable code to branch on. */
  readonly code: UriErrorCode;
  /** How many characters stand before the fault. */
  readonly position: number;

  /** Makes the error for `code`, found at `position`. */
  constructor(code: UriErrorCode, position: number) {
    super(`Cannot parse URI: ${FAULTS[code]}, at character ${position} (${code})`);
    this.code = code;
    this.position = position;
  }
}
