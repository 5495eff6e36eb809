/** Mutated input for everything in src/http that reads what a peer sends: no throw, no hang, one verdict however it is cut. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HttpHeaders } from "../../src/http/headers.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_HEAD } from "../../src/http/methods.ts";
import { ERROR, NEED_MORE, RequestParser } from "../../src/http/parser.ts";
import { decodeUri, percentDecode, percentDecodeBytes, percentEncode } from "../../src/http/percent_coding.ts";
import { EVHTTP_URI_QUERY_NONCONFORMANT, parseQuery, QueryError } from "../../src/http/query.ts";
import { Uri } from "../../src/http/uri.ts";
import { fuzz, fuzzEffort, type FuzzTarget, fuzzText, mutated, Random } from "../support/fuzz.ts";
import { bytesOf, type ParseOptions, textOf, transcribe } from "./parse_support.ts";
import { type ResponseOptions, transcribe as transcribeResponses } from "./response_support.ts";
import { attacks } from "./smuggling_attacks.ts";
import { vectors } from "./verdict_vectors.ts";

// Small, so that mutations reach them.
const limits = {
  maxMethodBytes: 12,
  maxTargetBytes: 80,
  maxHeaderBytes: 400,
  maxHeaderCount: 12,
  maxTrailerBytes: 100,
  maxBodyBytes: 200,
  maxChunkExtensionBytes: 30,
  maxReasonBytes: 20,
  maxInterimResponses: 3,
};
const lenient = { allowBareLf: true, allowObsFold: true, allowMissingHost: true, allowHostMismatch: true };

const words = [
  "\r\n",
  "\n",
  "\r",
  " ",
  "\t",
  "\0",
  ":",
  ",",
  ";",
  "=",
  '"',
  "\\",
  "%",
  "%00",
  "\x7f",
  "\xff",
  "0",
  "ffffffffffffffff",
  "9007199254740993",
  "HTTP/1.1",
  "HTTP/1.0",
  "http://",
  "[::1]",
  "Host: a\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: ",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding:",
  "Connection: close\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: h2c\r\n",
  "5\r\nhello\r\n",
  "0\r\n\r\n",
  ";a=b",
  "X: 1\r\n",
  "\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

const requests = [...vectors, ...attacks].map(({ text }) => text);
const chunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const bodies = requests.filter((text) => text.startsWith(chunkedHead)).map((text) => text.slice(chunkedHead.length));

function parsed(options: ParseOptions, before: string = ""): FuzzTarget["transcript"] {
  return (pieces) => JSON.stringify(transcribe(before === "" ? pieces : [bytesOf(before), ...pieces], options));
}

const responses = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil the end",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
];
const responseWords = [...words, "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "204", "304", "999", "OK"];

function received(options: ResponseOptions): FuzzTarget["transcript"] {
  return (pieces) => JSON.stringify(transcribeResponses(pieces, options));
}

/** Each parser that eats bytes, by name. */
const targets: Readonly<Record<string, FuzzTarget>> = {
  "requests": { seeds: requests, words, transcript: parsed({ limits }) },
  "requests with every leniency": { seeds: requests, words, transcript: parsed({ limits, leniency: lenient }) },
  "responses": { seeds: responses, words: responseWords, transcript: received({ limits, ends: true }) },
  "responses to HEAD and CONNECT": {
    seeds: responses,
    words: responseWords,
    transcript: received({ limits, leniency: lenient, methods: [EVHTTP_REQ_HEAD, EVHTTP_REQ_CONNECT], ends: true }),
  },
  "bodies in chunks": { seeds: bodies, words, transcript: parsed({ limits }, chunkedHead) },
};

describe("Fuzzing finds one verdict, however the bytes are cut, in", () => {
  for (const [name, target] of Object.entries(targets)) {
    it(name, () => fuzz(target, 1, 2500 * fuzzEffort));
  }
});

describe("Fuzzing finds no input that a parser goes on collecting", () => {
  it("beyond its limits, whatever is repeated without an end", () => {
    const random = new Random(2);
    // Everything that may be held back at once: a head, and behind the last chunk a trailer section.
    const most = limits.maxMethodBytes + limits.maxTargetBytes + limits.maxHeaderBytes + limits.maxTrailerBytes + 100;
    for (let round = 0; round < 300 * fuzzEffort; round++) {
      const start = mutated(random, random.pick(requests), { seeds: requests, words });
      const flood = bytesOf(random.pick(words).repeat(1 + random.below(3)));
      const parser = new RequestParser(limits, round % 2 === 0 ? {} : lenient);
      let collected = 0;
      let event = 0;
      let bytes = bytesOf(start);
      for (let fed = 0; fed < 5000 && event !== ERROR; fed += bytes.length, bytes = flood) {
        for (let at = 0;;) {
          event = parser.next(bytes, at, bytes.length);
          collected = event === NEED_MORE ? collected + bytes.length - at : 0;
          at = parser.position;
          if (event === NEED_MORE || event === ERROR) break;
        }
        assert(collected <= most, `${collected} bytes without an event: ${JSON.stringify([start, textOf(flood)])}`);
      }
    }
  });
});

