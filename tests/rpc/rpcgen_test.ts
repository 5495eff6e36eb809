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
import { InfinityStruct } from "./odd.ts";

const input = fileURLToPath(new URL("letter.rpc", import.meta.url));
const command = fileURLToPath(new URL("../../src/rpc/rpcgen.ts", import.meta.url));
const golden = readFileSync(new URL("letter_generated.ts", import.meta.url), "utf8");

/** Where a file beside this one is. */
function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

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

  it("imports structures that an included file declares, and knows its numbers", () => {
    // Both modules are checked and linted with everything else here.
    for (const name of ["stamp", "odd"]) {
      const { status, stdout, stderr } = run(
        ...["--import", "../../src/rpc/mod.ts", "-D", "TOLD=3", "--define", "OTHER=0x10", beside(`${name}.rpc`)],
      );
      assertEquals([status, stderr], [0, ""]);
      assertStrictEquals(stdout, readFileSync(beside(`${name}.ts`), "utf8"));
    }
    const stamp = { when: 1n, mark: new Uint8Array(16) };
    const value: InfinityStruct = {
      first: stamp,
      others: [stamp],
      nothing: {},
      number: { mark: new Uint8Array(16), odd: new Uint8Array(9), any: new Uint8Array(2), told: new Uint8Array(3) },
    };
    assertEquals(InfinityStruct.unmarshal(InfinityStruct.marshal(value)), value);
  });

  it("says what is wrong with an included file, or is not in it", () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-rpcgen-"));
    try {
      const file = join(folder, "file.rpc");
      const said = (text: string): string => {
        writeFileSync(file, text);
        const { status, stderr } = run(file);
        assertStrictEquals(status, 1);
        return stderr.trimEnd();
      };
      writeFileSync(join(folder, "other.rpc"), "struct b {}\n\n?");
      assertStrictEquals(
        said('\n#include "other.gen.h"\nstruct a {}'),
        `rpcgen: ${file}, line 2: other.rpc, line 3: "?" has no meaning here`,
      );
      writeFileSync(join(folder, "other.rpc"), "struct b {}");
      assertStrictEquals(
        said('#include "other.h"\nstruct a {\n struct[c] d = 1;\n}'),
        `rpcgen: ${file}, line 3: there is no structure called c in this file, nor in other.rpc`,
      );
      assertStrictEquals(run("-D", "X", file).status, 2);
      assertStrictEquals(run("-D", "X=y", file).status, 2);
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
  const lengthOf = (length: string, before: string = ""): number | undefined =>
    parseRpcFile(`${before}\nstruct a { bytes b[${length}] = 1; }`, { constants: { TOLD: 7 } })[0]?.members[0]?.length;

  it("reads lengths as the C compiler does", () => {
    const lengths: [string, number, string?][] = [
      ["24", 24],
      ["010", 8],
      ["0x1F", 31],
      ["16u", 16],
      ["16UL", 16],
      ["( 3 )", 3],
      ["2+3*4", 14],
      ["(2+3)*4", 20],
      ["7/2", 3],
      ["17 % 5", 2],
      ["1<<4", 16],
      ["1 << 2 + 1", 8],
      ["256>>3", 32],
      ["10-4-3", 3],
      ["24/4/2", 3],
      ["TOLD", 7],
      ["A", 5, "#define A B\n#define B 5"],
      ["A+1", 11, "#define A (B * 2)\n#define B 5 // five"],
      ["A", 9, "#define A \\\n  9"],
      ["A", 9, "#define A \\\r\n  9\r\n"],
      ["A", 6, "#define A 5\n#define A 6"],
      ["TOLD", 6, "#define TOLD 6"],
    ];
    for (const [text, length, before] of lengths) assertStrictEquals(lengthOf(text, before), length, text);
  });

  it("refuses lengths that are none", () => {
    for (
      const [text, before] of [
        ["0"],
        ["1-1"],
        ["1-2"],
        ["08"],
        ["0x"],
        ["1+"],
        ["(1"],
        ["1)"],
        ["1 2"],
        ["1/0"],
        ["1<<40"],
        ["1<<-1"],
        ["4294967296"],
        ["A", "#define A A"],
        ["A", "#define A B\n#define B A"],
        ["A", "#define A"],
        ["A", "#define A(x) 3"],
        ["A", '#define A "3"'],
        ["sizeof"],
        ["toString"],
        [`${"(".repeat(5000)}1`],
        ["A0", Array.from({ length: 60 }, (_, at) => `#define A${at} A${at + 1}+A${at + 1}`).join("\n")],
      ] as [string, string?][]
    ) {
      assertThrows(() => lengthOf(text, before), RpcSyntaxError, undefined, text);
    }
  });

  it("reads members of any number of bytes, and the last one without its semicolon", () => {
    const [struct] = parseRpcFile("struct a { bytes b[] = 1; int c = 2 }");
    assertEquals(struct?.members.map(({ name, length }) => [name, length]), [["b", undefined], ["c", undefined]]);
  });

  it("asks for the .rpc file of each header that is included by name, and only for those", () => {
    const asked: string[] = [];
    const include = (file: string): string | undefined => {
      asked.push(file);
      return file === "sub/b.rpc" ? "#define N 3\nstruct b { float unread = x" : undefined;
    };
    const text = '#include "sub/b.gen.h"\n #  include "c.h"\n#include <d.h>\n#include "e.rpc"\n#include "f.inc"\n' +
      "struct a { struct[b] c = 1; bytes n[N] = 2; struct[a] d = 3; }";
    const [struct] = parseRpcFile(text, { include });
    assertEquals(asked, ["sub/b.rpc", "c.rpc", "e.rpc"]);
    assertEquals(struct?.members.map(({ file, length }) => [file, length]), [
      ["sub/b.rpc", undefined],
      [undefined, 3],
      [undefined, undefined],
    ]);
    assertThrows(
      () => parseRpcFile(`${text}\nstruct b {}`, { include }),
      RpcSyntaxError,
      "line 7: there is a structure called b in sub/b.rpc as well",
    );
  });

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
      ["struct a {\n\nint b = 1\nint c = 2;}", 4, 'expected ";"'],
      ["struct a { int b; }", 1, 'expected "="'],
      ["struct a { int b = x; }", 1, "expected a tag"],
      ["struct a { int b = -1; }", 1, 'expected a tag, not "-"'],
      ["struct a { int b = 010; }", 1, 'expected a tag, not "010"'],
      ["struct a { int b = 1u; }", 1, 'expected a tag, not "1u"'],
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
      ["#define A /* open", 1, "a comment begins here"],
      ["#define A 1 \\\n/* b\n c */\nstruct a { bytes b[C] = 1; }", 4, '"C" is no length'],
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
      /export (?:interface|type) (\w+)/.exec(generateRpcModule(parseRpcFile(`struct ${name} {}`)))?.[1];
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
    const head = generateRpcModule([], { source: "a\u2028alert()\nalert()" });
    assertStrictEquals(head.split(/[\r\n\u2028\u2029]/).length, 3);
    assertThrows(() => generateRpcModule(parseRpcFile("struct a_b {} struct aB {}")), TypeError, "both become AB");
  });
});
