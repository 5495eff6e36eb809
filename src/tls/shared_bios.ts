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

import type { Address, Word } from "../ffi/mod.ts";
import type { EvBuffer } from "../core/mod.ts";
import { BufferMemory } from "./buffer_memory.ts";
import { addressIn } from "./native_memory.ts";
import { openssl } from "./openssl.ts";

/** From so much on a call of the kernel's costs less than copying what more may be sent together with. */
const DIRECT_BYTES_MIN = 4096;

/** Whoever may be able to send at once, such as a socket that has nothing queued. */
export interface DirectSender {
  /** Sends what it can of `length` bytes at `address`; returns how many that were. */
  sendNow(address: Address, length: number): number;
}

/** The BIOs; see the module's text for how they are used. */
export class SharedBios {
  readonly #input: Word;
  readonly #output: Word;
  readonly #arrived = new BufferMemory();
  readonly #written = new BufferMemory();
  readonly #lib = openssl();

  /** Makes both. */
  constructor() {
    const { crypto } = this.#lib;
    this.#input = crypto.BIO_new(crypto.BIO_s_mem());
    this.#output = crypto.BIO_new(crypto.BIO_s_mem());
    this.#arrived.give(this.#input);
    this.#written.give(this.#output);
  }

  /** Lets a connection read from and write to them. */
  attach(ssl: Word): void {
    const { crypto } = this.#lib;
    // SSL_set_bio takes over one reference to each, which SSL_free gives back.
    crypto.BIO_up_ref(this.#input);
    crypto.BIO_up_ref(this.#output);
    this.#lib.ssl.SSL_set_bio(ssl, this.#input, this.#output);
  }

  /** Gives `bytes[start..end)` to the next call, which reads them where they are. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    // An address into memory that was transferred away must never reach C.
    if (end > bytes.length) throw new TypeError("Cannot read received bytes: their memory was detached");
    this.#arrived.place(addressIn(bytes, start), end - start);
    this.#arrived.give(this.#input);
  }

  /** How much the last call has left unread. */
  get unread(): number {
    return this.#lib.crypto.BIO_ctrl_pending(this.#input);
  }

  /** Drops what a call that has failed may have left. (BIO_reset would overwrite it, and it is not ours to change.) */
  reset(): void {
    this.#arrived.place(0, 0);
    this.#arrived.give(this.#input);
  }

  /**
   * Moves what the last call has written to the back of `target`; returns how much that was. Whoever listens to it is told once.
   *
   * @param sender may send some of it instead, if there is nothing in `target`.
   * @param isLast whether nothing follows that could be sent together with it.
   */
  drain(target: EvBuffer, sender: DirectSender | null = null, isLast = false): number {
    const written = this.#written;
    const total = written.length;
    if (total === 0) return 0;
    const { bytes, data } = written;
    // Emptied first: whoever listens to the output may have another connection speak, which must not find anything here.
    written.empty();
    written.give(this.#output);
    let sent = 0;
    if (sender !== null && (isLast || total >= DIRECT_BYTES_MIN) && target.length === 0) {
      sent = sender.sendNow(data, total);
    }
    if (sent < total) target.addSlice(bytes, sent, total);
    return total;
  }
}

let bios: SharedBios | null = null;

/** The pair of this thread. */
export function sharedBios(): SharedBios {
  return bios ??= new SharedBios();
}
