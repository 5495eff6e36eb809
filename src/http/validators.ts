/**
 * What tells versions of a file apart, and the requests that depend on it (RFC 9110 sections 8.8 and 13).
 *
 * @module
 */

import { httpDate, parseHttpDate } from "./date.ts";
import type { HttpHeaders } from "./headers.ts";

/** How long a file must have been left alone before its time of change is trusted to tell versions apart. */
const SETTLED_MS = 2000;

/** The first second that a date of HTTP can tell of, since its years have four digits; some file systems know times long before. */
const FIRST_MS = Date.UTC(1000, 0);

/** The validators of one version of a file. */
export interface Validators {
  /** Entity tag in its quotes, with `W/` before it when it is weak. */
  readonly etag: string;
  /** Value of Last-Modified. */
  readonly lastModified: string;
  /** The same in milliseconds since 1970, whole seconds. */
  readonly lastModifiedMs: number;
  /** Whether the file was left alone for so long that both are strong. */
  readonly isStrong: boolean;
}

/** What a file's status says about its version. */
export interface FileVersion {
  /** Size in bytes. */
  readonly size: number;
  /** Time of the last change, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Inode number. */
  readonly inode: number;
}

/**
 * Makes the validators of a file. A file that changed a moment ago may change again within the same tick of its clock, so
 * its tag is weak at first; so is that of a file from the future, whose Last-Modified is moved to the present (section
 * 8.8.2.1).
 *
 * @param nowMs the time of day.
 */
export function validatorsOf({ size, modifiedMs, inode }: FileVersion, nowMs: number = Date.now()): Validators {
  const isStrong = nowMs - modifiedMs >= SETTLED_MS;
  const lastModifiedMs = Math.floor(Math.max(FIRST_MS, Math.min(modifiedMs, nowMs)) / 1000) * 1000;
  // A time before 1970 is negative, and "-" is as good in a tag as anything else.
  const tag = `"${inode.toString(36)}-${size.toString(36)}-${modifiedMs.toString(36)}"`;
  return { etag: isStrong ? tag : `W/${tag}`, lastModified: httpDate(lastModifiedMs), lastModifiedMs, isStrong };
}

/**
 * Evaluates the conditions of a request in the order of section 13.2.2, but for If-Range.
 *
 * @returns the status to send the request's resource with: 200 if all hold; 304: the client has this version already (GET
 * and HEAD); 412: the client wanted another version.
 */
export function evaluateConditions(headers: HttpHeaders, validators: Validators): 200 | 304 | 412 {
  const ifMatch = headers.getAll("if-match");
  if (ifMatch.length > 0) {
    if (!names(ifMatch, validators.etag, true)) return 412;
  } else if (isBefore(headers.get("if-unmodified-since"), validators.lastModifiedMs)) {
    return 412;
  }
  const ifNoneMatch = headers.getAll("if-none-match");
  if (ifNoneMatch.length > 0) return names(ifNoneMatch, validators.etag, false) ? 304 : 200;
  const since = headers.get("if-modified-since");
  const sinceMs = since === undefined ? undefined : parseHttpDate(since);
  return sinceMs !== undefined && validators.lastModifiedMs <= sinceMs ? 304 : 200;
}

/**
 * Whether a Range field counts: it does without an If-Range, or when that names this very version by a strong validator
 * (section 13.1.5).
 */
export function isRangeWanted(headers: HttpHeaders, validators: Validators): boolean {
  const condition = headers.get("if-range");
  if (condition === undefined) return true;
  if (!validators.isStrong) return false;
  if (/^(?:W\/)?"/.test(condition)) return condition === validators.etag;
  return parseHttpDate(condition) === validators.lastModifiedMs;
}

/** A date that cannot be read is as if it were not there. */
function isBefore(date: string | undefined, ms: number): boolean {
  const dateMs = date === undefined ? undefined : parseHttpDate(date);
  return dateMs !== undefined && dateMs < ms;
}

/** Whether a list of entity tags, or `*`, names `etag`; a strong comparison takes no weak tag (section 8.8.3.2). */
function names(fields: readonly string[], etag: string, isStrongly: boolean): boolean {
  const list = fields.join(",");
  if (list.trim() === "*") return true;
  if (isStrongly && etag.startsWith("W/")) return false;
  const opaque = etag.replace(/^W\//, "");
  // A tag may contain a comma, so the list cannot be split at commas.
  for (const [, weak, tag] of list.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) {
    if (tag === opaque && !(isStrongly && weak !== undefined)) return true;
  }
  return false;
}
