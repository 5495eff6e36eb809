import { assert, assertEquals, assertFalse, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { RequestHead } from "../../src/http/head.ts";
import { DEFAULT_HTTP_LIMITS, httpLimits } from "../../src/http/limits.ts";
import { methodId, methodName } from "../../src/http/methods.ts";
import { END, ERROR, HEAD, NEED_MORE, RequestParser } from "../../src/http/parser.ts";
import { isBodyless, reasonPhrase } from "../../src/http/status.ts";
import { assertAccepted, bytesOf, describeHead, parseEveryWay } from "./parse_support.ts";

const HOST = "Host: a\r\n";

function onlyHead(text: string): Record<string, unknown> {
  const { heads } = assertAccepted(text);
  assertStrictEquals(heads.length, 1);
  return heads[0]!;
}

describe("RequestParser on heads", () => {
  it("reads a small GET", () => {
    assertEquals(onlyHead("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), {
      method: "GET",
      methodId: 1,
      target: "/",
      path: "/",
      query: undefined,
      versionMinor: 1,
      keepAlive: true,
      expectContinue: false,
      expectUnknown: false,
      host: "127.0.0.1:8080",
      upgrade: undefined,
      headers: [["Host", "127.0.0.1:8080"]],
    });
  });

  it("keeps the order and spelling of fields and strips blanks around values", () => {
    const head = onlyHead("GET /a HTTP/1.1\r\nhOsT:a\r\nX-One:  1 \t\r\nEmpty:\r\nBlank: \t \r\nx-one:\t2 3\r\n\r\n");
    assertEquals(head["headers"], [["hOsT", "a"], ["X-One", "1"], ["Empty", ""], ["Blank", ""], ["x-one", "2 3"]]);
  });

  it("decodes bytes above 127 as latin-1, in short and in long values", () => {
    const long = "caf\xe9 \x80\x9f\xff and some more to be long";
    const head = onlyHead(`GET / HTTP/1.1\r\n${HOST}A: \xe9\x80\r\nB: ${long}\r\n\r\n`);
    assertEquals(head["headers"], [["Host", "a"], ["A", "\xe9\x80"], ["B", long]]);
  });

  it("knows the sixteen methods by libevent's bits and passes any other token on", () => {
    const names = "GET POST HEAD PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL LOCK UNLOCK COPY MOVE";
    names.split(" ").forEach((name, index) => {
      const head = onlyHead(`${name} ${name === "CONNECT" ? "a:1" : "/"} HTTP/1.1\r\n${HOST}\r\n`);
      assertEquals([head["method"], head["methodId"]], [name, 2 ** index]);
      assertEquals([methodId(name), methodName(2 ** index)], [2 ** index, name]);
    });
    for (const name of ["BREW", "get", "GETS", "X", "M-SEARCH", "!#$%&'*+-.^_`|~"]) {
      const head = onlyHead(`${name} / HTTP/1.1\r\n${HOST}\r\n`);
      assertEquals([head["method"], head["methodId"]], [name, 0]);
    }
    assertEquals([methodId("get"), methodName(0), methodName(3), methodName(2 ** 20)], [
      0,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("splits targets of all four forms into path and query", () => {
    const cases: [string, string, string, string | undefined, string][] = [
      ["GET", "/a/b%20c", "/a/b%20c", undefined, "a"],
      ["GET", "/a?x=1?y", "/a", "x=1?y", "a"],
      ["GET", "/?", "/", "", "a"],
      ["GET", "//double", "//double", undefined, "a"],
      ["GET", "/[x]|{y}\\^`'", "/[x]|{y}\\^`'", undefined, "a"],
      ["GET", "http://A:80/p?q", "/p", "q", "A:80"],
      ["GET", "HTTPS://a", "/", undefined, "a"],
      ["GET", "https://a:443?q", "/", "q", "a:443"],
      ["GET", '/"<>%41?%', '/"<>%41', "%", "a"],
      ["OPTIONS", "*", "*", undefined, "a"],
      ["OPTIONS", "/x", "/x", undefined, "a"],
      ["CONNECT", "B.example:443", "", undefined, "B.example:443"],
      ["CONNECT", "https:443", "", undefined, "https:443"],
    ];
    for (const [method, target, path, query, host] of cases) {
      const head = onlyHead(`${method} ${target} HTTP/1.1\r\nHost: ${host.toLowerCase()}\r\n\r\n`);
      assertEquals([head["target"], head["path"], head["query"], head["host"]], [target, path, query, host]);
    }
  });

  it("derives keep-alive from the version and the Connection field", () => {
    const cases: [number, string, boolean][] = [
      [1, "", true],
      [1, "Connection: close\r\n", false],
      [1, "connection: Keep-Alive\r\n", true],
      [1, "Connection: foo, CLOSE ,bar\r\n", false],
      [1, "Connection: keep-alive\r\nConnection: close\r\n", false],
      [1, "Connection: closed\r\n", true],
      [1, "Connection:\r\n", true],
      [0, "", false],
      [0, "Connection: keep-alive\r\n", true],
      [0, "Connection: ,keep-alive,\r\n", true],
      [0, "Connection: keep-alive, close\r\n", false],
    ];
    for (const [minor, field, expected] of cases) {
      assertStrictEquals(onlyHead(`GET / HTTP/1.${minor}\r\n${HOST}${field}\r\n`)["keepAlive"], expected, field);
    }
  });

  it("reports expectations, and ignores them in HTTP/1.0", () => {
    const cases: [number, string, boolean, boolean][] = [
      [1, "100-Continue", true, false],
      [1, "magic", false, true],
      [1, "100-continue, magic", true, true],
      [1, "100-continue,", true, false],
      [1, ", \t,100-continue", true, false],
      [1, "100-continue, 100-CONTINUE", true, false],
      [1, "", false, false],
      [1, " , ,", false, false],
      [1, "100-continue;a", false, true],
      [1, 'a="b, 100-continue"', false, true],
      [0, "100-continue", false, false],
    ];
    for (const [minor, value, expectContinue, expectUnknown] of cases) {
      const head = onlyHead(`GET / HTTP/1.${minor}\r\n${HOST}Expect: ${value}\r\n\r\n`);
      assertEquals([head["expectContinue"], head["expectUnknown"]], [expectContinue, expectUnknown]);
    }
  });

  it("offers an upgrade only when Connection names it and the version is 1.1", () => {
    const both = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c/1\r\n";
    assertStrictEquals(onlyHead(`GET / HTTP/1.1\r\n${HOST}${both}\r\n`)["upgrade"], "websocket, h2c/1");
    assertStrictEquals(onlyHead(`GET / HTTP/1.0\r\n${HOST}${both}\r\n`)["upgrade"], undefined);
    assertStrictEquals(onlyHead(`GET / HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n\r\n`)["upgrade"], undefined);
  });

  it("skips a few empty lines before a request line", () => {
    assertAccepted(`\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`);
  });

  it("accepts an HTTP/1.0 request without Host", () => {
    assertStrictEquals(onlyHead("GET / HTTP/1.0\r\n\r\n")["host"], undefined);
  });
});

describe("RequestParser on bodies", () => {
  it("gives no body to a request without length or coding", () => {
    const { events, framings } = assertAccepted(`POST / HTTP/1.1\r\n${HOST}\r\n`);
    assertEquals([events, framings], [["HEAD", "END"], ["none 0"]]);
  });

  it("counts a body of known length", () => {
    const { events, framings } = assertAccepted(`POST / HTTP/1.1\r\n${HOST}Content-Length:11\r\n\r\nhello\r\nyou!`);
    assertEquals([events, framings], [["HEAD", "BODY hello\r\nyou!", "END"], ["length 11"]]);
  });

  it("reads leading zeros of a length as decimal digits", () => {
    assertEquals(assertAccepted(`POST / HTTP/1.1\r\n${HOST}Content-Length: 010\r\n\r\n0123456789`).framings, [
      "length 10",
    ]);
  });

  it("ends a request of length 0 at once", () => {
    const { events, framings } = assertAccepted(`POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`);
    assertEquals([events, framings], [["HEAD", "END"], ["length 0"]]);
  });

  it("joins chunks, skips their extensions and reads trailers", () => {
    const chunks = '5\r\nhello\r\n00A;a;b = c ; d="x\\"\t;" ;e\r\n0123456789\r\n000;last\r\nX-Sum: 1 \r\nx-b:\r\n\r\n';
    const { events, framings, trailers } = assertAccepted(
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n${chunks}`,
    );
    assertEquals(events, ["HEAD", "BODY hello0123456789", "END"]);
    assertEquals(framings, ["chunked -1"]);
    assertEquals(trailers, [[["X-Sum", "1"], ["x-b", ""]]]);
  });

  it("ends an empty chunked body without trailers", () => {
    const { events, trailers } = assertAccepted(`PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    assertEquals([events, trailers], [["HEAD", "END"], []]);
  });

  it("serves pipelined requests of every kind in order", () => {
    const { events, heads } = assertAccepted(
      `GET /1 HTTP/1.1\r\n${HOST}\r\n` +
        `POST /2 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc\r\n` +
        `POST /3 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n` +
        `GET /4 HTTP/1.1\r\nHost: last\r\n\r\n`,
    );
    assertEquals(events, ["HEAD", "END", "HEAD", "BODY abc", "END", "HEAD", "BODY de", "END", "HEAD", "END"]);
    assertEquals(heads.map((head) => head["target"]), ["/1", "/2", "/3", "/4"]);
    assertStrictEquals(heads[3]!["host"], "last");
  });

  it("says the same about a message with any one byte changed, whole or byte by byte", () => {
    const seeds = [
      `GET /a?b HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
      `PUT http://a/ HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nabGET / HTTP/1.0\r\n\r\n`,
      `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2;a="b"\r\nab\r\n0\r\nT: 1\r\n\r\n`,
    ];
    const replacements = "\0\t\n\r ,:;1\x7f\xe9";
    for (const seed of seeds) {
      for (let at = 0; at < seed.length; at++) {
        const byte = replacements[at % replacements.length]!;
        parseEveryWay(seed.slice(0, at) + byte + seed.slice(at + 1));
      }
    }
  });
});

describe("RequestParser as an object", () => {
  it("tells whether a request is under way", () => {
    const parser = new RequestParser();
    const bytes = bytesOf(`\r\nPUT / HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    const seen: boolean[] = [parser.inMessage];
    for (const [from, to] of [[0, 2], [2, 3], [3, bytes.length - 1]] as const) {
      parser.next(bytes, from, to);
      seen.push(parser.inMessage);
    }
    parser.next(bytes, bytes.length - 1, bytes.length);
    assertStrictEquals(parser.next(bytes, bytes.length, bytes.length), END);
    seen.push(parser.inMessage);
    assertEquals(seen, [false, false, true, true, false]);
  });

  it("stays in error until reset and then starts over", () => {
    const parser = new RequestParser();
    const bad = bytesOf("\0");
    const good = bytesOf(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    assertStrictEquals(parser.next(bad, 0, 1), ERROR);
    const error = parser.error;
    assertStrictEquals(parser.next(good, 0, good.length), ERROR);
    assertStrictEquals(parser.error, error);
    parser.reset();
    assertStrictEquals(parser.error, undefined);
    assertStrictEquals(parser.next(good, 0, good.length), HEAD);
  });

  it("forgets half a head at reset", () => {
    const parser = new RequestParser();
    const bytes = bytesOf(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    parser.next(bytes, 0, 9);
    parser.reset();
    assertStrictEquals(parser.next(bytes, 0, bytes.length), HEAD);
    assertStrictEquals(parser.head.target, "/");
  });

  it("lets go of a head at the first call after END and makes a fresh one for each request", () => {
    const parser = new RequestParser();
    const bytes = bytesOf(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    assertThrows(() => parser.head, TypeError, "none has been parsed");
    parser.next(bytes, 0, bytes.length);
    const first = parser.head;
    assertStrictEquals(parser.next(bytes, bytes.length, bytes.length), END);
    assert(parser.hasHead);
    assertStrictEquals(parser.next(bytes, bytes.length, bytes.length), NEED_MORE);
    assertFalse(parser.hasHead);
    parser.next(bytes, 0, bytes.length);
    assert(parser.head !== first);
  });

  it("keeps what a retained head says when the read buffer changes, whether its headers were looked at or not", () => {
    const text = `GET /path?q HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n`;
    for (const look of [false, true]) {
      const bytes = bytesOf("##" + text);
      const parser = new RequestParser();
      parser.next(bytes, 2, bytes.length);
      const head = parser.head;
      const headers = look ? head.headers : undefined;
      if (look) assertStrictEquals(head.headers.get("x"), "y");
      head.retain();
      bytes.fill(0x3f);
      assertEquals(describeHead(head), onlyHead(text));
      if (look) assertEquals([...headers!], [["Host", "a.example"], ["X", "y"]]);
      head.retain();
      assertEquals(describeHead(head), onlyHead(text));
    }
  });

  it("says of a head whether it has memory of its own, as one has that repeats another", () => {
    const parser = new RequestParser();
    const read = (text: string): RequestHead => {
      const bytes = bytesOf(text);
      assertEquals(parser.next(bytes, 0, bytes.length), HEAD);
      const { head } = parser;
      assertEquals(parser.next(bytes, parser.position, bytes.length), END);
      return head;
    };
    const texts = ["/1", "/2"].map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`) as [string, string];
    // The first is remembered at once, and so has a copy already.
    const heads = [texts[0], texts[0], texts[1], texts[0]].map(read);
    assertEquals(heads.map((head) => head.isRetained), [true, true, false, true]);
    heads[2]!.retain();
    assert(heads[2]!.isRetained);
    assertEquals(new Set(heads).size, heads.length);
    assertEquals(heads.map((head) => head.target), ["/1", "/1", "/2", "/1"]);
  });
});

describe("limits and tables", () => {
  it("fills in defaults, freezes, and passes resolved limits through", () => {
    assertStrictEquals(httpLimits(), DEFAULT_HTTP_LIMITS);
    const limits = httpLimits({ maxBodyBytes: Infinity });
    assertNotEquals(limits, DEFAULT_HTTP_LIMITS);
    assertStrictEquals(httpLimits(limits), limits);
    assertStrictEquals(limits.maxHeaderCount, DEFAULT_HTTP_LIMITS.maxHeaderCount);
    assert(Object.isFrozen(limits));
  });

  it("refuses limits that are not whole numbers in range", () => {
    assertThrows(() => httpLimits({ maxHeaderBytes: -1 }), RangeError, "maxHeaderBytes to -1");
    assertThrows(() => httpLimits({ maxHeaderCount: 1.5 }), RangeError);
    assertThrows(() => httpLimits({ maxTargetBytes: Infinity }), RangeError);
    assertThrows(() => httpLimits({ maxMethodBytes: 0 }), RangeError);
    assertThrows(() => new RequestParser({ maxBodyBytes: NaN }), RangeError);
  });

  it("names statuses, and unknown ones after their class", () => {
    assertEquals([200, 404, 299, 599, 999].map(reasonPhrase), [
      "OK",
      "Not Found",
      "Success",
      "Server Error",
      "Unknown",
    ]);
    assertEquals([100, 199, 200, 204, 205, 304].map(isBodyless), [true, true, false, true, false, true]);
  });
});
