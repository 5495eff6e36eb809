import type { FieldPresence } from "./field.ts";
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

const NAME = /^[A-Za-z_]\w*$/;
const NUMBER = /^\d/;
const RESERVED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/**
 * Reads what event_rpcgen reads: structures of members, with comments. What is meant for the C compiler is passed by, but for numbers
 * with names, which may be lengths.
 *
 * @throws {RpcSyntaxError} for whatever is no such file, with the line.
 */
export function parseRpcFile(text: string): IdlStruct[] {
  return new Parser(text).structs();
}

class Parser {
  readonly #tokens: readonly IdlToken[];
  readonly #constants: ReadonlyMap<string, number>;
  #next = 0;
  // Where structures were mentioned, to see at the end whether they are there.
  readonly #mentions: IdlToken[] = [];

  constructor(text: string) {
    const { tokens, constants } = idlTokens(text);
    this.#tokens = tokens;
    this.#constants = constants;
  }

  structs(): IdlStruct[] {
    const structs = new Map<string, IdlStruct>();
    while (this.#token.text !== "") {
      this.#expect("struct");
      const token = this.#token;
      const name = this.#name("the name of a structure");
      if (structs.has(name)) throw new RpcSyntaxError(token.line, `there are two structures called ${name}`);
      structs.set(name, { name, members: this.#members(name) });
    }
    for (const { text, line } of this.#mentions) {
      if (!structs.has(text)) throw new RpcSyntaxError(line, `there is no structure called ${text} in this file`);
    }
    return [...structs.values()];
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
    const length = this.#token.text === "[" ? this.#length() : undefined;
    this.#expect("=");
    const tag = this.#take("a tag", NUMBER);
    if (Number(tag) > UINT32_MAX) throw new RpcSyntaxError(line, `the tag ${tag} has more than 32 bits`);
    this.#expect(";");
    if (length !== undefined && type !== "bytes") throw new RpcSyntaxError(line, "only bytes can have a length");
    if (type === "bytes" && presence === "array") throw new RpcSyntaxError(line, "there are no arrays of bytes");
    return { name, tag, type, struct, length, presence };
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

  #length(): number {
    this.#expect("[");
    const { text, line } = this.#token;
    this.#next++;
    const length = NUMBER.test(text) ? Number(text) : this.#constants.get(text);
    if (length === undefined || length > UINT32_MAX || length === 0) {
      throw new RpcSyntaxError(line, `${shown(text)} is no length: expected a number above 0, or the name of one`);
    }
    this.#expect("]");
    return length;
  }

  get #token(): IdlToken {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]!;
  }

  #name(what: string): string {
    return this.#take(what, NAME);
  }

  #take(what: string, pattern: RegExp): string {
    const { text, line } = this.#token;
    if (!pattern.test(text)) throw new RpcSyntaxError(line, `expected ${what}, not ${shown(text)}`);
    this.#next++;
    return text;
  }

  #expect(expected: string): void {
    const { text, line } = this.#token;
    if (text !== expected) throw new RpcSyntaxError(line, `expected "${expected}", not ${shown(text)}`);
    this.#next++;
  }
}

function shown(text: string): string {
  return text === "" ? "the end of the file" : JSON.stringify(text);
}
