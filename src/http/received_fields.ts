import { latin1 } from "../core/latin1.ts";
import { CR, HT, LF, LOWER_CASE, SP } from "./parse_tables.ts";

const NUMBERS_PER_FIELD = 4;
const COLON = 0x3a;

/**
 * The field lines of a message, still as the bytes that arrived. They have been validated by the scanner, so finding
 * the names and values again is a short walk, which is put off until somebody asks: most requests never look at most
 * fields.
 */
export class ReceivedFields {
  #bytes: Uint8Array;
  #start: number;
  #end: number;
  // Name start, name end, value start, value end of each field, relative to #start; a plain array because small typed
  // arrays are slow to make.
  #index: number[] | undefined = undefined;
  #folded = false;

  /** Covers `bytes[start..end)`: whole field lines, without the empty line that closes the section. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** How many field lines there are. */
  get count(): number {
    return this.#indexed().length / NUMBERS_PER_FIELD;
  }

  /** The name of field `at`, spelled as it arrived. */
  name(at: number): string {
    const index = this.#indexed();
    const i = at * NUMBERS_PER_FIELD;
    return latin1(
      this.#bytes,
      this.#start + index[i]!,
      this.#start + index[i + 1]!,
    );
  }

  /** The value of field `at` without the blanks around it; folded lines are joined by one space. */
  value(at: number): string {
    const index = this.#indexed();
    const i = at * NUMBERS_PER_FIELD;
    const start = this.#start + index[i + 2]!;
    const end = this.#start + index[i + 3]!;
    return this.#folded ? unfolded(this.#bytes, start, end) : latin1(this.#bytes, start, end);
  }

  /** The number of the first field at or after `from` with this name in any case, or -1. */
  find(name: string, from: number): number {
    const index = this.#indexed();
    const bytes = this.#bytes;
    const base = this.#start;
    const length = name.length;
    for (
      let i = from * NUMBERS_PER_FIELD;
      i < index.length;
      i += NUMBERS_PER_FIELD
    ) {
      const start = index[i]!;
      if (index[i + 1]! - start !== length) continue;
      let k = 0;
      // A character above 255 reads undefined from the table and so equals no byte.
      while (
        k < length &&
        LOWER_CASE[bytes[base + start + k]!] === LOWER_CASE[name.charCodeAt(k)]
      ) k++;
      if (k === length) return i / NUMBERS_PER_FIELD;
    }
    return -1;
  }

  /** Reads from `bytes` instead, where the same lines start at `start`. */
  moveTo(bytes: Uint8Array, start: number): void {
    this.#end += start - this.#start;
    this.#start = start;
    this.#bytes = bytes;
  }

  #indexed(): number[] {
    return this.#index ??= this.#buildIndex();
  }

  #buildIndex(): number[] {
    const bytes = this.#bytes;
    const base = this.#start;
    const end = this.#end;
    const index: number[] = [];
    let p = base;
    while (p < end) {
      const nameStart = p;
      while (bytes[p] !== COLON) p++;
      const nameEnd = p;
      let valueStart = p + 1;
      let lineEnd = this.#lineEnd(valueStart);
      // The scanner lets a line start with a blank only where folding is allowed, so this needs no option of its own.
      while (lineEnd < end && isBlank(bytes[lineEnd]!)) {
        this.#folded = true;
        lineEnd = this.#lineEnd(lineEnd);
      }
      valueStart = skipSpace(bytes, valueStart, lineEnd);
      const valueEnd = dropSpace(bytes, valueStart, lineEnd);
      index.push(
        nameStart - base,
        nameEnd - base,
        valueStart - base,
        valueEnd - base,
      );
      p = lineEnd;
    }
    return index;
  }

  /** Where the next line begins, for a line that goes on at `p`. */
  #lineEnd(p: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    while (p < end && bytes[p] !== LF) p++;
    return p + 1;
  }
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HT;
}

/** Joins the lines of a folded value by one space each, leaving out lines that hold only blanks. */
function unfolded(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let p = start;
  while (p < end) {
    let lineEnd = p;
    while (lineEnd < end && bytes[lineEnd] !== LF) lineEnd++;
    const from = skipSpace(bytes, p, lineEnd);
    const to = dropSpace(bytes, from, lineEnd);
    if (from < to) text += (text === "" ? "" : " ") + latin1(bytes, from, to);
    p = lineEnd + 1;
  }
  return text;
}

/** Line ends count as blanks around a value, since a folded value may start or end with an empty line. */
function isSpace(byte: number): boolean {
  return byte === SP || byte === HT || byte === CR || byte === LF;
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && isSpace(bytes[p]!)) p++;
  return p;
}

function dropSpace(bytes: Uint8Array, start: number, end: number): number {
  let p = end;
  while (p > start && isSpace(bytes[p - 1]!)) p--;
  return p;
}
