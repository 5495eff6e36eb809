/**
 * The names in a certificate's subjectAltName extension (RFC 5280 section 4.2.1.6), read from its DER.
 *
 * OpenSSL prints them as one text, in which a name can be made to look like two; programs have granted access by that.
 *
 * @module
 */

import { latin1 } from "../core/latin1.ts";
import { formatIpv4, formatIpv6 } from "../ffi/mod.ts";
import { BytesCursor } from "./bytes_cursor.ts";

/** Whom a certificate is for. Wildcards stand as they were written. */
export interface AlternativeNames {
  /** Host names. */
  readonly dns: readonly string[];
  /** IP addresses. */
  readonly ip: readonly string[];
  /** Mail addresses. */
  readonly email: readonly string[];
  /** URIs, such as SPIFFE's. */
  readonly uri: readonly string[];
}

const TAG_SEQUENCE = 0x30;
const TAG_EMAIL = 0x81;
const TAG_DNS = 0x82;
const TAG_URI = 0x86;
const TAG_IP = 0x87;

/** Reads the extension's value; names of other kinds are left out. Undefined when it is malformed. */
export function parseAlternativeNames(der: Uint8Array): AlternativeNames | undefined {
  const outer = new BytesCursor(der);
  const names = { dns: [] as string[], ip: [] as string[], email: [] as string[], uri: [] as string[] };
  if (outer.number(1) !== TAG_SEQUENCE) return undefined;
  const list = outer.part(derLength(outer));
  while (list.rest > 0 && !list.failed) {
    const tag = list.number(1);
    const length = derLength(list);
    const value = list.bytes(length);
    if (list.failed) break;
    if (tag === TAG_DNS) names.dns.push(latin1(value, 0, value.length));
    else if (tag === TAG_EMAIL) names.email.push(latin1(value, 0, value.length));
    else if (tag === TAG_URI) names.uri.push(latin1(value, 0, value.length));
    else if (tag === TAG_IP && value.length === 4) names.ip.push(formatIpv4(value));
    else if (tag === TAG_IP && value.length === 16) names.ip.push(formatIpv6(value));
  }
  return outer.failed || list.failed || outer.rest > 0 ? undefined : names;
}

/** A definite length in DER, up to three bytes of it. */
function derLength(cursor: BytesCursor): number {
  const first = cursor.number(1);
  if (first < 0x80) return first;
  const width = first & 0x7f;
  if (width >= 1 && width <= 3) return cursor.number(width as 1 | 2 | 3);
  cursor.fail();
  return 0;
}