describe("Fuzzing finds no text that breaks", () => {
  const uris = [
    "http://user:pass@www.example.com:8080/a/./b/../c;p=1?q=1&r=%20#frag",
    "//[2001:db8::1]:1/x",
    "file:///etc/passwd",
    "mailto:joe@example.com",
    "../../a/b?c#d",
    "http://unix:/run/a.sock:/b",
    "urn:a:b",
    "?q",
    "",
  ];
  const uriWords = [
    ..."/?#[]@:%.;=&+ \\\0\n",
    "//",
    "..",
    "/../",
    "/./",
    "%2e",
    "%zz",
    "%C3%A9",
    "[::1]",
    "unix:",
    "\xe9",
    "0",
    "99999",
  ];

  it("Uri: what is parsed joins to what is parsed the same, resolves, and is normal after one step", () => {
    const base = Uri.parse("http://a/b/c/d;p?q");
    fuzzText({ seeds: uris, words: uriWords }, 3, 8000 * fuzzEffort, (text) => {
      for (const flags of [0, 1, 4, 8, 9]) {
        const uri = Uri.tryParse(text, { flags });
        if (uri === undefined) continue;
        const joined = uri.toString();
        const again = Uri.parse(joined, { flags });
        assertStrictEquals(again.toString(), joined);
        assertEquals([again.scheme, again.host, again.path], [uri.scheme, uri.host, uri.path]);
        const normal = uri.normalize().toString();
        assertStrictEquals(Uri.parse(normal, { flags }).normalize().toString(), normal);
        const resolved = base.resolve(uri).toString();
        assertStrictEquals(Uri.parse(resolved, { flags }).toString(), resolved);
        // Resolving against itself must not lose the host to the path.
        assertStrictEquals(uri.resolve(uri.toString()).authority, uri.authority);
        assert(/^[!-~]+$/.test(uri.requestTarget), uri.requestTarget);
      }
    });
  });

  it("a query: what is parsed is written to what is parsed the same", () => {
    const seeds = ["a=b&c=d%20e+f", "q=1&q=2&=&x", "a=%zz&b=%", "&&&", "k%5B%5D=v"];
    fuzzText({ seeds, words: uriWords }, 4, 10_000 * fuzzEffort, (text) => {
      for (const flags of [0, EVHTTP_URI_QUERY_NONCONFORMANT]) {
        try {
          const parameters = parseQuery(text, { flags });
          assertEquals([...parseQuery(parameters.toString())], [...parameters]);
        } catch (error) {
          if (!(error instanceof QueryError)) throw error;
        }
      }
    });
  });

  it("percent coding: what is encoded decodes to what it was", () => {
    fuzzText({ seeds: uris, words: uriWords }, 5, 10_000 * fuzzEffort, (text) => {
      const bytes = bytesOf(text);
      for (const plus of [false, true]) {
        const encoded = percentEncode(bytes, { spaceAsPlus: plus });
        assertEquals(percentDecodeBytes(encoded, { plusAsSpace: plus }), bytes);
        assertStrictEquals(percentDecode(percentEncode(text, { spaceAsPlus: plus }), { plusAsSpace: plus }), text);
      }
      decodeUri(text);
      assert(percentDecode(text).length <= text.length);
    });
  });

  it("header fields: what is accepted arrives as it was, and alone", () => {
    const seeds = ["X-Name: value", "A:b", "Accept: text/html, */*;q=0.1", "Cookie: a=b; c=d"];
    fuzzText({ seeds, words }, 6, 10_000 * fuzzEffort, (text) => {
      const [name = "", ...rest] = text.split(":");
      const value = rest.join(":");
      const headers = new HttpHeaders();
      try {
        headers.add(name, value);
      } catch (error) {
        if (error instanceof TypeError) return assertStrictEquals(headers.size, 0);
        throw error;
      }
      const { events, heads } = transcribe([bytesOf(`GET / HTTP/1.1\r\nHost: a\r\n${name}: ${value}\r\n\r\n`)]);
      // Some are refused for what they mean, such as a second Host.
      if (events.at(-1) !== "END") return assert(events.at(-1)!.startsWith("ERROR "));
      assertEquals(heads[0]!["headers"], [["Host", "a"], [name, value.replace(/^[ \t]+|[ \t]+$/g, "")]]);
    });
  });
});
