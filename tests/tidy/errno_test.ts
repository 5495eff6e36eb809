/** Where errno is read: between the call and the reading no function may begin or end, since the runtime may write there, too. */
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { filesUnder, type SourceFile, withoutComments } from "./tree.ts";

const reading = /\berrno\[0\]!/g;
/** A call of a C function: through a table, or one that was taken out of it. */
const cCall = /\b(?:sys\w*!?|linux|calls|this\.#many)\.\w+\(|\b(?:recv|receive|send|wait|waitNanoseconds)\(/g;

/** The place behind the parenthesis that closes the one before `start`. */
function behindCall(code: string, start: number): number {
  let depth = 1, at = start;
  while (depth > 0 && at < code.length) {
    const character = code[at++];
    depth += character === "(" ? 1 : character === ")" ? -1 : 0;
  }
  return at;
}

/** What stands between an errno that is read and the C function that was called last; undefined without one. */
function betweenCallAnd(code: string, read: number): string | undefined {
  const ends = [...code.slice(0, read).matchAll(cCall)]
    .map((match) => behindCall(code, match.index + match[0].length))
    .filter((end) => end <= read);
  return ends.length === 0 ? undefined : code.slice(ends.at(-1)!, read);
}

/** Whether nothing is called from there: nothing is closed by a parenthesis but a condition. What is handed errno begins later. */
function isNothing(between: string): boolean {
  return !/^,|\)/.test(between.replace(/^ (?:<|>=) 0\)/, "").replace(/\bif \([^()]*\)/g, ""));
}

function lateReadings({ path, text }: SourceFile): string[] {
  const code = withoutComments(text);
  return [...code.matchAll(reading)].flatMap(({ index }) => {
    const between = betweenCallAnd(code, index);
    if (between !== undefined && isNothing(between)) return [];
    return [`${path}:${code.slice(0, index).split("\n").length}`];
  });
}

describe("errno", () => {
  it("is read by the function that makes the call, before anything else", () => {
    const files = filesUnder(["src/ffi"], [".ts"]);
    const readings = files.reduce((sum, { text }) => sum + [...withoutComments(text).matchAll(reading)].length, 0);
    assertGreater(readings, 50);
    assertEquals(files.flatMap(lateReadings), []);
  });

  it("is read in no other folder", () => {
    const folders = ["backends", "core", "dns", "http", "rpc", "tls", "ws"].map((folder) => `src/${folder}`);
    const reads = filesUnder(folders, [".ts"]).filter(({ text }) => /\berrno\[0\]/.test(withoutComments(text)));
    assertEquals(reads.map(({ path }) => path), []);
  });

  it("is found where it is read late", () => {
    const late = [
      "const result = sys.close(fd);\nrelease(fd);\nreturn result < 0 ? -errno[0]! : result;",
      "function check(result: number): number {\n  return result < 0 ? -errno[0]! : result;\n}",
      "return check(sys.close(fd), errno[0]!);",
      "const address = Number(sys.realpath(path, bytes));\nreturn address === 0 ? -errno[0]! : address;",
    ];
    for (const text of late) assertEquals(lateReadings({ path: "late.ts", text }).length, 1, text);
    const intime = [
      "if (sys.close(number(fd)) < 0) return -errno[0]!;",
      "const found = sys.realpath(cString(path), bytes);\nconst error = errno[0]!;\nreturn Number(found) === 0 ? -error : 0;",
    ];
    for (const text of intime) assertEquals(lateReadings({ path: "intime.ts", text }), [], text);
  });
});
