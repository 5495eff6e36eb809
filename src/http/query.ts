import { percentDecode } from "./percent_coding.ts";
import { QueryParameters } from "./query_parameters.ts";

/** Accepts a parameter without "=", whose value is "", and skips one without a name. */
export const EVHTTP_URI_QUERY_NONCONFORMANT = 1;
/** Lets the last of several parameters with one name stand, rather than all of them. */
export const EVHTTP_URI_QUERY_LAST_VAL = 2;

/** Parameters that {@linkcode parseQuery} accepts unless told otherwise. */
export const QUERY_PARAMETERS_MAX = 1000;

/** How {@linkcode parseQuery} reads. */
export interface QueryOptions {
  /** A sum of `EVHTTP_URI_QUERY_*` bits; 0 if left out. */
  readonly flags?: number;
  /** Leaves names as they are spelled, escapes included, as libevent does. Default false. */
  readonly rawNames?: boolean;
  /** Most parameters that are accepted; {@linkcode QUERY_PARAMETERS_MAX} if left out. */
  readonly maxParameters?: number;
}

/** Why a query is refused. Codes are stable; messages are not. */
export type QueryErrorCode = "QUERY_NO_NAME" | "QUERY_NO_VALUE" | "QUERY_TOO_MANY_PARAMETERS";

const FAULTS: Readonly<Record<QueryErrorCode, string>> = {
  QUERY_NO_NAME: "a parameter has no name",
  QUERY_NO_VALUE: "a parameter has no equals sign",
  QUERY_TOO_MANY_PARAMETERS: "there are more parameters than the limit",
};

/** A text that is no query of names and values. */
export class QueryError extends Error {
  /** Always "QueryError". */
  override readonly name: string = "QueryError";
  /** The stable code to branch on. */
  readonly code: QueryErrorCode;

  /** Makes the error for `code`. */
  constructor(code: QueryErrorCode) {
    super(`Cannot parse query: ${FAULTS[code]} (${code})`);
    this.code = code;
  }
}

const KNOWN_FLAGS = EVHTTP_URI_QUERY_NONCONFORMANT | EVHTTP_URI_QUERY_LAST_VAL;
const PLUS: { readonly plusAsSpace: true } = { plusAsSpace: true };

/**
 * Parses the part of a URI behind "?" (evhttp_parse_query_str_flags), as it comes from `Uri.query` or a request: names and values
 * apart at the first "=", parameters at "&", "+" and escapes decoded. Undefined and "" hold no parameters.
 *
 * @throws {QueryError} when a parameter has no name or no "=", unless `flags` allow it, or there are too many.
 * @throws {RangeError} when the options hold unknown flags or a count that is no whole number.
 */
export function parseQuery(query: string | undefined, options: QueryOptions = {}): QueryParameters {
  const { flags = 0, rawNames = false, maxParameters = QUERY_PARAMETERS_MAX } = options;
  if (!Number.isInteger(flags) || (flags & ~KNOWN_FLAGS) !== 0) {
    throw new RangeError(`Cannot use query flags ${flags}: only ${KNOWN_FLAGS} are known`);
  }
  if (!(Number.isInteger(maxParameters) && maxParameters >= 0)) {
    throw new RangeError(`Cannot set maxParameters to ${maxParameters}: expected a whole number`);
  }
  const lax = (flags & EVHTTP_URI_QUERY_NONCONFORMANT) !== 0;
  const last = (flags & EVHTTP_URI_QUERY_LAST_VAL) !== 0;
  const parameters = new QueryParameters();
  // Of each name the last, where that came.
  const lasts = new Map<string, string>();
  const text = query ?? "";
  let count = 0;
  // One "&" may stand at the end.
  for (let start = 0; start < text.length;) {
    const ampersand = text.indexOf("&", start);
    const end = ampersand < 0 ? text.length : ampersand;
    const equals = equalsSign(text, start, end);
    if (++count > maxParameters) throw new QueryError("QUERY_TOO_MANY_PARAMETERS");
    const name = text.slice(start, equals);
    if (name === "" && !lax) throw new QueryError("QUERY_NO_NAME");
    if (equals === end && !lax) throw new QueryError("QUERY_NO_VALUE");
    if (name !== "") {
      const decodedName = rawNames ? name : percentDecode(name, PLUS);
      const value = percentDecode(text.slice(equals + 1, end), PLUS);
      if (last) {
        lasts.delete(decodedName);
        lasts.set(decodedName, value);
      } else parameters.add(decodedName, value);
    }
    start = end + 1;
  }
  return last ? new QueryParameters(lasts) : parameters;
}

/** Where the first "=" of this parameter is, or `end`; the search does not leave it, so that many of them take no longer. */
function equalsSign(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && text.charCodeAt(at) !== 0x3d) at++;
  return at;
}
