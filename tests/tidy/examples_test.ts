/** The examples in README, documents and JSDoc, checked and run as they are printed: an example that fails is worse than none. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runtime } from "../../src/ffi/mod.ts";
import { runScript } from "../support/run_script.ts";
import {
  blockCount,
  blocksIn,
  documented,
  ENTRY_POINTS,
  type Example,
  program,
  promisedLines,
  staleFragments,
} from "./doc_examples.ts";
import { root } from "./tree.ts";

const examples = documented.flatMap(({ path, text }) => blocksIn(path, text));

/** With our own files instead of the package. */
function local(code: string): string {
  return code.replace(/"(@evbase\/evbase(?:\/\w+)?)"/g, (_, name: string) => {
    assert(Object.hasOwn(ENTRY_POINTS, name), `${name} is no entry point`);
    return JSON.stringify(pathToFileURL(join(root, ENTRY_POINTS[name]!)).href);
  });
}

/**
 * Makes an example runnable here: for those that serve for ever, at 8080, a free port and an end. The others end by themselves, and may
 * take their time.
 */
function runnable(example: Example): string {
  const code = local(program(example));
  if (!code.includes("port: 8080")) return code;
  return code.replace("port: 8080", "port: 0").replace(/^await base\.run\(\);$/m, "base.loopExit(50);\n$&");
}

/** The runtimes break objects into lines each in its own way. */
function withoutLayout(text: string): string {
  return text.replace(/,?\s+/g, " ");
}

/** Needs its Worker beside it. */
const isMainOfWorker = ({ code }: Example): boolean => code.startsWith("// main.ts");

describe("the examples in the documentation", () => {
  it("are found, every one", () => {
    assert(examples.some(({ path }) => path === "README.md"), "README.md has no example");
    for (const { path, text } of documented) assertEquals(blocksIn(path, text).length, blockCount(text), path);
    assertEquals(staleFragments(examples), []);
  });

  // On one runtime: types are the same on both, and the other one does not check them.
  it("have the right types", { ignore: runtime.name !== "deno" }, () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-examples-"));
    try {
      const files = examples.map((example, index) => {
        const file = join(folder, `${example.path.replaceAll("/", "+")}+${example.line}+${index}.ts`);
        const source = local(program(example)).replaceAll('"src:', `"${pathToFileURL(join(root, "src")).href}/`);
        writeFileSync(file, `${source}\nexport {};\n`);
        return file;
      });
      const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
      writeFileSync(join(folder, "deno.json"), JSON.stringify({ compilerOptions: strict, lock: false }));
      const config = ["--config", join(folder, "deno.json")];
      const { status, stderr } = spawnSync(process.execPath, ["check", "--quiet", ...config, ...files], {
        encoding: "utf8",
        env: { ...process.env, NO_COLOR: "1" },
        timeout: 120_000,
      });
      assertEquals({ status, stderr }, { status: 0, stderr: "" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const example of examples.filter((one) => !isMainOfWorker(one))) {
    it(`run to their end with --allow-ffi alone: ${example.path}`, async () => {
      const { code, stdout, stderr } = await runScript(runnable(example));
      const title = `${example.path}:${example.line}`;
      assertEquals({ code, stderr }, { code: 0, stderr: "" }, title);
      for (const line of promisedLines(example.code)) {
        assert(withoutLayout(stdout).includes(withoutLayout(line)), `${title} does not print ${line}, but:\n${stdout}`);
      }
    });
  }

  it("post from a Worker to its parent, in docs/threads.md", async () => {
    const [main, worker] = ["// main.ts", "// worker.ts"].map((name) =>
      examples.find(({ path, code }) => path === "docs/threads.md" && code.startsWith(name))!
    ) as [Example, Example];
    const { code, stdout, stderr } = await runScript(local(main.code), {
      permissions: ["--allow-ffi", "--allow-read"],
      beside: { "worker.ts": local(worker.code) },
    });
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "Hello from a Worker", stderr: "" });
  });
});

describe("the search for examples", () => {
  it("finds them in lists, in JSDoc of any depth, and in all spellings", () => {
    const text =
      "```ts\na\n```\n\n- one\n\n  ```typescript\n  b\n  ```\n\n  /**\n   * ```ts\n   * c\n   *\n   * d\n   * ```\n   */\n";
    assertEquals(blocksIn("x.md", text).map(({ line, code }) => [line, code.trim()]), [[1, "a"], [7, "b"], [
      12,
      "c\n\nd",
    ]]);
    assertEquals(blockCount(text), 3);
  });

  it("knows what is said to be printed", () => {
    assertEquals(promisedLines("console.log(1); // one\n  read: () => console.log(2), // two\nf(); // three\n"), [
      "one",
      "two",
    ]);
  });
});
