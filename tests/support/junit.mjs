/**
 * Counts tests in the JUnit reports of `deno test` and `bun test`. Both write one `testcase` per test; Deno also writes one per
 * group, named as the prefix of its tests, and repeats a test's failure on every group around it.
 */

/**
 * @param {string} xml A JUnit report.
 * @returns {{ passed: number, failed: number, skipped: number }} How the tests ended, groups not counted.
 */
export function countTests(xml) {
  const cases = [...xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)].map((
    [, attributes = "", body = ""],
  ) => ({
    name: /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "",
    body,
  }));
  const groups = new Set(cases.flatMap(({ name }) => prefixes(name)));

  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, body } of cases) {
    const failure = /<(?:failure|error)\b([^>]*)/.exec(body);
    const isEcho = failure !== null && /message="\d+ test steps? failed"/.test(failure[1] ?? "");
    if (failure !== null && !isEcho) counts.failed++;
    else if (isEcho || groups.has(name)) continue;
    else if (/<skipped\b/.test(body)) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

/** The names of the groups around a test: "a > b > c" stands in "a" and "a > b". @param {string} name */
function prefixes(name) {
  const parts = name.split(" &gt; ");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(" &gt; "));
}
