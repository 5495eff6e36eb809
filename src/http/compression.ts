import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import { EvBuffer } from "../core/mod.ts";
import { chooseCoding, type ContentCoding } from "./accept_encoding.ts";
import { type BodyEncoder, DeflateEncoder } from "./body_encoder.ts";
import type { RequestHead } from "./head.ts";
import type { HttpHeaders } from "./headers.ts";
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
  /** Content types to compress, without parameters and in lower case; text, JSON, XML, JavaScript, SVG and WebAssembly by default. */
  readonly types?: ReadonlySet<string> | ((type: string) => boolean) | undefined;
}

const TYPES =
  /^text\/(?!event-stream)|^application\/(?:json|javascript|xml|wasm|manifest\+json|.+\+(?:json|xml))$|^image\/(?:svg\+xml|bmp)$/;
const CODINGS: readonly ContentCoding[] = ["br", "gzip", "deflate"];

/** How replies are compressed. @internal */
export class Compression {
  /** Whole bodies below this are sent as they are. */
  readonly minBytes: number;
  readonly #maxBytes: number;
  readonly #level: number;
  readonly #codings: readonly ContentCoding[];
  readonly #streamCodings: readonly ContentCoding[];
  readonly #isType: (type: string) => boolean;
  readonly #defaultType: string;

  /**
   * @param defaultType what replies are taken for that name no type.
   * @throws {RangeError} for sizes, a level or a coding that are none.
   */
  constructor(options: CompressionOptions, defaultType: string | null) {
    const { codings = CODINGS, minBytes = 1024, maxBytes = 1024 * 1024, level = 4, types } = options;
    if (!(minBytes >= 0) || !(maxBytes >= minBytes)) {
      throw new RangeError(`Cannot compress bodies from ${minBytes} to ${maxBytes} bytes`);
    }
    if (!Number.isInteger(level) || level < 1 || level > 9) {
      throw new RangeError(`Cannot compress with level ${level}: 1 to 9 are needed`);
    }
    const unknown = codings.find((coding) => !CODINGS.includes(coding));
    if (unknown !== undefined) throw new RangeError(`Cannot compress by "${unknown}": br, gzip and deflate are known`);
    this.minBytes = Math.max(1, minBytes);
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
  }

  /** Compresses a whole body, and says so in `fields`; or returns it as it is. */
  whole(
    head: RequestHead,
    status: number,
    fields: HttpHeaders,
    body: Uint8Array | EvBuffer,
  ): Uint8Array | EvBuffer {
    if (body.length > this.#maxBytes) return body;
    const coding = this.#choose(head, status, fields, this.#codings);
    if (coding === null) return body;
    const bytes = body instanceof EvBuffer ? body.take() : body;
    const encoded = this.#encode(coding, bytes);
    if (encoded.length >= bytes.length) return bytes;
    encodedBy(coding, fields);
    return encoded;
  }

  /** How to compress what will come in pieces, which `fields` say then; null: not at all. */
  streamCoding(head: RequestHead, status: number, fields: HttpHeaders, length: number): ContentCoding | null {
    if (length < this.minBytes) return null;
    const coding = this.#choose(head, status, fields, this.#streamCodings);
    if (coding === null) return null;
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

  #choose(
    head: RequestHead,
    status: number,
    fields: HttpHeaders,
    codings: readonly ContentCoding[],
  ): ContentCoding | null {
    if (isContentless(status) || status === 206 || fields.has("content-encoding") || fields.has("content-range")) {
      return null;
    }
    if (/\bno-transform\b/i.test(fields.getAll("cache-control").join())) return null;
    const type = (fields.get("content-type") ?? this.#defaultType).split(";")[0]!.trim().toLowerCase();
    if (!this.#isType(type)) return null;
    // Also where this client gets it plain: a cache has to know that others may not.
    addVary(fields);
    const accepted = head.headers.getAll("accept-encoding");
    return chooseCoding(accepted.length === 0 ? undefined : accepted.join(), codings);
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

function addVary(fields: HttpHeaders): void {
  const named = fields.getAll("vary").join().toLowerCase().split(",").map((name) => name.trim());
  if (!named.includes("accept-encoding") && !named.includes("*")) fields.add("Vary", "Accept-Encoding");
}

/** The bytes differ by coding: the tag of the content no longer stands for them exactly, nor can parts of it be asked for. */
function encodedBy(coding: ContentCoding, fields: HttpHeaders): void {
  fields.set("Content-Encoding", coding);
  const etag = fields.get("etag");
  if (etag !== undefined && etag.startsWith('"')) fields.set("ETag", `W/${etag}`);
  fields.delete("accept-ranges");
}
