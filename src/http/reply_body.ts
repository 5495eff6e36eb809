import { type Chain, CHAIN_FILE } from "../core/chain.ts";
import { EvBuffer } from "../core/mod.ts";

/** What a body can be given as. Text is sent as UTF-8; a buffer is emptied. */
export type ReplyBody = string | Uint8Array | EvBuffer;

/** A part of an open file to send, see {@linkcode HttpRequest.replyFile}. */
export interface FileBody {
  /** The descriptor; it must stay open until the reply has been sent. */
  readonly fd: number;
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
  /** Close the descriptor afterwards. */
  readonly closeOnFree?: boolean | undefined;
}

const encoder = new TextEncoder();

/** @throws {TypeError} for a buffer that could not be emptied, and for what is no body: it would be sent in part, or as nothing. */
export function bytesOf(body: ReplyBody): Uint8Array | EvBuffer {
  if (typeof body === "string") return encoder.encode(body);
  if (!(body instanceof Uint8Array) && !(body instanceof EvBuffer)) {
    throw new TypeError("Cannot send a body, or a piece of one, that is neither text nor bytes nor a buffer");
  }
  if (body instanceof EvBuffer && body.isFrontFrozen) throw new TypeError("Cannot send a buffer: its front is frozen");
  return body;
}

/** A buffer is emptied, also when nobody gets its bytes. */
export function drop(body: ReplyBody): void {
  if (body instanceof EvBuffer) body.drain(body.length);
}

/** Whether some of the bytes belong to a file, and are not in memory. */
export function holdsFile(body: Uint8Array | EvBuffer): boolean {
  if (body instanceof Uint8Array) return false;
  let chain: Chain | null = body.firstChain;
  while (chain !== null && chain.kind !== CHAIN_FILE) chain = chain.next;
  return chain !== null;
}

/**
 * The bytes, also those of files, to be looked at. A buffer is emptied also when they cannot be had.
 *
 * @throws {SystemError} when a file cannot be read, or with the code EIO when it is shorter than the part that was added.
 * @throws {TypeError} for memory that was transferred away.
 */
export function inMemory(body: Uint8Array | EvBuffer): Uint8Array {
  if (body instanceof Uint8Array) return body;
  try {
    body.loadFiles();
    return body.take();
  } finally {
    drop(body);
  }
}

/** Anything else would say one length and send another. */
export function checkFile({ fd, offset, length }: FileBody): void {
  for (const [name, value] of Object.entries({ fd, offset, length })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot reply with a file: ${name} must be a whole number, zero or more, not ${value}`);
    }
  }
}
