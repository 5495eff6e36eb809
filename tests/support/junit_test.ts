import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { countTests } from "./junit.mjs";

function testCase(name: string, body = ""): string {
  return `<testcase name="${name}" classname="x" time="0.1">${body}</testcase>\n`;
}

describe("counting tests in a JUnit report", () => {
  it("counts tests and not the groups around them", () => {
    const report = [
      testCase("group"),
      testCase("group &gt; inner"),
      testCase("group &gt; inner &gt; one"),
      testCase("group &gt; two"),
      testCase("group &gt; left out", "<skipped/>"),
      testCase("alone"),
    ].join("");
    assertEquals(countTests(report), { passed: 3, failed: 0, skipped: 1 });
  });

  it("counts a failure once, not again for every group around it", () => {
    const report = [
      testCase("group", `<failure message="1 test step failed">1 test step failed.</failure>`),
      testCase("group &gt; inner", `<failure message="2 test steps failed">2 test steps failed.</failure>`),
      testCase("group &gt; inner &gt; one", `<failure message="Uncaught Error: x &lt;skipped/&gt;">Error: x</failure>`),
      testCase("group &gt; inner &gt; two", `<error message="gone"/>`),
    ].join("");
    assertEquals(countTests(report), { passed: 0, failed: 2, skipped: 0 });
  });

  it("counts the failure of a group itself, as from a hook", () => {
    const report = testCase("group", `<failure message="Uncaught Error: hook">Error: hook</failure>`) +
      testCase("group &gt; one");
    assertEquals(countTests(report), { passed: 1, failed: 1, skipped: 0 });
  });

  it("reads test cases that close themselves", () => {
    const report = `<testsuite name="group" tests="2">
      <testcase name="one" classname="group" time="0.1" />
      <testcase name="two" classname="group" time="0"><skipped /></testcase>
      <testcase name="three" classname="group"><failure type="Error" message="x">at y</failure></testcase>
    </testsuite>`;
    assertEquals(countTests(report), { passed: 1, failed: 1, skipped: 1 });
  });

  it("finds nothing in a report without tests", () => {
    assertEquals(countTests(""), { passed: 0, failed: 0, skipped: 0 });
  });
});
