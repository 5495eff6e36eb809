import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assertAccepted, assertRefused } from "./parse_support.ts";

const CHUNKED_HEAD = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("Chunks that are refused", () => {
  const cases: [string, string, string][] = [
    ["an empty size", "HTTP_BAD_CHUNK_SIZE", "\r\n"],
    ["a blank before the size", "HTTP_BAD_CHUNK_SIZE", " 1\r\na\r\n"],
    ["a blank after the size", "HTTP_BAD_CHUNK_SIZE", "1 \r\na\r\n"],
    ["a blank between the size and an extension", "HTTP_BAD_CHUNK_SIZE", "1 ;a\r\na\r\n"],
    ["a plus sign", "HTTP_BAD_CHUNK_SIZE", "+1\r\na\r\n"],
    ["a minus sign", "HTTP_BAD_CHUNK_SIZE", "-1\r\na\r\n"],
    ["a 0x prefix", "HTTP_BAD_CHUNK_SIZE", "0x1\r\na\r\n"],
    ["a digit that is not hexadecimal", "HTTP_BAD_CHUNK_SIZE", "g\r\n"],
    ["an underscore", "HTTP_BAD_CHUNK_SIZE", "1_0\r\n"],
    ["seventeen digits", "HTTP_BAD_CHUNK_SIZE", "00000000000000001\r\na\r\n"],
    ["a size above 2^53 - 1", "HTTP_BAD_CHUNK_SIZE", "20000000000000\r\n"],
    ["a size that would wrap at 64 bits", "HTTP_BAD_CHUNK_SIZE", "ffffffffffffffff\r\n"],
    ["a lone LF after the size", "HTTP_BAD_CHUNK_SIZE", "1\na\r\n"],
    ["a lone CR after the size", "HTTP_BAD_LINE_END", "1\ra\r\n"],
    ["a lone LF in an extension", "HTTP_BAD_CHUNK_EXTENSION", "1;a\nb\r\n"],
    ["a lone CR in an extension", "HTTP_BAD_LINE_END", "1;a\rb\r\n"],
    ["an extension without a name", "HTTP_BAD_CHUNK_EXTENSION", "1;\r\na\r\n"],
    ["an extension without a value", "HTTP_BAD_CHUNK_EXTENSION", "1;a=\r\na\r\n"],
    ["an extension that starts with a value", "HTTP_BAD_CHUNK_EXTENSION", "1;=b\r\na\r\n"],
    ["an extension with two values", "HTTP_BAD_CHUNK_EXTENSION", "1;a=b=c\r\na\r\n"],
    ["text after a quoted value", "HTTP_BAD_CHUNK_EXTENSION", '1;a="b"c\r\na\r\n'],
    ["an open quote", "HTTP_BAD_CHUNK_EXTENSION", '1;a="b\r\na\r\n'],
    ["a line end behind a backslash", "HTTP_BAD_CHUNK_EXTENSION", '1;a="b\\\r\n"\r\na\r\n'],
    ["NUL in an extension", "HTTP_BAD_CHUNK_EXTENSION", "1;a=\0\r\na\r\n"],
    ["a blank at the end of an extension", "HTTP_BAD_CHUNK_EXTENSION", "1;a \r\na\r\n"],
    ["a blank at the end of an extension's value", "HTTP_BAD_CHUNK_EXTENSION", "1;a=b \r\na\r\n"],
    ["a blank at the end of a quoted value", "HTTP_BAD_CHUNK_EXTENSION", '1;a="b" \r\na\r\n'],
    ["data longer than the size", "HTTP_BAD_CHUNK_END", "1\r\nab\r\n"],
    ["a lone LF after the data", "HTTP_BAD_CHUNK_END", "1\r\na\n0\r\n\r\n"],
    ["a lone CR after the data", "HTTP_BAD_CHUNK_END", "1\r\na\r0\r\n\r\n"],
    ["no line end after the data", "HTTP_BAD_CHUNK_END", "1\r\na0\r\n\r\n"],
  ];
  for (const [what, code, chunks] of cases) {
    it(`answers 400 to ${what}`, () => {
      assertStrictEquals(assertRefused(CHUNKED_HEAD + chunks, code, 400)[0], "HEAD");
    });
  }

  it("refuses lone LFs in chunk framing even where heads may have them", () => {
    const leniency = { allowBareLf: true };
    assertRefused(CHUNKED_HEAD + "1\na\r\n", "HTTP_BAD_CHUNK_SIZE", 400, { leniency });
    assertRefused(CHUNKED_HEAD + "1\r\na\n", "HTTP_BAD_CHUNK_END", 400, { leniency });
  });
});

describe("Chunk sizes", () => {
  it("may have sixteen digits in either case", () => {
    const { events } = assertAccepted(CHUNKED_HEAD + "000000000000000a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n");
    assertEquals(events, ["HEAD", "BODY 01234567890123456789a", "END"]);
  });

  it("may have sixteen zeros for the last chunk", () => {
    assertAccepted(CHUNKED_HEAD + "0".repeat(16) + "\r\n\r\n");
  });
});

describe("Trailers that are refused", () => {
  const names = [
    "Content-Length: 1",
    "Transfer-Encoding: chunked",
    "host: a",
    "Connection: close",
    "Expect: 100-continue",
    "Upgrade: x",
    "Trailer: a",
    "TE: a",
    "authorization: x",
    "Content-Type: text/plain",
    "Set-Cookie: a=1",
  ];
  for (const line of names) {
    it(`answers 400 to the trailer ${line}`, () => {
      assertRefused(`${CHUNKED_HEAD}0\r\nX: 1\r\n${line}\r\n\r\n`, "HTTP_FORBIDDEN_TRAILER", 400);
    });
  }

  it("answers 400 to trailers that would be refused as headers", () => {
    assertRefused(CHUNKED_HEAD + "0\r\nX : 1\r\n\r\n", "HTTP_BAD_HEADER_NAME", 400);
    assertRefused(CHUNKED_HEAD + "0\r\nX: \0\r\n\r\n", "HTTP_BAD_HEADER_VALUE", 400);
    assertRefused(CHUNKED_HEAD + "0\r\nX: 1\r\n y\r\n\r\n", "HTTP_FOLDED_HEADER", 400);
    assertRefused(CHUNKED_HEAD + "0\r\nX: 1\n\r\n", "HTTP_BAD_LINE_END", 400);
    assertRefused(CHUNKED_HEAD + "0\r\n\n", "HTTP_BAD_LINE_END", 400);
    assertRefused(CHUNKED_HEAD + "0\r\nGET / HTTP/1.1\r\n", "HTTP_BAD_HEADER_NAME", 400);
  });
});
