import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describe, it } from "@std/testing/bdd";
import { runtime } from "../../src/ffi/mod.ts";
import { generateRpcModule, parseRpcFile, RpcSyntaxError } from "../../src/rpc/mod.ts";
import { fuzzText } from "../support/fuzz.ts";
import { Letter as LetterByHand, shortLetter } from "./letter.ts";
import { ErrandOfTrust, Letter } from "./letter_generated.ts";

const input = fileURLToPath(new URL("letter.rpc", import.meta.url));
const command = fileURLToPath(new URL("../../src/rpc/rpcgen.ts", import.meta.url));
const golden = readFileSync(new URL("letter_generated.ts", import.meta.url), "utf8");

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const before = runtime.name === "deno"
    ? ["run", "--no-check", "--quiet", "--allow-read", "--allow-write", command]
    : [command];
  return spawnSync(process.execPath, [...before, ...args], { encoding: "utf8" });
}

describe("rpcgen", () => {
  it("turns a file with every kind of member into a module", () => {
    const { status, stdout, stderr } = run("--import", "../../src/rpc/mod.ts", input);
    assertEquals([status, stderr], [0, ""]);
    assertStrictEquals(stdout, golden);
  });

  it("writes a file, and says what is wrong where", () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-rpcgen-"));
    try {
      const output = join(folder, "out.ts");
      assertEquals(run(input, output).status, 0);
      assertStrictEquals(readFileSync(output, "utf8"), golden.replace("../../src/rpc/mod.ts", "@evbase/evbase"));
      const wrong = join(folder, "wrong.rpc");
      writeFileSync(wrong, "struct a {\n  int b = 1;\n  float c = 2;\n}\n");
      const { status, stderr } = run(wrong);
      assertStrictEquals(status, 1);
      assertStrictEquals(
        stderr.trimEnd(),
        `rpcgen: ${wrong}, line 3: "float" is no type: expected int, int64, string, bytes or struct[name]`,
      );
      assertStrictEquals(run(join(folder, "missing.rpc")).status, 1);
      for (const args of [[], ["a", "b", "c"], ["--unknown", "a"]]) assertStrictEquals(run(...args).status, 2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("makes structures that are those that were written by hand", () => {
    const letter = { ...shortLetter(), duel: { weapon: "w", call: "c", rounds: [1] }, errands: [] };
    assertEquals(Letter.marshal(letter), LetterByHand.marshal(letter));
    const errand: ErrandOfTrust = {
      how: "h",
      seal: new Uint8Array(24),
      notes: ["n"],
      prices: [],
      count: 1,
      large: 2n,
      rest: new Uint8Array(0),
      numbers: [3n],
    };
    const nested: ErrandOfTrust = { ...errand, parcel: new Uint8Array(2), distance: 5n, then: errand };
    assertEquals(ErrandOfTrust.unmarshal(ErrandOfTrust.marshal(nested)), nested);
  });
});

describe("parseRpcFile", () => {
  it("reads what has no members, and nothing at all", () => {
    assertEquals(parseRpcFile("struct a { }struct b{}"), [{ name: "a", members: [] }, { name: "b", members: [] }]);
    assertEquals(parseRpcFile(" // nothing"), []);
    assertEquals(parseRpcFile("#ifdef X\n#define A(b) c\n#endif"), []);
  });

  it("says what is wrong, and in which line", () => {
    const faults: [string, number, string][] = [
      ["\nunion a {}", 2, 'expected "struct", not "union"'],
      ["struct 1 {}", 1, "the name of a structure"],
      ["struct a\n int b = 1; }", 2, 'expected "{"'],
      ["struct a {\n\nint b = 1\n}", 4, 'expected ";"'],
      ["struct a { int b; }", 1, 'expected "="'],
      ["struct a { int b = x; }", 1, "expected a tag"],
      ["struct a { int b = -1; }", 1, '"-" has no meaning'],
      ["struct a { int b = 4294967296; }", 1, "more than 32 bits"],
      ["struct a { int b = 1;", 1, "the end of the file"],
      ["struct a { int b = 1;\n int c = 0x1; }", 2, "c has the tag of b, 1"],
      ["struct a { int b = 1;\n int b = 2; }", 2, "two members called b"],
      ["struct a {}\nstruct a {}", 2, "two structures called a"],
      ["struct a {\nstruct[b] c = 1; }", 2, "no structure called b"],
      ["struct a { struct b = 1; }", 1, 'expected "["'],
      ["struct a { optional array int b = 1; }", 1, "not both"],
      ["struct a { array bytes b = 1; }", 1, "no arrays of bytes"],
      ["struct a { int b[3] = 1; }", 1, "only bytes can have a length"],
      ["struct a { bytes b[N] = 1; }", 1, '"N" is no length'],
      ["struct a { bytes b[0] = 1; }", 1, '"0" is no length'],
      ["struct a { bytes b[] = 1; }", 1, '"]" is no length'],
      ["struct a { int constructor = 1; }", 1, "can be called constructor"],
      ["\n\n/* open\n", 3, "a comment begins here"],
      ["#pragma once", 1, "#pragma once has no meaning"],
      ["struct a { int é = 1; }", 1, '"é" has no meaning'],
      ["struct a { int b = 1x; }", 1, '"1" has no meaning'],
    ];
    for (const [text, line, message] of faults) {
      const error = assertThrows(() => parseRpcFile(text), RpcSyntaxError, message);
      assertEquals([error.line, error.code], [line, "RPC_SYNTAX"], text);
    }
  });

  it("survives what is no file of that kind", () => {
    const seeds = [readFileSync(input, "latin1").slice(0, 900)];
    const words = ["struct", "[", "]", "{", "}", "=", ";", "/*", "*/", "//", "#define A 1\n", "0x", "array ", "\n"];
    fuzzText({ seeds, words }, 31, 3000, (text) => {
      try {
        generateRpcModule(parseRpcFile(text));
      } catch (error) {
        if (!(error instanceof RpcSyntaxError)) throw error;
      }
    });
  });
});

describe("generateRpcModule", () => {
  it("names types as TypeScript does, and refuses two of one name", () => {
    const named = (name: string): string | undefined =>
      /interface (\w+)/.exec(generateRpcModule(parseRpcFile(`struct ${name} {}`)))?.[1];
    assertEquals(["a", "a_b", "_a__b_", "aB", "_", "_1", "uint8Array", "rpc_struct"].map(named), [
      "A",
      "AB",
      "AB",
      "AB",
      "Struct",
      "Struct1",
      "Uint8ArrayStruct",
      "RpcStructStruct",
    ]);
    assertThrows(() => generateRpcModule(parseRpcFile("struct a_b {} struct aB {}")), TypeError, "both become AB");
  });
});
