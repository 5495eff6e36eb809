import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Uri } from "../../src/http/uri.ts";
import { UriError } from "../../src/http/uri_error.ts";
import { EVHTTP_URI_UNIX_SOCKET } from "../../src/http/uri_parts.ts";

function resolved(base: string, reference: string): string {
  return Uri.parse(base).resolve(reference).toString();
}

function normalized(text: string): string {
  return Uri.parse(text).normalize().toString();
}

describe("Uri.resolve", () => {
  it("resolves the normal examples of RFC 3986 section 5.4.1", () => {
    const cases: [string, string][] = [
      ["g:h", "g:h"],
      ["g", "http://a/b/c/g"],
      ["./g", "http://a/b/c/g"],
      ["g/", "http://a/b/c/g/"],
      ["/g", "http://a/g"],
      ["//g", "http://g"],
      ["?y", "http://a/b/c/d;p?y"],
      ["g?y", "http://a/b/c/g?y"],
      ["#s", "http://a/b/c/d;p?q#s"],
      ["g#s", "http://a/b/c/g#s"],
      ["g?y#s", "http://a/b/c/g?y#s"],
      [";x", "http://a/b/c/;x"],
      ["g;x", "http://a/b/c/g;x"],
      ["g;x?y#s", "http://a/b/c/g;x?y#s"],
      ["", "http://a/b/c/d;p?q"],
      [".", "http://a/b/c/"],
      ["./", "http://a/b/c/"],
      ["..", "http://a/b/"],
      ["../", "http://a/b/"],
      ["../g", "http://a/b/g"],
      ["../..", "http://a/"],
      ["../../", "http://a/"],
      ["../../g", "http://a/g"],
    ];
    for (const [reference, expected] of cases) {
      assertStrictEquals(resolved("http://a/b/c/d;p?q", reference), expected, reference);
    }
  });

  it("resolves the abnormal examples of RFC 3986 section 5.4.2", () => {
    const cases: [string, string][] = [
      ["../../../g", "http://a/g"],
      ["../../../../g", "http://a/g"],
      ["/./g", "http://a/g"],
      ["/../g", "http://a/g"],
      ["g.", "http://a/b/c/g."],
      [".g", "http://a/b/c/.g"],
      ["g..", "http://a/b/c/g.."],
      ["..g", "http://a/b/c/..g"],
      ["./../g", "http://a/b/g"],
      ["./g/.", "http://a/b/c/g/"],
      ["g/./h", "http://a/b/c/g/h"],
      ["g/../h", "http://a/b/c/h"],
      ["g;x=1/./y", "http://a/b/c/g;x=1/y"],
      ["g;x=1/../y", "http://a/b/c/y"],
      ["g?y/./x", "http://a/b/c/g?y/./x"],
      ["g?y/../x", "http://a/b/c/g?y/../x"],
      ["g#s/./x", "http://a/b/c/g#s/./x"],
      ["g#s/../x", "http://a/b/c/g#s/../x"],
      ["http:g", "http:g"],
    ];
    for (const [reference, expected] of cases) {
      assertStrictEquals(resolved("http://a/b/c/d;p?q", reference), expected, reference);
    }
  });

  it("resolves the example of RFC 3986 section 5.2.4", () => {
    assertStrictEquals(resolved("http://x", "/a/b/c/./../../g"), "http://x/a/g");
    assertStrictEquals(resolved("http://x", "mid/content=5/../6"), "http://x/mid/6");
  });

  it("puts a slash between a host and a relative path (section 5.2.3)", () => {
    assertStrictEquals(resolved("http://a", "g"), "http://a/g");
    assertStrictEquals(resolved("http://a?q", "?y"), "http://a?y");
    assertStrictEquals(resolved("file:///a/b", "c"), "file:///a/c");
  });

  it("takes over user information and port with the host only", () => {
    assertStrictEquals(resolved("http://u@a:81/b", "c"), "http://u@a:81/c");
    assertStrictEquals(resolved("http://u@a:81/b", "//c/d"), "http://c/d");
    assertStrictEquals(resolved("http://u@a:81/b", "https://c"), "https://c");
  });

  it("never makes a host or a scheme out of what dots leave", () => {
    const cases: [string, string, string][] = [
      ["x:/a", ".//b", "x:/.//b"],
      ["x:/a", "/..//b", "x:/.//b"],
      ["/a", "/.//b/c", "/.//b/c"],
      ["a", "./b:c", "./b:c"],
      ["x:a/b", "../c", "x:/c"],
      ["x:a/b", "..", "x:/"],
      ["x:a", "../c", "x:c"],
      ["x:a", ".", "x:"],
    ];
    for (const [base, reference, expected] of cases) assertStrictEquals(resolved(base, reference), expected, reference);
  });

  it("stays on a Unix socket, and leaves it for a host", () => {
    const base = Uri.parse("http://unix:/run/a.sock:/b/c", { flags: EVHTTP_URI_UNIX_SOCKET });
    assertStrictEquals(base.resolve("../d").toString(), "http://unix:/run/a.sock:/d");
    assertStrictEquals(base.resolve("//e/f").toString(), "http://e/f");
    assertStrictEquals(base.resolve(Uri.parse("/g")).toString(), "http://unix:/run/a.sock:/g");
  });

  it("refuses a malformed reference, and changes neither side", () => {
    const base = Uri.parse("http://a/b");
    assertThrows(() => base.resolve("c d"), UriError, "URI_BAD_PATH");
    const reference = Uri.parse("../x");
    assertStrictEquals(base.resolve(reference).toString(), "http://a/x");
    assertEquals([base.toString(), reference.toString()], ["http://a/b", "../x"]);
  });
});

