import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET, EVHTTP_REQ_HEAD } from "../../src/http/methods.ts";
import { ResponseParser } from "../../src/http/response_parser.ts";
import { responseEveryWay, type ResponseOptions } from "./response_support.ts";

const LENGTH = "Content-Length: 2\r\n";

function lastOf(text: string, options: ResponseOptions = {}): string {
  return responseEveryWay(text, options).at(-1)!.replace(/ @\d+$/, "");
}

describe("ResponseParser on heads", () => {
  it("reads a small response", () => {
    assertEquals(responseEveryWay("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA:  b \r\n\r\nhi"), [
      "HEAD 200 1 (OK) length 2 + Content-Length=2 A=b",
      "BODY hi",
      "END",
    ]);
  });

  it("takes any reason, and none, with its space or without", () => {
    for (
      const [line, reason] of [
        ["HTTP/1.1 404 Not  Found at all\t!", "Not  Found at all\t!"],
        ["HTTP/1.1 404 ", ""],
        ["HTTP/1.1 404", ""],
        ["HTTP/1.1 404 \xe9\xff", "\xe9\xff"],
      ] as const
    ) {
      assertEquals(
        responseEveryWay(`${line}\r\n${LENGTH}\r\nhi`)[0],
        `HEAD 404 1 (${reason}) length 2 + Content-Length=2`,
      );
    }
  });

  it("knows every status code from 100 to 999", () => {
    for (const status of [200, 226, 299, 300, 418, 499, 599, 600, 999]) {
      assertEquals(lastOf(`HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`), "END");
    }
  });

  it("refuses a malformed status line", () => {
    for (
      const [line, code] of [
        ["HTTP/1.1 20 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1 2000 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1 099 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1 2x0 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1 -20 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1  200 OK", "HTTP_BAD_STATUS"],
        ["HTTP/1.1\t200 OK", "HTTP_BAD_VERSION"],
        ["HTTP/1.1 200\tOK", "HTTP_BAD_STATUS"],
        ["HTTP/1.2 200 OK", "HTTP_VERSION_UNSUPPORTED"],
        ["HTTP/2.0 200 OK", "HTTP_VERSION_UNSUPPORTED"],
        ["HTTP/1.x 200 OK", "HTTP_BAD_VERSION"],
        ["http/1.1 200 OK", "HTTP_BAD_VERSION"],
        ["ICY 200 OK", "HTTP_BAD_VERSION"],
        [" HTTP/1.1 200 OK", "HTTP_BAD_VERSION"],
        ["\r\nHTTP/1.1 200 OK", "HTTP_BAD_VERSION"],
        ["HTTP/1.1 200 O\0K", "HTTP_BAD_REASON"],
        ["HTTP/1.1 200 O\x7fK", "HTTP_BAD_REASON"],
        ["HTTP/1.1 200 O\rK", "HTTP_BAD_LINE_END"],
      ] as const
    ) assertEquals(lastOf(`${line}\r\n${LENGTH}\r\nhi`), `ERROR ${code}`, line);
  });

  it("takes a Host for a field like any other, since it means nothing in a response (RFC 9110 section 7.2)", () => {
    for (const fields of ["Host: a b\r\n", "Host:\r\n", "Host: a\r\nHost: b\r\n", "Host: [::1%eth0]:x\r\n"]) {
      assertEquals(lastOf(`HTTP/1.1 200 OK\r\n${fields}${LENGTH}\r\nhi`), "END", fields);
    }
  });

  it("refuses lone line feeds unless told otherwise", () => {
    const text = "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi";
    assertEquals(lastOf(text), "ERROR HTTP_BAD_LINE_END");
    assertEquals(lastOf("HTTP/1.1 200\nContent-Length: 2\n\nhi"), "ERROR HTTP_BAD_LINE_END");
    assertEquals(lastOf(text, { leniency: { allowBareLf: true } }), "END");
    assertEquals(lastOf(text.replace(" OK", ""), { leniency: { allowBareLf: true } }), "END");
  });

  it("bounds the reason, the section and the number of its fields", () => {
    const limits = { maxReasonBytes: 4, maxHeaderBytes: 30, maxHeaderCount: 2 };
    const of = (reason: string, fields: string): string =>
      lastOf(`HTTP/1.1 304 ${reason}\r\n${fields}\r\n`, { limits });
    assertEquals(of("Four", "A: b\r\n"), "END");
    assertEquals(of("Fives", ""), "ERROR HTTP_REASON_TOO_LONG");
    assertEquals(of("", "A: b\r\nC: d\r\nE: f\r\n"), "ERROR HTTP_TOO_MANY_HEADERS");
    assertEquals(of("", `A: ${"b".repeat(30)}\r\n`), "ERROR HTTP_HEADERS_TOO_LARGE");
  });

  it("says whether the connection stays", () => {
    for (
      const [minor, connection, stays] of [
        [1, "", true],
        [1, "Connection: close\r\n", false],
        [1, "Connection: x, Close\r\n", false],
        [0, "", false],
        [0, "Connection: keep-alive\r\n", true],
      ] as const
    ) {
      const [head] = responseEveryWay(`HTTP/1.${minor} 200 OK\r\nContent-Length: 0\r\n${connection}\r\n`);
      assertEquals(/ \+/.test(head!), stays, `${minor} ${connection}`);
    }
  });

  it("keeps nothing of a response that is over, and can be used again after an error", () => {
    const parser = new ResponseParser();
    assertThrows(() => parser.head, TypeError);
    const bytes = new TextEncoder().encode("HTTP/1.1 204 No\r\n\r\n");
    parser.next(bytes, 0, bytes.length);
    assertEquals(parser.head.status, 204);
    assertEquals(parser.next(bytes, bytes.length, bytes.length), 3);
    parser.next(bytes, 0, 0);
    assertFalse(parser.hasHead);
    parser.next(bytes, 1, bytes.length);
    assertEquals(parser.error?.code, "HTTP_BAD_VERSION");
    parser.reset();
    assertEquals(parser.next(bytes, 0, bytes.length), 1);
  });
});

