import { type Chain, CHAIN_FILE, isDetached } from "../core/chain.ts";
import { type BufferEvent, ConnectionError, type ConnectionFailure, type EvBuffer } from "../core/mod.ts";
import { addressOf, allocate, os, pread, runtime, systemError, type Word } from "../ffi/mod.ts";
import { RECORD_BYTES_MAX } from "./native_memory.ts";
import type { TlsEngine } from "./tls_engine.ts";

/** Six full records: more in one call of the kernel gains nothing, and so much still stays in the processor's cache. */
const DIRECT_BYTES_MAX = 6 * RECORD_BYTES_MAX;
/** Pieces smaller than this are brought together: a record costs more than copying so much. */
const DIRECT_BYTES_MIN = 4096;
/** Up to so many bytes a loop copies faster than a view of them is made. */
const LOOP_BYTES_MAX = 128;

const EIO = os.errno["EIO"]!;

let scratch: Uint8Array | null = null;
let scratchAddress: Word = runtime.word(0);

/** Memory of this thread in which small pieces become one record. */
function scratchBytes(): Uint8Array {
  if (scratch === null) {
    scratch = allocate(RECORD_BYTES_MAX);
    scratchAddress = runtime.word(addressOf(scratch));
  }
  return scratch;
}

/**
 * Encrypts what is queued in one buffer into the output of the connection underneath, as long as that is not full. Small pieces that
 * lie behind each other share a record (libevent's BUFFEREVENT_SSL_BATCH_WRITE, which is always on here); large ones are encrypted where
 * they are.
 */
export class Encryptor {
  /** Why what is queued cannot be encrypted, though TLS could: its bytes are not to be had. Whoever sees it drops them. */
  failure: ConnectionFailure | null = null;
  readonly #engine: TlsEngine;
  readonly #plain: EvBuffer;
  readonly #underlying: BufferEvent;

  /** @param plain what is to be encrypted; its front must be open while {@linkcode Encryptor.run} runs. */
  constructor(engine: TlsEngine, plain: EvBuffer, underlying: BufferEvent) {
    this.#engine = engine;
    this.#plain = plain;
    this.#underlying = underlying;
  }

  /**
   * Encrypts until nothing is left, the connection underneath is full, TLS must wait for the peer, or something has failed.
   *
   * @param max most bytes to encrypt before others have their turn.
   * @returns how many bytes of plaintext that were.
   */
  run(max: number): number {
    const plain = this.#plain;
    let total = 0;
    while (plain.length > 0 && total < max && !this.#underlying.outputFull) {
      const taken = this.#next(plain.firstChain!);
      if (taken <= 0) break;
      plain.drain(taken);
      total += taken;
    }
    return total;
  }

  /** Encrypts something from the front; returns how much, or zero or less when that cannot be. */
  #next(first: Chain): number {
    if (first.kind === CHAIN_FILE) return this.#fromFile(first);
    if (isDetached(first)) {
      this.failure = new ConnectionError("DETACHED", "Cannot encrypt memory added by reference: it was detached");
      return -1;
    }
    const size = first.end - first.start;
    // Asking where something lies costs more than copying a little of it.
    const isDirect = size >= DIRECT_BYTES_MIN || (first.next === null && first.address !== 0);
    return isDirect ? this.#direct(first, Math.min(size, DIRECT_BYTES_MAX)) : this.#gathered(first);
  }

  #direct(chain: Chain, length: number): number {
    if (chain.address === 0) chain.address = addressOf(chain.bytes);
    return this.#write(runtime.word(chain.address + chain.start), length);
  }

  /** Brings pieces together, up to a full record, a file or memory that is gone. */
  #gathered(first: Chain): number {
    const target = scratchBytes();
    let length = 0;
    for (let chain: Chain | null = first; chain !== null && length < RECORD_BYTES_MAX; chain = chain.next) {
      if (chain.kind === CHAIN_FILE || isDetached(chain)) break;
      const { bytes, start } = chain;
      const count = Math.min(chain.end - start, RECORD_BYTES_MAX - length);
      if (count > LOOP_BYTES_MAX) target.set(bytes.subarray(start, start + count), length);
      else for (let i = 0; i < count; i++) target[length + i] = bytes[start + i]!;
      length += count;
    }
    return this.#write(scratchAddress, length);
  }

  /** The kernel cannot send a file that is to be encrypted: it is read, a record at a time. */
  #fromFile(chain: Chain): number {
    const target = scratchBytes();
    const wanted = Math.min(RECORD_BYTES_MAX, chain.end - chain.start);
    const got = pread(chain.source!.fd, target, wanted, chain.base + chain.start);
    if (got > 0) return this.#write(scratchAddress, got);
    // The file is shorter than promised, or cannot be read.
    this.failure = systemError(got === 0 ? -EIO : got, "pread", "read a file that was to be sent");
    return -1;
  }

  #write(address: Word, length: number): number {
    return this.#engine.write(address, length, length === this.#plain.length);
  }
}
