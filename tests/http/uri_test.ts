import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Uri } from "../../src/http/uri.ts";
import { UriError } from "../../src/http/uri_error.ts";
import {
  EVHTTP_URI_HOST_STRIP_BRACKETS,
  EVHTTP_URI_NONCONFORMANT,
  EVHTTP_URI_UNIX_SOCKET,
} from "../../src/http/uri_parts.ts";

const MODES: [string, number][] = [
  ["strictly", 0],
  ["nonconformant", EVHTTP_URI_NONCONFORMANT],
  ["with Unix sockets", EVHTTP_URI_UNIX_SOCKET],
  ["nonconformant with Unix sockets", EVHTTP_URI_NONCONFORMANT | EVHTTP_URI_UNIX_SOCKET],
];

/** What a URI says, without what is missing. */
function describeUri(uri: Uri): Record<string, unknown> {
  const { scheme, userinfo, host, port, unixSocket, path, query, fragment } = uri;
  const all = { scheme, userinfo, host, port: port === -1 ? undefined : port, unixSocket, path, query, fragment };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const HOST = "www.test.com";

// Text, what it joins to if that is something else, and its parts.
const GOOD: [string, Record<string, unknown>, string?][] = [
  ["http://www.test.com/?q=t%33est", { scheme: "http", host: HOST, path: "/", query: "q=t%33est" }],
  ["http://%77ww.test.com", { scheme: "http", host: "%77ww.test.com", path: "" }],
  ["http://www.test.com?q=test", { scheme: "http", host: HOST, path: "", query: "q=test" }],
  ["http://www.test.com#fragment", { scheme: "http", host: HOST, path: "", fragment: "fragment" }],
  ["http://8000/", { scheme: "http", host: "8000", path: "/" }],
  ["http://:8000/", { scheme: "http", host: "", port: 8000, path: "/" }],
  ["http://www.test.com:/", { scheme: "http", host: HOST, path: "/" }, "http://www.test.com/"],
  ["http://www.test.com:", { scheme: "http", host: HOST, path: "" }, "http://www.test.com"],
  ["http://a:0", { scheme: "http", host: "a", port: 0, path: "" }],
  ["http://a:65535", { scheme: "http", host: "a", port: 65535, path: "" }],
  ["http://a:0080", { scheme: "http", host: "a", port: 80, path: "" }, "http://a:80"],
  ["ftp://www.test.com/?q=test", { scheme: "ftp", host: HOST, path: "/", query: "q=test" }],
  ["ftp://[::1]:999/?q=test", { scheme: "ftp", host: "[::1]", port: 999, path: "/", query: "q=test" }],
  ["ftp://[ff00::127.0.0.1]/?q=test", { scheme: "ftp", host: "[ff00::127.0.0.1]", path: "/", query: "q=test" }],
  ["ftp://[v99.not_(any:time)_soon]/?q", { scheme: "ftp", host: "[v99.not_(any:time)_soon]", path: "/", query: "q" }],
  ["http://[VF.a]", { scheme: "http", host: "[VF.a]", path: "" }],
  ["scheme://user:pass@foo.com:42/?q=test&s=some+thing#fragment", {
    scheme: "scheme",
    userinfo: "user:pass",
    host: "foo.com",
    port: 42,
    path: "/",
    query: "q=test&s=some+thing",
    fragment: "fragment",
  }],
  ["scheme://user@foo.com/#fragment", {
    scheme: "scheme",
    userinfo: "user",
    host: "foo.com",
    path: "/",
    fragment: "fragment",
  }],
  ["scheme://%75ser@foo.com/#frag@ment", {
    scheme: "scheme",
    userinfo: "%75ser",
    host: "foo.com",
    path: "/",
    fragment: "frag@ment",
  }],
  ["http://@a", { scheme: "http", userinfo: "", host: "a", path: "" }],
  ["file:///some/path/to/the/file", { scheme: "file", host: "", path: "/some/path/to/the/file" }],
  ["///some/path/to/the-file", { host: "", path: "/some/path/to/the-file" }],
  ["//a/b", { host: "a", path: "/b" }],
  ["/s:ome/path/to/the-file?q=99#fred", { path: "/s:ome/path/to/the-file", query: "q=99", fragment: "fred" }],
  ["relative/path/with/co:lon", { path: "relative/path/with/co:lon" }],
  ["bob?q=99&q2=q?33#fr?ed", { path: "bob", query: "q=99&q2=q?33", fragment: "fr?ed" }],
  ["#fr?ed", { path: "", fragment: "fr?ed" }],
  ["?a:b", { path: "", query: "a:b" }],
  ["?#", { path: "", query: "", fragment: "" }],
  ["", { path: "" }],
  ["*", { path: "*" }],
  ["mailto:foo@bar", { scheme: "mailto", path: "foo@bar" }],
  ["urn:oasis:names:specification:docbook:dtd:xml:4.1.2", {
    scheme: "urn",
    path: "oasis:names:specification:docbook:dtd:xml:4.1.2",
  }],
  ["ldap://[2001:db8::7]/c=GB?objectClass?one", {
    scheme: "ldap",
    host: "[2001:db8::7]",
    path: "/c=GB",
    query: "objectClass?one",
  }],
  ["tel:+1-816-555-1212", { scheme: "tel", path: "+1-816-555-1212" }],
  ["telnet://192.0.2.16:80/", { scheme: "telnet", host: "192.0.2.16", port: 80, path: "/" }],
  ["a+-.1:b", { scheme: "a+-.1", path: "b" }],
  ["http://a/b//c", { scheme: "http", host: "a", path: "/b//c" }],
];

// Refused whatever the flags are.
const BAD: [string, string][] = [
  ["http://www.\x01.test.com/why-hello", "URI_BAD_HOST"],
  ["http://www.%7test.com/why-hello", "URI_BAD_HOST"],
  ["http://www.te%7", "URI_BAD_HOST"],
  ["http://caf\xe9/", "URI_BAD_HOST"],
  ["http://a b/", "URI_BAD_HOST"],
  ["http://a\\b/", "URI_BAD_HOST"],
  ["h%3ttp://www.test.com/why-hello", "URI_BAD_SCHEME"],
  ["99:99/foo", "URI_BAD_SCHEME"],
  [":", "URI_BAD_SCHEME"],
  ["://www.example.com/", "URI_BAD_SCHEME"],
  ["h\xe9:a", "URI_BAD_SCHEME"],
  ["\u212a:a", "URI_BAD_SCHEME"],
  ["http://www.test.com:999x/", "URI_BAD_PORT"],
  ["http://www.test.com:x/", "URI_BAD_PORT"],
  ["http://www.example.com:hihi/", "URI_BAD_PORT"],
  ["http://www.example.com:9999999999999999999999999999999999999/", "URI_BAD_PORT"],
  ["http://a:65536", "URI_BAD_PORT"],
  ["http://a:-1", "URI_BAD_PORT"],
  ["http://a:+1", "URI_BAD_PORT"],
  ["http://a:\u0661", "URI_BAD_PORT"],
  ["http://a:1:2", "URI_BAD_HOST"],
  ["http://[hello-there]/", "URI_BAD_HOST"],
  ["http://[::1]]/", "URI_BAD_HOST"],
  ["http://[::1/", "URI_BAD_HOST"],
  ["http://::1]/", "URI_BAD_HOST"],
  ["http://::1/", "URI_BAD_HOST"],
  ["http://[foob/", "URI_BAD_HOST"],
  ["http://[/", "URI_BAD_HOST"],
  ["http://[ffff:ffff:ffff:ffff:Ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/", "URI_BAD_HOST"],
  ["http://[1:2:3:4:5:6:7]/", "URI_BAD_HOST"],
  ["http://[::1%25lo]/", "URI_BAD_HOST"],
  ["http://[1.2.3.4]/", "URI_BAD_HOST"],
  ["http://[vX.foo]/", "URI_BAD_HOST"],
  ["http://[v.foo]/", "URI_BAD_HOST"],
  ["http://[v5.fo%o]/", "URI_BAD_HOST"],
  ["http://[v5X]/", "URI_BAD_HOST"],
  ["http://[v5]/", "URI_BAD_HOST"],
  ["http://[v5.]/", "URI_BAD_HOST"],
  ["http://[]/", "URI_BAD_HOST"],
  ["http://a[::1]/", "URI_BAD_HOST"],
  ["http://[::1]a/", "URI_BAD_HOST"],
  ["http://f\x01red@www.example.com/", "URI_BAD_USERINFO"],
  ["http://f%0red@www.example.com/", "URI_BAD_USERINFO"],
  ["http://a@b@c/", "URI_BAD_HOST"],
  ["http://a/\0", "URI_BAD_PATH"],
  ["http://a/b\r\nX: c", "URI_BAD_PATH"],
  ["http://a/?b\nc", "URI_BAD_QUERY"],
  ["http://a/#\r", "URI_BAD_FRAGMENT"],
];

// Refused unless they may be nonconformant.
const NONCONFORMANT: [string, string][] = [
  ["http://www.test.com/ why hello", "URI_BAD_PATH"],
  ["http://www.test.com/why-hello\x01", "URI_BAD_PATH"],
  ["http://www.test.com/why-hello?\x01", "URI_BAD_QUERY"],
  ["http://www.test.com/why-hello#\x01", "URI_BAD_FRAGMENT"],
  ["http://www.test.com/why-hello%7", "URI_BAD_PATH"],
  ["http://www.test.com/why-hell%7o", "URI_BAD_PATH"],
  ["http://www.test.com/foo?ba%r", "URI_BAD_QUERY"],
  ["http://www.test.com/foo#ba%r", "URI_BAD_FRAGMENT"],
  ["/caf\xe9", "URI_BAD_PATH"],
  ["/\u{1f600}", "URI_BAD_PATH"],
  ["/a[1]", "URI_BAD_PATH"],
  ["/a|b\\c", "URI_BAD_PATH"],
  ["/?a[1]=2", "URI_BAD_QUERY"],
  ["/#a#b", "URI_BAD_FRAGMENT"],
];

function codeOf(text: string, flags: number): string | undefined {
  try {
    Uri.parse(text, { flags });
    return undefined;
  } catch (error) {
    assert(error instanceof UriError);
    return error.code;
  }
}

for (const [mode, flags] of MODES) {
  describe(`Uri.parse ${mode}`, () => {
    const lax = (flags & EVHTTP_URI_NONCONFORMANT) !== 0;
    const unix = (flags & EVHTTP_URI_UNIX_SOCKET) !== 0;

    it("takes valid ones apart and joins them again", () => {
      for (const [text, parts, joined = text] of GOOD) {
        const uri = Uri.parse(text, { flags });
        assertEquals(describeUri(uri), parts, text);
        assertStrictEquals(uri.toString(), joined);
      }
    });

    it("refuses malformed ones, each with a code", () => {
      for (const [text, code] of BAD) {
        assertStrictEquals(codeOf(text, flags), code, JSON.stringify(text));
        assertStrictEquals(Uri.tryParse(text, { flags }), undefined);
      }
    });

    it("decides about nonconformant ones by the flag", () => {
      for (const [text, code] of NONCONFORMANT) {
        assertStrictEquals(codeOf(text, flags), lax ? undefined : code, JSON.stringify(text));
        if (lax) assertStrictEquals(Uri.parse(text, { flags }).toString(), text);
      }
    });

    it("decides about Unix sockets by the flag", () => {
      for (const user of [undefined, "user:pass"]) {
        const text = `http://${user === undefined ? "" : `${user}@`}unix:/tmp/foobar/:/foo?q#f`;
        const uri = Uri.parse(text, { flags });
        assertEquals([uri.unixSocket, uri.host, uri.path, uri.query, uri.userinfo], [
          unix ? "/tmp/foobar/" : undefined,
          unix ? undefined : "unix",
          unix ? "/foo" : "/tmp/foobar/:/foo",
          "q",
          user,
        ]);
        if (unix) assertStrictEquals(uri.toString(), text);
      }
      assertStrictEquals(codeOf("http://unix:a:", flags), unix ? undefined : "URI_BAD_HOST");
      if (!unix) return;
      assertStrictEquals(Uri.parse("http://unix:a:", { flags }).toString(), "http://unix:a:");
      for (const bad of ["http://unix:/tmp/a", "http://unix::/b", "http://unix:", "http://unix:a\0:/"]) {
        assertStrictEquals(codeOf(bad, flags), "URI_BAD_UNIX_SOCKET", bad);
      }
      assertStrictEquals(codeOf("http://unix:/tmp/a:b", flags), "URI_BAD_PATH");
    });
  });
}

describe("Uri.parse", () => {
  it("says where the fault is, and does not repeat the text, which may hold a password", () => {
    const error = assertThrows(
      () => Uri.parse("http://joe:secret@host/a b"),
      UriError,
      "at character 24 (URI_BAD_PATH)",
    );
    assertStrictEquals((error as UriError).position, 24);
    assertFalse((error as Error).message.includes("secret"));
  });

  it("refuses what is longer than the limit before it looks at it", () => {
    assertStrictEquals(Uri.parse("/" + "a".repeat(65_535)).path.length, 65_536);
    assertStrictEquals(codeOf("/" + " ".repeat(65_536), 0), "URI_TOO_LONG");
    assertStrictEquals(Uri.parse("/abcd", { maxCharacters: 5 }).path, "/abcd");
    assertThrows(() => Uri.parse("/abcde", { maxCharacters: 5 }), UriError, "URI_TOO_LONG");
    for (const maxCharacters of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => Uri.parse("/", { maxCharacters }), RangeError, "maxCharacters");
    }
  });

  it("refuses flags it does not know", () => {
    for (const flags of [2, 16, -1, 0.5]) {
      assertThrows(() => Uri.parse("/", { flags }), RangeError, "URI flags");
      assertThrows(() => new Uri(flags), RangeError, "URI flags");
    }
  });

  it("can leave out the brackets of an address, which come back when it is joined", () => {
    const flags = EVHTTP_URI_HOST_STRIP_BRACKETS;
    const uri = Uri.parse("ftp://[ff00::127.0.0.1]/?q=test", { flags });
    assertEquals(describeUri(uri), { scheme: "ftp", host: "ff00::127.0.0.1", path: "/", query: "q=test" });
    assertStrictEquals(uri.toString(), "ftp://[ff00::127.0.0.1]/?q=test");
    uri.host = "foo";
    assertEquals([uri.host, uri.toString()], ["foo", "ftp://foo/?q=test"]);
    uri.host = "[ff00::127.0.0.1]";
    assertEquals([uri.host, uri.toString()], ["ff00::127.0.0.1", "ftp://[ff00::127.0.0.1]/?q=test"]);
    uri.flags = 0;
    assertStrictEquals(uri.host, "[ff00::127.0.0.1]");
  });
});

