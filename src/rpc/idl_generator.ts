import type { IdlMember, IdlStruct } from "./idl_parser.ts";

/** How a module of structures is made. */
export interface GenerateOptions {
  /** Where the module imports this library from; "@evbase/evbase" by default. */
  readonly importFrom?: string | undefined;
  /** The file that the structures come from, for the comment at the top. */
  readonly source?: string | undefined;
}

/** Names that the module needs for something else. */
const TAKEN: ReadonlySet<string> = new Set(["RpcStruct", "Uint8Array"]);

/**
 * Writes a TypeScript module with a type and a structure for each declaration: `struct stack_entry` becomes `StackEntry`. Members keep
 * their names.
 *
 * @throws {TypeError} when two structures would have one name.
 */
export function generateRpcModule(structs: readonly IdlStruct[], options: GenerateOptions = {}): string {
  const { importFrom = "@evbase/evbase", source } = options;
  const names = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const { name } of structs) {
    const typeName = typeNameOf(name);
    const other = owners.get(typeName);
    if (other !== undefined) {
      throw new TypeError(`Cannot name structures: ${other} and ${name} both become ${typeName}`);
    }
    owners.set(typeName, name);
    names.set(name, typeName);
  }
  const from = source === undefined ? "" : ` from ${source.replaceAll(/[\r\n]/g, " ")}`;
  const head = `// Made by rpcgen${from}. Change that file instead of this one.\n` +
    `import { field, type RpcStruct, rpcStruct } from ${JSON.stringify(importFrom)};\n`;
  return head + structs.map((struct) => `\n${structText(struct, names)}`).join("");
}

/** The name of a structure in TypeScript: words of C, joined by capitals. */
function typeNameOf(name: string): string {
  const words = name.split("_").filter((word) => word !== "");
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
  const named = /^[A-Za-z]/.test(joined) ? joined : `Struct${joined}`;
  return TAKEN.has(named) ? `${named}Struct` : named;
}

function structText({ name, members }: IdlStruct, names: ReadonlyMap<string, string>): string {
  const typeName = names.get(name)!;
  const properties = members.map((member) => `  ${propertyText(member, names)}\n`).join("");
  const fields = members.map((member) => `  ${member.name}: ${fieldText(member, names)},\n`).join("");
  return `/** What \`struct ${name}\` holds. */\n` +
    `export interface ${typeName} {\n${properties}}\n\n` +
    `/** \`struct ${name}\`. */\n` +
    `export const ${typeName}: RpcStruct<${typeName}> = rpcStruct("${name}", {\n${fields}});\n`;
}

function propertyText({ name, type, struct, presence }: IdlMember, names: ReadonlyMap<string, string>): string {
  const types = {
    int: "number",
    int64: "bigint",
    string: "string",
    bytes: "Uint8Array",
    struct: names.get(struct ?? ""),
  };
  const text = types[type];
  if (presence === "array") return `${name}: ${text}[];`;
  return presence === "optional" ? `${name}?: ${text} | undefined;` : `${name}: ${text};`;
}

function fieldText({ type, tag, struct, length, presence }: IdlMember, names: ReadonlyMap<string, string>): string {
  const number = /^0[0-9]/.test(tag) ? String(Number(tag)) : tag;
  // As a function, since structures may be declared in any order, and contain themselves.
  const more = struct !== undefined ? `, () => ${names.get(struct)}` : length !== undefined ? `, ${length}` : "";
  const text = `field.${type}(${number}${more})`;
  return presence === "required" ? text : `field.${presence}(${text})`;
}