describe("Uri.normalize", () => {
  it("makes equivalent URIs equal (RFC 3986 section 6.2.2)", () => {
    assertStrictEquals(normalized("eXAMPLE://a/./b/../b/%63/%7bfoo%7d"), "example://a/b/c/%7Bfoo%7D");
    assertStrictEquals(normalized("HTTP://www.EXAMPLE.com/"), "http://www.example.com/");
    assertStrictEquals(normalized("http://%41%c3%A9.com/%2e%2E/%2Fx"), "http://a%C3%A9.com/%2Fx");
    assertStrictEquals(normalized("http://[2001:DB8::A]/"), "http://[2001:db8::a]/");
    assertStrictEquals(normalized("http://U%7e@a/?%7E=%2f#%41"), "http://U~@a/?~=%2F#A");
  });

  it("drops a port that the scheme implies and fills in an empty path (section 6.2.3)", () => {
    const cases: [string, string][] = [
      ["http://example.com", "http://example.com/"],
      ["http://example.com:/", "http://example.com/"],
      ["http://example.com:80/", "http://example.com/"],
      ["https://a:443?q", "https://a/?q"],
      ["ws://a:80", "ws://a/"],
      ["WSS://a:443", "wss://a/"],
      ["http://a:443", "http://a:443/"],
      ["ftp://a:80", "ftp://a:80"],
      ["constructor://a", "constructor://a"],
    ];
    for (const [text, expected] of cases) assertStrictEquals(normalized(text), expected);
  });

  it("unescapes once, and only what never needs an escape", () => {
    assertStrictEquals(normalized("http://a/%2541%252e"), "http://a/%2541%252e");
    assertStrictEquals(normalized("http://a/%3f%23%25"), "http://a/%3F%23%25");
  });

  it("keeps the dots at the beginning of a relative reference", () => {
    assertStrictEquals(normalized("../a/./b"), "../a/./b");
    assertStrictEquals(normalized("x:/..//b"), "x:/.//b");
  });

  it("makes no Unix socket of a host", () => {
    for (const text of ["http://UNIX:81/a:/b", "http://%75nix:81/a:/b"]) {
      assertStrictEquals(Uri.parse(text, { flags: EVHTTP_URI_UNIX_SOCKET }).normalize().toString(), text);
      assertStrictEquals(normalized(text), "http://unix:81/a:/b");
    }
    assertStrictEquals(Uri.parse("http://UNIX:80/", { flags: EVHTTP_URI_UNIX_SOCKET }).normalize().host, "unix");
  });

  it("takes dots out of every path behind a scheme, as resolving it does (section 6.2.2.3)", () => {
    const cases: [string, string][] = [
      ["urn:a/../b", "urn:/b"],
      ["http:a/./b", "http:a/b"],
      ["x:../a/.", "x:a/"],
      ["x:a/..", "x:/"],
      ["x:a/..//b", "x:/.//b"],
      ["x:./a:b", "x:a:b"],
      ["x:%2E", "x:"],
      ["mailto:a.b@c..d", "mailto:a.b@c..d"],
    ];
    for (const [text, expected] of cases) {
      assertStrictEquals(normalized(text), expected);
      assertStrictEquals(normalized(expected), expected);
      if (!text.includes("%")) assertStrictEquals(resolved("http://h/", text), expected);
    }
  });

  it("changes nothing the second time", () => {
    for (const text of ["eXAMPLE://a/./b/../b/%63/%7bfoo%7d", "x:/..//b", "HTTP://%41:80", "../a", "?%7e", ""]) {
      assertStrictEquals(normalized(normalized(text)), normalized(text));
    }
  });
});
