import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { textOf } from "../../src/ws/text.ts";
import { Utf8Checker } from "../../src/ws/mod.ts";
import { concat, hex, utf8 } from "./frame_support.ts";

/** Index of the first byte that cannot be part of a text, or "cut" when a character is cut in two at the end, or "good". */
function verdict(bytes: Uint8Array): number | "cut" | "good" {
  const checker = new Utf8Checker();
  for (let at = 0; at < bytes.length; at++) if (!checker.check(bytes, at, at + 1)) return at;
  return checker.isComplete ? "good" : "cut";
}

/** The same for every split in two, where bad bytes must be found in the piece they are in. */
function check(bytes: Uint8Array): number | "cut" | "good" {
  const expected = verdict(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const checker = new Utf8Checker();
    const first = checker.check(bytes, 0, cut);
    assertEquals(first, typeof expected !== "number" || expected >= cut, `the part up to ${cut}`);
    if (!first) continue;
    assertEquals(checker.check(bytes, cut, bytes.length), typeof expected !== "number", `the part from ${cut}`);
    if (typeof expected !== "number") assertEquals(checker.isComplete, expected === "good");
  }
  const text = textOf(bytes, 0, bytes.length);
  assertEquals(text === null, expected !== "good", "as a whole");
  if (text !== null) assertEquals([...utf8(text)], [...bytes]);
  return expected;
}

/** Around a sequence stands text of different lengths, so that it meets every alignment and both sides of every shortcut. */
function everywhere(sequence: Uint8Array): Set<string> {
  const found = new Set<string>();
  for (const before of [0, 1, 2, 3, 4, 30, 63, 64, 65, 300]) {
    for (const after of [0, 1, 60]) {
      const result = check(concat(utf8("a".repeat(before)), sequence, utf8("b".repeat(after))));
      found.add(typeof result === "number" ? `bad at ${result - before}` : result);
    }
  }
  return found;
}

describe("the check of UTF-8", () => {
  it("takes characters of every length, and the first and last of each", () => {
    const texts = [
      "",
      "$",
      "κόσμε",
      "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}",
      "\ufeffx",
      "\ud7ff\ue000\ufffe",
      "日本語",
      "🎉🎉",
    ];
    for (const text of texts) assertEquals([...everywhere(utf8(text))], ["good"], text);
  });

  it("refuses what is no character, at the byte that shows it", () => {
    const cases: readonly [string, number][] = [
      ["80", 0],
      ["bf", 0],
      ["c0af", 0],
      ["c1bf", 0],
      ["e080af", 1],
      ["e09fbf", 1],
      ["eda080", 1],
      ["edbfbf", 1],
      ["f08080af", 1],
      ["f08fbfbf", 1],
      ["f4908080", 1],
      ["f5808080", 0],
      ["fe", 0],
      ["ff", 0],
      ["c241", 1],
      ["e28241", 2],
      ["f09f8e41", 3],
      ["c2c2", 1],
      ["cebae1bdb9cf83cebcceb5eda080656469746564", 12],
    ];
    for (const [bytes, at] of cases) assertEquals([...everywhere(hex(bytes))], [`bad at ${at}`], bytes);
  });

  it("knows a character that is cut in two", () => {
    for (const bytes of ["c2", "e2", "e282", "f0", "f09f", "f09f8e"]) {
      assertEquals(check(concat(utf8("abc"), hex(bytes))), "cut");
    }
  });

  it("agrees with the strict decoder about every sequence of two bytes, and many of three and four", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const isText = (bytes: Uint8Array): boolean => {
      try {
        decoder.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) {
        const two = Uint8Array.of(first, second);
        assertEquals(verdict(two) === "good", isText(two));
        if (first < 0xe0 || second % 16 > 1) continue;
        for (const rest of [[0x80], [0xbf], [0xc0], [0x7f], [0x80, 0x80], [0xbf, 0xbf], [0xbf, 0x41]]) {
          const more = Uint8Array.of(first, second, ...rest);
          assertEquals(verdict(more) === "good", isText(more));
        }
      }
    }
  });
});
