/**
 * Which characters may stand where in a URI (RFC 3986, appendix A), as one table of 128 entries. Scanners walk rather than
 * match patterns, so that a long text costs a long walk and no stack.
 */
import { parseIpv6 } from "../core/ip_text.ts";

/** The character never needs an escape (RFC 3986 section 2.3). */
export const URI_UNRESERVED = 1;
/** The character may stand in a scheme, though not all of them at its beginning. */
export const URI_SCHEME = 2;
/** The character may stand in user information. */
export const URI_USERINFO = 4;
/** The character may stand in a registered name. */
export const URI_NAME = 8;
/** The character may stand in a path. */
export const URI_PATH = 16;
/** The character may stand in a query or a fragment. */
export const URI_QUERY = 32;
/** The character is a hexadecimal digit. */
export const URI_HEX = 64;

const PERCENT = 0x25;
const ADDRESS_CHARACTERS_MAX = 45;

const classes: Uint8Array = buildClasses();

function buildClasses(): Uint8Array {
  const table = new Uint8Array(128);
  const mark = (characters: string, bits: number): void => {
    for (const character of characters) table[character.charCodeAt(0)]! |= bits;
  };
  const anywhere = URI_USERINFO | URI_NAME | URI_PATH | URI_QUERY;
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  mark(letters + "0123456789", URI_UNRESERVED | URI_SCHEME | anywhere);
  mark("-.", URI_UNRESERVED | URI_SCHEME | anywhere);
  mark("_~", URI_UNRESERVED | anywhere);
  mark("+", URI_SCHEME);
  mark("!$&'()*+,;=", anywhere);
  mark(":", URI_USERINFO | URI_PATH | URI_QUERY);
  mark("@/", URI_PATH | URI_QUERY);
  mark("?", URI_QUERY);
  mark("0123456789ABCDEFabcdef", URI_HEX);
  return table;
}

/** Whether the character with this code is in one of the classes. */
export function isUriCharacter(code: number, bits: number): boolean {
  return code < 128 && (classes[code]! & bits) !== 0;
}

/** Whether "%" and two hexadecimal digits stand at `at`. */
export function isEscape(text: string, at: number): boolean {
  return text.charCodeAt(at) === PERCENT && isUriCharacter(text.charCodeAt(at + 1), URI_HEX) &&
    isUriCharacter(text.charCodeAt(at + 2), URI_HEX);
}

/** Where in `[start..end)` the first character stands that is neither in the classes nor part of an escape, or `end`. */
export function endOfCharacters(text: string, start: number, end: number, bits: number): number {
  let at = start;
  while (at < end) {
    if (isUriCharacter(text.charCodeAt(at), bits)) at++;
    else if (at + 3 <= end && isEscape(text, at)) at += 3;
    else return at;
  }
  return end;
}

/**
 * Where in `[start..end)` the first character stands that not even a nonconformant URI may hold, or `end`. C lets CR and LF
 * through; a request line would end there.
 */
export function endOfAnything(text: string, start: number, end: number, stops: string): number {
  let at = start;
  for (; at < end; at++) {
    const character = text[at]!;
    if (character === "\0" || character === "\r" || character === "\n" || stops.includes(character)) break;
  }
  return at;
}

/** Whether this is a scheme: a letter, then letters, digits, "+", "-" and "." (RFC 3986 section 3.1). */
export function isScheme(text: string): boolean {
  const first = text.charCodeAt(0) | 0x20;
  if (!(first >= 0x61 && first <= 0x7a)) return false;
  for (let at = 1; at < text.length; at++) {
    if (!isUriCharacter(text.charCodeAt(at), URI_SCHEME)) return false;
  }
  return true;
}

/** Whether this may stand as a host: a name, which may be empty, an IPv4 address, or an address in brackets. */
export function isHost(text: string): boolean {
  return text.startsWith("[") ? isBracketed(text) : endOfCharacters(text, 0, text.length, URI_NAME) === text.length;
}

/** Whether this is an IPv6 address in brackets, or one of a later version (RFC 3986 section 3.2.2). A zone is no part of it. */
export function isBracketed(text: string): boolean {
  if (!text.startsWith("[") || !text.endsWith("]") || text.length < 4) return false;
  const address = text.slice(1, -1);
  if (/^v/i.test(address)) return isLaterAddress(address);
  return address.length <= ADDRESS_CHARACTERS_MAX && parseIpv6(address) !== null;
}

/** "v", the version in hexadecimal digits, ".", and an address of characters that nobody has given a meaning yet. */
function isLaterAddress(text: string): boolean {
  const dot = text.indexOf(".");
  if (dot < 2 || dot + 1 === text.length) return false;
  for (let at = 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (at !== dot && !isUriCharacter(code, at < dot ? URI_HEX : URI_NAME) && !(at > dot && code === 0x3a)) {
      return false;
    }
  }
  return true;
}

/** Whether the first segment holds no colon, without which a path cannot stand at the beginning (RFC 3986 section 4.2). */
export function mayBeginReference(path: string): boolean {
  const colon = path.indexOf(":");
  const slash = path.indexOf("/");
  return colon < 0 || (slash >= 0 && slash < colon);
}
