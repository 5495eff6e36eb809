/** The examples in README and JSDoc, run as they are printed: an example that fails is worse than none. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runScript } from "../support/run_script.ts";
import { filesUnder } from "./tree.ts";

/** One example: where it stands and what it says. */
interface Example {
  readonly title: string;
  readonly code: string;
}

/** The TypeScript blocks of a text that import the library; in JSDoc each line begins with an asterisk. */
function examplesIn(path: string, text: string): Example[] {
  const examples: Example[] = [];
  for (const match of text.matchAll(/^( \* |  +\* )?```ts\n([^]*?)^\1?```/gm)) {
    const code = match[2]!.split("\n").map((line) => line.replace(/^ +\* ?/, "")).join("\n");
    const line = text.slice(0, match.index).split("\n").length;
    if (code.includes('from "@evbase/evbase"')) examples.push({ title: `${path}:${line}`, code });
  }
  return examples;
}

/**
 * Makes an example runnable here: our own files instead of the package, and for those that serve for ever, at 8080, a free port and an end. The others end by
 * themselves, and may take their time.
 */
function runnable(code: string): string {
  const local = code.replace('from "@evbase/evbase"', 'from "../../src/../mod.ts"');
  if (!local.includes("port: 8080")) return local;
  return local.replace("port: 8080", "port: 0").replace(/^await base\.run\(\);$/m, "base.loopExit(50);\n$&");
}

const files = [...filesUnder(["src", "mod.ts"], [".ts"]), ...filesUnder(["README.md", "docs"], [".md"])];
const examples = files.flatMap(({ path, text }) => examplesIn(path, text));

describe("the examples in the documentation", () => {
  it("are found", () => {
    assert(examples.some(({ title }) => title.startsWith("README.md")), "README.md has no example");
    assert(examples.length >= 8, `only ${examples.length} examples were found`);
  });

  for (const { title, code } of examples) {
    it(`run to their end with --allow-ffi alone: ${title.replace(/:\d+$/, "")}`, async () => {
      const { code: exitCode, stderr } = await runScript(runnable(code));
      assertEquals({ exitCode, stderr }, { exitCode: 0, stderr: "" }, title);
    });
  }
});
