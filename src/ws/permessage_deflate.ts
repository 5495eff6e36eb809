/**
 * Compressing messages one by one (RFC 7692 section 7.2) by the runtimes' own zlib.
 *
 * Its synchronous calls are used, and what a stream would remember between messages is kept here. Streams call back from
 * the host's loop, which stands still in `dispatch()`; and one of them holds 300 KB for a connection where the bytes that can
 * be referred to are 32 KB, once per direction.
 *
 * @module
 */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { copyOf } from "../core/copy_of.ts";
import { DEFLATE_MIN_BYTES, type DeflateOptions, type DeflateParameters } from "./deflate_parameters.ts";

/** What ends the output of a sync flush, and is left out on the wire (RFC 7692 section 7.2.1). */
const TAIL_BYTES = 4;
/** What a received message gets instead: that, and an empty final block, so that one which is cut off does not come to its end. */
const END = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/** A stored block: its first byte, its length, and that inverted. */
const STORED_HEAD_BYTES = 5;
const NOTHING = new Uint8Array(0);

/** A call of zlib takes as long as this many bytes do that go through it. */
const CALL_BYTES = 4096;
/**
 * A message may go on so often behind a final block. Each time takes a call, before which go the bytes that may be referred to: without
 * an end to it, two bytes on the wire would be as much work as 32 KiB.
 */
const FINAL_BLOCKS_MAX = 256;

/** Bun's zlib can be told what came before; Deno's ignores it. */
let takesDictionary: boolean | undefined;

function canTakeDictionary(): boolean {
  if (takesDictionary === undefined) {
    const sample = new Uint8Array(64).map((_, index) => index * 37);
    const flush = { finishFlush: constants.Z_SYNC_FLUSH };
    takesDictionary = deflateRawSync(sample, { ...flush, dictionary: sample }).length < sample.length;
  }
  return takesDictionary;
}

/** What zlib tells besides the bytes when it is asked for more, on both runtimes. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** How many bytes of the input it has taken: all, unless there was a final block before the end. */
  readonly engine: { readonly bytesWritten: number };
}

function inflate(bytes: Uint8Array, maxOutputLength: number): Inflated {
  return inflateRawSync(bytes, { maxOutputLength, info: true }) as unknown as Inflated;
}

/** The bytes that a message may refer back to: the last ones of what came before it. */
class Context {
  readonly #bytesMax: number;
  /** What is there. */
  bytes: Uint8Array = NOTHING;

  constructor(windowBits: number) {
    this.#bytesMax = 2 ** windowBits;
  }

  add(bytes: Uint8Array): void {
    const max = this.#bytesMax;
    if (bytes.length >= max) {
      this.bytes = copyOf(bytes, bytes.length - max);
      return;
    }
    const kept = Math.min(this.bytes.length, max - bytes.length);
    const joined = new Uint8Array(kept + bytes.length);
    joined.set(this.bytes.subarray(this.bytes.length - kept));
    joined.set(bytes, kept);
    this.bytes = joined;
  }
}

/** The compression of what one side sends and receives. */
export class PermessageDeflate {
  /** Messages of fewer bytes are better sent as they are. */
  readonly minBytes: number;
  /** How much work decompressing has been so far, in bytes that have gone through zlib. */
  bytesDecompressed = 0;
  readonly #level: number | undefined;
  readonly #outBits: number;
  readonly #inBits: number;
  // Null where every message begins anew.
  readonly #out: Context | null;
  readonly #in: Context | null;

  /** @param role whose side this is. */
  constructor(role: "server" | "client", agreed: DeflateParameters, options: DeflateOptions = {}) {
    const isServer = role === "server";
    const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = agreed;
    this.minBytes = options.minBytes ?? DEFLATE_MIN_BYTES;
    this.#level = options.level;
    this.#outBits = isServer ? serverMaxWindowBits : clientMaxWindowBits;
    this.#inBits = isServer ? clientMaxWindowBits : serverMaxWindowBits;
    const outAnew = isServer ? serverNoContextTakeover : clientNoContextTakeover;
    const inAnew = isServer ? clientNoContextTakeover : serverNoContextTakeover;
    this.#out = outAnew || !canTakeDictionary() ? null : new Context(this.#outBits);
    this.#in = inAnew ? null : new Context(this.#inBits);
  }

