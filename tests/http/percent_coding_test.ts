import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeUri, percentDecode, percentDecodeBytes, percentEncode } from "../../src/http/percent_coding.ts";
import { bytesOf, textOf } from "./parse_support.ts";

describe("percentEncode", () => {
  it("keeps unreserved characters and escapes every other byte, and percentDecode takes that back", () => {
    const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.~_";
    const cases: [string, string, boolean][] = [
      ["Hello", "Hello", false],
      ["99", "99", false],
      ["", "", false],
      [unreserved, unreserved, false],
      [" ", "%20", false],
      [" ", "+", true],
      ["\x01\x19", "%01%19", true],
      ["http://www.ietf.org/rfc/rfc3986.txt", "http%3A%2F%2Fwww.ietf.org%2Frfc%2Frfc3986.txt", true],
      ["1+2=3", "1%2B2%3D3", true],
      ["1+2=3", "1%2B2%3D3", false],
      ["hello\0world", "hello%00world", false],
      ["caf\xe9 \u{1f600}", "caf%C3%A9%20%F0%9F%98%80", false],
      ["\ufeffa", "%EF%BB%BFa", false],
    ];
    for (const [text, encoded, plus] of cases) {
      assertStrictEquals(percentEncode(text, { spaceAsPlus: plus }), encoded);
      assertStrictEquals(percentDecode(encoded, { plusAsSpace: plus }), text);
    }
  });

  it("takes bytes as they are", () => {
    assertStrictEquals(percentEncode(bytesOf("\xff\xf0\xe0")), "%FF%F0%E0");
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    assertEquals(percentDecodeBytes(percentEncode(all)), all);
    assertEquals(percentDecodeBytes(percentEncode(all, { spaceAsPlus: true }), { plusAsSpace: true }), all);
  });

  it("writes U+FFFD for half a surrogate pair", () => {
    assertStrictEquals(percentEncode("a\ud83d"), "a%EF%BF%BD");
  });
});

describe("percentDecode", () => {
  it("leaves malformed escapes as they are", () => {
    for (const text of ["%", "%%", "%2", "%zz", "%%xhello th+ere", "hello%", "%2%", "a%g0b", "%0x"]) {
      assertStrictEquals(percentDecode(text), text);
      assertStrictEquals(percentDecode(text, { plusAsSpace: true }), text.replace("+", " "));
    }
    assertStrictEquals(percentDecode("%%41%"), "%A%");
  });

  it("decodes plus where asked to, and digits in either case", () => {
    assertStrictEquals(percentDecode("plus+should%20work+", { plusAsSpace: true }), "plus should work ");
    assertStrictEquals(percentDecode("plus+stays%2B"), "plus+stays+");
    assertStrictEquals(textOf(percentDecodeBytes("%f0%a0%B0", { plusAsSpace: true })), "\xf0\xa0\xb0");
  });

  it("decodes once", () => {
    assertStrictEquals(percentDecode("%2541%252B"), "%41%2B");
    assertStrictEquals(percentDecode("%2B+", { plusAsSpace: true }), "+ ");
  });

  it("turns what is not UTF-8 into U+FFFD in strings, and gives the bytes to those who ask for them", () => {
    assertStrictEquals(percentDecode("a%ffb"), "a\ufffdb");
    assertStrictEquals(percentDecode("%c0%af"), "\ufffd\ufffd");
    assertStrictEquals(textOf(percentDecodeBytes("a%ffb\xe9")), "a\xffb\xc3\xa9");
  });
});

describe("decodeUri", () => {
  it("takes a plus for a space only behind the question mark", () => {
    assertStrictEquals(decodeUri("http://a/b+c%20d?e+f%2B?+"), "http://a/b+c d?e f+? ");
    assertStrictEquals(decodeUri("a+%3f+b"), "a+?+b");
    assertStrictEquals(decodeUri("?+"), "? ");
    assertStrictEquals(decodeUri("%"), "%");
  });
});
