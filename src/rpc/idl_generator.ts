import type { IdlMember, IdlStruct } from "./idl_parser.ts";

/** How a module of structures is made. */
export interface GenerateOptions {
  /** Where the module imports this library from; "@evbase/evbase" by default. */
  readonly importFrom?: string | undefined;
  /** The file that the structures come from, for the comment at the top. */
  readonly source?: string | undefined;
  /** Which module was, or will be, made of another `.rpc` file whose structures are used; by default `./shapes.ts` of `shapes.rpc`. */
  readonly moduleOf?: ((file: string) => string) | undefined;
}

/** Names that the module needs for something else. */
const TAKEN: ReadonlySet<string> = new Set(["RpcStruct", "Uint8Array", "NaN", "Infinity"]);

/**
 * Writes a TypeScript module with a type and a structure for each declaration: `struct stack_entry` becomes `StackEntry`. Members keep
 * their names. Structures of other files are imported from the modules that were made of those.
 *
 * @throws {TypeError} when two structures would have one name.
 */
export function generateRpcModule(structs: readonly IdlStruct[], options: GenerateOptions = {}): string {
  const { importFrom = "@evbase/evbase", source, moduleOf = moduleBeside } = options;
  const imports = importedStructs(structs);
  const names = typeNames([...structs.map(({ name }) => name), ...[...imports.values()].flatMap((each) => [...each])]);
  const from = source === undefined ? "" : ` from ${source.replaceAll(/[\r\n\u2028\u2029]/g, " ")}`;
  let text = `// Made by rpcgen${from}. Change that file instead of this one.\n` +
    `import { field, type RpcStruct, rpcStruct } from ${JSON.stringify(importFrom)};\n`;
  for (const [file, imported] of imports) {
    const list = [...imported].map((name) => names.get(name)).sort().join(", ");
    text += `import { ${list} } from ${JSON.stringify(moduleOf(file))};\n`;
  }
  return text + structs.map((struct) => `\n${structText(struct, names)}`).join("");
}

function moduleBeside(file: string): string {
  const path = file.replace(/\.rpc$/, ".ts");
  return path.startsWith("/") || path.startsWith("../") ? path : `./${path}`;
}

/** The structures of other files that members are, by file. */
function importedStructs(structs: readonly IdlStruct[]): Map<string, Set<string>> {
  const imports = new Map<string, Set<string>>();
  for (const { file, struct } of structs.flatMap(({ members }) => members)) {
    if (file === undefined || struct === undefined) continue;
    imports.set(file, (imports.get(file) ?? new Set()).add(struct));
  }
  return imports;
}

/** What structures are called in TypeScript, by their names. */
function typeNames(structs: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const name of structs) {
    const typeName = typeNameOf(name);
    const other = owners.get(typeName);
    if (other !== undefined) {
      throw new TypeError(`Cannot name structures: ${other} and ${name} both become ${typeName}`);
    }
    owners.set(typeName, name);
    names.set(name, typeName);
  }
  return names;
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
  // Linters mind interfaces without members.
  const type = members.length === 0
    ? `type ${typeName} = { [member: string]: never };`
    : `interface ${typeName} {\n${properties}}`;
  return `/** What \`struct ${name}\` holds. */\n` +
    `export ${type}\n\n` +
    `/** \`struct ${name}\`. */\n` +
    `export const ${typeName}: RpcStruct<${typeName}> = rpcStruct("${name}", {${
      fields === "" ? "" : `\n${fields}`
    }});\n`;
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
  // As a function, since structures may be declared in any order, and contain themselves.
  const more = struct !== undefined ? `, () => ${names.get(struct)}` : length !== undefined ? `, ${length}` : "";
  const text = `field.${type}(${tag.toLowerCase()}${more})`;
  return presence === "required" ? text : `field.${presence}(${text})`;
}
