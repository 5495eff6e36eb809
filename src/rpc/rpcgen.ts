/**
 * Turns libevent's `.rpc` files into TypeScript, as event_rpcgen.py turns them into C.
 *
 * ```sh
 * deno run --allow-read --allow-write jsr:@evbase/evbase/rpcgen [--import specifier] input.rpc [output.ts]
 * bun src/rpc/rpcgen.ts [--import specifier] input.rpc [output.ts]
 * ```
 *
 * Without an output file the module is printed. `--import` says where it imports this library from, "@evbase/evbase" by default. What is
 * wrong in the input is told with its line; the exit code is 1 then, and 2 for a wrong command line.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { generateRpcModule } from "./idl_generator.ts";
import { RpcSyntaxError } from "./idl_lexer.ts";
import { parseRpcFile } from "./idl_parser.ts";

const USAGE = "usage: rpcgen [--import specifier] input.rpc [output.ts]";

/** Does what the command line says; returns the exit code. */
export function rpcgen(args: readonly string[]): number {
  let input: string | undefined;
  let output: string | undefined;
  let importFrom: string | undefined;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { import: { type: "string" } },
      allowPositionals: true,
    });
    [input, output] = positionals;
    importFrom = values.import;
    if (input === undefined || positionals.length > 2) throw new Error("one or two files are needed");
  } catch (error) {
    console.error(`rpcgen: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  try {
    const structs = parseRpcFile(readFileSync(input, "utf8"));
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

if (import.meta.main) process.exitCode = rpcgen(process.argv.slice(2));
