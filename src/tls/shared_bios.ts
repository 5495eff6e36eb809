/**
 * The two memory BIOs that all TLS connections of a thread read from and write to.
 *
 * OpenSSL would have a pair of them per connection, each of which keeps the memory of the most it ever held. But all of our calls
 * are synchronous: one record goes in, one call is made, what came of it is taken out, and both BIOs are empty again before
 * anybody else can run. So one pair is enough; it stays in the processor's cache, and an idle connection costs nothing here.
 * (uSockets does the same.)
 *
 * Two rules keep connections apart: {@linkcode SharedBios.feed} is given at most one record and is followed by a call that
 * consumes it, and whatever makes a call that may write is to call {@linkcode SharedBios.drain} before it returns.
 *
 * @module
 */

import { addressOf, runtime, type Word } from "../ffi/mod.ts";
import { EvBuffer } from "../core/mod.ts";
import { wordAt } from "./native_memory.ts";
import { NULL, openssl } from "./openssl.ts";
import { BIO_CTRL_RESET } from "./openssl_constants.ts";

/** The most that is moved to a buffer in one piece: the largest chunk that buffers pool. */
const PIECE_BYTES_MAX = 64 * 1024;

/** The BIOs; see the module's text for how they are used. */
export class SharedBios {
  readonly #input: Word;
  readonly #output: Word;
  readonly #lib = openssl();

  /** Makes both. */
  constructor() {
    const { crypto } = this.#lib;
    this.#input = crypto.BIO_new(crypto.BIO_s_mem());
    this.#output = crypto.BIO_new(crypto.BIO_s_mem());
  }

  /** Lets a connection read from and write to them. */
  attach(ssl: Word): void {
    const { crypto } = this.#lib;
    // SSL_set_bio takes over one reference to each, which SSL_free gives back.
    crypto.BIO_up_ref(this.#input);
    crypto.BIO_up_ref(this.#output);
    this.#lib.ssl.SSL_set_bio(ssl, this.#input, this.#output);
  }

  /** Gives `bytes[start..end)` to the next call. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    // An address into memory that was transferred away must never reach C.
    if (end > bytes.length) throw new TypeError("Cannot read received bytes: their memory was detached");
    this.#lib.crypto.BIO_write(this.#input, wordAt(bytes, start), end - start);
  }

  /** How much the last call has left unread. */
  get unread(): number {
    return this.#lib.crypto.BIO_ctrl_pending(this.#input);
  }

  /** Drops what a call that has failed may have left. */
  reset(): void {
    this.#lib.crypto.BIO_ctrl(this.#input, BIO_CTRL_RESET, 0, NULL);
  }

  /** Moves what the last call has written to the back of `target`; returns how much that was. Whoever listens to it is told once. */
  drain(target: EvBuffer): number {
    const total = this.#lib.crypto.BIO_ctrl_pending(this.#output);
    if (total > PIECE_BYTES_MAX) this.#drainPieces(target, total);
    else if (total > 0) this.#move(target, total);
    return total;
  }

  /** Whoever listens may have another connection speak, which must not find anything here: so all is taken out first. */
  #drainPieces(target: EvBuffer, total: number): void {
    const pieces = new EvBuffer();
    // A memory BIO gives all that it says it has; anything else must not become a loop without end.
    for (let rest = total; rest > 0;) {
      const moved = this.#move(pieces, Math.min(rest, PIECE_BYTES_MAX));
      rest = moved > 0 ? rest - moved : 0;
    }
    target.addBuffer(pieces);
  }

  #move(target: EvBuffer, count: number): number {
    const chain = target.reserveTail(count);
    if (chain.address === 0) chain.address = addressOf(chain.bytes);
    const moved = Math.max(
      0,
      this.#lib.crypto.BIO_read(this.#output, runtime.word(chain.address + chain.end), count),
    );
    target.commitTail(moved);
    return moved;
  }

  /** Drops what the last call has written. */
  discard(): void {
    this.#lib.crypto.BIO_ctrl(this.#output, BIO_CTRL_RESET, 0, NULL);
  }
}

let bios: SharedBios | null = null;

/** The pair of this thread. */
export function sharedBios(): SharedBios {
  return bios ??= new SharedBios();
}
