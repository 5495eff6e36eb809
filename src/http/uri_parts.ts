/** A URI as its components, and the way from text to components and back (RFC 3986 sections 3 and 5.3). */
import { UriError, type UriErrorCode } from "./uri_error.ts";
import {
  endOfAnything,
  endOfCharacters,
  isHost,
  isScheme,
  mayBeginReference,
  URI_PATH,
  URI_QUERY,
  URI_USERINFO,
} from "./uri_grammar.ts";

/** Accepts any character but NUL, CR and LF in the path, the query and the fragment. */
export const EVHTTP_URI_NONCONFORMANT = 1;
/** Gives the host of an address in brackets without them. */
export const EVHTTP_URI_HOST_STRIP_BRACKETS = 4;
/** Reads `http://unix:/run/server.sock:/path` as a path on a server behind a Unix socket. */
export const EVHTTP_URI_UNIX_SOCKET = 8;

/** The components of a URI as they were spelled. What is missing is undefined, which is not the same as empty. */
export interface UriParts {
  /** Without the colon. */
  scheme: string | undefined;
  /** Without the "@". */
  userinfo: string | undefined;
  /** With its brackets, if it has some. */
  host: string | undefined;
  /** -1 when missing or empty. */
  port: number;
  /** The path of a Unix socket, which stands in the place of a host. */
  unixSocket: string | undefined;
  /** Never missing, but it may be empty. */
  path: string;
  /** Without the "?". */
  query: string | undefined;
  /** Without the "#". */
  fragment: string | undefined;
}

/** Components with nothing in them. */
export function emptyParts(): UriParts {
  return {
    scheme: undefined,
    userinfo: undefined,
    host: undefined,
    port: -1,
    unixSocket: undefined,
    path: "",
    query: undefined,
    fragment: undefined,
  };
}

const PORT_MAX = 65535;
const UNIX_PREFIX = "unix:";

/** The components of `text`; `flags` is a sum of `EVHTTP_URI_*` bits. Throws {@linkcode UriError}. */
export function parseParts(text: string, flags: number): UriParts {
  const parts = emptyParts();
  const length = text.length;
  let at = 0;
  const colon = text.indexOf(":");
  if (colon >= 0 && isScheme(text.slice(0, colon))) {
    parts.scheme = text.slice(0, colon);
    at = colon + 1;
  } else if (colon >= 0 && !/[/?#]/.test(text.slice(0, colon))) {
    // A first segment with a colon would be taken for a scheme (section 4.2).
    throw new UriError("URI_BAD_SCHEME", colon);
  }
  if (text.startsWith("//", at)) at = takeAuthority(parts, text, at + 2, flags);
  const pathEnd = endOfPath(text, at, length, flags);
  parts.path = text.slice(at, pathEnd);
  const pathIsOver = pathEnd === length || text[pathEnd] === "?" || text[pathEnd] === "#";
  if (!pathIsOver) throw new UriError("URI_BAD_PATH", pathEnd);
  at = pathEnd;
  if (text[at] === "?") {
    const end = endOfQuery(text, at + 1, length, flags);
    if (end < length && text[end] !== "#") throw new UriError("URI_BAD_QUERY", end);
    parts.query = text.slice(at + 1, end);
    at = end;
  }
  if (text[at] === "#") {
    const end = endOfFragment(text, at + 1, length, flags);
    if (end < length) throw new UriError("URI_BAD_FRAGMENT", end);
    parts.fragment = text.slice(at + 1);
  }
  return parts;
}

/** Takes in what begins at `start`, behind "//". Returns where the path begins. */
function takeAuthority(parts: UriParts, text: string, start: number, flags: number): number {
  let end = start;
  while (end < text.length && !"/?#".includes(text[end]!)) end++;
  let at = start;
  const sign = text.indexOf("@", start);
  if (sign >= 0 && sign < end) {
    refuseUnlessEnd(endOfCharacters(text, start, sign, URI_USERINFO), sign, "URI_BAD_USERINFO");
    parts.userinfo = text.slice(start, sign);
    at = sign + 1;
  }
  if ((flags & EVHTTP_URI_UNIX_SOCKET) !== 0 && text.startsWith(UNIX_PREFIX, at)) {
    return takeUnixSocket(parts, text, at + UNIX_PREFIX.length);
  }
  const hostEnd = endOfHost(text, at, end);
  if (hostEnd < end) parts.port = parsePort(text, hostEnd + 1, end);
  parts.host = text.slice(at, hostEnd);
  if (!isHost(parts.host)) throw new UriError("URI_BAD_HOST", at);
  return end;
}

/** Where the host that begins at `start` ends: at the last colon, unless that one stands in brackets, or at `end`. */
function endOfHost(text: string, start: number, end: number): number {
  for (let at = end - 1; at >= start; at--) {
    if (text[at] === ":") return at;
    if (text[at] === "]") return end;
  }
  return end;
}

/** An empty port is a missing one (RFC 3986 section 3.2.3). */
function parsePort(text: string, start: number, end: number): number {
  if (start === end) return -1;
  let port = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit >= 0 && digit <= 9) port = port * 10 + digit;
    if (!(digit >= 0 && digit <= 9) || port > PORT_MAX) throw new UriError("URI_BAD_PORT", at);
  }
  return port;
}

