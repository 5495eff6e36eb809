import { type Address, runtime, type Word } from "../ffi/mod.ts";
import { BIO_C_SET_BUF_MEM, BIO_NOCLOSE } from "./openssl_constants.ts";
import { openssl } from "./openssl.ts";

/** `struct buf_mem_st` of openssl/buffer.h, in words of 32 bits: a `size_t`, a pointer, another `size_t`. A test asks the compiler. */
const LENGTH = 0;
const DATA = 2;
const MAX = 4;
const BYTES = 32;

/**
 * What a memory BIO reads from or writes to (`BUF_MEM`), where we can see it: how much a call has written is looked up without asking
 * OpenSSL, it can be sent from where it lies, and what is to be read stays where it is.
 */
export class BufferMemory {
  readonly #address: Word;
  readonly #words: Uint32Array;
  readonly #lib = openssl();
  #view: Uint8Array | null = null;
  #viewed: Address = 0;

  /** Empty. It lives as long as the thread. */
  constructor() {
    this.#address = this.#lib.crypto.BUF_MEM_new();
    this.#words = new Uint32Array(runtime.viewAt(Number(this.#address), BYTES));
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#words[LENGTH]!;
  }

  /** Where they are. */
  get data(): Address {
    return this.#words[DATA]! + this.#words[DATA + 1]! * 4294967296;
  }

  /** Makes it stand for `length` bytes at `data`. */
  place(data: Address, length: number): void {
    const words = this.#words;
    words[LENGTH] = length;
    words[DATA] = data >>> 0;
    words[DATA + 1] = Math.floor(data / 4294967296);
    words[MAX] = Math.max(words[MAX]!, length);
  }

  /** All of the memory they are in, at the front. Valid until something is written to it again. */
  get bytes(): Uint8Array {
    const { data } = this;
    const capacity = this.#words[MAX]!;
    if (this.#view === null || this.#viewed !== data || this.#view.length !== capacity) {
      // OpenSSL makes the memory larger now and then, and soon it is large enough.
      this.#view = new Uint8Array(runtime.viewAt(data, capacity));
      this.#viewed = data;
    }
    return this.#view;
  }

  /** Makes it stand for nothing; the memory stays. */
  empty(): void {
    this.#words[LENGTH] = 0;
  }

  /** Has a memory BIO go on with what this stands for. What it used before is not freed, unless it made that itself. */
  give(bio: Word): void {
    this.#lib.crypto.BIO_ctrl(bio, BIO_C_SET_BUF_MEM, BIO_NOCLOSE, this.#address);
  }
}
