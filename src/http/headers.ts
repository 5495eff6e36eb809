import { BYTE_CLASS, TOKEN_BYTE } from "./parse_tables.ts";
import type { ReceivedFields } from "./received_fields.ts";

/** Where {@linkcode HttpHeaders} can be filled from: pairs in order, or an object with one value or a list per name. */
export type HttpHeadersInit =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[]>>;

// Shared by all empty lists, so that a list nobody fills costs one object; #own replaces it before the first write.
const NO_STRINGS: string[] = [];

// Set from inside the class, where the private field can be reached, so that users see no constructor argument for it.
let makeOver: (received: ReceivedFields) => HttpHeaders;

/**
 * The header fields of a message: an ordered multi-map whose names are compared without regard to case and kept as they
 * were spelled. Fields that arrived from a peer stay bytes until they are asked for; the first change turns them into
 * strings.
 *
 * Names follow libevent's `evhttp_find_header`, `evhttp_add_header`, `evhttp_remove_header` and `evhttp_clear_headers`:
 * `get` finds the first match and `remove` drops only the first.
 *
 * @example
 * ```ts
 * import { HttpHeaders } from "@evbase/evbase";
 *
 * const headers = new HttpHeaders([["Content-Type", "text/plain"]]);
 * headers.add("Set-Cookie", "a=1");
 * headers.add("Set-Cookie", "b=2");
 * console.log(headers.get("content-type")); // text/plain
 * console.log(headers.getAll("set-cookie")); // [ "a=1", "b=2" ]
 * for (const [name, value] of headers) console.log(`${name}: ${value}`);
 * ```
 */
export class HttpHeaders {
  #received: ReceivedFields | undefined = undefined;
  #names: string[] = NO_STRINGS;
  #values: string[] = NO_STRINGS;

  /**
   * Makes an empty list, or one filled from `init` in its order.
   *
   * @throws {TypeError} when `init` holds a name or a value that {@linkcode add} refuses.
   */
  constructor(init?: HttpHeadersInit) {
    if (init === undefined) return;
    if (Symbol.iterator in init) {
      for (const [name, value] of init as Iterable<readonly [string, string]>) {
        this.add(name, value);
      }
      return;
    }
    for (const [name, value] of Object.entries(init)) {
      if (typeof value === "string") this.add(name, value);
      else for (const each of value) this.add(name, each);
    }
  }

  static {
    makeOver = (received: ReceivedFields): HttpHeaders => {
      const headers = new HttpHeaders();
      headers.#received = received;
      return headers;
    };
  }

  /** How many fields there are; a name that occurs twice counts twice. */
  get size(): number {
    return this.#received === undefined ? this.#names.length : this.#received.count;
  }

  /** The value of the first field with this name, or undefined. */
  get(name: string): string | undefined {
    const at = this.#find(name, 0);
    return at < 0 ? undefined : this.valueAt(at);
  }

  /** The values of all fields with this name, in order; empty when there is none. */
  getAll(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 1)) {
      values.push(this.valueAt(at)!);
    }
    return values;
  }

  /** Says whether there is a field with this name. */
  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  /**
   * The name of field number `at`, spelled as it was given, or undefined past the end. Walks the list without an
   * iterator.
   */
  nameAt(at: number): string | undefined {
    if (this.#received === undefined) return this.#names[at];
    return isIndex(at, this.#received.count) ? this.#received.name(at) : undefined;
  }

  /** The value of field number `at`, or undefined past the end. */
  valueAt(at: number): string | undefined {
    if (this.#received === undefined) return this.#values[at];
    return isIndex(at, this.#received.count) ? this.#received.value(at) : undefined;
  }

  /**
   * Appends a field, beside any others with the same name.
   *
   * @throws {TypeError} when the name is not a token (RFC 9110 section 5.1), or the value holds CR, LF, NUL or another
   * control character (section 5.5), or a character above U+00FF, which has no byte on the wire.
   */
  add(name: string, value: string): void {
    checkName(name);
    checkValue(name, value);
    this.#own();
    this.#names.push(name);
    this.#values.push(value);
  }

  /**
   * Gives the first field with this name the value, in its place, and drops the others; appends the field when there is
   * none.
   *
   * @throws {TypeError} as {@linkcode add} does.
   */
  set(name: string, value: string): void {
    checkName(name);
    checkValue(name, value);
    this.#own();
    const first = this.#find(name, 0);
    if (first < 0) {
      this.#names.push(name);
      this.#values.push(value);
      return;
    }
    this.#names[first] = name;
    this.#values[first] = value;
    for (
      let at = this.#find(name, first + 1);
      at >= 0;
      at = this.#find(name, at)
    ) this.#drop(at);
  }

  /** Drops the first field with this name, as `evhttp_remove_header` does. Returns whether there was one. */
  remove(name: string): boolean {
    const at = this.#find(name, 0);
    if (at < 0) return false;
    this.#own();
    this.#drop(at);
    return true;
  }

  /** Drops all fields with this name. Returns how many there were. */
  delete(name: string): number {
    let count = 0;
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at)) {
      this.#own();
      this.#drop(at);
      count++;
    }
    return count;
  }

  /** Drops all fields. */
  clear(): void {
    this.#received = undefined;
    this.#names = NO_STRINGS;
    this.#values = NO_STRINGS;
  }

  /**
   * Yields [name, value] of every field in order, names spelled as they were given. Changes made meanwhile are seen.
   */
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let at = 0; at < this.size; at++) {
      yield [this.nameAt(at)!, this.valueAt(at)!];
    }
  }

  #find(name: string, from: number): number {
    if (this.#received !== undefined) return this.#received.find(name, from);
    const names = this.#names;
    const length = name.length;
    for (let at = from; at < names.length; at++) {
      const each = names[at]!;
      // Identity first: programs look up what they stored under the same literal. Lower case is made only for equal
      // lengths.
      if (
        each === name ||
        (each.length === length && each.toLowerCase() === name.toLowerCase())
      ) return at;
    }
    return -1;
  }

  #drop(at: number): void {
    this.#names.splice(at, 1);
    this.#values.splice(at, 1);
  }

  /** Makes the two arrays this object's own before a change, with the received fields in them. */
  #own(): void {
    const received = this.#received;
    if (received !== undefined) {
      const count = received.count;
      this.#names = [];
      this.#values = [];
      for (let at = 0; at < count; at++) {
        this.#names.push(received.name(at));
        this.#values.push(received.value(at));
      }
      this.#received = undefined;
    } else if (this.#names === NO_STRINGS) {
      this.#names = [];
      this.#values = [];
    }
  }
}

/**
 * Makes headers that read from received fields. For the parsers; it skips validation, which the scanner has done.
 *
 * @internal
 */
export function headersOver(received: ReceivedFields): HttpHeaders {
  return makeOver(received);
}

function isIndex(at: number, count: number): boolean {
  return Number.isInteger(at) && at >= 0 && at < count;
}

function checkName(name: string): void {
  const classes = BYTE_CLASS;
  let valid = name.length > 0;
  for (let i = 0; valid && i < name.length; i++) {
    const code = name.charCodeAt(i);
    valid = code < 128 && (classes[code]! & TOKEN_BYTE) !== 0;
  }
  if (!valid) {
    throw new TypeError(
      `Cannot add a header: the name ${JSON.stringify(name)} is not a token`,
    );
  }
}

function checkValue(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127 || code > 255) {
      const hex = code.toString(16).toUpperCase().padStart(4, "0");
      throw new TypeError(
        `Cannot add header ${name}: the value holds U+${hex} at character ${i}`,
      );
    }
  }
}
