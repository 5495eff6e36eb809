import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpLeniency } from "../../src/http/limits.ts";
import { ERROR, HEAD, RequestParser } from "../../src/http/parser.ts";
import { assertAccepted, assertRefused, bytesOf } from "./parse_support.ts";

const CHUNKED_HEAD = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

function get(target: string, fields = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
}

describe("Limits hold to the byte", () => {
  it("for methods, with 501", () => {
    const limits = { maxMethodBytes: 4 };
    assertAccepted("BREW / HTTP/1.0\r\n\r\n", { limits });
    assertRefused("BREWS / HTTP/1.0\r\n\r\n", "HTTP_METHOD_TOO_LONG", 501, { limits });
    assertAccepted(get("/"), { limits: { maxMethodBytes: 3 } });
    for (const maxMethodBytes of [1, 2]) {
      assertRefused(get("/"), "HTTP_METHOD_TOO_LONG", 501, { limits: { maxMethodBytes } });
    }
  });

  it("for targets, with 414", () => {
    const limits = { maxTargetBytes: 5 };
    assertAccepted(get("/1234"), { limits });
    assertRefused(get("/12345"), "HTTP_TARGET_TOO_LONG", 414, { limits });
    assertRefused("GET /12345", "HTTP_TARGET_TOO_LONG", 414, { limits });
  });

  it("for the header section, line ends included, with 431", () => {
    const section = "Host: a\r\nX: 1\r\n\r\n";
    const text = `GET / HTTP/1.1\r\n${section}`;
    assertAccepted(text, { limits: { maxHeaderBytes: section.length } });
    for (let less = 1; less <= section.length; less++) {
      const limits = { maxHeaderBytes: section.length - less };
      assertRefused(text, "HTTP_HEADERS_TOO_LARGE", 431, { limits });
    }
  });

  it("for the number of fields, with 431", () => {
    const limits = { maxHeaderCount: 3 };
    assertAccepted(get("/", "A: 1\r\nB: 2\r\n"), { limits });
    assertRefused(get("/", "A: 1\r\nB: 2\r\nC: 3\r\n"), "HTTP_TOO_MANY_HEADERS", 431, { limits });
  });

  it("for empty lines before a request, counted anew for each", () => {
    const limits = { maxLeadingEmptyLines: 1 };
    assertAccepted(`\r\n${get("/")}\r\n${get("/")}`, { limits });
    assertRefused(`\r\n\r\n${get("/")}`, "HTTP_TOO_MANY_EMPTY_LINES", 400, { limits });
    assertRefused(`\r\n${get("/")}`, "HTTP_TOO_MANY_EMPTY_LINES", 400, { limits: { maxLeadingEmptyLines: 0 } });
  });

  it("for a declared body, with 413 before any of it is read, the head being known", () => {
    const limits = { maxBodyBytes: 3 };
    assertAccepted(get("/", "Content-Length: 3\r\n") + "abc", { limits });
    const text = get("/big", "Content-Length: 4\r\n");
    assertEquals(assertRefused(text, "HTTP_BODY_TOO_LARGE", 413, { limits }), []);
    const parser = new RequestParser(limits);
    assertStrictEquals(parser.next(bytesOf(text), 0, text.length), ERROR);
    assertStrictEquals(parser.head.target, "/big");
  });

  it("for the sum of the chunks, with 413", () => {
    const limits = { maxBodyBytes: 5 };
    assertAccepted(CHUNKED_HEAD + "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", { limits });
    const before = assertRefused(CHUNKED_HEAD + "2\r\nab\r\n4\r\ncdef\r\n", "HTTP_BODY_TOO_LARGE", 413, { limits });
    assertEquals(before, ["HEAD", "BODY ab"]);
  });

  it("for chunk extensions over the whole message, anew for each message, with 413", () => {
    const limits = { maxChunkExtensionBytes: 6 };
    const body = "1;ab\r\nx\r\n0;cd\r\n\r\n";
    assertAccepted(CHUNKED_HEAD + body + CHUNKED_HEAD + body, { limits });
    const longer = "1;ab\r\nx\r\n0;cde\r\n\r\n";
    assertRefused(CHUNKED_HEAD + longer, "HTTP_CHUNK_EXTENSIONS_TOO_LARGE", 413, { limits });
    const none = { limits: { maxChunkExtensionBytes: 0 } };
    assertRefused(CHUNKED_HEAD + "1;a\r\n", "HTTP_CHUNK_EXTENSIONS_TOO_LARGE", 413, none);
  });

  it("for trailers, in bytes and in number, with 431", () => {
    const section = "A: 1\r\nB: 2\r\n\r\n";
    const text = `${CHUNKED_HEAD}0\r\n${section}`;
    assertAccepted(text, { limits: { maxTrailerBytes: section.length } });
    assertRefused(text, "HTTP_TRAILERS_TOO_LARGE", 431, { limits: { maxTrailerBytes: section.length - 1 } });
    const many = { limits: { maxHeaderCount: 2 } };
    assertAccepted(text, many);
    assertRefused(`${CHUNKED_HEAD}0\r\nC: 3\r\n${section}`, "HTTP_TOO_MANY_TRAILERS", 431, many);
  });
});

