import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { contentRange, parseRange } from "../../src/http/range.ts";

describe("parseRange", () => {
  it("reads a range with both ends", () => {
    assertEquals(parseRange("bytes=0-0", 100), { first: 0, last: 0 });
    assertEquals(parseRange("bytes=10-19", 100), { first: 10, last: 19 });
    assertEquals(parseRange("bytes=99-99", 100), { first: 99, last: 99 });
  });

  it("cuts a range at the end of the file", () => {
    assertEquals(parseRange("bytes=90-100", 100), { first: 90, last: 99 });
    assertEquals(parseRange("bytes=0-99999999999999999999999999", 100), { first: 0, last: 99 });
  });

  it("reads an open range", () => {
    assertEquals(parseRange("bytes=0-", 100), { first: 0, last: 99 });
    assertEquals(parseRange("bytes=99-", 100), { first: 99, last: 99 });
  });

  it("reads a number of last bytes", () => {
    assertEquals(parseRange("bytes=-1", 100), { first: 99, last: 99 });
    assertEquals(parseRange("bytes=-100", 100), { first: 0, last: 99 });
    assertEquals(parseRange("bytes=-500", 100), { first: 0, last: 99 });
  });

  it("says when no byte of the file is in the range", () => {
    assertStrictEquals(parseRange("bytes=100-", 100), "unsatisfiable");
    assertStrictEquals(parseRange("bytes=100-200", 100), "unsatisfiable");
    assertStrictEquals(parseRange("bytes=-0", 100), "unsatisfiable");
    assertStrictEquals(parseRange("bytes=0-", 0), "unsatisfiable");
    assertStrictEquals(parseRange("bytes=99999999999999999999-", 100), "unsatisfiable");
  });

  it("sends the whole of an empty file for its last bytes", () => {
    assertStrictEquals(parseRange("bytes=-5", 0), undefined);
  });

  it("ignores a malformed field", () => {
    for (
      const field of [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=,",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=0-1-2",
        "bytes=1.5-2",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=0 - 1",
        "bytes 0-1",
        "bytes =0-1",
        "=0-1",
        "0-1",
      ]
    ) {
      assertStrictEquals(parseRange(field, 100), undefined, field);
    }
  });

  it("ignores other units, and takes the unit in upper case", () => {
    assertStrictEquals(parseRange("lines=0-1", 100), undefined);
    assertEquals(parseRange("BYTES=0-1", 100), { first: 0, last: 1 });
  });

  it("sends the whole file for several ranges", () => {
    assertStrictEquals(parseRange("bytes=0-1,5-6", 100), undefined);
    assertStrictEquals(parseRange("bytes=0-,0-,0-,0-", 100), undefined);
  });

  it("overlooks empty elements of the list, as every recipient of a list must", () => {
    assertEquals(parseRange("bytes=, 0-1 ,", 100), { first: 0, last: 1 });
  });

  it("keeps positions beyond 32 bits exact", () => {
    assertEquals(parseRange("bytes=5000000000-5000000001", 6e9), { first: 5_000_000_000, last: 5_000_000_001 });
  });
});

describe("contentRange", () => {
  it("names the part and the size", () => {
    assertStrictEquals(contentRange({ first: 0, last: 4 }, 100), "bytes 0-4/100");
  });
});
