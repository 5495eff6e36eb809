/** What must not be left behind in the files of the project. */
import process from "node:process";
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filesUnder, root, type SourceFile } from "./tree.ts";

/** Lines a file may have; past this, look for the second noun in it. */
const linesMax = 400;

const leftovers = /\b(?:TODO|FIXME|XXX|HACK)\b/;

function linesMatching(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])
  );
}

function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/**
 * Matches paths that mean something on one machine only: the place of this checkout, the home folder of whoever runs this, and home
 * folders in general. A checkout right below the file system's root ("/src") has a name too common to search for.
 */
function machinePaths(checkout: string, home: string): RegExp {
  const own = [checkout, home].map((path) => path.replace(/\/+$/, "")).filter((path) => path.split("/").length > 2);
  const escaped = own.map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(?<![\\w.-])(?:${[...escaped, "/home/\\w+", "/Users/\\w+", "/root"].join("|")})(?:/|\\b)`);
}

describe("the files of the project", () => {
  it("hold no notes about unfinished work", () => {
    const files = filesUnder(["mod.ts", "src", "examples"], [".ts", ".mjs", ".js"]);
    assertGreater(files.length, 0);
    assertEquals(linesMatching(files, leftovers), []);
  });

  it(`have at most ${linesMax} lines in src`, () => {
    const long = filesUnder(["src"], [".ts"]).filter(({ text }) => lineCount(text) > linesMax);
    assertEquals(long.map(({ path, text }) => `${path}: ${lineCount(text)} lines`), []);
  });

  it("name no path of one particular machine", () => {
    const places = ["mod.ts", "src", "tests", "bench", "examples", "docs", ".ci"];
    const top = [
      "README.md",
      "CONTRIBUTING.md",
      "CHANGELOG.md",
      "package.json",
      "deno.json",
      "tsconfig.json",
      "dprint.json",
    ];
    const files = filesUnder([...places, ...top], [".ts", ".mjs", ".js", ".json", ".md", ".html", "run"])
      // This very file has to show what it looks for.
      .filter(({ path }) => path !== "tests/tidy/markers_test.ts");
    assertEquals(linesMatching(files, machinePaths(root, process.env["HOME"] ?? "/")), []);
  });
});

describe("the check of leftovers", () => {
  const found = (text: string, pattern: RegExp): number => linesMatching([{ path: "a.ts", text }], pattern).length;

  it("finds a note wherever it stands in a line", () => {
    assertEquals(found("const a = 1; // TODO: b\n\n * FIXME\n", leftovers), 2);
    assertEquals(found("const AXXXB = HACKED;", leftovers), 0);
  });

  it("finds paths of a machine, and leaves other paths alone", () => {
    const pattern = machinePaths("/srv/build/evbase/", "/var/people/ada");
    assertEquals(found("see /srv/build/evbase/src", pattern), 1);
    assertEquals(found(`open("/var/people/ada")`, pattern), 1);
    assertEquals(found(`cd /home/somebody/evbase`, pattern), 1);
    assertEquals(found("GET /srv/index.html, ./root/x, http://example.com/home/page, /etc/hosts", pattern), 0);
  });

  it("does not search for a checkout whose name is too common", () => {
    assertEquals(found(`open("/src/ffi/mod.ts")`, machinePaths("/src/", "/")), 0);
  });

  it("counts lines as an editor does", () => {
    assertEquals([lineCount("a\nb\n"), lineCount("a\nb")], [2, 2]);
  });
});
