import { ZoneFileError } from "./zone_file_error.ts";

/** A word or quoted string of a zone file, its escapes as they are written. @internal */
export interface ZoneToken {
  /** The text, without quotation marks. */
  readonly text: string;
  /** Whether it was between quotation marks from its beginning: then it is a string, whatever it looks like. */
  readonly isQuoted: boolean;
}

/** What stands on a line, or on several that parentheses join. @internal */
export interface ZoneEntry {
  /** Its first line, from 1 on. */
  readonly line: number;
  /** Whether it begins with a blank: it is about the name before then. */
  readonly isIndented: boolean;
  /** Its words, one at least. */
  readonly tokens: readonly ZoneToken[];
}

/** Blanks; a comment; a parenthesis; a line's end; a quoted string that another one follows at once, or a word with quoted parts and escapes. */
const PIECE =
  /([ \t]+)|(;[^\r\n]*)|([()])|(\r?\n|\r)|("(?:\\[^\r\n]|[^"\\\r\n])*"(?=")|(?:"(?:\\[^\r\n]|[^"\\\r\n])*"|\\[^\r\n]|[^\s;()"\\])+)/y;

/**
 * The entries of a zone file (RFC 1035 section 5.1): comments are left out, lines in parentheses joined.
 *
 * @throws {ZoneFileError} for quotation marks, parentheses or backslashes that lack their other half.
 *
 * @internal
 */
export function* zoneEntries(text: string): Generator<ZoneEntry, void, undefined> {
  let line = 1;
  let depth = 0;
  let entry = { line, isIndented: false, tokens: [] as ZoneToken[] };
  let isAtStart = true;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length;) {
    PIECE.lastIndex = at;
    const match = PIECE.exec(text);
    if (match === null) throw new ZoneFileError("ZONE_SYNTAX", line, `a quotation mark or backslash has no other half`);
    at = PIECE.lastIndex;
    const [, blank, , parenthesis, end, word] = match;
    if (blank !== undefined && isAtStart) entry.isIndented = true;
    if (parenthesis !== undefined) depth += parenthesis === "(" ? 1 : -1;
    if (depth < 0) throw new ZoneFileError("ZONE_SYNTAX", line, "a parenthesis is closed that was not opened");
    if (word !== undefined) entry.tokens.push({ text: word.replace(/\\.|"/g, unquoted), isQuoted: word[0] === '"' });
    isAtStart = false;
    if (end === undefined) continue;
    line++;
    if (depth > 0) continue;
    if (entry.tokens.length > 0) yield entry;
    entry = { line, isIndented: false, tokens: [] };
    isAtStart = true;
  }
  if (depth > 0) throw new ZoneFileError("ZONE_SYNTAX", entry.line, "a parenthesis is not closed");
  if (entry.tokens.length > 0) yield entry;
}

/** Quotation marks go, escapes stay. */
function unquoted(piece: string): string {
  return piece === '"' ? "" : piece;
}
