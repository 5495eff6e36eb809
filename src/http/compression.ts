import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import type { EvBuffer } from "../core/mod.ts";
import { chooseCoding, type ContentCoding } from "./accept_encoding.ts";
import { type BodyEncoder, DeflateEncoder } from "./body_encoder.ts";
import { dropDigests } from "./digest_fields.ts";
import type { HttpHeaders } from "./headers.ts";
import { holdsFile, inMemory } from "./reply_body.ts";
import type { ReplyState } from "./reply_state.ts";
import { isContentless } from "./status.ts";

/**
 * How an {@linkcode HttpServer} compresses replies. A reply that holds a secret beside something that an attacker chooses (a token beside
 * an echoed query, say) should not be compressed, since its length tells of both (BREACH): `Cache-Control: no-transform` or
 * `Content-Encoding: identity` excepts it.
 */
export interface CompressionOptions {
  /** Codings to offer, the best first. `br`, `gzip` and `deflate` by default. What is streamed is never sent as `br`. */
  readonly codings?: readonly ContentCoding[] | undefined;
  /** Whole bodies below this are sent as they are; 1,024 bytes by default. */
  readonly minBytes?: number | undefined;
  /** Whole bodies above this are sent as they are, since compressing holds up the loop: 1 MiB takes 10 to 80 ms. 1 MiB by default. */
  readonly maxBytes?: number | undefined;
  /** 1 (fast) to 9 (small); 4 by default. For `br` it is the quality. */
  readonly level?: number | undefined;
  /**
   * Content types to compress, without parameters and in lower case; text, JSON, XML, JavaScript, SVG and WebAssembly by default. What a
   * function throws is told to `onError`, and the reply sent as it is.
   */
  readonly types?: ReadonlySet<string> | ((type: string) => boolean) | undefined;
}

const TYPES =
  /^text\/(?!event-stream)|^application\/(?:json|javascript|xml|wasm|manifest\+json|.+\+(?:json|xml))$|^image\/(?:svg\+xml|bmp)$/;
const CODINGS: readonly ContentCoding[] = ["br", "gzip", "deflate"];

/** How replies are compressed. @internal */
export class Compression {
  readonly #minBytes: number;
  readonly #maxBytes: number;
  readonly #level: number;
  readonly #codings: readonly ContentCoding[];
  readonly #streamCodings: readonly ContentCoding[];
  readonly #isType: (type: string) => boolean;
  readonly #defaultType: string;
  readonly #report: (error: unknown, reply: ReplyState) => void;

  /**
   * @param defaultType what replies are taken for that name no type.
   * @param report told what asking for a type has thrown.
   * @throws {RangeError} for sizes, a level or a coding that are none.
   */
  constructor(
    options: CompressionOptions,
    defaultType: string | null,
    report: (error: unknown, reply: ReplyState) => void,
  ) {
    const { codings = CODINGS, minBytes = 1024, maxBytes = 1024 * 1024, level = 4, types } = options;
    if (!(minBytes >= 0) || !(maxBytes >= minBytes)) {
      throw new RangeError(`Cannot compress bodies from ${minBytes} to ${maxBytes} bytes`);
    }
    if (!Number.isInteger(level) || level < 1 || level > 9) {
      throw new RangeError(`Cannot compress with level ${level}: 1 to 9 are needed`);
    }
    const unknown = codings.find((coding) => !CODINGS.includes(coding));
    if (unknown !== undefined) throw new RangeError(`Cannot compress by "${unknown}": br, gzip and deflate are known`);
    this.#minBytes = Math.max(1, minBytes);
    this.#maxBytes = maxBytes;
    this.#level = level;
    this.#codings = codings;
    this.#streamCodings = codings.filter((coding) => coding !== "br");
    this.#isType = types === undefined
      ? (type) => TYPES.test(type)
      : typeof types === "function"
      ? types
      : (type) => types.has(type);
    this.#defaultType = defaultType ?? "";
    this.#report = report;
  }

  /** Whether there is anything to do for a whole reply with a body of `length` bytes. */
  concerns(status: number, length: number): boolean {
    return length >= this.#minBytes || isAboutAnother(status);
  }

