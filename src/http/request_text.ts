import { authorityEnd, authorityStart } from "./authority.ts";
import { latin1 } from "../core/latin1.ts";
import { wordsOf } from "../core/words.ts";
import { EVHTTP_REQ_CONNECT, methodName } from "./methods.ts";
import { ReceivedFields } from "./received_fields.ts";

/** The connection stays open after the reply. */
export const HEAD_KEEP_ALIVE = 1;
/** The client waits for 100 before it sends the body. */
export const HEAD_EXPECT_CONTINUE = 2;
/** The client expects something that is not known here. */
export const HEAD_EXPECT_UNKNOWN = 4;
/** The client offers to change the protocol. */
export const HEAD_UPGRADE = 8;
/** The target is a whole URI. */
export const HEAD_ABSOLUTE = 16;

const ASTERISK = 0x2a;
const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

/**
 * What the head of a request says: the bytes it came as, and what has been made of them so far. Requests that are the same byte by byte share
 * one.
 *
 * @internal
 */
export class RequestText {
  /** The method's bit, or 0 for a method without one. */
  readonly methodId: number;
  /** The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1. */
  readonly versionMinor: number;
  /** A sum of the `HEAD_*` bits. */
  readonly flags: number;
  /** Whether the bytes are nobody else's. */
  isOwn = false;

  #bytes: Uint8Array;
  // Of what it owns, for the few that others are compared with.
  #words: Int32Array | null = null;
  #start: number;
  #targetStart: number;
  #targetEnd: number;
  #fieldsStart: number;
  #fieldsEnd: number;
  #end: number;
  #target: string | undefined = undefined;
  #path: string | undefined = undefined;
  #fields: ReceivedFields | undefined = undefined;

  /** For the parser. Offsets point into `bytes`; the head ends at `end`, behind the empty line. */
  constructor(
    bytes: Uint8Array,
    start: number,
    targetStart: number,
    targetEnd: number,
    fieldsStart: number,
    fieldsEnd: number,
    end: number,
    methodId: number,
    versionMinor: number,
    flags: number,
  ) {
    this.methodId = methodId;
    this.versionMinor = versionMinor;
    this.flags = flags;
    this.#bytes = bytes;
    this.#start = start;
    this.#targetStart = targetStart;
    this.#targetEnd = targetEnd;
    this.#fieldsStart = fieldsStart;
    this.#fieldsEnd = fieldsEnd;
    this.#end = end;
  }

  /** How many bytes it has. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** The method, spelled as it arrived. */
  get method(): string {
    return methodName(this.methodId) ?? latin1(this.#bytes, this.#start, this.#targetStart - 1);
  }

  /** The request target, spelled as it arrived. */
  get target(): string {
    return this.#target ??= latin1(this.#bytes, this.#targetStart, this.#targetEnd);
  }

  /** See {@linkcode RequestHead.path}. */
  get path(): string {
    if (this.#path !== undefined) return this.#path;
    const bytes = this.#bytes;
    const start = pathStart(bytes, this.#targetStart, this.#targetEnd, this.isAbsolute);
    const end = pathEnd(bytes, start, this.#targetEnd);
    const isOrigin = bytes[this.#targetStart] === SLASH;
    return this.#path = start < end ? latin1(bytes, start, end) : this.isAbsolute || isOrigin ? "/" : "";
  }

  /** What follows the first "?" of the target, without it; undefined when there is no "?". */
  get query(): string | undefined {
    const bytes = this.#bytes;
    const end = pathEnd(bytes, pathStart(bytes, this.#targetStart, this.#targetEnd, this.isAbsolute), this.#targetEnd);
    return end < this.#targetEnd ? latin1(bytes, end + 1, this.#targetEnd) : undefined;
  }

  /** Whether the target is a whole URI. */
  get isAbsolute(): boolean {
    return (this.flags & HEAD_ABSOLUTE) !== 0;
  }

  /** The authority that the target names: all of that of CONNECT, and part of a whole URI; undefined in the other forms. */
  get authority(): string | undefined {
    if (this.methodId === EVHTTP_REQ_CONNECT) return this.target;
    if (!this.isAbsolute) return undefined;
    const start = authorityStart(this.#bytes, this.#targetStart, this.#targetEnd);
    return latin1(this.#bytes, start, authorityEnd(this.#bytes, start, this.#targetEnd));
  }

  /** The header fields. */
  get fields(): ReceivedFields {
    return this.#fields ??= new ReceivedFields(this.#bytes, this.#fieldsStart, this.#fieldsEnd);
  }

  /** Copies the bytes, unless that was done before; what was made of them follows. */
  retain(): void {
    if (this.isOwn) return;
    const delta = -this.#start;
    const copy = new Uint8Array(new ArrayBuffer(this.length));
    copy.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = copy;
    this.#start = 0;
    this.#targetStart += delta;
    this.#targetEnd += delta;
    this.#fieldsStart += delta;
    this.#fieldsEnd += delta;
    this.#end += delta;
    this.#fields?.moveTo(copy, this.#fieldsStart);
    this.isOwn = true;
  }

  /** Whether `bytes` holds the same head at `start`, all of it before `end`; only where the head {@linkcode RequestText.isOwn}. */
  isAt(bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.#bytes;
    const { length } = own;
    if (end - start < length) return false;
    let at = 0;
    const base = bytes.byteOffset + start;
    if ((base & 3) === 0) {
      const ownWords = this.#words ??= new Int32Array(own.buffer, 0, length >>> 2);
      const words = wordsOf(bytes.buffer);
      const first = base >>> 2;
      const wordCount = length >>> 2;
      for (let index = 0; index < wordCount; index++) {
        if (words[first + index] !== ownWords[index]) return false;
      }
      at = wordCount << 2;
    }
    for (; at < length; at++) {
      if (bytes[start + at] !== own[at]) return false;
    }
    return true;
  }
}

/** Where the path of a target begins; at its end when it has none. */
function pathStart(bytes: Uint8Array, start: number, end: number, isAbsolute: boolean): number {
  if (isAbsolute) return authorityEnd(bytes, authorityStart(bytes, start, end), end);
  return bytes[start] === SLASH || bytes[start] === ASTERISK ? start : end;
}

/** Where the path that begins at `start` ends. */
function pathEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== QUESTION_MARK) at++;
  return at;
}