  /**
   * Compresses a message, or a fragment of one: what comes of the fragments, joined, is one message.
   *
   * @param isFinal whether it is the last fragment.
   */
  compress(bytes: Uint8Array, isFinal: boolean): Uint8Array {
    const context = this.#out;
    const result = deflateRawSync(bytes, {
      finishFlush: constants.Z_SYNC_FLUSH,
      // zlib makes 9 of 8 for raw data, and then refers back 250 bytes at most, which 8 allows.
      windowBits: this.#outBits,
      ...(this.#level === undefined ? {} : { level: this.#level }),
      ...(context === null || context.bytes.length === 0 ? {} : { dictionary: context.bytes }),
    });
    context?.add(bytes);
    if (!isFinal) return result;
    const length = result.length - TAIL_BYTES;
    // An empty message is one byte (section 7.2.3.6).
    return length > 0 ? result.subarray(0, length) : new Uint8Array(1);
  }

  /**
   * Decompresses a message.
   *
   * @param bytesMax more than that is an error, found out before there is much more than that.
   * @returns the message, or what is wrong with it.
   */
  decompress(payload: Uint8Array, bytesMax: number): Uint8Array | DecompressionFault {
    const before = this.#in === null ? 0 : this.#in.bytes.length;
    try {
      const whole = this.#withContext(payload);
      const { buffer, engine } = inflate(whole, before + bytesMax);
      const message = this.#taken(buffer, before);
      this.#in?.add(message);
      return isAll(whole.length - engine.bytesWritten)
        ? message
        : this.#goOn(message, whole.subarray(engine.bytesWritten), bytesMax);
    } catch (error) {
      const isTooLarge = (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
      return isTooLarge ? "WS_MESSAGE_TOO_LARGE" : "WS_BAD_COMPRESSION";
    }
  }

  /**
   * Goes on behind a final block (RFC 7692 section 7.2.1), at which every zlib stops.
   *
   * @param rest what stands there, with the end of the message.
   */
  #goOn(first: Uint8Array, rest: Uint8Array, bytesMax: number): Uint8Array | DecompressionFault {
    const context = this.#in ?? new Context(this.#inBits);
    if (this.#in === null) context.add(first);
    const room = STORED_HEAD_BYTES + 2 ** this.#inBits;
    // What may be referred to is put before what is left, over what has been read: the rest is not copied for every block.
    const whole = new Uint8Array(room + rest.length);
    whole.set(rest, room);
    const parts = [first];
    let length = first.length;
    for (let at = room; !isAll(whole.length - at);) {
      if (parts.length > FINAL_BLOCKS_MAX) return "WS_TOO_MANY_FRAGMENTS";
      const before = context.bytes.length;
      const start = before === 0 ? at : at - before - STORED_HEAD_BYTES;
      putStored(whole, start, context.bytes);
      const { buffer, engine } = inflate(whole.subarray(start), before + bytesMax - length);
      const part = this.#taken(buffer, before);
      context.add(part);
      parts.push(part);
      length += part.length;
      at = start + engine.bytesWritten;
    }
    return joined(parts, length);
  }

  /** What has come of a call of zlib behind the bytes that it was told before, in memory of its own. */
  #taken(all: Uint8Array, before: number): Uint8Array {
    this.bytesDecompressed += all.length + CALL_BYTES;
    const bytes = new Uint8Array(all.length - before);
    bytes.set(all.subarray(before));
    return bytes;
  }

  /**
   * The message with its end, behind the bytes that it may refer to. Those are put before it as a stored block:
   * after decompressing them as they are, every zlib is in the state in which the last message has left it.
   */
  #withContext(payload: Uint8Array): Uint8Array {
    const context = this.#in?.bytes ?? NOTHING;
    const start = context.length === 0 ? 0 : STORED_HEAD_BYTES + context.length;
    const whole = new Uint8Array(start + payload.length + END.length);
    putStored(whole, 0, context);
    whole.set(payload, start);
    whole.set(END, start + payload.length);
    return whole;
  }
}

/** What can be wrong with a compressed message. */
type DecompressionFault = "WS_BAD_COMPRESSION" | "WS_MESSAGE_TOO_LARGE" | "WS_TOO_MANY_FRAGMENTS";

/** Whether a message is complete of which zlib has left so many bytes: none, or all that was put behind it, since it ended with a final block. */
function isAll(bytesLeft: number): boolean {
  return bytesLeft === 0 || bytesLeft === END.length;
}

/** Puts bytes as a stored block, or nothing for none. */
function putStored(target: Uint8Array, at: number, bytes: Uint8Array): void {
  const { length } = bytes;
  if (length === 0) return;
  target.set([0, length & 0xff, length >>> 8, ~length & 0xff, ~length >>> 8 & 0xff], at);
  target.set(bytes, at + STORED_HEAD_BYTES);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
