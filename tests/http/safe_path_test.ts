import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { encodePath, isServableName, safePath } from "../../src/http/safe_path.ts";

describe("safePath", () => {
  it("takes a path apart into decoded names", () => {
    assertEquals(safePath("/"), { segments: [], isFolder: true });
    assertEquals(safePath("/a.txt"), { segments: ["a.txt"], isFolder: false });
    assertEquals(safePath("/a/b/"), { segments: ["a", "b"], isFolder: true });
    assertEquals(safePath("/a%20b/%C3%BC%2C+"), { segments: ["a b", "ü,+"], isFolder: false });
  });

  it("decodes once only", () => {
    assertEquals(safePath("/%2525"), { segments: ["%25"], isFolder: false });
    assertEquals(safePath("/%252e%252e/x"), { segments: ["%2e%2e", "x"], isFolder: false });
    assertEquals(safePath("/a%252fb"), { segments: ["a%2fb"], isFolder: false });
  });

  it("answers 404 for dot segments in every spelling", () => {
    for (
      const path of [
        "/..",
        "/../",
        "/../etc/passwd",
        "/a/../b",
        "/.",
        "/./a",
        "/a/.",
        "/%2e%2e/a",
        "/%2E./a",
        "/.%2e/a",
      ]
    ) {
      assertStrictEquals(safePath(path), 404, path);
    }
  });

  it("leaves names alone that only look like dot segments", () => {
    assertEquals(safePath("/.../..a/a../.b"), { segments: ["...", "..a", "a..", ".b"], isFolder: false });
  });

  it("answers 404 for separators that are hidden, and for empty segments", () => {
    for (
      const path of [
        "/a%2fb",
        "/..%2Fx",
        "/%2fetc/passwd",
        "/a\\b",
        "/..\\x",
        "/a%5cb",
        "//",
        "//host/x",
        "/a//b",
        "/a//",
      ]
    ) {
      assertStrictEquals(safePath(path), 404, path);
    }
  });

  it("answers 400 for malformed escapes and bytes that are not UTF-8", () => {
    for (
      const path of [
        "/%",
        "/%2",
        "/a%zz",
        "/%u0041",
        "/% 41",
        "/%ff",
        "/%c0%ae%c0%ae/x",
        "/%c0%af",
        "/%ed%a0%80",
        "/%e2%82",
        "/\u00fc",
      ]
    ) {
      assertStrictEquals(safePath(path), 400, path);
    }
  });

  it("answers 400 for a NUL, even beside something that gets 404", () => {
    assertStrictEquals(safePath("/a%00.txt"), 400);
    assertStrictEquals(safePath("/../%00"), 400);
  });

  it("answers 400 for what is no path", () => {
    assertStrictEquals(safePath(""), 400);
    assertStrictEquals(safePath("*"), 400);
    assertStrictEquals(safePath("a/b"), 400);
  });
});

describe("encodePath", () => {
  it("spells names so that they come out of safePath again", () => {
    for (const name of ["a b", "100%", "q?x=1#y", "ü€😀", "a:b", "%2e%2e", "'\"<&>", "tab\there", "new\nline"]) {
      const path = { segments: ["x", name], isFolder: false };
      assertEquals(safePath(encodePath(path)), path);
      assertFalse(/[?#\s<>"]/.test(encodePath(path)), name);
    }
  });

  it("ends a folder in one slash, and begins with one", () => {
    assertStrictEquals(encodePath({ segments: ["a", "b c"], isFolder: true }), "/a/b%20c/");
    assertStrictEquals(encodePath({ segments: [], isFolder: true }), "/");
  });
});

describe("isServableName", () => {
  it("is false for what cannot be asked for", () => {
    assert(isServableName("a b.txt"));
    assert(isServableName("%2f"));
    assertFalse(isServableName("a\\b"));
    assertFalse(isServableName("a\ufffdb"));
  });
});
