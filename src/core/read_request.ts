import { ConnectionError } from "./connection_error.ts";
import type { EolMatch, EolStyle, EvBuffer } from "./evbuffer.ts";
import { Waiter } from "./waiter.ts";

const decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What somebody awaits from the input of a connection, whatever it is. */
export interface PendingRead {
  /** Whether it is settled, one way or the other. */
  readonly isSettled: boolean;
  /**
   * Takes what is wanted, if it is there, and settles; else leaves everything where it is. It settles before it takes: a callback on
   * the input that aborts or throws as it hears of that finds the bytes promised already, and nothing is lost.
   *
   * @param high no more bytes than that will ever be there at once; Infinity if there is no limit.
   * @returns whether it is settled.
   */
  take(input: EvBuffer, high: number): boolean;
  /** Nothing more will come than what is there, which does not suffice: settles with that. */
  end(input: EvBuffer): void;
  /** Settles with an error. */
  reject(reason: unknown): void;
  /** Somebody has taken from the input, so that what was searched already is not what is there now. */
  forgetSearch(): void;
}

/**
 * A {@linkcode PendingRead} and its promise.
 *
 * @internal
 */
export abstract class ReadRequest<T> extends Waiter<T> implements PendingRead {
  abstract take(input: EvBuffer, high: number): boolean;
  abstract end(input: EvBuffer): void;
  forgetSearch(): void {}
}

/** Whatever is there, but no more than `max` bytes; null at the end. */
export class SomeRequest extends ReadRequest<Uint8Array | null> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override take(input: EvBuffer): boolean {
    if (input.length === 0) return false;
    settleWith(this, input, Math.min(this.#max, input.length));
    return true;
  }

  override end(): void {
    this.resolve(null);
  }
}

/** Whatever is there and fits into memory of the caller's; 0 at the end. */
export class IntoRequest extends ReadRequest<number> {
  readonly #target: Uint8Array;

  constructor(target: Uint8Array) {
    super();
    this.#target = target;
  }

  override take(input: EvBuffer): boolean {
    if (input.length === 0) return false;
    if (this.#target.length === 0) {
      // Which is not the end of the stream.
      this.reject(new TypeError("Cannot read into memory that was detached meanwhile"));
      return true;
    }
    const count = input.copyOut(this.#target);
    this.resolve(count);
    input.drain(count);
    return true;
  }

  override end(): void {
    this.resolve(0);
  }
}

/** So many bytes. */
export class ExactRequest extends ReadRequest<Uint8Array> {
  readonly #count: number;

  constructor(count: number) {
    super();
    this.#count = count;
  }

  override take(input: EvBuffer, high: number): boolean {
    if (input.length >= this.#count) {
      settleWith(this, input, this.#count);
    } else if (high < this.#count) {
      this.reject(new RangeError(`Cannot read exactly ${this.#count} bytes: the high watermark is ${high}`));
    } else {
      return false;
    }
    return true;
  }

  override end(input: EvBuffer): void {
    this.reject(endedEarly(`read exactly ${this.#count} bytes`, input.length));
  }
}

/** What stands before a line ending or delimiter, which is removed with it; null at the end. */
abstract class SearchRequest<T> extends ReadRequest<T | null> {
  readonly #bytesMax: number;
  readonly #endingMax: number;
  readonly #action: string;
  /** So many bytes were searched in vain. */
  protected searched = 0;

  /** @param endingMax the length of the longest ending. */
  constructor(bytesMax: number, endingMax: number, action: string) {
    super();
    this.#bytesMax = bytesMax;
    this.#endingMax = endingMax;
    this.#action = action;
  }

  /** Finds the ending, or null. */
  protected abstract find(input: EvBuffer): EolMatch | null;

  /** Makes the result of what stands before the ending. */
  protected abstract result(bytes: Uint8Array): T;

  override take(input: EvBuffer, high: number): boolean {
    const found = this.find(input);
    const { length } = input;
    const limit = this.#bytesMax;
    // The last bytes may be the first ones of an ending. The verdict is the same however the bytes come in.
    const tooLong = found === null ? length >= Math.min(limit + this.#endingMax, high) : found.position > limit;
    if (tooLong) {
      const facts = { bytes: length, limit: Math.min(limit, high) };
      const message = `Cannot ${this.#action}: it does not end within ${facts.limit} bytes`;
      this.reject(new ConnectionError("LINE_TOO_LONG", message, facts));
    } else if (found === null) {
      this.searched = length;
      return false;
    } else {
      this.resolve(this.result(copyOf(input, found.position)));
      input.drain(found.position + found.length);
    }
    return true;
  }

  override end(input: EvBuffer): void {
    if (input.length === 0) this.resolve(null);
    else this.reject(endedEarly(this.#action, input.length));
  }

  override forgetSearch(): void {
    this.searched = 0;
  }
}

/** A line as text. */
export class LineRequest extends SearchRequest<string> {
  readonly #style: EolStyle;

  constructor(style: EolStyle, bytesMax: number) {
    super(bytesMax, 2, "read a line");
    this.#style = style;
  }

  protected override find(input: EvBuffer): EolMatch | null {
    // The last byte of what was searched may have been the carriage return of an ending that is complete now.
    return input.searchEol(this.#style, Math.max(0, this.searched - 1));
  }

  protected override result(bytes: Uint8Array): string {
    return decoder.decode(bytes);
  }
}

/** Bytes up to a delimiter. */
export class UntilRequest extends SearchRequest<Uint8Array> {
  readonly #delimiter: Uint8Array;

  constructor(delimiter: Uint8Array, bytesMax: number) {
    super(bytesMax, delimiter.length, "read until a delimiter");
    this.#delimiter = delimiter;
  }

  protected override find(input: EvBuffer): EolMatch | null {
    const { length } = this.#delimiter;
    const position = input.search(this.#delimiter, Math.max(0, this.searched - length + 1));
    return position < 0 ? null : { position, length };
  }

  protected override result(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

/** Promises the first `count` bytes, and then takes them. */
function settleWith(request: { resolve(bytes: Uint8Array): void }, input: EvBuffer, count: number): void {
  request.resolve(copyOf(input, count));
  input.drain(count);
}

function copyOf(input: EvBuffer, count: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(count));
  input.copyOut(bytes);
  return bytes;
}

function endedEarly(action: string, bytes: number): ConnectionError {
  const message = `Cannot ${action}: the stream has ended after ${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  return new ConnectionError("END_OF_STREAM", message, { bytes });
}
