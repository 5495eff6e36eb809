import { EvBuffer } from "../core/mod.ts";

/**
 * Where a body comes from whose length nobody knows beforehand: pieces of bytes, or of text as UTF-8. It is told when no more of it is
 * wanted: a stream is cancelled, and `return()` called of an iteration, also of one that was never begun because there was no connection.
 */
export type UploadSource = AsyncIterable<Uint8Array | string> | ReadableStream<Uint8Array>;

/**
 * What the body of a request can be given as. Text is sent as UTF-8. An array is not copied when it is large, and must not be changed
 * before the response has come; a buffer is emptied at once, and may hold files. A source is read as fast as the server takes it.
 */
export type UploadBody = string | Uint8Array | EvBuffer | UploadSource;

const encoder = new TextEncoder();
/** Arrays from this size on are referred to, not copied. */
const REFERENCE_MIN = 64 * 1024;

/** The body of a request, ready to be sent: bytes that can be sent again, or a source that cannot. */
export class PreparedBody {
  /** Bytes it has; -1 when that is not known. */
  readonly length: number;
  /** Where pieces come from; null when the bytes are there. */
  readonly source: UploadSource | null;
  readonly #bytes: Uint8Array | EvBuffer | null;
  #isRead = false;

  /**
   * Takes `body`.
   *
   * @throws {TypeError} for something that is no body, or a buffer that cannot be emptied.
   */
  constructor(body: UploadBody | null | undefined) {
    this.source = null;
    this.#bytes = null;
    if (body === null || body === undefined) {
      this.length = 0;
    } else if (typeof body === "string" || body instanceof Uint8Array) {
      const bytes = typeof body === "string" ? encoder.encode(body) : body;
      this.#bytes = bytes;
      this.length = bytes.length;
    } else if (body instanceof EvBuffer) {
      const own = new EvBuffer();
      own.addBuffer(body);
      this.#bytes = own;
      this.length = own.length;
    } else if (typeof (body as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator] === "function") {
      this.source = body;
      this.length = -1;
    } else {
      throw new TypeError("Cannot send a body that is neither text, bytes, a buffer, a stream nor an async iterable");
    }
  }

  /** Whether there is none at all, not even an empty one. */
  get isAbsent(): boolean {
    return this.#bytes === null && this.source === null;
  }

  /** Whether it can be sent a second time. */
  get isRepeatable(): boolean {
    return this.source === null;
  }

  /** Adds the bytes to `output`, and keeps them. */
  addTo(output: EvBuffer): void {
    const bytes = this.#bytes;
    if (bytes === null || this.length === 0) return;
    if (bytes instanceof EvBuffer) output.addBufferReference(bytes);
    else if (bytes.length < REFERENCE_MIN) output.add(bytes);
    else output.addReference(bytes);
  }

  /** Where pieces come from, for the one who reads them. */
  takeSource(): UploadSource | null {
    this.#isRead = true;
    return this.source;
  }

  /** Tells a source that nobody has taken that nobody will. */
  dismissSource(): void {
    if (this.source !== null && !this.#isRead) endSource(this.source);
  }

  /** Lets go of the bytes. */
  close(): void {
    if (this.#bytes instanceof EvBuffer) this.#bytes.close();
  }
}

/** The pieces of a source. An iteration over a stream would cancel that only when the piece is there which it waits for. */
export function piecesOf(source: UploadSource): AsyncIterator<Uint8Array | string> {
  if (!(source instanceof ReadableStream)) return source[Symbol.asyncIterator]();
  const reader = source.getReader();
  return {
    async next(): Promise<IteratorResult<Uint8Array, undefined>> {
      const { done, value } = await reader.read();
      if (!done) return { done, value };
      reader.releaseLock();
      return { done, value: undefined };
    },
    async return(): Promise<IteratorReturnResult<undefined>> {
      const cancelled = reader.cancel();
      reader.releaseLock();
      await cancelled;
      return { done: true, value: undefined };
    },
  };
}

/** Tells a source, or an iteration over it that was begun, that no more is wanted. What it says to that is nobody's business any more. */
export function endSource(source: UploadSource, begun: AsyncIterator<unknown> | null = null): void {
  try {
    const iterator = begun ?? piecesOf(source);
    iterator.return?.().then(undefined, () => {});
  } catch {
    // Neither is what it throws.
  }
}
