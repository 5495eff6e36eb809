import type { EvBuffer } from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import type { BodyEncoder } from "./body_encoder.ts";
import type { HttpHeadersInit } from "./headers.ts";
import { bytesOf, drop, inMemory, type ReplyBody } from "./reply_body.ts";
import { CHUNKED, UNSTATED } from "./reply_head.ts";
import { goneError, ReplyState, STREAMING } from "./reply_state.ts";

/** From so many bytes waiting for the client on, a producer that can wait has to. */
const WRITE_HIGH_BYTES = 64 * 1024;

/** The body of a reply that is under way. @internal */
export interface StreamedBody {
  /** Whether each piece says how long it is. */
  readonly isChunked: boolean;
  /** Whether there is none, whatever the handler sends (HEAD, 204, 205, 304, 2xx to CONNECT). */
  readonly isDropped: boolean;
  /** Bytes of the declared Content-Length that are still to come, before they are compressed; Infinity when none was declared. */
  bytesLeft: number;
  /** Compresses it; null: it is sent as it is. */
  readonly encoder: BodyEncoder | null;
}

/** What a body can be made of piece by piece. */
export type ReplySource =
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>;

/** Replies whose body comes in pieces. */
export abstract class StreamedReply extends ReplyState {
  /**
   * Begins a reply whose body comes in pieces (evhttp_send_reply_start): in chunks for HTTP/1.1, up to the end of the
   * connection for HTTP/1.0, or as is when the header fields name a Content-Length.
   *
   * @throws as {@linkcode HttpReply.reply}, and {RangeError} for a Content-Length that is no number.
   */
  replyStart(status: number, headers?: HttpHeadersInit): void {
    if (!this.begin(status, headers)) return;
    const isDropped = !this.mayHaveBody(status);
    const declared = this.declaredLength();
    const coding = this.link.compression?.streamCoding(this, status, declared) ?? null;
    let isChunked = false;
    let length = UNSTATED;
    // What is compressed has another length, which nobody knows yet.
    if (declared !== Infinity && coding === null) {
      length = declared;
    } else if (isDropped) {
      // The head ends the reply.
    } else if (this.head.versionMinor >= 1) {
      isChunked = true;
      length = CHUNKED;
    } else {
      this.keepAlive = false;
    }
    const encoder = coding === null || isDropped ? null : this.link.compression!.encoder(coding);
    this.streamed = { isChunked, isDropped, bytesLeft: isDropped ? Infinity : declared, encoder };
    this.writeHead(status, length, false);
  }

  /** @internal The Content-Length that the handler has set; Infinity without one. */
  private declaredLength(): number {
    const declared = this.fields?.get("content-length");
    if (declared === undefined) return Infinity;
    const length = Number(declared);
    if (!/^\d+$/.test(declared) || !Number.isSafeInteger(length)) {
      throw new RangeError(`Cannot start a reply: Content-Length "${declared}" is no length`);
    }
    return length;
  }

  /**
   * Sends a piece of the body (evhttp_send_reply_chunk). Empty pieces are ignored, and all of them where the reply has no body (HEAD, 204,
   * 304, 2xx to CONNECT: they end with their head whatever their fields say, RFC 9112 section 6.3; 205), or when the client has gone.
   *
   * @param onSent called when it, and everything before it, has been handed to the system, or with false when it never will be
   * (evhttp_send_reply_chunk_with_cb).
   * @returns how many bytes wait to be sent by now: a producer faster than its client should stop when they are many, and
   * go on when {@linkcode StreamedReply.onDrain} is called.
   * @throws {Error} before {@linkcode StreamedReply.replyStart}, after the end.
   * @throws {RangeError} for more bytes than the declared Content-Length.
   * @throws {TypeError} for a piece that is neither text nor bytes.
   * @throws {SystemError} when a file in a buffer cannot be read, where the reply is compressed: that is done here then.
   */
  replyChunk(piece: ReplyBody, onSent?: (isSent: boolean) => void): number {
    const bytes = bytesOf(piece);
    const { output } = this.link;
    if (this.gone) {
      drop(bytes);
      onSent?.(false);
      return 0;
    }
    const body = this.streamed;
    if (this.state !== STREAMING || body === null) {
      throw new Error("Cannot send a chunk: the reply has not begun, or is complete");
    }
    if (body.isDropped) drop(bytes);
    else if (bytes.length > 0) this.sendPiece(body, bytes);
    if (onSent !== undefined) this.link.afterSent(onSent);
    return output.length;
  }

  /** @internal Sends a piece of the body, compressed if that was chosen. */
  private sendPiece(body: StreamedBody, bytes: Uint8Array | EvBuffer): void {
    if (bytes.length > body.bytesLeft) {
      throw new RangeError(`Cannot send ${bytes.length} bytes: the declared Content-Length leaves ${body.bytesLeft}`);
    }
    body.bytesLeft -= bytes.length;
    if (body.encoder === null) return this.frame(body, bytes);
    this.frame(body, body.encoder.add(inMemory(bytes)));
  }