describe("ResponseParser on bodies (RFC 9112 section 6.3)", () => {
  it("finds none behind 1xx, 204 and 304, whatever their fields say", () => {
    for (const status of [204, 304]) {
      assertEquals(responseEveryWay(`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 y\r\n\r\n`), [
        `HEAD ${status} 1 (x) none 0 + Content-Length=5`,
        "END",
        "HEAD 204 1 (y) none 0 +",
        "END",
      ]);
    }
  });

  it("finds none in an answer to HEAD, nor in a tunnel's opening", () => {
    const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const method of [EVHTTP_REQ_HEAD, EVHTTP_REQ_CONNECT]) {
      assertEquals(responseEveryWay(text, { methods: [method] }), [
        "HEAD 200 1 (OK) none 0 + Transfer-Encoding=chunked",
        "END",
      ]);
    }
    const refused = responseEveryWay(`HTTP/1.1 403 No\r\n${LENGTH}\r\nhi`, { methods: [EVHTTP_REQ_CONNECT] });
    assertEquals(refused.slice(1), ["BODY hi", "END"]);
  });

  it("ignores in a tunnel's opening, and nowhere else, what it would refuse about their length (RFC 9112 section 6.3)", () => {
    const fields: [string, string][] = [
      ["Content-Length: 0\r\nTransfer-Encoding: chunked", "HTTP_LENGTH_AND_CHUNKED"],
      ["Content-Length: 0\r\nContent-Length: 0", "HTTP_DUPLICATE_CONTENT_LENGTH"],
      ["Content-Length: x", "HTTP_BAD_CONTENT_LENGTH"],
      ["Transfer-Encoding: identity", "HTTP_BAD_TRANSFER_ENCODING"],
      ["Transfer-Encoding: gzip, chunked", "HTTP_UNSUPPORTED_TRANSFER_ENCODING"],
    ];
    for (const [lines, code] of fields) {
      const text = (status: number): string => `HTTP/1.1 ${status} x\r\n${lines}\r\n\r\n`;
      for (const status of [200, 299]) {
        assertEquals(lastOf(text(status), { methods: [EVHTTP_REQ_CONNECT] }), "END", lines);
        assertEquals(lastOf(text(status), { methods: [EVHTTP_REQ_GET] }), `ERROR ${code}`);
        assertEquals(lastOf(text(status), { methods: [EVHTTP_REQ_HEAD] }), `ERROR ${code}`);
      }
      const requests = { methods: [EVHTTP_REQ_CONNECT, EVHTTP_REQ_GET] };
      for (const status of [199, 300, 407]) assertEquals(lastOf(text(status), requests), `ERROR ${code}`);
      // What was ignored once is not ignored for the connection, nor after what comes before.
      const interim = "HTTP/1.1 100 Continue\r\n\r\n";
      assertEquals(lastOf(interim + text(200), requests), "END");
      assertEquals(lastOf(text(200) + text(200), requests), `ERROR ${code}`);
    }
    const old = "HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assertEquals(lastOf(old, { methods: [EVHTTP_REQ_CONNECT] }), "END");
  });

  it("passes interim responses on, up to a limit, and then the one that counts", () => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const final = `HTTP/1.1 200 OK\r\n${LENGTH}\r\n`;
    assertEquals(responseEveryWay(interim + final, { methods: [EVHTTP_REQ_HEAD, EVHTTP_REQ_GET] }), [
      "HEAD 100 1 (Continue) none 0 +",
      "END",
      "HEAD 103 1 (Early Hints) none 0 + Link=</a>",
      "END",
      "HEAD 200 1 (OK) none 0 + Content-Length=2",
      "END",
    ]);
    assertEquals(lastOf(interim + final, { limits: { maxInterimResponses: 1 } }), "ERROR HTTP_TOO_MANY_INTERIM");
    // The count is one response's, not the connection's.
    const twice = "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 204 y\r\n\r\n".repeat(2);
    assertEquals(lastOf(twice, { limits: { maxInterimResponses: 1 } }), "END");
  });

  it("tells of an upgrade", () => {
    assertEquals(responseEveryWay("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), [
      "HEAD 101 1 (x) none 0 +^ Upgrade=websocket Connection=Upgrade",
      "END",
    ]);
  });

  it("joins chunks and gives their trailers", () => {
    const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n3\r\n you\r\n0\r\nA: b\r\n\r\n";
    assertEquals(lastOf(text), "ERROR HTTP_BAD_CHUNK_END");
    assertEquals(responseEveryWay(text.replace("\n3\r", "\n4\r")), [
      "HEAD 200 1 (OK) chunked -1 + Transfer-Encoding=chunked",
      "BODY hi you",
      "END A=b",
    ]);
  });

  it("reads until the end of the stream where nothing is said", () => {
    const text = "HTTP/1.0 200 OK\r\n\r\nhello";
    assertEquals(responseEveryWay(text, { ends: true }), ["HEAD 200 0 (OK) close -1 ", "BODY hello", "END"]);
    assertEquals(responseEveryWay("HTTP/1.1 200 OK\r\n\r\n", { ends: true }), ["HEAD 200 1 (OK) close -1 +", "END"]);
  });

  it("tells a truncated response from a complete one", () => {
    for (
      const text of [
        "H",
        "HTTP/1.1 200 OK\r\n",
        `HTTP/1.1 200 OK\r\n${LENGTH}\r\nh`,
        `HTTP/1.1 200 OK\r\n${LENGTH}\r\n`,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
      ]
    ) assertEquals(lastOf(text, { ends: true }), "ERROR HTTP_TRUNCATED", text);
    assertEquals(lastOf(`HTTP/1.1 200 OK\r\n${LENGTH}\r\nhi`, { ends: true }), "END");
    assertEquals(responseEveryWay("", { ends: true }), []);
  });

  it("bounds bodies of every framing", () => {
    const limits = { maxBodyBytes: 4 };
    const head = "HTTP/1.1 200 OK\r\n";
    assertEquals(lastOf(`${head}Content-Length: 4\r\n\r\nfour`, { limits }), "END");
    assertEquals(lastOf(`${head}Content-Length: 5\r\n\r\n`, { limits }), "ERROR HTTP_BODY_TOO_LARGE");
    assertEquals(lastOf(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n`, { limits }), "ERROR HTTP_BODY_TOO_LARGE");
    assertEquals(lastOf(`${head}\r\nfour`, { limits, ends: true }), "END");
    assertEquals(responseEveryWay(`${head}\r\nfive!`, { limits }).slice(1), [
      "BODY five",
      "ERROR HTTP_BODY_TOO_LARGE @23",
    ]);
    const over = responseEveryWay(`${head}\r\n`, { limits });
    assertEquals(over.length, 1);
  });

  it("refuses framing that is ambiguous", () => {
    for (
      const [fields, code] of [
        [`${LENGTH}Transfer-Encoding: chunked\r\n`, "HTTP_LENGTH_AND_CHUNKED"],
        [`${LENGTH}${LENGTH}`, "HTTP_DUPLICATE_CONTENT_LENGTH"],
        ["Content-Length: +2\r\n", "HTTP_BAD_CONTENT_LENGTH"],
        ["Content-Length: 2, 2\r\n", "HTTP_BAD_CONTENT_LENGTH"],
        ["Transfer-Encoding: gzip, chunked\r\n", "HTTP_UNSUPPORTED_TRANSFER_ENCODING"],
        ["Transfer-Encoding: gzip\r\n", "HTTP_BAD_TRANSFER_ENCODING"],
        ["Transfer-Encoding: chunked, chunked\r\n", "HTTP_BAD_TRANSFER_ENCODING"],
        [" A: b\r\n", "HTTP_FOLDED_HEADER"],
        ["A : b\r\n", "HTTP_BAD_HEADER_NAME"],
      ] as const
    ) assertEquals(lastOf(`HTTP/1.1 200 OK\r\n${fields}\r\nhi`), `ERROR ${code}`, fields);
    assertEquals(lastOf("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "ERROR HTTP_BAD_TRANSFER_ENCODING");
  });
});