/** The socket's path goes on to the next colon, slashes included; C cuts the URI's path out of it instead. */
function takeUnixSocket(parts: UriParts, text: string, start: number): number {
  const end = text.indexOf(":", start);
  const path = text.slice(start, Math.max(start, end));
  if (!isUnixSocketPath(path)) throw new UriError("URI_BAD_UNIX_SOCKET", start);
  parts.unixSocket = path;
  const next = text[end + 1];
  if (next !== undefined && !"/?#".includes(next)) throw new UriError("URI_BAD_PATH", end + 1);
  return end + 1;
}

function refuseUnlessEnd(at: number, end: number, code: UriErrorCode): void {
  if (at < end) throw new UriError(code, at);
}

function endOfPath(text: string, start: number, end: number, flags: number): number {
  return isLax(flags) ? endOfAnything(text, start, end, "?#") : endOfCharacters(text, start, end, URI_PATH);
}

function endOfQuery(text: string, start: number, end: number, flags: number): number {
  return isLax(flags) ? endOfAnything(text, start, end, "#") : endOfCharacters(text, start, end, URI_QUERY);
}

function endOfFragment(text: string, start: number, end: number, flags: number): number {
  return isLax(flags) ? endOfAnything(text, start, end, "") : endOfCharacters(text, start, end, URI_QUERY);
}

function isLax(flags: number): boolean {
  return (flags & EVHTTP_URI_NONCONFORMANT) !== 0;
}

/** Whether this may stand in the place of a Unix socket's path. */
export function isUnixSocketPath(text: string): boolean {
  return text !== "" && endOfAnything(text, 0, text.length, ":?#@") === text.length;
}

/** Whether this may stand in the place of user information. */
export function isUserinfo(text: string): boolean {
  return endOfCharacters(text, 0, text.length, URI_USERINFO) === text.length;
}

/** Whether this may stand in the place of a path. */
export function isPath(text: string, flags: number): boolean {
  return endOfPath(text, 0, text.length, flags) === text.length;
}

/** Whether this may stand in the place of a query. */
export function isQuery(text: string, flags: number): boolean {
  return endOfQuery(text, 0, text.length, flags) === text.length;
}

/** Whether this may stand in the place of a fragment. */
export function isFragment(text: string, flags: number): boolean {
  return endOfFragment(text, 0, text.length, flags) === text.length;
}

/** Whether there is a host or a Unix socket. */
export function hasAuthority(parts: UriParts): boolean {
  return parts.host !== undefined || parts.unixSocket !== undefined;
}

/** Host and port, with user information, as they stand behind "//"; undefined when there is neither host nor socket. */
export function joinAuthority(parts: UriParts): string | undefined {
  if (!hasAuthority(parts)) return undefined;
  const user = parts.userinfo === undefined ? "" : `${parts.userinfo}@`;
  if (parts.unixSocket !== undefined) return `${user}${UNIX_PREFIX}${parts.unixSocket}:`;
  return `${user}${parts.host}${parts.port < 0 ? "" : `:${parts.port}`}`;
}

/** Whether host and port would be read, with these flags, as the beginning of a Unix socket. */
export function isTakenForSocket(parts: UriParts, flags: number): boolean {
  return (flags & EVHTTP_URI_UNIX_SOCKET) !== 0 && parts.unixSocket === undefined && parts.port >= 0 &&
    `${parts.host}:` === UNIX_PREFIX;
}

/** Why components do not make a URI that would be read, with these flags, as the same components again, or undefined. */
export function joinFault(parts: UriParts, flags: number): string | undefined {
  const { path } = parts;
  if (hasAuthority(parts)) {
    if (isTakenForSocket(parts, flags)) return "its host and port would be read as a Unix socket";
    return path === "" || path.startsWith("/") ? undefined : "behind a host the path has to begin with a slash";
  }
  if (parts.userinfo !== undefined || parts.port >= 0) return "user information and a port need a host";
  if (path.startsWith("//")) return "without a host the path must not begin with two slashes";
  if (parts.scheme === undefined && !mayBeginReference(path)) {
    return "without a scheme the first segment must not hold a colon";
  }
  return undefined;
}

/** The text of a URI with these components, which {@linkcode joinFault} finds nothing wrong with. */
export function joinParts(parts: UriParts): string {
  const scheme = parts.scheme === undefined ? "" : `${parts.scheme}:`;
  const authority = hasAuthority(parts) ? `//${joinAuthority(parts)}` : "";
  const query = parts.query === undefined ? "" : `?${parts.query}`;
  const fragment = parts.fragment === undefined ? "" : `#${parts.fragment}`;
  return scheme + authority + parts.path + query + fragment;
}
