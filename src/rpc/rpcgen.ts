/**
 * Turns libevent's `.rpc` files into TypeScript, as event_rpcgen.py turns them into C.
 *
 * ```sh
 * deno run --allow-read --allow-write jsr:@evbase/evbase/rpcgen [--import specifier] [-D name=number]... input.rpc [output.ts]
 * bun src/rpc/rpcgen.ts [--import specifier] [-D name=number]... input.rpc [output.ts]
 * ```
 *
 * Without an output file the module is printed. `--import` says where it imports this library from, "@evbase/evbase" by default. `-D` names
 * a number that lengths may be made of, as it does for a C compiler. What is wrong in the input is told with its line; the exit
 * code is 1 then, and 2 for a wrong command line.
 *
 * Where the input includes the header that event_rpcgen makes of another `.rpc` file (`#include "shapes.gen.h"`), and that file is there,
 * its structures and numbers can be used: the module imports them from `./shapes.ts`, which is to be made of that file.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { generateRpcModule } from "./idl_generator.ts";
import { RpcSyntaxError } from "./idl_lexer.ts";
import { parseRpcFile } from "./idl_parser.ts";

const USAGE = "usage: rpcgen [--import specifier] [-D name=number]... input.rpc [output.ts]";

/** Does what the command line says; returns the exit code. */
export function rpcgen(args: readonly string[]): number {
  let input: string | undefined;
  let output: string | undefined;
  let importFrom: string | undefined;
  let constants: Record<string, number>;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { import: { type: "string" }, define: { type: "string", short: "D", multiple: true } },
      allowPositionals: true,
    });
    [input, output] = positionals;
    importFrom = values.import;
    constants = Object.fromEntries((values.define ?? []).map(definition));
    if (input === undefined || positionals.length > 2) throw new Error("one or two files are needed");
  } catch (error) {
    console.error(`rpcgen: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  try {
    const folder = dirname(input);
    const include = (file: string): string | undefined => textOf(resolve(folder, file));
    const structs = parseRpcFile(readFileSync(input, "utf8"), { constants, include });
    const text = generateRpcModule(structs, { importFrom, source: basename(input) });
    if (output === undefined) process.stdout.write(text);
    else writeFileSync(output, text);
    return 0;
  } catch (error) {
    const place = error instanceof RpcSyntaxError ? `${input}, ` : `${input}: `;
    console.error(`rpcgen: ${place}${(error as Error).message}`);
    return 1;
  }
}

function definition(text: string): [name: string, value: number] {
  const [, name, value] = /^([A-Za-z_]\w*)=(0[xX][0-9a-fA-F]+|[1-9]\d*|0)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`${text} is no name with a number`);
  return [name, Number(value)];
}

/** What is in a file; undefined if there is none: headers are usually made by hand. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

if (import.meta.main) process.exitCode = rpcgen(process.argv.slice(2));