  /** @internal Queues bytes of the body as they travel: as a chunk, or as they are. */
  private frame(body: StreamedBody, bytes: Uint8Array | EvBuffer): void {
    const { output } = this.link;
    if (body.isChunked) output.addAscii(`${bytes.length.toString(16)}\r\n`);
    this.send(bytes);
    if (body.isChunked) output.addAscii("\r\n");
  }

  /**
   * As {@linkcode StreamedReply.replyChunk}, for producers that can wait: resolves at once while little waits for the client, else when
   * all of it has been handed to the system.
   *
   * @throws {ConnectionError} by rejection, `CLOSED`, when the client has gone; {BaseClosedError} when the base is closed; and as
   * {@linkcode StreamedReply.replyChunk}.
   */
  async replyWrite(piece: ReplyBody): Promise<void> {
    const waiting = this.replyChunk(piece);
    if (this.gone) throw goneError();
    if (waiting < WRITE_HIGH_BYTES) return;
    const waiter = new Waiter<void>();
    waiter.wait(this.link.server.base, undefined, () => {});
    this.link.afterSent((isSent) => {
      if (waiter.isSettled) return;
      if (isSent) waiter.resolve();
      else waiter.reject(goneError());
    });
    await waiter.promise;
  }

  /**
   * Ends a reply begun by {@linkcode StreamedReply.replyStart} (evhttp_send_reply_end). When fewer bytes came than were declared,
   * the connection is cut, since the client could not tell otherwise, as by {@linkcode ReplyState.abort}.
   */
  replyEnd(): void {
    if (this.gone) return this.endInVain();
    const body = this.streamed;
    if (this.state !== STREAMING || body === null) {
      throw new Error("Cannot end a reply: it has not begun, or is complete");
    }
    if (body.bytesLeft > 0 && body.bytesLeft !== Infinity) {
      return this.abort();
    }
    if (body.encoder !== null) this.frame(body, body.encoder.end());
    if (body.isChunked) this.link.output.addAscii("0\r\n\r\n");
    this.finish();
  }

  /**
   * Sends a whole reply whose body comes from a stream or an iteration, no faster than the client takes it. When the client goes, the
   * source is cancelled; when the source fails, the connection is cut.
   *
   * @throws by rejection, what the source has failed with, and as {@linkcode StreamedReply.replyStart}. That the client has gone is no
   * failure: {@linkcode ReplyState.finished} tells, or {@linkcode ReplyState.signal}.
   */
  async replyFrom(status: number, source: ReplySource, headers?: HttpHeadersInit): Promise<void> {
    await this.replyPieces(status, piecesOf(source), headers);
  }

  /** @internal As {@linkcode StreamedReply.replyFrom}, for who has to know why no more is wanted. */
  async replyPieces(status: number, pieces: ReplyPieces, headers: HttpHeadersInit | undefined): Promise<void> {
    try {
      this.replyStart(status, headers);
      if (this.streamed?.isDropped === true) this.replyEnd();
    } catch (error) {
      await pieces.cancel(error);
      throw error;
    }
    await this.pump(pieces);
  }

  /** @internal Sends all pieces, as fast as the client takes them. */
  private async pump(pieces: ReplyPieces): Promise<void> {
    if (this.finished) {
      this.endInVain();
      return await pieces.cancel(goneError());
    }
    const { signal } = this;
    const onGone = (): void => {
      pieces.cancel(signal.reason).catch(() => {});
    };
    signal.addEventListener("abort", onGone);
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (this.gone) return;
        if (done === true) break;
        // What is no piece is refused there.
        await this.replyWrite(value as Uint8Array | string);
      }
      // There is nothing left to cancel, also if this cuts the connection.
      signal.removeEventListener("abort", onGone);
      this.replyEnd();
    } catch (error) {
      // Then it is cancelled already.
      if (this.gone) return;
      // It is to hear of this, and not of the end that the connection has because of it.
      signal.removeEventListener("abort", onGone);
      this.abort();
      await pieces.cancel(error);
      throw error;
    } finally {
      signal.removeEventListener("abort", onGone);
      this.endInVain();
    }
  }
}

/** A stream or iteration, one piece after the other. @internal */
export interface ReplyPieces {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: unknown }>;
  cancel(reason: unknown): Promise<void>;
}

function piecesOf(source: ReplySource): ReplyPieces {
  if (source instanceof ReadableStream) {
    const reader = source.getReader();
    return {
      next: () => reader.read(),
      cancel: (reason) => reader.cancel(reason),
    };
  }
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  return {
    next: async () => await iterator.next(),
    cancel: async () => void await iterator.return?.(),
  };
}
