import { percentEncode } from "./percent_coding.ts";

/** Where {@linkcode QueryParameters} can be filled from: pairs in order, or an object with one value or a list per name. */
export type QueryParametersInit =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[]>>;

/**
 * The parameters of a query in order, decoded: a multi-map whose names are compared as they are, case included. It has the
 * methods of {@linkcode HttpHeaders}.
 *
 * @example
 * ```ts
 * import { parseQuery } from "@evbase/evbase";
 *
 * const parameters = parseQuery("tag=a&tag=b%26c&page=2");
 * console.log(parameters.get("page")); // 2
 * console.log(parameters.getAll("tag")); // [ "a", "b&c" ]
 * parameters.set("page", "3");
 * console.log(parameters.toString()); // tag=a&tag=b%26c&page=3
 * ```
 */
export class QueryParameters {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  /** Makes an empty list, or one filled from `init` in its order. */
  constructor(init?: QueryParametersInit) {
    if (init === undefined) return;
    if (Symbol.iterator in init) {
      for (const [name, value] of init as Iterable<readonly [string, string]>) this.add(name, value);
      return;
    }
    for (const [name, value] of Object.entries(init)) {
      if (typeof value === "string") this.add(name, value);
      else for (const each of value) this.add(name, each);
    }
  }

  /** How many parameters there are; a name that occurs twice counts twice. */
  get size(): number {
    return this.#names.length;
  }

  /** The value of the first parameter with this name, or undefined. */
  get(name: string): string | undefined {
    const at = this.#names.indexOf(name);
    return at < 0 ? undefined : this.#values[at];
  }

  /** The values of all parameters with this name, in order; empty when there is none. */
  getAll(name: string): string[] {
    return this.#values.filter((_, at) => this.#names[at] === name);
  }

  /** Says whether there is a parameter with this name. */
  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Appends a parameter, beside any others with the same name. */
  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  /** Gives the first parameter with this name the value, in its place, and drops the others; appends it when there is none. */
  set(name: string, value: string): void {
    const first = this.#names.indexOf(name);
    if (first < 0) return this.add(name, value);
    this.#values[first] = value;
    this.#drop(name, first + 1);
  }

  /** Drops the first parameter with this name. Returns whether there was one. */
  remove(name: string): boolean {
    const at = this.#names.indexOf(name);
    if (at < 0) return false;
    this.#names.splice(at, 1);
    this.#values.splice(at, 1);
    return true;
  }

  /** Drops all parameters with this name. Returns how many there were. */
  delete(name: string): number {
    return this.#drop(name, 0);
  }

  /** Drops all parameters. */
  clear(): void {
    this.#names.length = 0;
    this.#values.length = 0;
  }

  /** Yields [name, value] of every parameter in order. Changes made meanwhile are seen. */
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let at = 0; at < this.#names.length; at++) yield [this.#names[at]!, this.#values[at]!];
  }

  /** The query that holds these parameters, escaped, without a "?". */
  toString(): string {
    return this.#names.map((name, at) => `${percentEncode(name)}=${percentEncode(this.#values[at]!)}`).join("&");
  }

  /** Keeps what is not called `name` or stands before `from`, in one walk however many there are. */
  #drop(name: string, from: number): number {
    const names = this.#names;
    const values = this.#values;
    let to = from;
    for (let at = from; at < names.length; at++) {
      if (names[at] === name) continue;
      names[to] = names[at]!;
      values[to++] = values[at]!;
    }
    const dropped = names.length - to;
    names.length = values.length = to;
    return dropped;
  }
}
