/** What the documents say about files, held against the files. (That every export is documented is the doc lint's business.) */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filesUnder, root, type SourceFile } from "./tree.ts";

/** The targets of a Markdown text's links and images, code left out. */
function linkTargets(text: string): string[] {
  const prose = text.replace(/^(```|~~~)[^]*?^\1/gm, "").replace(/`[^`\n]*`/g, "``");
  const inline = [...prose.matchAll(/\]\(\s*<?([^()\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const references = [...prose.matchAll(/^\s*\[[^\]]+\]:\s+<?([^\s>]+)>?/gm)];
  return [...inline, ...references].map((match) => match[1] ?? "");
}

function brokenLinks({ path, text }: SourceFile, exists: (path: string) => boolean): string[] {
  return linkTargets(text)
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target) && !target.startsWith("#"))
    .filter((target) => {
      const file = decodeURIComponent(target.split("#")[0] ?? "");
      return !exists(posix.join(posix.dirname(path), file));
    })
    .map((target) => `${path}: ${target}`);
}

describe("the documents", () => {
  it("link only to files that exist", () => {
    const files = filesUnder(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "bench", "examples"], [".md"]);
    assertEquals(files.flatMap((file) => brokenLinks(file, (path) => existsSync(join(root, path)))), []);
  });

  it("give one version and licence in package.json and deno.json", () => {
    const read = (name: string): { version: string; license: string } =>
      JSON.parse(filesUnder([name], [".json"])[0]?.text ?? "null");
    const { version, license } = read("package.json");
    assertEquals({ version: read("deno.json").version, license: read("deno.json").license }, { version, license });
  });
});

describe("the check of links", () => {
  const broken = (text: string): string[] => brokenLinks({ path: "docs/a.md", text }, (path) => path === "docs/b.md");

  it("resolves them from the document's own folder", () => {
    assertEquals(broken('[b](b.md), [b again](./b.md#part), ![b](<b.md> "title")\n\n[b]: b.md\n'), []);
    assertEquals(broken("[b](../b.md) and\n\n[c]: c.md\n"), ["docs/a.md: ../b.md", "docs/a.md: c.md"]);
  });

  it("leaves addresses, anchors and code alone", () => {
    assertEquals(broken("[x](https://example.com/) [y](#part) `[z](z.md)`\n\n```ts\nconst f = a[0](q);\n```\n"), []);
  });
});
