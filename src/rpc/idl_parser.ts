import type { FieldPresence } from "./field.ts";
import { IdlConstants } from "./idl_constants.ts";
import { type IdlToken, idlTokens, RpcSyntaxError } from "./idl_lexer.ts";
import { UINT32_MAX } from "./tag_numbers.ts";

/** A member as an `.rpc` file declares it. */
export interface IdlMember {
  /** Its name. */
  readonly name: string;
  /** Its tag, as it is spelled: decimal or hexadecimal. */
  readonly tag: string;
  /** What it is. */
  readonly type: "int" | "int64" | "string" | "bytes" | "struct";
  /** Of a structure: its name. */
  readonly struct: string | undefined;
  /** Of a structure that an included file declares: that file. */
  readonly file: string | undefined;
  /** Of bytes: how many, if that is fixed. */
  readonly length: number | undefined;
  /** How often it is there. */
  readonly presence: FieldPresence;
}

/** A structure as an `.rpc` file declares it. */
export interface IdlStruct {
  /** Its name. */
  readonly name: string;
  /** Its members in their order. */
  readonly members: readonly IdlMember[];
}

/** What an `.rpc` file is read with. */
export interface ParseRpcOptions {
  /** Numbers with names besides those in `#define`, which lengths may be made of: what a C compiler would be told by `-D`. */
  readonly constants?: Readonly<Record<string, number>> | undefined;
  /**
   * Gives the text of an `.rpc` file beside this one; undefined where there is none. It is asked for `shapes.rpc` where the header
   * is included that event_rpcgen makes of that: `#include "shapes.gen.h"`, or `"shapes.h"`; or the file itself. Structures and numbers
   * of such files can be used, as they can in C. Without this, and for all other headers, `#include` has no meaning.
   */
  readonly include?: ((file: string) => string | undefined) | undefined;
}

const NAME = /^[A-Za-z_]\w*$/;
/** As event_rpcgen takes them: what begins with a zero is hexadecimal. */
const TAG = /^(?:0|[1-9]\d*|0[xX][0-9a-fA-F]+)$/;
const RESERVED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/**
 * Reads what event_rpcgen reads: structures of members, with comments, and numbers with names, which may be lengths. Conditions,
 * which are for the C compiler, are passed by.
 *
 * @throws {RpcSyntaxError} for whatever is no such file, with the line.
 */
export function parseRpcFile(text: string, options: ParseRpcOptions = {}): IdlStruct[] {
  return new Parser(text, options).structs();
}

class Parser {
  readonly #tokens: readonly IdlToken[];
  readonly #constants = new IdlConstants();
  #next = 0;
  // Structures of other files, by their names, and the files.
  readonly #others = new Map<string, string>();
  readonly #files: string[] = [];
  // Where structures were mentioned, to see at the end whether they are there.
  readonly #mentions: IdlToken[] = [];

  constructor(text: string, options: ParseRpcOptions) {
    const { tokens, definitions, includes } = idlTokens(text);
    this.#tokens = tokens;
    for (const [name, value] of Object.entries(options.constants ?? {})) this.#constants.define(name, String(value));
    for (const included of includes) this.#include(included, options.include);
    for (const [name, expression] of definitions) this.#constants.define(name, expression);
  }

