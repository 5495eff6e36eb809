/**
 * Requests for a part of a file (RFC 9110 section 14).
 *
 * @module
 */

/** Bytes `first` to `last` of a file, both included. */
export interface ByteRange {
  /** Position of the first byte. */
  readonly first: number;
  /** Position of the last byte. */
  readonly last: number;
}

const SPEC = /^(\d*)-(\d*)$/;

/**
 * Reads a Range field.
 *
 * One range is honoured. Several are answered with the whole file, as section 14.2 allows: multipart replies are hardly
 * used, and many small ranges of one large file are a known way to make a server work hard.
 *
 * @param field the field's value.
 * @param size of the file, in bytes.
 * @returns the part to send; "unsatisfiable" for a range without a byte of the file (416); undefined where the whole file
 * is to be sent: for several ranges, another unit than bytes, a malformed field, and the last bytes of an empty file.
 */
export function parseRange(field: string, size: number): ByteRange | "unsatisfiable" | undefined {
  const equals = field.indexOf("=");
  if (equals < 0 || field.slice(0, equals).toLowerCase() !== "bytes") return undefined;
  // Empty elements of a list mean nothing (section 5.6.1.2).
  const specs = field.slice(equals + 1).split(",").map((spec) => spec.trim()).filter((spec) => spec !== "");
  const match = specs.length === 1 ? SPEC.exec(specs[0]!) : null;
  if (match === null) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "") return to === "" ? undefined : suffix(Number(to), size);
  const first = Number(from);
  const last = to === "" ? Infinity : Number(to);
  if (last < first) return undefined;
  return first >= size ? "unsatisfiable" : { first, last: Math.min(last, size - 1) };
}

function suffix(length: number, size: number): ByteRange | "unsatisfiable" | undefined {
  if (length === 0) return "unsatisfiable";
  // It can be satisfied, but Content-Range has no way to say "nothing of nothing".
  if (size === 0) return undefined;
  return { first: Math.max(0, size - length), last: size - 1 };
}

/** The Content-Range field of a reply with this part of a file of `size` bytes (section 14.4). */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}
