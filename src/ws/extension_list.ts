/**
 * The value of Sec-WebSocket-Extensions (RFC 6455 section 9.1).
 *
 * @module
 */

/** One extension with its parameters, in the order in which they came. */
export interface Extension {
  /** Its name, such as `permessage-deflate`. */
  readonly name: string;
  /** Parameters; those without a value have null. A name may stand there twice. */
  readonly parameters: readonly (readonly [name: string, value: string | null])[];
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
/** What is in quotes must be a token without them. */
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const BLANKS = /[ \t]*/y;
const WHOLE_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** More than anybody has reason to offer. */
const EXTENSIONS_MAX = 32;
const PARAMETERS_MAX = 32;

/** Parses the joined values of all fields of that name; null when they are malformed. Empty elements of the list are skipped. */
export function parseExtensions(value: string): Extension[] | null {
  const cursor = new Cursor(value);
  const extensions: Extension[] = [];
  for (;;) {
    cursor.blanks();
    if (cursor.isAtEnd) return extensions;
    if (cursor.skip(",")) continue;
    const extension = parseExtension(cursor);
    if (extension === null || extensions.push(extension) > EXTENSIONS_MAX) return null;
    cursor.blanks();
    if (!cursor.isAtEnd && !cursor.skip(",")) return null;
  }
}

function parseExtension(cursor: Cursor): Extension | null {
  const name = cursor.token();
  if (name === null) return null;
  const parameters: [string, string | null][] = [];
  for (cursor.blanks(); cursor.skip(";"); cursor.blanks()) {
    cursor.blanks();
    const parameter = cursor.token();
    if (parameter === null || parameters.length >= PARAMETERS_MAX) return null;
    let value: string | null = null;
    cursor.blanks();
    if (cursor.skip("=")) {
      cursor.blanks();
      value = cursor.token() ?? cursor.quoted();
      if (value === null) return null;
    }
    parameters.push([parameter, value]);
  }
  return { name, parameters };
}

/** A place in a text, moved by what is found there. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  blanks(): void {
    this.#match(BLANKS);
  }

  skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  token(): string | null {
    return this.#match(TOKEN)?.[0] ?? null;
  }

  quoted(): string | null {
    const text = this.#match(QUOTED)?.[1]?.replace(/\\(.)/g, "$1");
    return text !== undefined && WHOLE_TOKEN.test(text) ? text : null;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}
