import { EvBuffer } from "../core/mod.ts";
import type { FieldPresence, RpcField } from "./field.ts";
import { type RpcLimits, rpcLimits, StructBudget } from "./struct_limits.ts";
import { TagError } from "./tag_error.ts";
import { TagReader } from "./tag_reader.ts";
import { TagWriter } from "./tag_writer.ts";

/** Members by their names. */
export type RpcFields = Readonly<Record<string, RpcField<unknown, FieldPresence>>>;

/** The objects that members describe: optional ones may be missing, arrays are always there. */
export type RpcFieldValues<F> =
  & {
    [Name in keyof F as F[Name] extends RpcField<unknown, "optional"> ? never : Name]: F[Name] extends
      RpcField<infer T, "array"> ? T[] : F[Name] extends RpcField<infer T, "required"> ? T : never;
  }
  & {
    [Name in keyof F as F[Name] extends RpcField<unknown, "optional"> ? Name : never]?:
      | (F[Name] extends RpcField<infer T, "optional"> ? T : never)
      | undefined;
  };

/** The objects of a structure: `RpcValue<typeof Message>`. */
export type RpcValue<S> = S extends RpcStruct<infer T> ? T : never;

interface Member {
  readonly name: string;
  readonly field: RpcField<unknown, FieldPresence>;
  /** Its place among the members. */
  readonly index: number;
}

type Values = Record<string, unknown>;

/**
 * A structure of tagged members: what event_rpcgen makes of a struct in an `.rpc` file. Members are written in the order in which they
 * were declared, and read in any.
 */
export class RpcStruct<T> {
  /** Its name, for messages. */
  readonly name: string;
  readonly #members: readonly Member[];
  readonly #byTag: ReadonlyMap<number, Member>;
  // Every object has them.
  readonly #arrays: readonly string[];

  /** @internal Use {@linkcode rpcStruct}. */
  constructor(name: string, fields: RpcFields) {
    this.name = name;
    this.#members = Object.entries(fields).map(([member, field], index) => ({ name: member, field, index }));
    const byTag = new Map<number, Member>();
    for (const member of this.#members) {
      const other = byTag.get(member.field.tag);
      if (other !== undefined) {
        throw new TypeError(
          `Cannot make ${name}: ${other.name} and ${member.name} have the same tag, ${member.field.tag}`,
        );
      }
      byTag.set(member.field.tag, member);
    }
    this.#byTag = byTag;
    this.#arrays = this.#members.filter(({ field }) => field.presence === "array").map(({ name }) => name);
  }

  /**
   * The bytes of an object.
   *
   * @param limits `maxDepth` alone matters here, which ends what contains itself.
   * @throws {TypeError} when a required member is missing, or one is not what it has to be.
   */
  marshal(value: T, limits?: Partial<RpcLimits>): Uint8Array {
    const writer = new TagWriter();
    this.writeMembers(writer, value, 1, rpcLimits(limits).maxDepth);
    return writer.take();
  }

  /**
   * Adds the bytes of an object to a buffer; all of them, or none when this throws.
   *
   * @throws {TypeError} as {@linkcode RpcStruct.marshal}.
   */
  marshalInto(buffer: EvBuffer, value: T, limits?: Partial<RpcLimits>): void {
    buffer.add(this.marshal(value, limits));
  }

  /**
   * Makes an object of bytes, all there are. A buffer is emptied, or left as it is when this throws.
   *
   * @throws {TagError} for what is no such structure: with tags that it does not know (`TAG_UNKNOWN`), with members that are missing
   * (`TAG_MISSING`) or come twice (`TAG_REPEATED`), or that are malformed.
   */
  unmarshal(source: Uint8Array | EvBuffer, limits?: Partial<RpcLimits>): T {
    const budget = new StructBudget(rpcLimits(limits));
    if (!(source instanceof EvBuffer)) return this.readMembers(new TagReader(source), budget);
    const value = this.readMembers(new TagReader(source.pullup() ?? new Uint8Array(0)), budget);
    source.drain(source.length);
    return value;
  }

  /**
   * The names of required members that are missing, those inside of members with a path: `run.0.how`.
   *
   * @param limits `maxDepth` alone matters here, which ends what contains itself.
   * @throws {TypeError} when it is nested deeper than that.
   */
  missing(value: Partial<T>, limits?: Partial<RpcLimits>): string[] {
    return this.missingMembers(value, 1, rpcLimits(limits).maxDepth);
  }

