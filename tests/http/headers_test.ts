import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { headersOver, HttpHeaders } from "../../src/http/headers.ts";
import { ReceivedFields } from "../../src/http/received_fields.ts";
import { bytesOf } from "./parse_support.ts";

const LINES = "Host: a\r\nSet-Cookie: 1\r\nX:\r\nset-cookie: \t2 \r\n";
const PAIRS: [string, string][] = [["Host", "a"], ["Set-Cookie", "1"], ["X", ""], ["set-cookie", "2"]];

// Every behaviour has to hold for fields that arrived and for fields that were added.
const SOURCES: [string, () => HttpHeaders][] = [
  ["received", () => headersOver(new ReceivedFields(bytesOf("##" + LINES + "##"), 2, 2 + LINES.length))],
  ["added", () => new HttpHeaders(PAIRS)],
];

for (const [source, make] of SOURCES) {
  describe(`HttpHeaders with ${source} fields`, () => {
    it("iterates in order with the original spelling", () => {
      assertEquals([...make()], PAIRS);
      assertStrictEquals(make().size, 4);
    });

    it("finds the first match in any case", () => {
      const headers = make();
      assertStrictEquals(headers.get("SET-COOKIE"), "1");
      assertStrictEquals(headers.get("x"), "");
      assertStrictEquals(headers.get("y"), undefined);
      assertStrictEquals(headers.get(""), undefined);
      assertStrictEquals(headers.get("H\u014fst"), undefined);
      assert(headers.has("hOST"));
      assertFalse(headers.has("Hos"));
    });

    it("collects all values of a name", () => {
      assertEquals(make().getAll("Set-cookie"), ["1", "2"]);
      assertEquals(make().getAll("none"), []);
    });

    it("reads by number, and undefined past the ends", () => {
      const headers = make();
      assertEquals([headers.nameAt(3), headers.valueAt(3)], ["set-cookie", "2"]);
      for (const at of [-1, 4, 0.5, NaN]) {
        assertEquals([headers.nameAt(at), headers.valueAt(at)], [undefined, undefined]);
      }
    });

    it("adds at the end", () => {
      const headers = make();
      headers.add("host", "b");
      assertEquals([...headers], [...PAIRS, ["host", "b"]]);
    });

    it("sets in place of the first and drops the others", () => {
      const headers = make();
      headers.set("SET-COOKIE", "3");
      headers.set("New", "4");
      assertEquals([...headers], [["Host", "a"], ["SET-COOKIE", "3"], ["X", ""], ["New", "4"]]);
    });

    it("removes only the first match", () => {
      const headers = make();
      assert(headers.remove("set-cookie"));
      assertFalse(headers.remove("none"));
      assertEquals([...headers], [["Host", "a"], ["X", ""], ["set-cookie", "2"]]);
    });

    it("deletes all matches and says how many there were", () => {
      const headers = make();
      assertStrictEquals(headers.delete("Set-Cookie"), 2);
      assertStrictEquals(headers.delete("Set-Cookie"), 0);
      assertEquals([...headers], [["Host", "a"], ["X", ""]]);
    });

    it("is empty after clear and can be filled again", () => {
      const headers = make();
      headers.clear();
      assertEquals([...headers], []);
      headers.add("A", "1");
      assertEquals([...headers], [["A", "1"]]);
    });
  });
}

describe("HttpHeaders", () => {
  it("is filled from objects with single values and lists", () => {
    assertEquals([...new HttpHeaders({ A: "1", B: ["2", "3"] })], [["A", "1"], ["B", "2"], ["B", "3"]]);
    assertEquals([...new HttpHeaders(new HttpHeaders(PAIRS))], PAIRS);
  });

  it("finds repetitions that stand side by side, also at the beginning", () => {
    const pairs: [string, string][] = [["A", "1"], ["a", "2"], ["A", "3"], ["B", "4"]];
    assertEquals(new HttpHeaders(pairs).getAll("a"), ["1", "2", "3"]);
    const replaced = new HttpHeaders(pairs);
    replaced.set("A", "5");
    assertEquals([...replaced], [["A", "5"], ["B", "4"]]);
    const deleted = new HttpHeaders(pairs);
    assertStrictEquals(deleted.delete("A"), 3);
    assertEquals([...deleted], [["B", "4"]]);
  });

  it("keeps empty lists apart", () => {
    const first = new HttpHeaders();
    const second = new HttpHeaders();
    first.add("A", "1");
    assertStrictEquals(second.size, 0);
    first.clear();
    first.set("B", "2");
    assertStrictEquals(new HttpHeaders().size, 0);
  });

  it("refuses names that are not tokens", () => {
    for (const name of ["", " ", "a b", "a:", "a\r\n", "caf\xe9", "\u0141", "a\0", "(a)"]) {
      assertThrows(() => new HttpHeaders().add(name, "x"), TypeError, "is not a token");
      assertThrows(() => new HttpHeaders().set(name, "x"), TypeError, "is not a token");
    }
  });

  it("refuses values that would break the line or have no byte", () => {
    for (const value of ["a\r\nB: c", "\n", "\r", "a\r", "a\r\n folded", "\0", "a\x01", "\x1f", "\x7f", "\u20ac"]) {
      const headers = new HttpHeaders([["A", "1"]]);
      assertThrows(() => headers.add("B", value), TypeError, "Cannot add header B");
      assertThrows(() => headers.set("A", value), TypeError, "Cannot add header A");
      assertEquals([...headers], [["A", "1"]]);
    }
    new HttpHeaders().add("A", "tab\tand \xff are fine");
  });

  it("tells ^ from ~ and other bytes that differ only in the case bit", () => {
    const received = headersOver(new ReceivedFields(bytesOf("a^: 1\r\n"), 0, 7));
    assertStrictEquals(received.get("A^"), "1");
    assertStrictEquals(received.get("a~"), undefined);
  });
});
