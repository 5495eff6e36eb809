import { assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { compareAsciiIgnoreCase } from "../../src/core/mod.ts";

const sign = (one: string, other: string, max?: number): number => Math.sign(compareAsciiIgnoreCase(one, other, max));

describe("compareAsciiIgnoreCase()", () => {
  it("takes the 26 letters for the same in both cases, and no other character for another", () => {
    for (let unit = 0; unit < 0x250; unit++) {
      for (const other of [unit + 32, unit ^ 32, unit + 1]) {
        const [one, two] = [String.fromCharCode(unit), String.fromCharCode(other)];
        const same = /^[a-z]$/i.test(one) && /^[a-z]$/i.test(two) && one.toLowerCase() === two.toLowerCase();
        assertEquals(compareAsciiIgnoreCase(one, two) === 0, same || unit === other, `${unit} ${other}`);
      }
    }
    assertNotEquals(compareAsciiIgnoreCase("\u212a", "k"), 0, "the Kelvin sign");
    assertNotEquals(compareAsciiIgnoreCase("\u0130", "i"), 0, "a Turkish I");
  });

  it("orders as the lower-case texts would be, a shorter one first", () => {
    assertEquals([sign("a", "B"), sign("B", "a"), sign("_", "A"), sign("", "a"), sign("a", "")], [-1, 1, -1, -1, 1]);
    assertEquals([sign("ab\0", "ab"), sign("AB", "ab\0")], [1, -1]);
  });

  it("looks no further than it is told to", () => {
    assertEquals([sign("abX", "abY", 2), sign("abX", "abY", 3), sign("x", "y", 0), sign("ab", "abc", 2)], [
      0,
      -1,
      0,
      0,
    ]);
  });
});
