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
    const outAnew = isServer ? serverNoContextTakeover : clientNoContextTakeover;
    const inAnew = isServer ? clientNoContextTakeover : serverNoContextTakeover;
    this.#out = outAnew || !canTakeDictionary() ? null : new Context(this.#outBits);
    this.#in = inAnew ? null : new Context(isServer ? clientMaxWindowBits : serverMaxWindowBits);
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
  decompress(payload: Uint8Array, bytesMax: number): Uint8Array | "WS_BAD_COMPRESSION" | "WS_MESSAGE_TOO_LARGE" {
    const before = this.#in === null ? 0 : this.#in.bytes.length;
    try {
      const all = inflateRawSync(this.#withContext(payload), {
        maxOutputLength: before + bytesMax,
      });
      this.bytesDecompressed += all.length + CALL_BYTES;
      const message = new Uint8Array(all.length - before);
      message.set(all.subarray(before));
      this.#in?.add(message);
      return message;
    } catch (error) {
      const isTooLarge = (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
      return isTooLarge ? "WS_MESSAGE_TOO_LARGE" : "WS_BAD_COMPRESSION";
    }
  }

  /**
   * The message with its end, behind the bytes that it may refer to. Those are put before it as a stored block:
   * after decompressing them as they are, every zlib is in the state in which the last message has left it.
   */
  #withContext(payload: Uint8Array): Uint8Array {
    const context = this.#in?.bytes ?? NOTHING;
    const head = context.length === 0 ? 0 : STORED_HEAD_BYTES;
    const start = head + context.length;
    const whole = new Uint8Array(start + payload.length + END.length);
    if (head > 0) {
      const length = context.length;
      whole.set([0, length & 0xff, length >>> 8, ~length & 0xff, ~length >>> 8 & 0xff]);
      whole.set(context, head);
    }
    whole.set(payload, start);
    whole.set(END, start + payload.length);
    return whole;
  }
}
