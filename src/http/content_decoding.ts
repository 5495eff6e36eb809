import { pipeline, Readable } from "node:stream";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from "node:zlib";
import { HttpClientError } from "./client_error.ts";
import type { HttpHeaders } from "./headers.ts";

/** How much may come of an encoded body. */
export interface DecodingLimits {
  /** Bytes in all. */
  readonly maxBytes: number;
  /** Bytes for each encoded one; not looked at below 1 MiB. */
  readonly maxRatio: number;
}

const RATIO_FROM_BYTES = 1024 * 1024;
/** More codings on top of each other are no use to anybody. */
const CODINGS_MAX = 3;
const CODINGS: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate"]);
/**
 * What is put behind a Brotli stream, since `node:zlib` of Deno takes one that was cut off for a whole one: a decoder that has come to its end
 * leaves this byte alone, and one that takes it has not.
 */
const BROTLI_SENTINEL = Uint8Array.of(0);
/** The first bytes of a Brotli stream, of which the rest is missing. */
const CUT_BROTLI = Uint8Array.of(0x0b, 0x02, 0x80, 0x61);

let noticesBadBrotli: boolean | null = null;

/**
 * Whether whole bodies of Brotli are decoded, as streams always are: what decodes them at once in `node:zlib` of Deno keeps quiet about all that
 * is wrong with them, and half a body would pass for all of it. How many bytes it has used does not tell either: what is corrupt may be used up.
 */
export function decodesWholeBrotli(): boolean {
  if (noticesBadBrotli === null) {
    try {
      brotliDecompressSync(CUT_BROTLI);
      noticesBadBrotli = false;
    } catch {
      noticesBadBrotli = true;
    }
  }
  return noticesBadBrotli;
}

/** What clients say they take that decode whole bodies, or streams. */
export function acceptEncoding(kind: "whole" | "stream"): string {
  return kind === "stream" || decodesWholeBrotli() ? "gzip, deflate, br" : "gzip, deflate";
}

/**
 * The codings of a body that is to be decoded as a whole or as a stream, in the order in which they are to be undone; empty when there are none,
 * or some that are not known here, which are then the receiver's.
 */
export function codingsOf(headers: HttpHeaders, kind: "whole" | "stream"): string[] {
  const codings = headers.getAll("content-encoding").join().toLowerCase().split(",").map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  const isKnown = (coding: string): boolean =>
    CODINGS.has(coding) || (coding === "br" && (kind === "stream" || decodesWholeBrotli()));
  return codings.length <= CODINGS_MAX && codings.every(isKnown) ? codings.reverse() : [];
}

/**
 * Decodes a whole body.
 *
 * @throws {HttpClientError} `HTTP_BAD_ENCODING`, or `HTTP_DATA_TOO_LONG` when more would come of it than may.
 */
export function decodeBody(bytes: Uint8Array, codings: readonly string[], limits: DecodingLimits): Uint8Array {
  const maxOutputLength = Math.min(
    limits.maxBytes,
    Math.max(RATIO_FROM_BYTES, limits.maxRatio * bytes.length),
    2 ** 31 - 1,
  );
  let result = bytes;
  for (const coding of codings) {
    // A body that is empty after all, such as that of a 304, has no coding either.
    if (result.length === 0) return result;
    try {
      const options = { maxOutputLength: Math.max(1, maxOutputLength) };
      if (coding === "br") result = brotliDecompressSync(result, options);
      else if (coding !== "deflate") result = gunzipSync(result, options);
      else result = isZlib(result) ? inflateSync(result, options) : inflateRawSync(result, options);
    } catch (error) {
      throw decodingError(error);
    }
  }
  return result;
}

/**
 * Decodes a body as it comes, no faster than it is read. Cancelling it cancels `source`, also while it is waited for.
 *
 * @param working told when somebody waits for a piece (+1), and when it is there (-1): decoding is done by other threads, of which no loop
 * of ours knows.
 * @param signal ends it with its reason, also when all of the source was taken: much may come of that.
 * @param failureOf makes what the reader is told of an {@linkcode HttpClientError}, with which it fails as {@linkcode decodeBody} does.
 */
