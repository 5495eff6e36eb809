/**
 * From the path of a request to the names of files, without surprises on the way.
 *
 * @module
 */

/** A request's path, taken apart and decoded. */
export interface SafePath {
  /** Names from the top folder down: none is empty, `.` or `..`, and none contains `/`, `\` or NUL. */
  readonly segments: readonly string[];
  /** Whether the path ends in `/`, which asks for a folder. */
  readonly isFolder: boolean;
}

/**
 * Takes the path of a request apart, then decodes each segment once. Since that is the order, an encoded slash can never
 * become a separator.
 *
 * @param path as it came: percent-encoded, without the query.
 * @returns 400 where the path has no meaning: it does not begin with `/`, an escape is malformed, the bytes are not UTF-8,
 * or there is a NUL. 404 where it has one that no file can have: a `.` or `..` segment, however it is spelled (clients
 * remove those themselves), an empty segment, an encoded slash, and a backslash, which others might take for a slash.
 */
export function safePath(path: string): SafePath | 400 | 404 {
  if (!path.startsWith("/")) return 400;
  const segments: string[] = [];
  const pieces = path.split("/");
  const isFolder = pieces.at(-1) === "";
  let status: 404 | undefined;
  for (const piece of pieces.slice(1, isFolder ? -1 : undefined)) {
    const segment = decode(piece);
    if (segment === undefined || segment.includes("\0")) return 400;
    if (segment === "" || segment === "." || segment === ".." || /[/\\]/.test(segment)) status = 404;
    segments.push(segment);
  }
  return status ?? { segments, isFolder };
}

/** Undefined for a malformed escape, for bytes that are not UTF-8, and for raw bytes outside ASCII, which no URI has. */
function decode(piece: string): string | undefined {
  // deno-lint-ignore no-control-regex
  if (/[^\x00-\x7f]/.test(piece)) return undefined;
  if (!piece.includes("%")) return piece;
  try {
    return decodeURIComponent(piece);
  } catch {
    return undefined;
  }
}

/**
 * Whether a file of this name can be asked for at all: {@linkcode safePath} refuses backslashes, and a U+FFFD stands for
 * bytes that were not UTF-8.
 */
export function isServableName(name: string): boolean {
  return !/[\\\ufffd]/.test(name);
}

/** The path part of a URL for these names, beginning with `/` and encoded so that nothing in it means anything else. */
export function encodePath({ segments, isFolder }: SafePath): string {
  const path = segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
  return isFolder || path === "" ? `${path}/` : path;
}
