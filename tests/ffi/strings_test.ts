import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { addressOf, allocate, cString, getenv, putAddress, stringAt, stringIn } from "../../src/ffi/mod.ts";

describe("allocate", () => {
  it("gives zeroed memory that spans its own ArrayBuffer, even when it is small", () => {
    for (const length of [0, 1, 64, 1000, 100_000]) {
      const bytes = allocate(length);
      assertStrictEquals(bytes.length, length);
      assertStrictEquals(bytes.byteOffset, 0);
      assertStrictEquals(bytes.buffer.byteLength, length);
      assertStrictEquals(bytes.findIndex((byte) => byte !== 0), -1);
    }
  });

  it("keeps its address when a view of it is made", () => {
    const bytes = allocate(16);
    const before = addressOf(bytes);
    new Int32Array(bytes.buffer)[0] = 1;
    assertStrictEquals(addressOf(bytes.subarray(0)), before);
    assertStrictEquals(addressOf(bytes), before);
  });
});

describe("cString", () => {
  it("encodes as UTF-8 and ends with a zero", () => {
    assertEquals([...cString("aé€😀")], [0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0]);
    assertEquals([...cString("")], [0]);
  });

  it("refuses a NUL anywhere, which C would take for the end", () => {
    for (const text of ["\0", "\0tail", "head\0tail", "head\0"]) {
      assertThrows(() => cString(text), TypeError, "NUL");
    }
    assertThrows(() => getenv("PA\0TH"), TypeError, "NUL");
  });

  it("names the refused text in a form that can be printed", () => {
    assertThrows(() => cString("a\0b"), TypeError, '"a\\u0000b"');
  });
});

describe("stringAt", () => {
  it("reads back what cString wrote", () => {
    for (const text of ["", "a", "aé€😀", "x".repeat(10_000)]) {
      const bytes = cString(text);
      assertStrictEquals(stringAt(addressOf(bytes)), text);
      // The bytes are used again here, so that they cannot be collected while C reads them.
      assertStrictEquals(bytes.at(-1), 0);
    }
  });

  it("gives a copy that later changes of the memory do not reach", () => {
    const bytes = cString("before");
    const text = stringAt(addressOf(bytes));
    bytes.fill(0x78, 0, 6);
    assertStrictEquals(text, "before");
    assertStrictEquals(stringAt(addressOf(bytes)), "xxxxxx");
  });

  it("keeps the bytes of a byte order mark, which may begin a file's name", () => {
    const bytes = cString("\ufeffname");
    assertStrictEquals(stringAt(addressOf(bytes)), "\ufeffname");
    assertStrictEquals(bytes.length, 8);
  });
});

describe("stringIn", () => {
  it("stops at the first zero, or at the end where there is none", () => {
    assertStrictEquals(stringIn(Uint8Array.of(0x61, 0x62, 0, 0x63)), "ab");
    assertStrictEquals(stringIn(Uint8Array.of(0x61, 0x62)), "ab");
    assertStrictEquals(stringIn(Uint8Array.of(0, 0x61)), "");
    assertStrictEquals(stringIn(new Uint8Array(0)), "");
  });
});

describe("addressOf", () => {
  it("moves along with the view's offset", () => {
    const bytes = allocate(64);
    assertStrictEquals(addressOf(bytes.subarray(5)), addressOf(bytes) + 5);
  });

  it("answers 0 for nothing", () => {
    assertStrictEquals(addressOf(allocate(0)), 0);
  });
});

describe("putAddress", () => {
  it("writes an address in two halves, low one first", () => {
    const words = new Uint32Array(4);
    putAddress(words, 1, 0x1234_89abcdef, 0);
    assertEquals([...words], [0, 0x89abcdef, 0x1234, 0]);
  });

  it("carries from the low half into the high one", () => {
    const words = new Uint32Array(2);
    putAddress(words, 0, 0x7fff_fffffff0, 0x20);
    assertEquals([...words], [0x10, 0x8000]);
  });
});
