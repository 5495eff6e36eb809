/**
 * Request methods: libevent's bits for the ones it knows, and their names. A set of allowed methods is a sum of bits;
 * a method without a bit is still parsed and has id 0.
 */

/** GET (RFC 9110 section 9.3.1). */
export const EVHTTP_REQ_GET = 0x1;
/** POST (RFC 9110 section 9.3.3). */
export const EVHTTP_REQ_POST = 0x2;
/** HEAD (RFC 9110 section 9.3.2). */
export const EVHTTP_REQ_HEAD = 0x4;
/** PUT (RFC 9110 section 9.3.4). */
export const EVHTTP_REQ_PUT = 0x8;
/** DELETE (RFC 9110 section 9.3.5). */
export const EVHTTP_REQ_DELETE = 0x10;
/** OPTIONS (RFC 9110 section 9.3.7). */
export const EVHTTP_REQ_OPTIONS = 0x20;
/** TRACE (RFC 9110 section 9.3.8). */
export const EVHTTP_REQ_TRACE = 0x40;
/** CONNECT (RFC 9110 section 9.3.6). */
export const EVHTTP_REQ_CONNECT = 0x80;
/** PATCH (RFC 5789). */
export const EVHTTP_REQ_PATCH = 0x100;
/** PROPFIND (RFC 4918 section 9.1). */
export const EVHTTP_REQ_PROPFIND = 0x200;
/** PROPPATCH (RFC 4918 section 9.2). */
export const EVHTTP_REQ_PROPPATCH = 0x400;
/** MKCOL (RFC 4918 section 9.3). */
export const EVHTTP_REQ_MKCOL = 0x800;
/** LOCK (RFC 4918 section 9.10). */
export const EVHTTP_REQ_LOCK = 0x1000;
/** UNLOCK (RFC 4918 section 9.11). */
export const EVHTTP_REQ_UNLOCK = 0x2000;
/** COPY (RFC 4918 section 9.8). */
export const EVHTTP_REQ_COPY = 0x4000;
/** MOVE (RFC 4918 section 9.9). */
export const EVHTTP_REQ_MOVE = 0x8000;

/** Names in the order of their bits: the name of `1 << i` stands at index `i`. */
export const METHOD_NAMES: readonly string[] = [
  "GET",
  "POST",
  "HEAD",
  "PUT",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "CONNECT",
  "PATCH",
  "PROPFIND",
  "PROPPATCH",
  "MKCOL",
  "LOCK",
  "UNLOCK",
  "COPY",
  "MOVE",
];

const IDS_BY_NAME: ReadonlyMap<string, number> = new Map(
  METHOD_NAMES.map((name, index) => [name, 1 << index]),
);

/** The bit of a method by its name, which is case-sensitive (RFC 9110 section 9.1); 0 for a name without a bit. */
export function methodId(name: string): number {
  return IDS_BY_NAME.get(name) ?? 0;
}

/** The name of a method by its bit; undefined when `id` is not exactly one of the known bits. */
export function methodName(id: number): string | undefined {
  // The comparison refuses sums of bits, whose highest bit alone would find a name.
  const index = 31 - Math.clz32(id);
  return id === 1 << index ? METHOD_NAMES[index] : undefined;
}

/** The bit of the method spelled by `bytes[start..end)`, or 0. Makes no string. */
export function methodIdOfBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  for (let index = 0; index < METHOD_NAMES.length; index++) {
    const name = METHOD_NAMES[index]!;
    if (name.length !== length) continue;
    let i = 0;
    while (i < length && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === length) return 1 << index;
  }
  return 0;
}