  structs(): IdlStruct[] {
    const structs = new Map<string, IdlStruct>();
    while (this.#token.text !== "") {
      this.#expect("struct");
      const token = this.#token;
      const name = this.#name("the name of a structure");
      if (structs.has(name)) throw new RpcSyntaxError(token.line, `there are two structures called ${name}`);
      const file = this.#others.get(name);
      if (file !== undefined) {
        throw new RpcSyntaxError(token.line, `there is a structure called ${name} in ${file} as well`);
      }
      structs.set(name, { name, members: this.#members(name) });
    }
    for (const { text, line } of this.#mentions) {
      if (structs.has(text) || this.#others.has(text)) continue;
      const elsewhere = this.#files.map((file) => `, nor in ${file}`).join("");
      throw new RpcSyntaxError(line, `there is no structure called ${text} in this file${elsewhere}`);
    }
    return [...structs.values()];
  }

  /** Learns what can be used of another file; what else is in it does not matter, nor what it includes itself: it is the same in C. */
  #include({ text: path, line }: IdlToken, read: ParseRpcOptions["include"]): void {
    const file = path.replace(/(?:\.gen)?\.h$/, ".rpc");
    const text = file.endsWith(".rpc") ? read?.(file) : undefined;
    if (text === undefined) return;
    this.#files.push(file);
    try {
      const { tokens, definitions } = idlTokens(text);
      for (const [name, expression] of definitions) this.#constants.define(name, expression);
      for (const [at, { text: name }] of tokens.entries()) {
        if (tokens[at - 1]?.text === "struct" && tokens[at + 1]?.text === "{") this.#others.set(name, file);
      }
    } catch (error) {
      throw error instanceof RpcSyntaxError ? new RpcSyntaxError(line, `${file}, ${error.message}`) : error;
    }
  }

  #members(struct: string): IdlMember[] {
    const members: IdlMember[] = [];
    this.#expect("{");
    while (this.#token.text !== "}") {
      const { line } = this.#token;
      const member = this.#member();
      for (const other of members) {
        if (other.name === member.name) {
          throw new RpcSyntaxError(line, `${struct} has two members called ${other.name}`);
        }
        if (Number(other.tag) === Number(member.tag)) {
          throw new RpcSyntaxError(line, `${member.name} has the tag of ${other.name}, ${Number(member.tag)}`);
        }
      }
      members.push(member);
    }
    this.#expect("}");
    return members;
  }

  #member(): IdlMember {
    const { line } = this.#token;
    const presence = this.#presence();
    const { type, struct } = this.#type();
    const at = this.#token;
    const name = this.#name("the name of a member");
    if (RESERVED.has(name)) throw new RpcSyntaxError(at.line, `no member can be called ${name}`);
    const hasLength = this.#token.text === "[";
    const length = hasLength ? this.#length() : undefined;
    this.#expect("=");
    const tag = this.#take("a tag", TAG);
    if (Number(tag) > UINT32_MAX) throw new RpcSyntaxError(line, `the tag ${tag} has more than 32 bits`);
    if (this.#token.text !== "}") this.#expect(";");
    if (hasLength && type !== "bytes") throw new RpcSyntaxError(line, "only bytes can have a length");
    if (type === "bytes" && presence === "array") throw new RpcSyntaxError(line, "there are no arrays of bytes");
    const file = struct === undefined ? undefined : this.#others.get(struct);
    return { name, tag, type, struct, file, length, presence };
  }

  #presence(): FieldPresence {
    const { text, line } = this.#token;
    if (text !== "optional" && text !== "array") return "required";
    this.#next++;
    if (this.#token.text === "optional" || this.#token.text === "array") {
      throw new RpcSyntaxError(line, "a member is optional or an array, not both: an array may be empty");
    }
    return text;
  }

  #type(): Pick<IdlMember, "type" | "struct"> {
    const { text, line } = this.#token;
    switch (text) {
      case "int":
      case "int64":
      case "string":
      case "bytes":
        this.#next++;
        return { type: text, struct: undefined };
      case "struct": {
        this.#next++;
        this.#expect("[");
        this.#mentions.push(this.#token);
        const struct = this.#name("the name of a structure");
        this.#expect("]");
        return { type: text, struct };
      }
      default:
        throw new RpcSyntaxError(line, `${shown(text)} is no type: expected int, int64, string, bytes or struct[name]`);
    }
  }

  /** Undefined for empty brackets, which are there for bytes of any number. */
  #length(): number | undefined {
    this.#expect("[");
    const { line } = this.#token;
    let text = "";
    for (; this.#token.text !== "]"; this.#next++) {
      if (/^[{};=[]?$/.test(this.#token.text)) throw this.#isNot('"]"');
      text += `${text === "" ? "" : " "}${this.#token.text}`;
    }
    this.#expect("]");
    if (text === "") return undefined;
    const length = this.#constants.valueOf(text);
    if (length !== undefined && length > 0 && length <= UINT32_MAX) return length;
    throw new RpcSyntaxError(line, `${shown(text)} is no length: expected a number above 0, or the name of one`);
  }

  get #token(): IdlToken {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]!;
  }

  #name(what: string): string {
    return this.#take(what, NAME);
  }

  #take(what: string, pattern: RegExp): string {
    const { text } = this.#token;
    if (!pattern.test(text)) throw this.#isNot(what);
    this.#next++;
    return text;
  }

  #expect(expected: string): void {
    if (this.#token.text !== expected) throw this.#isNot(`"${expected}"`);
    this.#next++;
  }

  #isNot(expected: string): RpcSyntaxError {
    const { text, line } = this.#token;
    return new RpcSyntaxError(line, `expected ${expected}, not ${shown(text)}`);
  }
}

function shown(text: string): string {
  return text === "" ? "the end of the file" : JSON.stringify(text);
}
