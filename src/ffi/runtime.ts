/**
 * What evbase asks of a JavaScript runtime, and how C functions are described to it.
 *
 * `deno.ts` and `bun.ts` each implement {@linkcode Runtime}; nothing above this folder knows which one is running.
 *
 * @module
 */

/**
 * How one argument or result of a C function travels.
 *
 * - `i32`, `u32`: a number. Also used for `size_t` and `ssize_t`, since no call of ours moves 2 GiB at once; 64-bit
 *   numbers leave the fast path on Deno.
 * - `i64`: a bigint on Deno, a number or bigint on Bun; convert with {@linkcode Runtime.word}.
 * - `buffer`: a `Uint8Array` whose memory C reads or writes during the call, or null for C's NULL.
 * - `address`: a raw address, made ready with {@linkcode Runtime.word}.
 */
export type NativeType = "i32" | "u32" | "i64" | "buffer" | "address" | "void";

/** One C function: the types of its arguments and of its result. */
export interface Signature {
  /** Types of the arguments, in order. */
  readonly args: readonly NativeType[];
  /** Type of the result. */
  readonly result: NativeType;
}

/** C functions by symbol name. */
export type Signatures = Readonly<Record<string, Signature>>;

/** A 64-bit value in the form that the running runtime takes quickly. Opaque: only {@linkcode Runtime.word} makes one. */
export type Word = number | bigint;

/** What a caller passes for an argument of type `T`. */
export type ArgumentOf<T extends NativeType> = T extends "buffer" ? Uint8Array | null
  : T extends "address" | "i64" ? Word
  : number;

/** What a caller gets for a result of type `T`. */
export type ResultOf<T extends NativeType> = T extends "void" ? void : T extends "address" | "i64" ? Word : number;

/** What a caller passes for arguments of types `T`. */
export type ArgumentsOf<T extends readonly NativeType[]> = { -readonly [I in keyof T]: ArgumentOf<T[I]> };

/** The callable face of a table of {@linkcode Signatures}. */
export type Calls<S extends Signatures> = {
  readonly [K in keyof S]: (...args: ArgumentsOf<S[K]["args"]>) => ResultOf<S[K]["result"]>;
};

/** An address in this process's memory, as an exact integer. User-space addresses stay below 2^53 on every platform we support. */
export type Address = number;

/** Sleeps in `poll(2)` on another thread, so that the host's own loop keeps running meanwhile. */
export interface Waiter {
  /**
   * Waits until one of `count` descriptors in `pollfds` is ready or `timeoutMs` has passed (-1: no limit).
   * At most one wait is under way at a time; `pollfds` must not be touched until it has ended. It has to be memory that outlives
   * this thread, since nothing ends the wait when a Worker that asked for it is terminated.
   *
   * @returns what `poll` returned (>= 0), or a negative number after a failure, which the caller treats as "look again".
   */
  wait(pollfds: Uint8Array, count: number, timeoutMs: number): Promise<number>;
  /** Releases the thread. No wait may be under way. */
  close(): void;
}

/** The few things evbase needs from its runtime. */
export interface Runtime {
  /** Which runtime this is. */
  readonly name: "deno" | "bun";
  /** The operating system as the runtime names it: `linux`, `darwin`, `freebsd`, or another one that evbase refuses. */
  readonly os: string;
  /** The processor architecture: `x86_64`, `aarch64`, or another one that evbase refuses. */
  readonly arch: string;
  /** Loads a shared library. Throws whatever the runtime throws when the file or a symbol is missing. */
  openLibrary<const S extends Signatures>(path: string, signatures: S): Calls<S>;
  /** Address of the first byte of `bytes`, valid for as long as the caller keeps `bytes`. Costs up to 250 ns: take it once. */
  addressOf(bytes: Uint8Array): Address;
  /** Views foreign memory as an `ArrayBuffer`. The caller guarantees that it stays mapped. */
  viewAt(address: Address, length: number): ArrayBuffer;
  /** Turns a number into the form that `address` and `i64` arguments take on this runtime. */
  word(value: number): Word;
  /** `word + offset`: some 50 ns less on Deno than a word of a number as large as an address. */
  wordAt(word: Word, offset: number): Word;
  /**
   * Makes a C function of `callback` and returns its address. It lives as long as the process. C may call it on this thread only,
   * from within a call of ours (some 200 ns each time), and `callback` must not throw: there is nobody to catch it.
   */
  createCallback<const S extends Signature>(
    signature: S,
    callback: (...args: ArgumentsOf<S["args"]>) => ResultOf<S["result"]>,
  ): Address;
  /** Makes the runtime let go of a signal it might otherwise take over later (Deno does so some 500 ms after start). */
  claimSignal(name: string): void;
  /** Runs queued promise reactions now, where the runtime offers a way to; undefined where it does not. */
  readonly drainMicrotasks: (() => void) | undefined;
  /** How many bytes of memory an object takes by itself, at an estimate; undefined where the runtime makes none. */
  readonly estimateBytes: ((object: object) => number) | undefined;
  /** What a promise has come to, or the promise itself while that is open; undefined where the runtime does not tell. */
  readonly peek: ((promise: Promise<unknown>) => unknown) | undefined;
  /** Whether the runtime's `fetch()` decodes a body with this `Content-Encoding`; it leaves the field as it was either way. */
  fetchDecodes(contentEncoding: string): boolean;
  /** Runs `callback` on the next turn of the host's loop. */
  setImmediate(callback: () => void): void;
  /** Creates a sleeper for `run()`; see {@linkcode Waiter}. */
  createWaiter(libcPath: string): Waiter;
}
