/** Who may import whom, as docs/architecture.md draws it, and who may know which runtime this is. */
import { posix } from "node:path";
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filesUnder, type SourceFile, withoutComments } from "./tree.ts";

/** For each part of the project, the parts its files may import besides their own. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  ffi: [],
  backends: ["ffi"],
  core: ["backends", "ffi"],
  tls: ["core", "ffi"],
  dns: ["core", "ffi"],
  http: ["core"],
  ws: ["http", "core"],
  rpc: ["http", "core"],
  "mod.ts": ["ffi", "backends", "core", "tls", "dns", "http", "ws", "rpc"],
  examples: ["mod.ts"],
  bench: ["mod.ts", "ffi", "backends", "core", "tls", "dns", "http", "ws", "rpc", "tests", "examples"],
  tests: ["mod.ts", "ffi", "backends", "core", "tls", "dns", "http", "ws", "rpc", "examples"],
};

/** The names that the test runs map to other files. */
const mappedNames = ["@std/assert", "@std/testing/bdd"];

/** Packages that single files need, because they show or test how both work together. */
const packages: Readonly<Record<string, readonly string[]>> = {
  "examples/hono.ts": ["hono"],
  "tests/http/serve_request_test.ts": ["hono"],
};

/** The part of the project a path belongs to: a folder of src, another folder, or a file at the top. */
function partOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  return first === "src" ? second : first;
}

/** What a file imports or re-exports, statically or dynamically, types included. */
function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const statement = /^\s*(?:import\s|export\s+(?:type\s+)?[{*]|\})[^"'`;]*?\sfrom\s*["']([^"']+)["']/gm;
  const bare = /^\s*import\s*["']([^"']+)["']/gm;
  const dynamic = /\bimport\(\s*["']([^"']+)["']/g;
  return [statement, bare, dynamic].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

function wrongImports({ path, text }: SourceFile): string[] {
  const from = partOf(path);
  const allowed = arrows[from];
  if (allowed === undefined) return [`${path}: no rule for "${from}"; draw its arrows first`];
  return importsOf(text).filter((specifier) => !mayImport(path, from, allowed, specifier))
    .map((specifier) => `${path}: imports ${specifier}`);
}

function mayImport(path: string, from: string, allowed: readonly string[], specifier: string): boolean {
  if (specifier.startsWith("node:")) return true;
  if (specifier.startsWith("bun:")) return from === "ffi";
  if (mappedNames.includes(specifier)) return from === "tests" || from === "bench";
  if (packages[path]?.includes(specifier) === true) return true;
  if (!specifier.startsWith(".")) return false;
  const to = partOf(posix.join(posix.dirname(path), specifier));
  return to === from || allowed.includes(to);
}

/** Reading a property of a runtime's global, or asking which system this is. */
const platformWords =
  /\b(?:Deno|Bun)\s*(?:(?:\?\.|\.)\s*\w|\[\s*["'`])|\bprocess\.(?:platform|arch|versions)\b|\bnavigator\.(?:platform|userAgent)\b/;

function platformQuestions({ path, text }: SourceFile): string[] {
  return withoutComments(text).split("\n")
    .map((line, index) => ({ line, place: `${path}:${index + 1}` }))
    .filter(({ line }) => platformWords.test(line))
    .map(({ line, place }) => `${place}: ${line.trim()}`);
}

describe("the imports of the project", () => {
  it("follow the arrows between its folders", () => {
    const files = filesUnder(["mod.ts", "src", "examples", "bench", "tests"], [".ts"]);
    assertGreater(files.length, 0);
    assertEquals(files.flatMap(wrongImports), []);
  });

  it("name the runtime and the operating system only in src/ffi", () => {
    const files = filesUnder(["mod.ts", "src"], [".ts"]).filter(({ path }) => partOf(path) !== "ffi");
    assertEquals(files.flatMap(platformQuestions), []);
  });
});

describe("the check of imports", () => {
  const violations = (path: string, text: string): number => wrongImports({ path, text }).length;

  it("lets a file import from its own folder and along the arrows", () => {
    assertEquals(
      violations("src/core/a.ts", `import { b } from "./b.ts";\nimport type { C } from "../ffi/mod.ts";`),
      0,
    );
    assertEquals(violations("mod.ts", `export * from "./src/core/mod.ts";`), 0);
    assertEquals(violations("examples/a.ts", `import { EventBase } from "../mod.ts";`), 0);
    assertEquals(violations("tests/a_test.ts", `import { it } from "@std/testing/bdd";`), 0);
  });

  it("catches every form of an import against the arrows", () => {
    assertEquals(violations("src/ffi/a.ts", `import { b } from "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `import type { B } from "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `import {\n  b,\n  c,\n} from "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `import "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `export * from "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `export { b } from "../core/b.ts";`), 1);
    assertEquals(violations("src/ffi/a.ts", `const b = await import("../core/b.ts");`), 1);
    assertEquals(violations("src/http/a.ts", `import { b } from "../ffi/mod.ts";`), 1);
    assertEquals(violations("examples/a.ts", `import { b } from "../src/core/mod.ts";`), 1);
  });

  it("catches packages, and Bun's modules outside src/ffi", () => {
    assertEquals(violations("src/core/a.ts", `import { x } from "some-package";`), 1);
    assertEquals(violations("src/core/a.ts", `import { x } from "jsr:@std/assert";`), 1);
    assertEquals(violations("src/core/a.ts", `import { assert } from "@std/assert";`), 1);
    assertEquals(violations("src/core/a.ts", `import { ptr } from "bun:ffi";`), 1);
    assertEquals(violations("src/ffi/a.ts", `import { ptr } from "bun:ffi";`), 0);
  });

  it("lets a file import the package that it is about, and no other file", () => {
    assertEquals(violations("examples/hono.ts", `import { Hono } from "hono";`), 0);
    assertEquals(violations("examples/other.ts", `import { Hono } from "hono";`), 1);
    assertEquals(violations("examples/hono.ts", `import { x } from "other";`), 1);
  });

  it("asks for a rule when a folder is new", () => {
    assertEquals(violations("src/quic/a.ts", ""), 1);
  });

  it("does not take comments for imports", () => {
    assertEquals(violations("src/ffi/a.ts", `// import { b } from "../core/b.ts";`), 0);
    assertEquals(violations("src/ffi/a.ts", `/**\n * import { b } from "../core/b.ts";\n */`), 0);
  });

  it("sees questions about the platform in code and not in comments", () => {
    const questions = (text: string): number => platformQuestions({ path: "src/core/a.ts", text }).length;
    assertEquals(questions(`const x = Deno.build.os;`), 1);
    assertEquals(questions(`const x = globalThis.Bun?.version;`), 1);
    assertEquals(questions(`const url = "http://host/"; if (process.platform === "x") {}`), 1);
    assertEquals(questions(`// Deno.build.os would do.\nconst x = "It runs on Deno.";`), 0);
  });
});