describe("A large head in many pieces", () => {
  it("arrives whole, with a body behind it in the last piece", () => {
    const fields = Array.from({ length: 90 }, (_, i) => `X-${i}: ${"v".repeat(300)}\r\n`).join("");
    const text = get("/" + "t".repeat(8000), "Content-Length: 5\r\n" + fields) + "hello" + get("/next");
    const bytes = bytesOf(text);
    const parser = new RequestParser();
    let events = 0;
    for (let at = 0; events === 0;) {
      const end = Math.min(bytes.length, at + 7);
      const event = parser.next(bytes, at, end > bytes.length - 100 ? bytes.length : end);
      at = parser.position;
      if (event === HEAD) events++;
      else assertStrictEquals(event, 0);
    }
    assertStrictEquals(parser.head.target.length, 8001);
    assertStrictEquals(parser.head.headers.size, 92);
    assertStrictEquals(parser.head.headers.get("x-89"), "v".repeat(300));
    assertStrictEquals(parser.position, text.indexOf("hello"));
  });

  it("is refused at the limit although nothing in it is wrong", () => {
    const parser = new RequestParser();
    const line = bytesOf("GET / HTTP/1.0\r\n");
    parser.next(line, 0, line.length);
    const piece = bytesOf("x".repeat(1000));
    let pieces = 0;
    while (parser.next(piece, 0, piece.length) !== ERROR) pieces++;
    assertStrictEquals(pieces, 32);
    assertStrictEquals(parser.error?.code, "HTTP_HEADERS_TOO_LARGE");
    assertStrictEquals(parser.position, 768);
  });
});

describe("Leniency", () => {
  it("allowBareLf accepts lone LFs in heads and trailers but no lone CR", () => {
    const leniency: HttpLeniency = { allowBareLf: true };
    const text = "\nPOST / HTTP/1.1\nHost: a\nX: 1\r\nTransfer-Encoding: chunked\n\n1\r\nx\r\n0\r\nT: 1\n\n";
    const { events, heads, trailers } = assertAccepted(text, { leniency });
    assertEquals(events, ["HEAD", "BODY x", "END"]);
    assertEquals(heads[0]!["headers"], [["Host", "a"], ["X", "1"], ["Transfer-Encoding", "chunked"]]);
    assertEquals(trailers, [[["T", "1"]]]);
    assertRefused("GET / HTTP/1.1\nHost: a\r\r\n\n", "HTTP_BAD_LINE_END", 400, { leniency });
  });

  it("allowObsFold joins folded lines by one space and drops empty ones", () => {
    const leniency: HttpLeniency = { allowObsFold: true };
    const fields = "X: a \r\n  b\r\n\t \r\n\tc\r\nY:\r\n y\r\nZ: z\r\n \r\n";
    const { heads } = assertAccepted(get("/", fields), { leniency });
    assertEquals(heads[0]!["headers"], [["Host", "a"], ["X", "a b c"], ["Y", "y"], ["Z", "z"]]);
    const both = { leniency: { allowObsFold: true, allowBareLf: true } };
    assertEquals(assertAccepted("GET / HTTP/1.0\nX: a\n b\n\n", both).heads[0]!["headers"], [["X", "a b"]]);
  });

  it("allowObsFold folds neither the deciding fields nor the line after the request line", () => {
    const leniency: HttpLeniency = { allowObsFold: true };
    for (
      const name of ["Content-Length: 1", "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue"]
    ) {
      assertRefused(get("/", `${name}\r\n 1\r\n`), "HTTP_FOLDED_HEADER", 400, { leniency });
    }
    assertRefused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "HTTP_FOLDED_HEADER", 400, { leniency });
    assertRefused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "HTTP_FOLDED_HEADER", 400, { leniency });
  });

  it("allowMissingHost accepts HTTP/1.1 without Host, or without a name in it, but never two", () => {
    const leniency: HttpLeniency = { allowMissingHost: true };
    assertStrictEquals(assertAccepted("GET / HTTP/1.1\r\nHost:\r\n\r\n", { leniency }).heads[0]!["host"], "");
    assertAccepted("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", { leniency });
    assertStrictEquals(assertAccepted("GET / HTTP/1.1\r\n\r\n", { leniency }).heads[0]!["host"], undefined);
    assertRefused(get("/", "Host: b\r\n"), "HTTP_DUPLICATE_HOST", 400, { leniency });
  });
});