export function decodedStream(
  source: ReadableStream<Uint8Array>,
  codings: readonly string[],
  limits: DecodingLimits,
  working: (by: number) => void = () => {},
  signal: AbortSignal | null = null,
  failureOf: (error: unknown) => unknown = (error) => error,
): ReadableStream<Uint8Array> {
  const counts: SourceCounts = { encoded: 0, failure: null };
  const reader = source.getReader();
  let bytes: AsyncIterable<Uint8Array> = counted(reader, counts);
  for (const coding of codings) bytes = decodedBy(coding, bytes);
  const pieces = bounded(bytes, counts, limits);
  const end = async (reason: unknown): Promise<void> => {
    // The generators hear of it only when what they wait for has come, and this makes it come.
    await reader.cancel(reason).catch(() => {});
    await pieces.return();
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      if (signal?.aborted === true) {
        end(signal.reason).catch(() => {});
        throw signal.reason;
      }
      working(1);
      try {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        // What the source has failed with is no fault of the coding, whatever has become of it on its way.
        throw counts.failure === null ? failureOf(error) : counts.failure.error;
      } finally {
        working(-1);
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** What has come of a source so far. */
interface SourceCounts {
  encoded: number;
  failure: { readonly error: unknown } | null;
}

async function* counted(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  counts: SourceCounts,
): AsyncGenerator<Uint8Array, void> {
  const read = (): Promise<ReadableStreamReadResult<Uint8Array>> =>
    reader.read().catch((error: unknown) => {
      counts.failure = { error };
      throw error;
    });
  try {
    for (let next = await read(); !next.done; next = await read()) {
      counts.encoded += next.value.length;
      yield next.value;
    }
  } finally {
    // Whatever has ended it, nobody reads on.
    await reader.cancel();
  }
}

async function* bounded(
  source: AsyncIterable<Uint8Array>,
  counts: { readonly encoded: number },
  { maxBytes, maxRatio }: DecodingLimits,
): AsyncGenerator<Uint8Array, void> {
  let length = 0;
  for await (const piece of source) {
    length += piece.length;
    if (length > maxBytes || (length > RATIO_FROM_BYTES && length > maxRatio * counts.encoded)) throw tooLong();
    yield new Uint8Array(piece);
  }
}

/** Undoes one coding. Which of the two that go by the name of deflate it is shows in the first bytes. */
async function* decodedBy(coding: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const iterator = source[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array, void>;
  do first = await iterator.next(); while (first.done !== true && first.value.length === 0);
  if (first.done === true) return;
  const decoder = coding === "br"
    ? createBrotliDecompress()
    : coding !== "deflate"
    ? createGunzip()
    : isZlib(first.value)
    ? createInflate()
    : createInflateRaw();
  let failure: unknown = null;
  const counts = { encoded: 0 };
  pipeline(
    Readable.from(from(first.value, iterator, counts, coding === "br"), { objectMode: false }),
    decoder,
    (error) => failure = error ?? null,
  );
  try {
    for await (const piece of decoder) yield piece as Uint8Array;
    if (coding === "br" && decoder.bytesWritten > counts.encoded) throw cutOff();
  } catch (error) {
    throw error instanceof HttpClientError ? error : decodingError(failure ?? error);
  } finally {
    decoder.destroy();
  }
}

async function* from(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
  counts: { encoded: number },
  isGuarded: boolean,
): AsyncGenerator<Uint8Array, void> {
  try {
    counts.encoded += first.length;
    yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      counts.encoded += next.value.length;
      yield next.value;
    }
    if (isGuarded) yield BROTLI_SENTINEL;
  } finally {
    await rest.return?.();
  }
}

/** RFC 1950 section 2.2; what else is called deflate has no head at all. */
function isZlib(bytes: Uint8Array): boolean {
  const isDeflate = (bytes[0]! & 0x0f) === 8 && bytes[0]! >> 4 <= 7;
  return isDeflate && (bytes.length === 1 || (bytes[0]! * 256 + bytes[1]!) % 31 === 0);
}

function decodingError(error: unknown): HttpClientError {
  if (error instanceof HttpClientError) return error;
  if ((error as { code?: string } | null)?.code === "ERR_BUFFER_TOO_LARGE") return tooLong();
  return new HttpClientError("HTTP_BAD_ENCODING", "decode the body of a response", error);
}

function cutOff(): HttpClientError {
  return new HttpClientError("HTTP_BAD_ENCODING", "decode the body of a response: its end is missing");
}

function tooLong(): HttpClientError {
  return new HttpClientError("HTTP_DATA_TOO_LONG", "decode the body of a response: more comes of it than may");
}
