/** What docs/parity.md says about tests, held against the tests. */
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filesUnder } from "./tree.ts";

/** One line of a table: a case of libevent's, and the test that stands for it, or "–" and a reason. */
interface Row {
  readonly group: string;
  readonly name: string;
  readonly file: string;
  readonly title: string;
}

function rowsOf(text: string): Row[] {
  let group = "";
  return text.split("\n").flatMap((line) => {
    if (line.startsWith("## ")) group = line.slice(3);
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1).map((cell) => cell.trim()) : [];
    const [name = "", file = "", title = ""] = cells;
    if (cells.length !== 3 || name === "Case" || /^:?-+:?$/.test(name)) return [];
    return [{ group, name, file: file.replaceAll("`", ""), title }];
  });
}

/** Rows that name a file or a title that does not exist, or no reason. */
function unfounded(rows: readonly Row[], read: (path: string) => string | undefined): string[] {
  return rows.filter(({ file, title }) => {
    if (file === "–") return title === "";
    const text = read(file);
    return text === undefined || !text.includes(`it("${title.replaceAll('"', '\\"')}"`);
  }).map(({ name, file, title }) => `${name}: ${file}: ${title}`);
}

/** Headings that promise another number of cases than their tables hold. */
function miscounted(text: string): string[] {
  const rows = rowsOf(text);
  return [...text.matchAll(/^## (.* \((\d+) cases?\))$/gm)].flatMap(([, heading = "", count = ""]) => {
    const names = new Set(rows.filter(({ group }) => group === heading).map(({ name }) => name));
    return names.size === Number(count) ? [] : [`${heading}: ${names.size} are listed`];
  });
}

describe("docs/parity.md", () => {
  const text = filesUnder(["docs/parity.md"], [".md"])[0]?.text ?? "";
  const tests = new Map(filesUnder(["tests"], ["_test.ts"]).map((file) => [file.path, file.text]));

  it("names only tests that exist", () => {
    assertGreater(rowsOf(text).length, 0);
    assertEquals(unfounded(rowsOf(text), (path) => tests.get(path)), []);
  });

  it("lists as many cases in each group as it says", () => {
    assertEquals(miscounted(text), []);
  });
});

describe("the check of parity", () => {
  const read = (path: string): string | undefined =>
    path === "tests/a_test.ts" ? 'it("does \\"this\\"", () => {' : undefined;
  const table = (rows: string): string =>
    `## main (1 case)\n\n| Case | Test file | Title |\n| --- | :-- | --- |\n${rows}\n`;

  it("finds missing files, titles and reasons", () => {
    const wrong = [
      "| x | `tests/b_test.ts` | does this |",
      "| x | `tests/a_test.ts` | does |",
      "| x | `tests/a_test.ts` |  |",
      "| x | – |  |",
    ];
    for (const row of wrong) assertEquals(unfounded(rowsOf(table(row)), read).length, 1, row);
    for (const row of ['| x | `tests/a_test.ts` | does "this" |', "| x | – | C only. |"]) {
      assertEquals(unfounded(rowsOf(table(row)), read), [], row);
    }
  });

  it("counts a case once, however many tests stand for it", () => {
    assertEquals(miscounted(table("| x | – | a |\n| x | – | b |")), []);
    assertEquals(miscounted(table("| x | – | a |\n| y | – | b |")), ["main (1 case): 2 are listed"]);
  });
});
