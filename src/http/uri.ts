import { percentEncode } from "./percent_coding.ts";
import { UriError } from "./uri_error.ts";
import { isHost, isScheme } from "./uri_grammar.ts";
import { normalizedParts } from "./uri_normalize.ts";
import {
  emptyParts,
  EVHTTP_URI_HOST_STRIP_BRACKETS,
  EVHTTP_URI_NONCONFORMANT,
  EVHTTP_URI_UNIX_SOCKET,
  isFragment,
  isPath,
  isQuery,
  isTakenForSocket,
  isUnixSocketPath,
  isUserinfo,
  joinAuthority,
  joinFault,
  joinParts,
  parseParts,
  type UriParts,
} from "./uri_parts.ts";
import { resolveParts } from "./uri_resolve.ts";

/** Characters in a URI that {@linkcode Uri.parse} accepts unless told otherwise. */
export const URI_CHARACTERS_MAX = 65_536;

/** How {@linkcode Uri.parse} reads. */
export interface UriOptions {
  /** A sum of `EVHTTP_URI_*` bits; 0, which is as strict as RFC 3986, if left out. */
  readonly flags?: number;
  /** Most characters that are accepted; {@linkcode URI_CHARACTERS_MAX} if left out. */
  readonly maxCharacters?: number;
}

const KNOWN_FLAGS = EVHTTP_URI_NONCONFORMANT | EVHTTP_URI_HOST_STRIP_BRACKETS | EVHTTP_URI_UNIX_SOCKET;

/**
 * A URI or a relative reference, as its components (RFC 3986; `struct evhttp_uri`). Components are kept as they are spelled,
 * escapes included; setters refuse what may not stand in theirs. Unlike `URL` it invents nothing: what is missing stays
 * missing, and whatever was parsed joins to the same text again, but for an empty port and zeros before one.
 *
 * @example
 * ```ts
 * import { Uri } from "@evbase/evbase";
 *
 * const uri = Uri.parse("http://user@example.com:8080/a/b?q=1#top");
 * console.log(uri.host, uri.port); // example.com 8080
 * console.log(uri.resolve("../c?q=2").toString()); // http://user@example.com:8080/c?q=2
 * uri.query = undefined;
 * console.log(uri.toString()); // http://user@example.com:8080/a/b#top
 * ```
 */
export class Uri {
  #parts: UriParts = emptyParts();
  #flags: number;

  /**
   * Makes an empty reference to fill in (evhttp_uri_new).
   *
   * @throws {RangeError} when `flags` holds unknown bits.
   */
  constructor(flags: number = 0) {
    this.#flags = checkedFlags(flags);
  }

  /**
   * Parses a URI or a relative reference (evhttp_uri_parse_with_flags).
   *
   * @throws {UriError} when it is neither, or too long.
   * @throws {RangeError} when the options hold unknown flags or a length that is no whole number.
   */
  static parse(text: string, options: UriOptions = {}): Uri {
    const { flags = 0, maxCharacters = URI_CHARACTERS_MAX } = options;
    if (!(Number.isInteger(maxCharacters) && maxCharacters > 0)) {
      throw new RangeError(`Cannot set maxCharacters to ${maxCharacters}: expected a whole number above zero`);
    }
    const uri = new Uri(flags);
    if (text.length > maxCharacters) throw new UriError("URI_TOO_LONG", maxCharacters);
    uri.#parts = parseParts(text, flags);
    return uri;
  }

  /** Like {@linkcode parse}, but undefined in the place of an {@linkcode UriError}. */
  static tryParse(text: string, options: UriOptions = {}): Uri | undefined {
    try {
      return Uri.parse(text, options);
    } catch (error) {
      if (error instanceof UriError) return undefined;
      throw error;
    }
  }