  /** Whether every required member is there. Takes and throws the same as {@linkcode RpcStruct.missing}. */
  isComplete(value: Partial<T>, limits?: Partial<RpcLimits>): value is T {
    return this.missing(value, limits).length === 0;
  }

  /** @internal */
  missingMembers(value: Partial<T>, depth: number, maxDepth: number): string[] {
    this.#checkDepth("look for what is missing in", depth, maxDepth);
    return this.#members.flatMap(({ name, field: { presence, kind } }) => {
      const member = (value as Values)[name];
      if (member === undefined || member === null) return presence === "required" ? [name] : [];
      const inside = (path: string, one: unknown): string[] =>
        kind.accepts(one) ? kind.missing?.(one, depth, maxDepth).map((rest) => `${path}.${rest}`) ?? [] : [];
      if (presence !== "array") return inside(name, member);
      return Array.isArray(member) ? member.flatMap((one, at) => inside(`${name}.${at}`, one)) : [];
    });
  }

  /** @internal */
  writeMembers(writer: TagWriter, value: T, depth: number, maxDepth: number): void {
    this.#checkDepth("marshal", depth, maxDepth);
    for (const { name, field: { tag, presence, kind } } of this.#members) {
      const member = (value as Values)[name];
      if (member === undefined || member === null) {
        if (presence !== "required") continue;
        throw new TypeError(`Cannot marshal ${this.name}: its member ${name} is missing`);
      }
      if (presence === "array") {
        if (!Array.isArray(member)) throw new TypeError(`Cannot marshal ${this.name}.${name}: expected an array`);
        for (const [at, one] of member.entries()) {
          if (!kind.accepts(one)) this.#refuse(`${name}[${at}]`, kind.expected);
          kind.write(writer, tag, one, depth, maxDepth);
        }
      } else {
        if (!kind.accepts(member)) this.#refuse(name, kind.expected);
        kind.write(writer, tag, member, depth, maxDepth);
      }
    }
  }

  /** @internal Reads until the end of what the reader has. */
  readMembers(reader: TagReader, budget: StructBudget): T {
    budget.enter();
    const result: Values = {};
    budget.count(this.#arrays.length);
    for (const name of this.#arrays) result[name] = [];
    while (reader.length > 0) {
      const tag = reader.peekTag();
      const member = this.#byTag.get(tag);
      if (member === undefined) throw new TagError("TAG_UNKNOWN", `${tag} in ${this.name}`);
      budget.count(1);
      const { name, field: { presence, kind } } = member;
      if (presence === "array") (result[name] as unknown[]).push(kind.read(reader, tag, budget));
      else if (result[name] !== undefined) throw new TagError("TAG_REPEATED", `${name} in ${this.name}`);
      else result[name] = kind.read(reader, tag, budget);
    }
    for (const { name, field: { presence } } of this.#members) {
      if (presence === "required" && result[name] === undefined) {
        throw new TagError("TAG_MISSING", `${name} in ${this.name}`);
      }
    }
    budget.leave();
    return result as T;
  }

  #checkDepth(doing: string, depth: number, maxDepth: number): void {
    if (depth <= maxDepth) return;
    throw new TypeError(`Cannot ${doing} ${this.name}: it is nested in ${depth - 1} others, or in itself`);
  }

  #refuse(name: string, expected: string): never {
    throw new TypeError(`Cannot marshal ${this.name}.${name}: expected ${expected}`);
  }
}

/** Names that every object answers to. */
const RESERVED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/**
 * Declares a structure (what a struct in an `.rpc` file is), whose objects have the type {@linkcode RpcValue} infers.
 *
 * @param name for messages, and what C calls it.
 * @throws {TypeError} for two members with one tag, for names such as `constructor` that every object has, and for names that are numbers,
 * which objects do not keep in their order.
 */
export function rpcStruct<F extends RpcFields>(name: string, fields: F): RpcStruct<RpcFieldValues<F>> {
  for (const member of Object.keys(fields)) {
    if (RESERVED.has(member) || /^\d+$/.test(member)) {
      throw new TypeError(`Cannot make ${name}: no member can be called ${member}`);
    }
  }
  return new RpcStruct<RpcFieldValues<F>>(name, fields);
}
