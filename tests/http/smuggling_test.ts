import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assertAccepted, assertRefused } from "./parse_support.ts";

const HOST = "Host: a\r\n";

describe("Request lines that are refused", () => {
  const cases: [string, string, number, string][] = [
    ["a blank before the method", "HTTP_BAD_METHOD", 400, ` GET / HTTP/1.1\r\n${HOST}\r\n`],
    ["no method", "HTTP_BAD_METHOD", 400, "\x16\x03\x01"],
    ["a tab after the method", "HTTP_BAD_METHOD", 400, `GET\t/ HTTP/1.1\r\n${HOST}\r\n`],
    ["a method alone", "HTTP_BAD_METHOD", 400, "GET\r\n\r\n"],
    ["two spaces before the target", "HTTP_BAD_TARGET", 400, `GET  / HTTP/1.1\r\n${HOST}\r\n`],
    ["two spaces after the target", "HTTP_BAD_VERSION", 400, `GET /  HTTP/1.1\r\n${HOST}\r\n`],
    ["a space inside the target", "HTTP_BAD_VERSION", 400, `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
    ["a tab inside the target", "HTTP_BAD_TARGET", 400, `GET /a\tb HTTP/1.1\r\n${HOST}\r\n`],
    ["NUL inside the target", "HTTP_BAD_TARGET", 400, `GET /a\0b HTTP/1.1\r\n${HOST}\r\n`],
    ["DEL inside the target", "HTTP_BAD_TARGET", 400, `GET /a\x7fb HTTP/1.1\r\n${HOST}\r\n`],
    ["a byte above 127 inside the target", "HTTP_BAD_TARGET", 400, `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`],
    ["a fragment", "HTTP_BAD_TARGET", 400, `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
    ["a target without a slash", "HTTP_BAD_TARGET", 400, `GET a HTTP/1.1\r\n${HOST}\r\n`],
    ["half an escape in the path", "HTTP_BAD_TARGET", 400, `GET /a%2 HTTP/1.1\r\n${HOST}\r\n`],
    ["an escape that is none in the path", "HTTP_BAD_TARGET", 400, `GET /%zz?a HTTP/1.1\r\n${HOST}\r\n`],
    ["an escape that is none in a whole URI", "HTTP_BAD_TARGET", 400, `GET http://a/%?a HTTP/1.1\r\n${HOST}\r\n`],
    ["an escaped NUL in the path", "HTTP_BAD_TARGET", 400, `GET /a%00 HTTP/1.1\r\n${HOST}\r\n`],
    ["another scheme", "HTTP_BAD_TARGET", 400, `GET ftp://a/ HTTP/1.1\r\n${HOST}\r\n`],
    ["a whole URI without a host", "HTTP_BAD_TARGET", 400, `GET http:///x HTTP/1.1\r\n${HOST}\r\n`],
    ["a whole URI with only a port", "HTTP_BAD_TARGET", 400, `GET http://:80/x HTTP/1.1\r\n${HOST}\r\n`],
    ["credentials in a URI", "HTTP_BAD_TARGET", 400, `GET http://u@b/ HTTP/1.1\r\n${HOST}\r\n`],
    ["an asterisk with GET", "HTTP_BAD_TARGET", 400, `GET * HTTP/1.1\r\n${HOST}\r\n`],
    ["CONNECT with a path", "HTTP_BAD_TARGET", 400, `CONNECT /x HTTP/1.1\r\n${HOST}\r\n`],
    ["CONNECT without a host", "HTTP_BAD_TARGET", 400, `CONNECT :443 HTTP/1.1\r\n${HOST}\r\n`],
    ["CONNECT without a port", "HTTP_BAD_TARGET", 400, `CONNECT a HTTP/1.1\r\n${HOST}\r\n`],
    ["CONNECT with an empty port", "HTTP_BAD_TARGET", 400, `CONNECT a: HTTP/1.1\r\n${HOST}\r\n`],
    ["an authority with GET", "HTTP_BAD_TARGET", 400, `GET a:80 HTTP/1.1\r\n${HOST}\r\n`],
    ["a line of HTTP/0.9", "HTTP_BAD_VERSION", 400, "GET /\r\n"],
    ["a version in lower case", "HTTP_BAD_VERSION", 400, `GET / http/1.1\r\n${HOST}\r\n`],
    ["a version without a minor digit", "HTTP_BAD_VERSION", 400, `GET / HTTP/1.\r\n${HOST}\r\n`],
    ["a minor version of two digits", "HTTP_BAD_VERSION", 400, `GET / HTTP/1.10\r\n${HOST}\r\n`],
    ["a major version of two digits", "HTTP_BAD_VERSION", 400, `GET / HTTP/11.1\r\n${HOST}\r\n`],
    ["a blank after the version", "HTTP_BAD_VERSION", 400, `GET / HTTP/1.1 \r\n${HOST}\r\n`],
    ["HTTP/2", "HTTP_VERSION_UNSUPPORTED", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/1.2", "HTTP_VERSION_UNSUPPORTED", 505, `GET / HTTP/1.2\r\n${HOST}\r\n`],
    ["HTTP/9", "HTTP_VERSION_UNSUPPORTED", 505, `GET / HTTP/9.1\r\n${HOST}\r\n`],
    ["HTTP/0.9 spelled out", "HTTP_VERSION_UNSUPPORTED", 505, `GET / HTTP/0.9\r\n${HOST}\r\n`],
    ["a lone LF after the version", "HTTP_BAD_LINE_END", 400, `GET / HTTP/1.1\n${HOST}\r\n`],
    ["a lone CR after the version", "HTTP_BAD_LINE_END", 400, `GET / HTTP/1.1\r${HOST}\r\n`],
    ["a lone LF before the method", "HTTP_BAD_LINE_END", 400, `\nGET / HTTP/1.1\r\n${HOST}\r\n`],
    ["a lone CR before the method", "HTTP_BAD_LINE_END", 400, `\rGET / HTTP/1.1\r\n${HOST}\r\n`],
    ["five empty lines", "HTTP_TOO_MANY_EMPTY_LINES", 400, `${"\r\n".repeat(5)}GET / HTTP/1.1\r\n${HOST}\r\n`],
  ];
  for (const [what, code, status, text] of cases) {
    it(`answers ${status} to ${what}`, () => {
      assertEquals(assertRefused(text, code, status), []);
    });
  }
});

describe("Field lines that are refused", () => {
  const cases: [string, string, string][] = [
    ["a space before the colon", "HTTP_BAD_HEADER_NAME", "X : 1\r\n"],
    ["a tab before the colon", "HTTP_BAD_HEADER_NAME", "X\t: 1\r\n"],
    ["an empty name", "HTTP_BAD_HEADER_NAME", ": 1\r\n"],
    ["no colon", "HTTP_BAD_HEADER_NAME", "X\r\n"],
    ["a name that is no token", "HTTP_BAD_HEADER_NAME", "X(1): 1\r\n"],
    ["a name above 127", "HTTP_BAD_HEADER_NAME", "\xe9: 1\r\n"],
    ["NUL in a name", "HTTP_BAD_HEADER_NAME", "X\0: 1\r\n"],
    ["NUL in a value", "HTTP_BAD_HEADER_VALUE", "X: a\0b\r\n"],
    ["a control character in a value", "HTTP_BAD_HEADER_VALUE", "X: a\x0bb\r\n"],
    ["DEL in a value", "HTTP_BAD_HEADER_VALUE", "X: \x7f\r\n"],
    ["a lone CR in a value", "HTTP_BAD_LINE_END", "X: a\rTransfer-Encoding: chunked\r\n"],
    ["a lone LF after a value", "HTTP_BAD_LINE_END", "X: a\nTransfer-Encoding: chunked\r\n"],
    ["two CRs", "HTTP_BAD_LINE_END", "X: a\r\r\n"],
    ["a lone LF as the closing line", "HTTP_BAD_LINE_END", "X: a\r\n\n"],
    ["a lone CR as the closing line", "HTTP_BAD_LINE_END", "X: a\r\n\rX"],
    ["a folded line", "HTTP_FOLDED_HEADER", "X: a\r\n b\r\n"],
    ["a line folded by a tab", "HTTP_FOLDED_HEADER", "X: a\r\n\tb\r\n"],
  ];
  for (const [what, code, lines] of cases) {
    it(`answers 400 to ${what}`, () => {
      assertEquals(assertRefused(`GET / HTTP/1.1\r\n${HOST}${lines}\r\n`, code, 400), []);
    });
  }

  it("answers 400 to a first field line that starts with a blank", () => {
    assertRefused(`GET / HTTP/1.1\r\n ${HOST}\r\n`, "HTTP_FOLDED_HEADER", 400);
  });
});

describe("Host", () => {
  it("is required once in HTTP/1.1 and allowed at most once in HTTP/1.0", () => {
    assertRefused("GET / HTTP/1.1\r\n\r\n", "HTTP_MISSING_HOST", 400);
    assertRefused("GET http://a/ HTTP/1.1\r\n\r\n", "HTTP_MISSING_HOST", 400);
    assertRefused(`GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, "HTTP_DUPLICATE_HOST", 400);
    assertRefused(`GET / HTTP/1.0\r\n${HOST}hOsT: b\r\n\r\n`, "HTTP_DUPLICATE_HOST", 400);
  });

  it("has to be the host of a target that is a whole URI, but for case and a port that is implied", () => {
    const mismatch = (target: string, host: string): void => {
      const text = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      assertRefused(text, "HTTP_HOST_MISMATCH", 400);
      assertStrictEquals(assertAccepted(text, { leniency: { allowHostMismatch: true } }).heads.length, 1);
    };
    mismatch("http://b/", "a");
    mismatch("http://ab/", "a");
    mismatch("http://a/", "ab:80");
    mismatch("http://a:81/", "a");
    mismatch("https://a/", "a:80");
    mismatch("http://[::1]/", "a");
    for (const [target, host] of [["http://a", "A:80"], ["HTTPS://A:443/", "a"], ["http://[::a]:1", "[::A]:01"]]) {
      assertAccepted(`GET ${target} HTTP/1.1\r\nX: 1\r\nHost: ${host}\r\nY: 2\r\n\r\n`);
    }
  });

  it("has to be the host of CONNECT's target, but for case and a port that it leaves out", () => {
    const mismatch = (target: string, host: string): void => {
      const text = `CONNECT ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      assertRefused(text, "HTTP_HOST_MISMATCH", 400);
      assertStrictEquals(assertAccepted(text, { leniency: { allowHostMismatch: true } }).heads[0]!["host"], target);
    };
    mismatch("b:443", "a");
    mismatch("b:443", "a:443");
    mismatch("a:443", "a:80");
    mismatch("a:443", "b");
    mismatch("http:80", "https:80");
    mismatch("[::1]:443", "[::2]");
    for (const [target, host] of [["a:443", "a:443"], ["A:8443", "a"], ["a:0443", "A:443"], ["[::a]:1", "[::A]:"]]) {
      assertAccepted(`CONNECT ${target} HTTP/1.1\r\nX: 1\r\nHost: ${host}\r\nY: 2\r\n\r\n`);
    }
    assertAccepted("CONNECT a:443 HTTP/1.0\r\n\r\n");
  });

  it("may name no host beside a target that does, where it may be missing", () => {
    const leniency = { allowMissingHost: true };
    for (const line of ["GET http://b:80/", "CONNECT b:80"]) {
      for (const field of ["", "Host:\r\n", "Host: :80\r\n"]) {
        const { heads } = assertAccepted(`${line} HTTP/1.1\r\n${field}\r\n`, { leniency });
        assertStrictEquals(heads[0]!["host"], "b:80");
      }
      assertRefused(`${line} HTTP/1.1\r\nHost:\r\n\r\n`, "HTTP_BAD_HOST", 400);
      assertRefused(`${line} HTTP/1.1\r\n${HOST}\r\n`, "HTTP_HOST_MISMATCH", 400, { leniency });
    }
  });

  it("is refused when it is not a host with an optional port", () => {
    const bad = [
      "a b",
      "a:x",
      "a:65536",
      "a:-1",
      "a:1:2",
      "a/b",
      "u@a",
      "a%",
      "a%4",
      "a%g1",
      "a%1g",
      "a%zz",
      "[::1",
      "::1]",
      "[1]",
      "[]",
      "[1:2:3]",
      "[::1%lo]",
      "[v1.a]",
      "[0000:0000:0000:0000:0000:0000:0000:0000:0000]",
      "",
      ":80",
      "[::1]x",
      "a\xe9",
    ];
    for (const host of bad) assertRefused(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, "HTTP_BAD_HOST", 400);
  });

  it("is accepted in all the forms the grammar has", () => {
    for (
      const host of [
        "a",
        "a:",
        "a:65535",
        "a:9090",
        "a_b.c-d~",
        "1.2.3.4:5",
        "[::1]",
        "[::ffff:1.2.3.4]:80",
        "[0000:0000:0000:0000:0000:ffff:255.255.255.255]",
        "a%41",
        "!$&'()*+,;=",
      ]
    ) {
      const { heads } = assertAccepted(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assertStrictEquals(heads[0]!["host"], host);
    }
  });
});

describe("Content-Length", () => {
  it("is refused unless it is digits only", () => {
    const bad = ["", "+1", "-1", "1 1", "1,1", "1, 1", "0x1", "1.0", "1e2", "a", "1;", "\xb2", '"1"'];
    for (const length of bad) {
      assertRefused(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\nx`, "HTTP_BAD_CONTENT_LENGTH", 400);
    }
  });

  it("is refused above 2^53 - 1", () => {
    const options = { limits: { maxBodyBytes: Infinity } };
    for (const length of ["9007199254740992", "18446744073709551617", "1" + "0".repeat(400)]) {
      assertRefused(
        `POST / HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n`,
        "HTTP_BAD_CONTENT_LENGTH",
        400,
        options,
      );
    }
    const largest = `POST / HTTP/1.1\r\n${HOST}Content-Length: 9007199254740991\r\n\r\n`;
    assertRefused(largest, "HTTP_BODY_TOO_LARGE", 413);
  });

  it("is refused twice, even with equal values", () => {
    for (const second of ["3", "4"]) {
      const fields = `Content-Length: 3\r\ncontent-length: ${second}\r\n`;
      assertRefused(`POST / HTTP/1.1\r\n${HOST}${fields}\r\nabc`, "HTTP_DUPLICATE_CONTENT_LENGTH", 400);
    }
  });
});

describe("Transfer-Encoding", () => {
  function refused(fields: string, code: string, status: number, version = "1.1"): void {
    assertEquals(assertRefused(`POST / HTTP/${version}\r\n${HOST}${fields}\r\n0\r\n\r\n`, code, status), []);
  }

  it("is refused beside Content-Length, in either order", () => {
    refused("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "HTTP_LENGTH_AND_CHUNKED", 400);
    refused("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "HTTP_LENGTH_AND_CHUNKED", 400);
  });

  it("is refused in HTTP/1.0", () => {
    refused("Transfer-Encoding: chunked\r\n", "HTTP_BAD_TRANSFER_ENCODING", 400, "1.0");
  });

  it("is refused with 400 when it does not end in exactly one chunked", () => {
    const bad = [
      "",
      "identity",
      "gzip",
      "chunked, gzip",
      "chunked, chunked",
      "chunked, identity",
      "chunked,",
      ",chunked",
      "gzip,,chunked",
      "xchunked",
      "chunkedx",
      "chun ked",
      "chunked;a=b",
      '"x", chunked',
      "a b, chunked",
      '"chunked"',
      "chunked\x80",
    ];
    for (const value of bad) refused(`Transfer-Encoding: ${value}\r\n`, "HTTP_BAD_TRANSFER_ENCODING", 400);
    refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "HTTP_BAD_TRANSFER_ENCODING", 400);
    refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "HTTP_BAD_TRANSFER_ENCODING", 400);
  });

  it("is refused with 501 when another coding comes before chunked", () => {
    refused("Transfer-Encoding: gzip, chunked\r\n", "HTTP_UNSUPPORTED_TRANSFER_ENCODING", 501);
    refused("Transfer-Encoding: foo;q=1 ,\tchunked\r\n", "HTTP_UNSUPPORTED_TRANSFER_ENCODING", 501);
    refused("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "HTTP_UNSUPPORTED_TRANSFER_ENCODING", 501);
  });

  it("is not taken from a name that only looks like it", () => {
    for (const name of ["Transfer_Encoding", "XTransfer-Encoding", "Transfer-Encodin"]) {
      const { framings } = assertAccepted(`POST / HTTP/1.1\r\n${HOST}${name}: chunked\r\n\r\n`);
      assertEquals(framings, ["none 0"]);
    }
  });
});