  static #of(parts: UriParts, flags: number): Uri {
    const uri = new Uri(flags);
    uri.#parts = parts;
    return uri;
  }

  /**
   * The `EVHTTP_URI_*` bits it was made with. New ones hold for what is read and set afterwards (evhttp_uri_set_flags).
   *
   * @throws {RangeError} when set to unknown bits.
   */
  get flags(): number {
    return this.#flags;
  }

  set flags(flags: number) {
    this.#flags = checkedFlags(flags);
  }

  /**
   * The scheme without its colon, or undefined.
   *
   * @throws {TypeError} when set to anything but a letter followed by letters, digits, "+", "-" and ".".
   */
  get scheme(): string | undefined {
    return this.#parts.scheme;
  }

  set scheme(scheme: string | undefined) {
    refuseUnless(scheme === undefined || isScheme(scheme), "scheme");
    this.#parts.scheme = scheme;
  }

  /**
   * What stands before the "@", or undefined.
   *
   * @throws {TypeError} when set to what has to be escaped there.
   */
  get userinfo(): string | undefined {
    return this.#parts.userinfo;
  }

  set userinfo(userinfo: string | undefined) {
    refuseUnless(userinfo === undefined || isUserinfo(userinfo), "user information");
    this.#parts.userinfo = userinfo;
  }

  /**
   * The host: a name as it is spelled, an IPv4 address, or an IPv6 address in brackets, which are left out with
   * `EVHTTP_URI_HOST_STRIP_BRACKETS`. Undefined when there is no authority; "" when it is empty, as in `file:///etc`.
   *
   * @throws {TypeError} when set to none of these; an IPv6 address is set in brackets, whatever the flags.
   */
  get host(): string | undefined {
    const { host } = this.#parts;
    const strip = (this.#flags & EVHTTP_URI_HOST_STRIP_BRACKETS) !== 0;
    return strip && host?.startsWith("[") ? host.slice(1, -1) : host;
  }

  set host(host: string | undefined) {
    refuseUnless(host === undefined || isHost(host), "host");
    this.#parts.host = host;
  }

  /**
   * The port, or -1 when it is missing or empty.
   *
   * @throws {RangeError} when set to anything but a whole number from -1 to 65535.
   */
  get port(): number {
    return this.#parts.port;
  }

  set port(port: number) {
    if (!(Number.isInteger(port) && port >= -1 && port <= 65535)) {
      throw new RangeError(`Cannot set the port of a URI to ${port}: expected a whole number from -1 to 65535`);
    }
    this.#parts.port = port;
  }

  /**
   * The path of a Unix socket, which takes the place of host and port: as it is, without escapes. Parsed only with
   * `EVHTTP_URI_UNIX_SOCKET`.
   *
   * @throws {TypeError} when set to "", or to a path with ":", "?", "#", "@", CR, LF or NUL.
   */
  get unixSocket(): string | undefined {
    return this.#parts.unixSocket;
  }

  set unixSocket(path: string | undefined) {
    refuseUnless(path === undefined || isUnixSocketPath(path), "Unix socket");
    this.#parts.unixSocket = path;
  }

  /**
   * The path; "" when there is none.
   *
   * @throws {TypeError} when set to what has to be escaped there, or would end it.
   */
  get path(): string {
    return this.#parts.path;
  }

  set path(path: string) {
    refuseUnless(isPath(path, this.#flags), "path");
    this.#parts.path = path;
  }

  /**
   * What stands behind the first "?", or undefined.
   *
   * @throws {TypeError} when set to what has to be escaped there, or would end it.
   */
  get query(): string | undefined {
    return this.#parts.query;
  }

  set query(query: string | undefined) {
    refuseUnless(query === undefined || isQuery(query, this.#flags), "query");
    this.#parts.query = query;
  }

  /**
   * What stands behind the "#", or undefined.
   *
   * @throws {TypeError} when set to what has to be escaped there.
   */
  get fragment(): string | undefined {
    return this.#parts.fragment;
  }

  set fragment(fragment: string | undefined) {
    refuseUnless(fragment === undefined || isFragment(fragment, this.#flags), "fragment");
    this.#parts.fragment = fragment;
  }

  /** User information, host and port as they stand behind "//"; undefined when there is neither host nor Unix socket. */
  get authority(): string | undefined {
    return joinAuthority(this.#parts);
  }

  /**
   * What a request for this URI names in its first line: the path, or "/" where it is empty, and the query (RFC 9112 section
   * 3.2.1). Characters that a nonconformant URI holds and a request line may not are escaped. A path that does not begin with a
   * slash, as those of `mailto:a@b` and of relative references, stays as it is, and is no such target but for "*".
   */
  get requestTarget(): string {
    const { path, query } = this.#parts;
    const target = (path === "" ? "/" : path) + (query === undefined ? "" : `?${query}`);
    return target.replace(/[^!$-;=?-~]+/g, (characters) => percentEncode(characters));
  }

  /**
   * The URI that `reference` means when it stands in a document at this one (RFC 3986 section 5.2). A text is parsed with
   * this URI's flags.
   *
   * @throws {UriError} when the reference is a text that is none.
   */
  resolve(reference: string | Uri): Uri {
    const other = typeof reference === "string" ? Uri.parse(reference, { flags: this.#flags }) : reference;
    return Uri.#of(resolveParts(this.#parts, other.#parts), this.#flags);
  }

  /**
   * The same URI in its normal spelling (RFC 3986 section 6.2): scheme and host in lower case, escapes in upper case and
   * only where needed, no port that the scheme implies, and a path of "/" rather than none. "." and ".." segments go as they
   * do in {@linkcode resolve}, so that `urn:a/../b` becomes `urn:/b`; a relative path keeps them.
   */
  normalize(): Uri {
    const parts = normalizedParts(this.#parts);
    // One that would be read as a Unix socket in lower case or without escapes keeps its spelling.
    if (isTakenForSocket(parts, this.#flags)) parts.host = this.#parts.host;
    return Uri.#of(parts, this.#flags);
  }

  /** Another one with the same components. */
  clone(): Uri {
    return Uri.#of({ ...this.#parts }, this.#flags);
  }

  /**
   * Joins the components (evhttp_uri_join).
   *
   * @throws {TypeError} when they were set to what no text can hold: a path without a slash behind a host, user information
   * or a port without a host, a path that would be read as a host or a scheme, or, with `EVHTTP_URI_UNIX_SOCKET`, a host "unix"
   * with a port, which would be read as a Unix socket.
   */
  toString(): string {
    const fault = joinFault(this.#parts, this.#flags);
    if (fault !== undefined) throw new TypeError(`Cannot join a URI: ${fault}`);
    return joinParts(this.#parts);
  }

  /** The text, for `JSON.stringify`. */
  toJSON(): string {
    return this.toString();
  }
}

function checkedFlags(flags: number): number {
  if (Number.isInteger(flags) && (flags & ~KNOWN_FLAGS) === 0) return flags;
  throw new RangeError(`Cannot use URI flags ${flags}: only ${KNOWN_FLAGS} are known`);
}

function refuseUnless(valid: boolean, what: string): void {
  if (!valid) throw new TypeError(`Cannot set the ${what} of a URI: it is malformed, or holds what has to be escaped`);
}