describe("The components of a Uri", () => {
  it("are set to what may stand there", () => {
    const uri = new Uri();
    for (const value of ["http", "x", "a+b-c.d", undefined]) assertStrictEquals(uri.scheme = value, uri.scheme);
    for (const value of ["username:pass", "", undefined]) assertStrictEquals(uri.userinfo = value, uri.userinfo);
    const hosts = ["www.example.com", "1.2.3.4", "[1:2:3:4::]", "[v7.wobblewobble]", undefined, ""];
    for (const value of hosts) assertStrictEquals(uri.host = value, uri.host);
    for (const value of [-1, 0, 80, 65535]) assertStrictEquals(uri.port = value, uri.port);
    for (const value of ["", "/documents/public/index.html", "a/b"]) assertStrictEquals(uri.path = value, uri.path);
    const queries = ["key=val&key2=val2", "keyvalblarg", "", "a?b", undefined];
    for (const value of queries) assertStrictEquals(uri.query = value, uri.query);
    for (const value of ["", "here?i?am", undefined]) assertStrictEquals(uri.fragment = value, uri.fragment);
    for (const value of ["/run/a b.sock", undefined]) assertStrictEquals(uri.unixSocket = value, uri.unixSocket);
  });

  it("refuse what may not stand there, and keep what they had", () => {
    const uri = Uri.parse("a://b@c:1/d?e#f");
    for (const value of ["", "33", "hi!", "a:", "\u212a"]) {
      assertThrows(() => (uri.scheme = value), TypeError, "scheme");
    }
    for (const value of ["hello@", "a/b", "%"]) assertThrows(() => (uri.userinfo = value), TypeError, "user");
    for (const value of ["[1.2.3.4]", "[", "www.[foo].com", "a:1", "a/b", "::1"]) {
      assertThrows(() => (uri.host = value), TypeError, "host");
    }
    for (const value of [-3, -2, 65536, 1.5, NaN]) assertThrows(() => (uri.port = value), RangeError, "port");
    for (const value of ["hello?world", "a#b", "a b", "%g0"]) assertThrows(() => (uri.path = value), TypeError, "path");
    for (const value of ["hello#world", "a b"]) assertThrows(() => (uri.query = value), TypeError, "query");
    for (const value of ["hello#world", "\n"]) assertThrows(() => (uri.fragment = value), TypeError, "fragment");
    for (const value of ["", "a:b", "a?", "a#", "u@b", "a\0"]) {
      assertThrows(() => (uri.unixSocket = value), TypeError, "Unix socket");
    }
    assertStrictEquals(uri.toString(), "a://b@c:1/d?e#f");
  });

  it("take more in path, query and fragment when nonconformant, but never a line end", () => {
    const uri = new Uri(EVHTTP_URI_NONCONFORMANT);
    uri.path = "/a b";
    uri.query = "\x01";
    uri.fragment = "#";
    assertStrictEquals(`${uri}`, "/a b?\x01##");
    assertThrows(() => (uri.path = "/a\r\nb"), TypeError, "path");
    assertThrows(() => (uri.path = "a?b"), TypeError, "path");
    assertThrows(() => (uri.query = "a#b"), TypeError, "query");
  });

  it("join only to a text that would be read the same again", () => {
    const uri = new Uri();
    uri.host = "www.example.com";
    assertStrictEquals(uri.toString(), "//www.example.com");
    uri.path = "hi_mom";
    assertThrows(() => uri.toString(), TypeError, "has to begin with a slash");
    uri.host = undefined;
    uri.path = "//a";
    assertThrows(() => uri.toString(), TypeError, "two slashes");
    uri.path = "a:b";
    assertThrows(() => uri.toString(), TypeError, "colon");
    uri.scheme = "x";
    assertStrictEquals(uri.toString(), "x:a:b");
    uri.port = 80;
    assertThrows(() => uri.toString(), TypeError, "need a host");
    uri.port = -1;
    uri.userinfo = "u";
    assertThrows(() => uri.toString(), TypeError, "need a host");
    uri.path = "";
    uri.unixSocket = "/s";
    assertStrictEquals(JSON.stringify({ uri }), '{"uri":"x://u@unix:/s:"}');
  });

  it("do not join where a host and its port would be read as a Unix socket", () => {
    const uri = new Uri(EVHTTP_URI_UNIX_SOCKET);
    uri.scheme = "http";
    uri.host = "unix";
    uri.path = "/a:/b";
    assertStrictEquals(uri.toString(), "http://unix/a:/b");
    uri.port = 80;
    assertThrows(() => uri.toString(), TypeError, "Unix socket");
    uri.userinfo = "u";
    assertThrows(() => uri.toString(), TypeError, "Unix socket");
    uri.flags = 0;
    assertStrictEquals(uri.toString(), "http://u@unix:80/a:/b");
    uri.flags = EVHTTP_URI_UNIX_SOCKET;
    uri.host = "UNIX";
    assertStrictEquals(uri.toString(), "http://u@UNIX:80/a:/b");
    uri.host = "unix";
    uri.unixSocket = "/s";
    assertStrictEquals(uri.toString(), "http://u@unix:/s:/a:/b");
  });

  it("are a copy's own", () => {
    const uri = Uri.parse("http://a/b");
    const copy = uri.clone();
    copy.path = "/c";
    assertEquals([uri.toString(), copy.toString()], ["http://a/b", "http://a/c"]);
  });

  it("name authority and request target", () => {
    const cases: [string, string | undefined, string][] = [
      ["http://u:p@a:80/b?c#d", "u:p@a:80", "/b?c"],
      ["http://[::1]", "[::1]", "/"],
      ["http://a?b", "a", "/?b"],
      ["http://a/?", "a", "/?"],
      ["/x", undefined, "/x"],
      ["http://unix:/s.sock:/p", "unix:/s.sock:", "/p"],
      ['/a b\u{1f600}<"\x7f>|', undefined, "/a%20b%F0%9F%98%80%3C%22%7F%3E|"],
      ["/%zz?a b", undefined, "/%zz?a%20b"],
    ];
    for (const [text, authority, target] of cases) {
      const uri = Uri.parse(text, { flags: EVHTTP_URI_UNIX_SOCKET | EVHTTP_URI_NONCONFORMANT });
      assertEquals([uri.authority, uri.requestTarget], [authority, target]);
    }
  });
});