  /** Compresses a whole body, and says so in the fields; or returns it as it is. */
  whole(reply: ReplyState, status: number, body: Uint8Array | EvBuffer): Uint8Array | EvBuffer {
    if (isAboutAnother(status)) {
      this.#tellOfAnother(reply, status);
      return body;
    }
    // Files leave without passing through memory, as by replyFile().
    if (body.length > this.#maxBytes || holdsFile(body)) return body;
    const coding = this.#choose(reply, status, this.#codings);
    if (coding === null) return body;
    const bytes = inMemory(body);
    const encoded = this.#encode(coding, bytes);
    if (encoded.length >= bytes.length) return bytes;
    encodedBy(coding, reply.replyHeaders);
    return encoded;
  }

  /** How to compress what will come in pieces, which the fields say then; null: not at all. */
  streamCoding(reply: ReplyState, status: number, length: number): ContentCoding | null {
    if (isAboutAnother(status)) {
      this.#tellOfAnother(reply, status);
      return null;
    }
    if (length < this.#minBytes) return null;
    const coding = this.#choose(reply, status, this.#streamCodings);
    if (coding === null) return null;
    const fields = reply.replyHeaders;
    encodedBy(coding, fields);
    fields.delete("content-length");
    return coding;
  }

  /** Compresses what comes in pieces. */
  encoder(coding: ContentCoding): BodyEncoder {
    return new DeflateEncoder(coding === "deflate" ? "deflate" : "gzip", this.#level);
  }

  /** Takes `identity` away, which has done what it is for when the head is written, and is not to be sent (RFC 9110 section 8.4). */
  dropIdentity(fields: HttpHeaders): void {
    if (fields.get("content-encoding")?.toLowerCase() === "identity") fields.delete("content-encoding");
  }

  /** What is said in 200 about codings has to be said here, too (RFC 9110 sections 15.3.7 and 15.4.5). Parts are those of the plain content. */
  #tellOfAnother(reply: ReplyState, status: number): void {
    const coding = this.#choose(reply, status, this.#codings);
    if (coding === null || status !== 304) return;
    weakenTag(reply.replyHeaders);
    dropDigests(reply.replyHeaders);
  }

  #choose(reply: ReplyState, status: number, codings: readonly ContentCoding[]): ContentCoding | null {
    const fields = reply.replyHeaders;
    if (fields.has("content-encoding")) return null;
    if (!isAboutAnother(status) && (isContentless(status) || fields.has("content-range"))) return null;
    if (/\bno-transform\b/i.test(fields.getAll("cache-control").join())) return null;
    if (!this.#isOfType(reply, status)) return null;
    // Also where this client gets it plain: a cache has to know that others may not.
    addVary(fields);
    const accepted = reply.head.headers.getAll("accept-encoding");
    return chooseCoding(accepted.length === 0 ? undefined : accepted.join(), codings);
  }

  #isOfType(reply: ReplyState, status: number): boolean {
    const named = reply.replyHeaders.get("content-type");
    // The client has the type already, and a weak tag fits a strong one, but not the other way round.
    if (named === undefined && status === 304) return true;
    const type = (named ?? this.#defaultType).split(";")[0]!.trim().toLowerCase();
    try {
      return this.#isType(type);
    } catch (error) {
      this.#report(error, reply);
      return false;
    }
  }

  #encode(coding: ContentCoding, bytes: Uint8Array): Uint8Array {
    const level = this.#level;
    if (coding === "gzip") return gzipSync(bytes, { level });
    if (coding === "deflate") return deflateSync(bytes, { level });
    return brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: level, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
  }
}

/** Whether a reply tells of another one, which has the whole content (304), or sends a part of that (206). */
function isAboutAnother(status: number): boolean {
  return status === 304 || status === 206;
}

function addVary(fields: HttpHeaders): void {
  const named = fields.getAll("vary").join().toLowerCase().split(",").map((name) => name.trim());
  if (!named.includes("accept-encoding") && !named.includes("*")) fields.add("Vary", "Accept-Encoding");
}

/** The bytes differ by coding: the tag of the content no longer stands for them exactly, nor can parts of it be asked for. */
function encodedBy(coding: ContentCoding, fields: HttpHeaders): void {
  fields.set("Content-Encoding", coding);
  weakenTag(fields);
  dropDigests(fields);
  fields.delete("accept-ranges");
}

function weakenTag(fields: HttpHeaders): void {
  const etag = fields.get("etag");
  if (etag !== undefined && etag.startsWith('"')) fields.set("ETag", `W/${etag}`);
}
